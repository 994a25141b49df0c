"""The old route of talking in a session, which will end: the same stream as in projects."""

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from app.api.dependencies import CallersSession, IdempotencyKey, Replies, SeenVersions, named_user
from app.api.deprecation import point_to
from app.api.paths import encode_id
from app.api.problems import BODY_PROBLEMS, problems
from app.api.reply_stream import REPLY_EVENTS, LastEvent, reply_stream
from app.api.v1.session_routes import PROJECTS, SessionRoute, WorkspaceSessions
from app.api.v1.session_schemas import SessionChat
from app.errors import (
    AssistantBusyError,
    AssistantMissingError,
    EndpointSunsetError,
    Fault,
    InvalidETagError,
    MessageIdConflictError,
    MessageNotFoundError,
    ReplyRunningError,
    RevisionMismatchError,
    SessionNotFoundError,
    UserRequiredError,
)
from app.service.drafts import MessageDraft
from app.service.replies import ReplyOptions

router = APIRouter(
    prefix="/api/v1/sessions/{session_id}",
    tags=["v1 sessions"],
    route_class=SessionRoute,
    deprecated=True,
    dependencies=[Depends(named_user)],
)


@router.post(
    "/chat",
    operation_id="chat_in_workspace_session",
    response_class=Response,
    responses=REPLY_EVENTS
    | problems(
        SessionNotFoundError,
        MessageNotFoundError,
        UserRequiredError,
        RevisionMismatchError,
        InvalidETagError,
        MessageIdConflictError,
        ReplyRunningError,
        AssistantMissingError,
        AssistantBusyError,
        EndpointSunsetError,
        *BODY_PROBLEMS,
    ),
)
async def chat_in_session(
    request: Request,
    key: CallersSession,
    body: SessionChat,
    sessions: WorkspaceSessions,
    replies: Replies,
    precondition: SeenVersions,
    idempotency_key: IdempotencyKey,
    last_event: LastEvent,
) -> Response:
    """Say something in a session, and hear the reply as a stream; projects have the same."""
    project_id = (await sessions.get(key)).summary.project_id
    if project_id is not None:
        point_to(request, f"{PROJECTS}/{encode_id(project_id)}/chat")
    if last_event is not None:
        return reply_stream(await replies.join(key, *last_event))
    try:
        asked = await replies.ask(
            key,
            MessageDraft(body.message),
            idempotency_key=idempotency_key,
            options=ReplyOptions(precondition=precondition),
        )
    except MessageIdConflictError as error:
        error.faults = [Fault("Idempotency-Key", "was used here before, with another content")]
        raise
    return reply_stream(await replies.join(key, asked.reply_id))
