"""Routes of a session's messages: pages, edits, deletions, histories."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from app.api.body import JSONRoute
from app.api.chat.mapping import window_of
from app.api.chat.schemas import (
    MessageChange,
    MessageHistory,
    MessageList,
    MessagePage,
    PastTextView,
)
from app.api.cursors import page_link
from app.api.dependencies import (
    CallersSession,
    MessageInPath,
    SeenVersions,
    Sessions,
    named_user,
)
from app.api.problems import BODY_PROBLEMS, problems
from app.api.responses import (
    READ_HEADERS,
    EmptyResponse,
    EncodedResponse,
    etag_header,
    link_header,
)
from app.domain.message import ChatMessage
from app.errors import (
    InvalidETagError,
    MessageNotFoundError,
    RevisionMismatchError,
    SessionNotFoundError,
    UserRequiredError,
)
from app.store.port import MessagePage as StoredPage
from app.store.port import MessageWindow

router = APIRouter(
    prefix="/api/chat/sessions/{session_id}/messages",
    tags=["chat"],
    route_class=JSONRoute,
    dependencies=[Depends(named_user)],
)

_NOT_FOUND = (SessionNotFoundError, MessageNotFoundError, UserRequiredError)
_GUARDED = (*_NOT_FOUND, RevisionMismatchError, InvalidETagError)


@router.get(
    "",
    operation_id="list_messages",
    response_model=MessagePage,
    responses=problems(SessionNotFoundError, UserRequiredError),
)
async def list_messages(
    request: Request,
    key: CallersSession,
    wanted: Annotated[MessageList, Query()],
    sessions: Sessions,
) -> Response:
    """List places of a session in `seq` order, tombstones included; `Link` names what is beside."""
    window = window_of(wanted)
    page = await sessions.list_messages(key, window)
    body = b'{"items":[%s],"next_seq":%d}' % (b",".join(page.messages_json), page.next_seq)
    links = [link_header(link) for link in _links(request, window, page)]
    return EncodedResponse(body, etag_header(page.version), *READ_HEADERS, *links)


@router.patch(
    "/{message_id}",
    operation_id="edit_message",
    response_model=ChatMessage,
    responses=problems(*_GUARDED, *BODY_PROBLEMS),
)
async def edit_message(
    key: CallersSession,
    message_id: MessageInPath,
    body: MessageChange,
    precondition: SeenVersions,
    sessions: Sessions,
) -> Response:
    """Give a message another text or other metadata; what it said before stays in its history."""
    stored, version = await sessions.edit_message(
        key,
        message_id,
        content=body.content,
        metadata=body.metadata,
        precondition=precondition,
    )
    return EncodedResponse(stored, etag_header(version))


@router.delete(
    "/{message_id}",
    operation_id="delete_message",
    status_code=204,
    response_class=Response,
    responses=problems(*_GUARDED),
)
async def delete_message(
    key: CallersSession,
    message_id: MessageInPath,
    precondition: SeenVersions,
    sessions: Sessions,
) -> Response:
    """Delete a message with its history; a tombstone holds its place."""
    version = await sessions.delete_message(key, message_id, precondition)
    return EmptyResponse(etag_header(version))


@router.get(
    "/{message_id}/history",
    operation_id="read_message_history",
    responses=problems(*_NOT_FOUND),
)
async def read_message_history(
    key: CallersSession, message_id: MessageInPath, sessions: Sessions, response: Response
) -> MessageHistory:
    """Read what a message said before each edit, oldest first."""
    past_texts = await sessions.list_past_texts(key, message_id)
    response.raw_headers += READ_HEADERS
    return MessageHistory(items=[PastTextView(**dict(past)) for past in past_texts])


def _links(request: Request, window: MessageWindow, page: StoredPage) -> list[str]:
    size = len(page.messages_json)
    if window.before_seq is not None:
        first_seq = min(window.before_seq, page.next_seq) - size
        if size and first_seq > 0:
            return [page_link(request, "prev", before_seq=first_seq)]
        return []
    if window.after_seq is not None:
        last_seq = window.after_seq + size
        if size and last_seq + 1 < page.next_seq:
            return [page_link(request, "next", after_seq=last_seq)]
        return []
    next_offset = (window.offset or 0) + size
    if size and next_offset < page.next_seq:
        return [page_link(request, "next", offset=next_offset)]
    return []
