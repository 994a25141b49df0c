"""The project door: sessions inside projects, as their clients know them."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from app.api.body import JSONRoute
from app.api.dependencies import (
    IdempotencyKey,
    Owner,
    ProjectInPath,
    Projects,
    ProjectSessions,
    decode_session_id,
    named_user,
)
from app.api.problems import BODY_PROBLEMS, problems
from app.api.projects.mapping import (
    draft_of,
    living_views,
    members_of,
    message_view,
    session_view,
    stats_view,
    summary_view,
)
from app.api.projects.schemas import (
    Done,
    PostedMessage,
    ProjectMessage,
    ProjectSession,
    ProjectSessionSummary,
    ProjectSessionWithMessages,
    SessionCreation,
    SessionStats,
    SessionUpdate,
)
from app.domain.identity import SessionKey
from app.domain.message import ChatMessage
from app.errors import (
    BlankProjectError,
    Fault,
    InvalidInputError,
    MessageIdConflictError,
    ProjectNotEmptyError,
    ProjectNotFoundError,
    SessionNotEmptyError,
    SessionNotInProjectError,
)
from app.store.port import MESSAGE_PAGE_LIMIT, MessageWindow

router = APIRouter(
    prefix="/api/projects/{project_id}",
    tags=["projects"],
    route_class=JSONRoute,
    dependencies=[Depends(named_user)],
)

_NOT_FOUND = (ProjectNotFoundError, SessionNotInProjectError, BlankProjectError)


async def session_in_path(
    user_id: Owner,
    session_id: Annotated[
        str, Path(description="Percent-encoded, or `~` and the base64url of the id.")
    ],
) -> SessionKey:
    """The session in the path.

    Raises:
        SessionNotFoundError: the path holds no id.
    """
    return SessionKey(user_id, decode_session_id(session_id))


SessionInPath = Annotated[SessionKey, Depends(session_in_path)]


@router.delete(
    "",
    operation_id="delete_project",
    responses=problems(ProjectNotFoundError, BlankProjectError, ProjectNotEmptyError),
)
async def delete_project(
    project_id: ProjectInPath,
    user_id: Owner,
    projects: Projects,
    force: Annotated[bool, Query(description="With the sessions that it has.")] = False,  # noqa: FBT002 - a parameter of the wire
) -> Done:
    """Delete a project; without `force`, only one that has no sessions."""
    await projects.delete(user_id, project_id, force=force)
    return Done(message="Project deleted successfully")


@router.post(
    "/sessions",
    operation_id="create_project_session",
    responses=problems(BlankProjectError, *BODY_PROBLEMS),
)
async def create_session(
    project_id: ProjectInPath,
    user_id: Owner,
    sessions: ProjectSessions,
    idempotency_key: IdempotencyKey,
    body: SessionCreation | None = None,
) -> ProjectSession:
    """Create a session, and its project where it is not known."""
    wanted = body or SessionCreation()
    if wanted.project_id not in {None, project_id}:
        raise InvalidInputError(Fault("/project_id", "is another than the one in the path"))
    header = await sessions.create_session(
        user_id,
        project_id,
        members={"session_name": wanted.title, "metadata": wanted.metadata or {}},
        description=wanted.description,
        idempotency_key=idempotency_key,
    )
    return session_view(header)


@router.get(
    "/sessions",
    operation_id="list_project_sessions",
    responses=problems(ProjectNotFoundError, BlankProjectError),
)
async def list_sessions(
    project_id: ProjectInPath,
    user_id: Owner,
    sessions: ProjectSessions,
    include_inactive: Annotated[bool, Query(description="Those that are not active, too.")] = False,  # noqa: FBT002 - a parameter of the wire
) -> list[ProjectSessionSummary]:
    """The project's sessions, the most recently changed first."""
    is_active = None if include_inactive else True
    summaries = await sessions.list_sessions(user_id, project_id, is_active=is_active)
    return [summary_view(one) for one in summaries]


@router.get(
    "/session-stats",
    operation_id="get_project_session_stats",
    responses=problems(ProjectNotFoundError, BlankProjectError),
)
async def session_stats(
    project_id: ProjectInPath, user_id: Owner, sessions: ProjectSessions
) -> SessionStats:
    """How much there is in the project."""
    return stats_view(project_id, await sessions.stats(user_id, project_id))


@router.get(
    "/sessions/{session_id}",
    operation_id="get_project_session",
    responses=problems(*_NOT_FOUND),
)
async def get_session(
    project_id: ProjectInPath, key: SessionInPath, sessions: ProjectSessions
) -> ProjectSession:
    """A session without its messages."""
    return session_view(await sessions.read_header(project_id, key))


@router.put(
    "/sessions/{session_id}",
    operation_id="update_project_session",
    responses=problems(*_NOT_FOUND, *BODY_PROBLEMS),
)
async def update_session(
    project_id: ProjectInPath, key: SessionInPath, sessions: ProjectSessions, update: SessionUpdate
) -> ProjectSession:
    """Change what the body names."""
    context = {} if update.description is None else {"description": update.description}
    header = await sessions.change_session(
        project_id, key, members=members_of(update), context=context
    )
    return session_view(header)


@router.delete(
    "/sessions/{session_id}",
    operation_id="delete_project_session",
    responses=problems(*_NOT_FOUND, SessionNotEmptyError),
)
async def delete_session(
    project_id: ProjectInPath,
    key: SessionInPath,
    sessions: ProjectSessions,
    force: Annotated[bool, Query(description="With the messages that it has.")] = False,  # noqa: FBT002 - a parameter of the wire
) -> Done:
    """Delete a session; without `force`, only one that has no messages."""
    await sessions.delete_session(project_id, key, force=force)
    return Done(message="Session deleted successfully")


@router.post(
    "/sessions/{session_id}/messages",
    operation_id="add_project_message",
    responses=problems(*_NOT_FOUND, MessageIdConflictError, *BODY_PROBLEMS),
)
async def add_message(
    project_id: ProjectInPath,
    key: SessionInPath,
    sessions: ProjectSessions,
    posted: PostedMessage,
    idempotency_key: IdempotencyKey,
) -> ProjectMessage:
    """Add a message."""
    appended = await sessions.append(
        project_id, key, draft_of(posted), idempotency_key=idempotency_key
    )
    return message_view(key.session_id, ChatMessage.from_json(appended.messages_json[0]))


@router.get(
    "/sessions/{session_id}/messages",
    operation_id="list_project_messages",
    responses=problems(*_NOT_FOUND),
)
async def list_messages(
    project_id: ProjectInPath,
    key: SessionInPath,
    sessions: ProjectSessions,
    limit: Annotated[int, Query(ge=1, le=MESSAGE_PAGE_LIMIT)] = 100,
    offset: Annotated[int, Query(ge=0, le=2**31 - 1, description="Places to leave out.")] = 0,
) -> list[ProjectMessage]:
    """The session's messages in their order; the places of deleted ones show nothing."""
    window = MessageWindow(limit=limit, offset=offset)
    page = await sessions.list_messages(project_id, key, window)
    return living_views(key.session_id, map(ChatMessage.from_json, page.messages_json))


@router.get(
    "/sessions/{session_id}/full",
    operation_id="get_project_session_with_messages",
    responses=problems(*_NOT_FOUND),
)
async def get_session_with_messages(
    project_id: ProjectInPath, key: SessionInPath, sessions: ProjectSessions
) -> ProjectSessionWithMessages:
    """A session with all its messages."""
    document = (await sessions.read_whole(project_id, key)).document()
    return ProjectSessionWithMessages(
        session=session_view(document), messages=living_views(key.session_id, document.messages)
    )
