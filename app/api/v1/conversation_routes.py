"""Routes of a project's conversations and of what was said in them."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from app.api.body import JSONRoute
from app.api.cursors import Listing, page_headers
from app.api.dependencies import (
    IdempotencyKey,
    Owner,
    ProjectInPath,
    ProjectSessions,
    decode_session_id,
    named_user,
)
from app.api.etags import is_known
from app.api.paths import encode_id
from app.api.problems import BODY_PROBLEMS, problems
from app.api.responses import READ_HEADERS, UNCHANGED, etag_header, unchanged
from app.api.v1.project_mapping import conversation_view, listed_conversation, message_view
from app.api.v1.project_schemas import (
    Conversation,
    ConversationCreation,
    ConversationList,
    ConversationMessagePage,
    ConversationPage,
    MessageList,
)
from app.domain.identity import SessionKey
from app.domain.message import ChatMessage
from app.errors import (
    BlankProjectError,
    InvalidCursorError,
    ProjectNotFoundError,
    SessionExistsError,
    SessionNotInProjectError,
)
from app.store.port import MessageWindow

router = APIRouter(
    prefix="/api/v1/projects/{project_id}/conversations",
    tags=["v1 conversations"],
    route_class=JSONRoute,
    dependencies=[Depends(named_user)],
)

_NOT_FOUND = (ProjectNotFoundError, SessionNotInProjectError, BlankProjectError)


async def conversation_in_path(
    user_id: Owner,
    conversation_id: Annotated[
        str, Path(description="Percent-encoded, or `~` and the base64url of the id.")
    ],
) -> SessionKey:
    """The conversation in the path: the session of this id.

    Raises:
        SessionNotFoundError: the path holds no id.
    """
    return SessionKey(user_id, decode_session_id(conversation_id))


ConversationInPath = Annotated[SessionKey, Depends(conversation_in_path)]


@router.post(
    "",
    operation_id="create_conversation",
    status_code=201,
    responses=problems(ProjectNotFoundError, BlankProjectError, SessionExistsError, *BODY_PROBLEMS),
)
async def create_conversation(
    request: Request,
    project_id: ProjectInPath,
    user_id: Owner,
    sessions: ProjectSessions,
    idempotency_key: IdempotencyKey,
    response: Response,
    body: ConversationCreation | None = None,
) -> Conversation:
    """Create a conversation; an `Idempotency-Key` makes a retry give the stored one again."""
    wanted = body or ConversationCreation()
    header = await sessions.create_conversation(
        user_id,
        project_id,
        members={"session_name": wanted.title, "metadata": wanted.metadata},
        idempotency_key=idempotency_key,
    )
    location = f"{request.scope['path']}/{encode_id(header.id)}"
    response.raw_headers += [etag_header(header.version), (b"location", location.encode())]
    return conversation_view(project_id, header)


@router.get(
    "",
    operation_id="list_conversations",
    responses=problems(ProjectNotFoundError, BlankProjectError, InvalidCursorError),
)
async def list_conversations(
    request: Request,
    project_id: ProjectInPath,
    user_id: Owner,
    sessions: ProjectSessions,
    wanted: Annotated[ConversationList, Query()],
    response: Response,
) -> ConversationPage:
    """List a project's conversations, the most recently changed first."""
    listing = Listing("conversations", user_id, project_id, kinds=(str, str))
    page = await sessions.list_page(
        user_id, project_id, limit=wanted.limit, after=listing.position(wanted.cursor)
    )
    cursor = listing.cursor(page.next_position)
    response.raw_headers += page_headers(request, cursor)
    return ConversationPage(
        items=[listed_conversation(project_id, summary) for summary in page.items],
        next_cursor=cursor,
    )


@router.get(
    "/{conversation_id}",
    operation_id="read_conversation",
    response_model=Conversation,
    responses=UNCHANGED | problems(*_NOT_FOUND),
)
async def read_conversation(
    request: Request,
    project_id: ProjectInPath,
    key: ConversationInPath,
    sessions: ProjectSessions,
    response: Response,
) -> Conversation | Response:
    """Read a conversation without its messages."""
    header = await sessions.read_header(project_id, key)
    if is_known(request, header.version):
        return unchanged(header.version)
    response.raw_headers += [etag_header(header.version), *READ_HEADERS]
    return conversation_view(project_id, header)


@router.get(
    "/{conversation_id}/messages",
    operation_id="list_conversation_messages",
    responses=problems(*_NOT_FOUND, InvalidCursorError),
)
async def list_messages(
    request: Request,
    project_id: ProjectInPath,
    key: ConversationInPath,
    sessions: ProjectSessions,
    wanted: Annotated[MessageList, Query()],
    response: Response,
) -> ConversationMessagePage:
    """List messages in their order; the places of deleted ones show nothing."""
    listing = Listing("conversation messages", *key, project_id, kinds=(int,))
    after = listing.position(wanted.cursor)
    after_seq = -1 if after is None else int(after[0])
    window = MessageWindow(limit=wanted.limit, after_seq=after_seq)
    page = await sessions.list_messages(project_id, key, window)
    last_seq = after_seq + len(page.messages_json)
    has_more = bool(page.messages_json) and last_seq + 1 < page.next_seq
    cursor = listing.cursor((last_seq,)) if has_more else None
    response.raw_headers += [etag_header(page.version), *page_headers(request, cursor)]
    messages = map(ChatMessage.from_json, page.messages_json)
    return ConversationMessagePage(
        items=[message_view(key.session_id, one) for one in messages if not one.is_deleted],
        next_cursor=cursor,
    )
