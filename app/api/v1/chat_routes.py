"""Routes of talking in a project: a message in, an assistant's reply out, as a stream."""

from typing import Annotated, cast

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from app.api.body import JSONRoute
from app.api.dependencies import IdempotencyKey, Owner, ProjectInPath, SeenVersions, named_user
from app.api.problems import BODY_PROBLEMS, problems
from app.api.reply_stream import REPLY_EVENTS, LastEvent, ReplyInPath, reply_stream
from app.api.v1.chat_schemas import ChatMessageRequest
from app.api.v1.conversation_routes import ConversationInPath
from app.errors import (
    ArtifactNotFoundError,
    AssistantBusyError,
    AssistantMissingError,
    BlankProjectError,
    Fault,
    InvalidETagError,
    MessageIdConflictError,
    MessageNotFoundError,
    ProjectNotFoundError,
    ReplyRunningError,
    RevisionMismatchError,
    SelectionChangedError,
    SessionNotInProjectError,
)
from app.service.project_chat import ProjectChatService

router = APIRouter(
    prefix="/api/v1/projects/{project_id}",
    tags=["v1 chat"],
    route_class=JSONRoute,
    dependencies=[Depends(named_user)],
)

_NOT_FOUND = (
    ProjectNotFoundError,
    SessionNotInProjectError,
    MessageNotFoundError,
    BlankProjectError,
)


async def project_chat_service(request: Request) -> ProjectChatService:
    """The application's one service of talking in projects."""
    return cast("ProjectChatService", request.app.state.project_chat)


ProjectChat = Annotated[ProjectChatService, Depends(project_chat_service)]


@router.post(
    "/chat",
    operation_id="chat_in_project",
    response_class=Response,
    responses=REPLY_EVENTS
    | problems(
        *_NOT_FOUND,
        ArtifactNotFoundError,
        SelectionChangedError,
        RevisionMismatchError,
        InvalidETagError,
        MessageIdConflictError,
        ReplyRunningError,
        AssistantMissingError,
        AssistantBusyError,
        *BODY_PROBLEMS,
    ),
)
async def chat_in_project(
    project_id: ProjectInPath,
    user_id: Owner,
    body: ChatMessageRequest,
    chat: ProjectChat,
    precondition: SeenVersions,
    idempotency_key: IdempotencyKey,
    last_event: LastEvent,
) -> Response:
    """Say something in a project, and hear the reply as a stream.

    Without `conversation_id` a conversation is made, which the first event names. With a
    `selection`, the answer replaces that text, as the artifact's next version, which the last event
    names. The reply is stored whoever still listens; with `Last-Event-ID` the same request only
    goes on with it.
    """
    wish = body.wish()
    if last_event is not None:
        events = await chat.follow(
            user_id, project_id, wish, *last_event, idempotency_key=idempotency_key
        )
        return reply_stream(events, "conversation_id", project_id=project_id)
    try:
        asked = await chat.chat(
            user_id,
            project_id,
            wish,
            idempotency_key=idempotency_key,
            precondition=precondition,
        )
    except MessageIdConflictError as error:
        where = "Idempotency-Key" if body.message_id is None else "/message_id"
        error.faults = [Fault(where, "was used here before, with another content")]
        raise
    events = await chat.join(project_id, asked.key, asked.reply_id, 0)
    return reply_stream(events, "conversation_id", project_id=project_id)


@router.get(
    "/conversations/{conversation_id}/replies/{reply_id}/events",
    operation_id="follow_reply_in_conversation",
    response_class=Response,
    responses=REPLY_EVENTS | problems(*_NOT_FOUND),
)
async def follow_reply(
    project_id: ProjectInPath,
    key: ConversationInPath,
    reply_id: ReplyInPath,
    chat: ProjectChat,
    last_event: LastEvent,
) -> Response:
    """Listen to a reply from its first word, or after `Last-Event-ID`, even once it has ended."""
    position = 0
    if last_event is not None and last_event.message_id == reply_id:
        position = last_event.position
    events = await chat.join(project_id, key, reply_id, position)
    return reply_stream(events, "conversation_id", project_id=project_id)
