"""Routes of replies: an assistant answers in a session, and anyone who may read it listens."""

from fastapi import APIRouter, Depends
from starlette.responses import Response

from app.api.body import JSONRoute
from app.api.chat.mapping import draft_of
from app.api.chat.schemas import PostedMessage
from app.api.dependencies import (
    CallersSession,
    IdempotencyKey,
    Replies,
    SeenVersions,
    named_user,
)
from app.api.problems import BODY_PROBLEMS, problems
from app.api.reply_stream import REPLY_EVENTS, LastEvent, ReplyInPath, reply_stream
from app.errors import (
    AssistantBusyError,
    AssistantMissingError,
    Fault,
    InvalidETagError,
    InvalidInputError,
    MessageIdConflictError,
    MessageNotFoundError,
    NothingToAnswerError,
    ParentNotFoundError,
    ReplyRunningError,
    RevisionMismatchError,
    SessionNotFoundError,
    UserRequiredError,
)
from app.service.replies import ReplyOptions

router = APIRouter(
    prefix="/api/chat/sessions/{session_id}",
    tags=["chat"],
    route_class=JSONRoute,
    dependencies=[Depends(named_user)],
)


@router.post(
    "/reply",
    operation_id="reply_in_session",
    response_class=Response,
    responses=REPLY_EVENTS
    | problems(
        SessionNotFoundError,
        MessageNotFoundError,
        RevisionMismatchError,
        *BODY_PROBLEMS,
        InvalidETagError,
        UserRequiredError,
        MessageIdConflictError,
        ParentNotFoundError,
        ReplyRunningError,
        NothingToAnswerError,
        AssistantMissingError,
        AssistantBusyError,
    ),
)
async def reply_in_session(
    key: CallersSession,
    replies: Replies,
    precondition: SeenVersions,
    idempotency_key: IdempotencyKey,
    last_event: LastEvent,
    body: PostedMessage | None = None,
) -> Response:
    """Answer the message in the body, which is stored first, or else the newest one, as a stream.

    The reply is stored whoever still listens. The same request again leads to the same reply; with
    `Last-Event-ID` it only goes on with that one, stores nothing and asks nobody.
    """
    if last_event is not None:
        events = await replies.join(key, last_event.message_id, last_event.position)
        return reply_stream(events)
    options = ReplyOptions(precondition=precondition)
    if body is None:
        asked = await replies.ask_again(key, options)
    else:
        try:
            asked = await replies.ask(
                key, draft_of(body), idempotency_key=idempotency_key, options=options
            )
        except InvalidInputError as error:
            # The service counts messages in a list; here the message itself was the body.
            error.faults = [_fault_in_body(fault, body) for fault in error.faults]
            raise
    events = await replies.join(key, asked.reply_id)
    return reply_stream(events)


@router.get(
    "/replies/{reply_id}/events",
    operation_id="follow_reply",
    response_class=Response,
    responses=REPLY_EVENTS
    | problems(SessionNotFoundError, MessageNotFoundError, UserRequiredError),
)
async def follow_reply(
    key: CallersSession,
    reply_id: ReplyInPath,
    replies: Replies,
    last_event: LastEvent,
) -> Response:
    """Listen to a reply from its first word, or after `Last-Event-ID`, even once it has ended."""
    position = 0
    if last_event is not None and last_event.message_id == reply_id:
        position = last_event.position
    events = await replies.join(key, reply_id, position)
    return reply_stream(events)


def _fault_in_body(fault: Fault, body: PostedMessage) -> Fault:
    if fault.pointer == "/0/id" and body.id is None:
        return Fault("Idempotency-Key", "was used here before, with another content")
    return Fault(fault.pointer.removeprefix("/0"), fault.detail)
