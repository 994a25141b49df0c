"""The old session routes, which will end: sessions of a workspace, on projects."""

from typing import Annotated, ClassVar, cast

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.api.body import JSONRoute
from app.api.dependencies import CallersSession, IdempotencyKey, Owner, named_user
from app.api.deprecation import DeprecatedRoute, Term, point_to
from app.api.framing import ANSWER_HEADERS
from app.api.paths import encode_id
from app.api.problems import BODY_PROBLEMS, problems
from app.api.responses import READ_HEADERS
from app.api.v1.session_mapping import message_view, session_view
from app.api.v1.session_schemas import (
    OLD_MESSAGE_LIMIT,
    WorkspaceSessionCreation,
    WorkspaceSessionList,
    WorkspaceSessionMessages,
    WorkspaceSessionPage,
    WorkspaceSessionView,
)
from app.domain.session import SessionSummary
from app.errors import (
    EndpointSunsetError,
    ProjectExistsError,
    SessionNotFoundError,
    UserRequiredError,
)
from app.service.workspace_sessions import WorkspaceSessionService
from app.settings import Settings

PROJECTS = "/api/v1/projects"


class SessionRoute(DeprecatedRoute, JSONRoute):
    """A route of sessions; projects with conversations take its place."""

    successor: ClassVar[str] = PROJECTS

    def term(self, settings: Settings) -> Term:
        """Since when the session routes are deprecated, and when they end."""
        return Term(settings.sessions_deprecated_at, settings.sessions_sunset)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with a warning that people see, too, in the logs of their clients."""
        warning = f'299 - "The session API is deprecated; use {self.successor}."'
        scope["state"][ANSWER_HEADERS].append((b"warning", warning.encode()))
        await super().handle(scope, receive, send)


router = APIRouter(
    prefix="/api/v1/sessions",
    tags=["v1 sessions"],
    route_class=SessionRoute,
    deprecated=True,
    dependencies=[Depends(named_user)],
)

_OF_A_SESSION = problems(SessionNotFoundError, UserRequiredError, EndpointSunsetError)


async def workspace_session_service(request: Request) -> WorkspaceSessionService:
    """The application's one service of sessions as old clients know them."""
    return cast("WorkspaceSessionService", request.app.state.workspace_sessions)


WorkspaceSessions = Annotated[WorkspaceSessionService, Depends(workspace_session_service)]


@router.post(
    "",
    operation_id="create_workspace_session",
    status_code=201,
    responses=problems(ProjectExistsError, EndpointSunsetError, *BODY_PROBLEMS),
)
async def create_session(
    request: Request,
    user_id: Owner,
    sessions: WorkspaceSessions,
    body: WorkspaceSessionCreation,
    idempotency_key: IdempotencyKey,
) -> WorkspaceSessionView:
    """Create a session: a project, and in it the conversation that has this id."""
    session = await sessions.create(
        user_id,
        body.workspace_id,
        title=body.title,
        skill_id=body.skill_id,
        idempotency_key=idempotency_key,
    )
    _point_to_project(request, session.summary)
    return session_view(session)


@router.get("", operation_id="list_workspace_sessions", responses=problems(EndpointSunsetError))
async def list_sessions(
    user_id: Owner,
    sessions: WorkspaceSessions,
    wanted: Annotated[WorkspaceSessionList, Query()],
    response: Response,
) -> WorkspaceSessionPage:
    """List the sessions of a workspace, the most recently changed first."""
    found = await sessions.list_all(user_id, wanted.workspace_id, status=wanted.status)
    page = found[wanted.offset : wanted.offset + wanted.limit]
    response.raw_headers += READ_HEADERS
    return WorkspaceSessionPage(
        items=[session_view(session) for session in page],
        total=len(found),
        limit=wanted.limit,
        offset=wanted.offset,
    )


@router.get("/{session_id}", operation_id="get_workspace_session", responses=_OF_A_SESSION)
async def get_session(
    request: Request, key: CallersSession, sessions: WorkspaceSessions, response: Response
) -> WorkspaceSessionView:
    """Read a session without its messages."""
    session = await sessions.get(key)
    _point_to_project(request, session.summary)
    response.raw_headers += READ_HEADERS
    return session_view(session)


@router.get(
    "/{session_id}/messages",
    operation_id="list_workspace_session_messages",
    responses=_OF_A_SESSION,
)
async def list_messages(
    request: Request,
    key: CallersSession,
    sessions: WorkspaceSessions,
    response: Response,
    limit: Annotated[
        int | None, Query(ge=1, le=OLD_MESSAGE_LIMIT, description="Without it, all of them.")
    ] = None,
) -> WorkspaceSessionMessages:
    """Read the messages of a session from its beginning on."""
    session = await sessions.get(key)
    messages = await sessions.list_messages(key, limit=limit)
    _point_to_project(request, session.summary, "/messages")
    response.raw_headers += READ_HEADERS
    return WorkspaceSessionMessages(
        items=[message_view(key.session_id, message) for message in messages],
        total=session.summary.message_count,
    )


def _point_to_project(request: Request, summary: SessionSummary, path: str = "") -> None:
    if summary.project_id is not None:
        conversations = f"{PROJECTS}/{encode_id(summary.project_id)}/conversations"
        point_to(request, f"{conversations}/{encode_id(summary.id)}{path}")
