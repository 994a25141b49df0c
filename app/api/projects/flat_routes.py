"""The flat addresses of the project door, which it had before sessions were in projects.

Bodies are those of the nested routes; the project is the session's own, and null where it has none.
"""

from typing import Annotated, ClassVar, NamedTuple

from fastapi import APIRouter, Depends, Path, Query
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from app.api.body import JSONRoute
from app.api.dependencies import (
    IdempotencyKey,
    Owner,
    ProjectSessions,
    Sessions,
    decode_session_id,
    named_user,
)
from app.api.deprecation import DeprecatedRoute, Term, point_to
from app.api.framing import ANSWER_HEADERS
from app.api.paths import encode_id
from app.api.problems import BODY_PROBLEMS, problems
from app.api.projects.mapping import (
    draft_of,
    flat_session_view,
    flat_summary_view,
    living_views,
    members_of,
    message_view,
)
from app.api.projects.schemas import (
    Done,
    FlatSession,
    FlatSessionSummary,
    FlatSessionWithMessages,
    PostedMessage,
    ProjectMessage,
    SessionCreation,
    SessionUpdate,
)
from app.domain.identity import Id, SessionKey
from app.domain.message import ChatMessage
from app.errors import (
    BlankProjectError,
    EndpointSunsetError,
    MessageIdConflictError,
    ProjectNotFoundError,
    SessionNotEmptyError,
    SessionNotFoundError,
)
from app.settings import Settings
from app.store.port import HEADER_ONLY, MESSAGE_PAGE_LIMIT, MessageWindow

_PREFIX = "/api/chat-sessions"
_NESTED = "/api/projects/{project_id}/sessions"
_CANONICAL = "/api/chat/sessions"


class FlatRoute(DeprecatedRoute, JSONRoute):
    """A flat route; the nested route of the session's project takes its place.

    Which project that is shows in the course of the request, or never: the end of the route is said
    without a look at the session. Until then the answer names the canonical door, which has every
    session, and the template of the nested route (RFC 9652).
    """

    successor: ClassVar[str] = _NESTED

    def successor_in(self, scope: Scope) -> str:
        """The same at the canonical door."""
        return str(scope["path"]).replace(_PREFIX, _CANONICAL, 1).removesuffix("/full")

    def term(self, settings: Settings) -> Term:
        """That of the flat addresses."""
        return Term(settings.flat_deprecated_at, settings.flat_sunset)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Announce the nested route as well."""
        template = self.path_format.replace(_PREFIX, _NESTED)
        link = f'"{template}"; rel="successor-version"'
        scope["state"][ANSWER_HEADERS].append((b"link-template", link.encode()))
        await super().handle(scope, receive, send)


router = APIRouter(
    prefix=_PREFIX,
    tags=["flat"],
    route_class=FlatRoute,
    deprecated=True,
    dependencies=[Depends(named_user)],
)


class FoundSession(NamedTuple):
    """The session in the path, and the project that it is in."""

    key: SessionKey
    project_id: str | None


async def found_session(
    request: Request,
    user_id: Owner,
    sessions: Sessions,
    session_id: Annotated[
        str, Path(description="Percent-encoded, or `~` and the base64url of the id.")
    ],
) -> FoundSession:
    """The session in the path; the answer will name its nested route.

    Raises:
        SessionNotFoundError: the user has no such session.
    """
    key = SessionKey(user_id, decode_session_id(session_id))
    project_id = (await sessions.read(key, HEADER_ONLY)).header().project_id
    _point_to_project(request, project_id)
    return FoundSession(key, project_id)


Found = Annotated[FoundSession, Depends(found_session)]


def _point_to_project(request: Request, project_id: str | None) -> None:
    if project_id is not None:
        nested = _NESTED.format(project_id=encode_id(project_id))
        point_to(request, request.scope["path"].replace(_PREFIX, nested, 1))


@router.post(
    "",
    operation_id="flat_create_session",
    responses=problems(BlankProjectError, EndpointSunsetError, *BODY_PROBLEMS),
)
async def create_session(
    request: Request,
    user_id: Owner,
    sessions: ProjectSessions,
    idempotency_key: IdempotencyKey,
    body: SessionCreation | None = None,
) -> FlatSession:
    """Create a session in the project that the body names, or in none."""
    wanted = body or SessionCreation()
    if wanted.project_id is not None and not wanted.project_id.strip():
        raise BlankProjectError
    _point_to_project(request, wanted.project_id)
    header = await sessions.create_session(
        user_id,
        wanted.project_id,
        members={"session_name": wanted.title, "metadata": wanted.metadata or {}},
        description=wanted.description,
        idempotency_key=idempotency_key,
    )
    return flat_session_view(header)


@router.get(
    "",
    operation_id="flat_list_sessions",
    responses=problems(ProjectNotFoundError, EndpointSunsetError),
)
async def list_sessions(
    request: Request,
    user_id: Owner,
    sessions: ProjectSessions,
    project_id: Annotated[Id | None, Query(description="Only those of this project.")] = None,
    include_inactive: Annotated[bool, Query(description="Those that are not active, too.")] = False,  # noqa: FBT002 - a parameter of the wire
) -> list[FlatSessionSummary]:
    """The user's sessions, the most recently changed first."""
    _point_to_project(request, project_id)
    is_active = None if include_inactive else True
    if project_id is None:
        summaries = await sessions.list_all(user_id, is_active=is_active)
    else:
        summaries = await sessions.list_sessions(user_id, project_id, is_active=is_active)
    return [flat_summary_view(one) for one in summaries]


@router.get(
    "/{session_id}",
    operation_id="flat_get_session",
    responses=problems(SessionNotFoundError, EndpointSunsetError),
)
async def get_session(found: Found, sessions: ProjectSessions) -> FlatSession:
    """A session without its messages."""
    return flat_session_view(await sessions.read_header(found.project_id, found.key))


@router.put(
    "/{session_id}",
    operation_id="flat_update_session",
    responses=problems(SessionNotFoundError, EndpointSunsetError, *BODY_PROBLEMS),
)
async def update_session(
    found: Found, sessions: ProjectSessions, update: SessionUpdate
) -> FlatSession:
    """Change what the body names."""
    context = {} if update.description is None else {"description": update.description}
    header = await sessions.change_session(
        found.project_id, found.key, members=members_of(update), context=context
    )
    return flat_session_view(header)


@router.delete(
    "/{session_id}",
    operation_id="flat_delete_session",
    responses=problems(SessionNotFoundError, SessionNotEmptyError, EndpointSunsetError),
)
async def delete_session(
    found: Found,
    sessions: ProjectSessions,
    force: Annotated[bool, Query(description="With the messages that it has.")] = False,  # noqa: FBT002 - a parameter of the wire
) -> Done:
    """Delete a session; without `force`, only one that has no messages."""
    await sessions.delete_session(found.project_id, found.key, force=force)
    return Done(message="Session deleted successfully")


@router.post(
    "/{session_id}/messages",
    operation_id="flat_add_message",
    responses=problems(
        SessionNotFoundError, MessageIdConflictError, EndpointSunsetError, *BODY_PROBLEMS
    ),
)
async def add_message(
    found: Found, sessions: ProjectSessions, posted: PostedMessage, idempotency_key: IdempotencyKey
) -> ProjectMessage:
    """Add a message."""
    appended = await sessions.append(
        found.project_id, found.key, draft_of(posted), idempotency_key=idempotency_key
    )
    return message_view(found.key.session_id, ChatMessage.from_json(appended.messages_json[0]))


@router.get(
    "/{session_id}/messages",
    operation_id="flat_list_messages",
    responses=problems(SessionNotFoundError, EndpointSunsetError),
)
async def list_messages(
    found: Found,
    sessions: ProjectSessions,
    limit: Annotated[int, Query(ge=1, le=MESSAGE_PAGE_LIMIT)] = 100,
    offset: Annotated[int, Query(ge=0, le=2**31 - 1, description="Places to leave out.")] = 0,
) -> list[ProjectMessage]:
    """The session's messages in their order; the places of deleted ones show nothing."""
    window = MessageWindow(limit=limit, offset=offset)
    page = await sessions.list_messages(found.project_id, found.key, window)
    return living_views(found.key.session_id, map(ChatMessage.from_json, page.messages_json))


@router.get(
    "/{session_id}/full",
    operation_id="flat_get_session_with_messages",
    responses=problems(SessionNotFoundError, EndpointSunsetError),
)
async def get_session_with_messages(
    found: Found, sessions: ProjectSessions
) -> FlatSessionWithMessages:
    """A session with all its messages."""
    document = (await sessions.read_whole(found.project_id, found.key)).document()
    return FlatSessionWithMessages(
        session=flat_session_view(document),
        messages=living_views(found.key.session_id, document.messages),
    )
