"""The legacy door: `/api/chat/history` and `/api/chat/message`, on session documents."""

from typing import Annotated, ClassVar, cast

from fastapi import APIRouter, Depends, Query, Request, Response

from app.api.body import JSONRoute
from app.api.dependencies import (
    Caller,
    IdempotencyKey,
    Replies,
    Sessions,
    authenticator,
    named_user,
)
from app.api.deprecation import DeprecatedRoute
from app.api.legacy.mapping import clamped_limit, clamped_offset, draft_of, flat_message
from app.api.legacy.schemas import AnsweredMessage, FlatMessage, OptionalId, PostedFlatMessage
from app.api.problems import problems
from app.api.responses import READ_HEADERS, EncodedResponse
from app.domain.free_json import encode_json
from app.domain.message import ChatMessage
from app.errors import (
    AssistantBusyError,
    DocumentTooLargeError,
    EndpointSunsetError,
    Fault,
    MalformedJSONError,
    MessageIdConflictError,
    ReplyRunningError,
    SessionNotFoundError,
    UserRequiredError,
)
from app.service.flat_messages import FlatMessageService


class LegacyRoute(DeprecatedRoute, JSONRoute):
    """A route of this door; the canonical door takes its place."""

    successor: ClassVar[str] = "/api/chat/sessions"


router = APIRouter(
    prefix="/api/chat",
    tags=["legacy"],
    route_class=LegacyRoute,
    deprecated=True,
    dependencies=[Depends(named_user)],
)


async def flat_message_service(request: Request) -> FlatMessageService:
    """The application's one service of flat messages."""
    return cast("FlatMessageService", request.app.state.flat_messages)


FlatMessages = Annotated[FlatMessageService, Depends(flat_message_service)]


@router.get(
    "/history",
    operation_id="legacy_list_history",
    response_model=list[FlatMessage],
    responses=problems(SessionNotFoundError, UserRequiredError, EndpointSunsetError),
)
async def list_history(
    caller: Caller,
    sessions: Sessions,
    flat_messages: FlatMessages,
    session_id: Annotated[
        OptionalId, Query(description="Only this session; without it all of the user's together.")
    ] = None,
    limit: Annotated[int, Query(description="Counted from the newest; at most 1000.")] = 100,
    offset: Annotated[int, Query(description="How many of the newest to leave out.")] = 0,
) -> Response:
    """Messages of one session, or of all of them by date, oldest first."""
    window = {"limit": clamped_limit(limit), "offset": clamped_offset(offset)}
    if session_id is not None:
        key = await sessions.key_of(caller.user_id, session_id)
        user_id = key.user_id
        owned = await flat_messages.list_of_session(key, **window)
    elif caller.user_id is not None:
        user_id = caller.user_id
        owned = await flat_messages.list_of_user(user_id, **window)
    else:
        raise UserRequiredError
    flat = [flat_message(user_id, one.session_id, one.message) for one in owned]
    return EncodedResponse(encode_json(flat), *READ_HEADERS)


@router.post(
    "/message",
    operation_id="legacy_post_message",
    response_model=FlatMessage | AnsweredMessage,
    responses=problems(
        UserRequiredError,
        MalformedJSONError,
        MessageIdConflictError,
        DocumentTooLargeError,
        ReplyRunningError,
        AssistantBusyError,
        EndpointSunsetError,
    ),
)
async def post_message(
    request: Request,
    caller: Caller,
    flat_messages: FlatMessages,
    posted: PostedFlatMessage,
    idempotency_key: IdempotencyKey,
    replies: Replies,
    reply: Annotated[  # noqa: FBT002 - a parameter of the wire
        bool, Query(description="Let an assistant answer, and wait for its reply.")
    ] = False,
) -> Response:
    """Store a message, and make its session where it has none.

    With `reply=true` an assistant answers it, and the answer waits for that; where there is no
    assistant, `reply` is null.
    """
    user_id = authenticator(request).agreed_user(caller, posted.user_id)
    draft = draft_of(posted)
    answer: ChatMessage | None = None
    try:
        if reply and replies.has_assistant:
            key = await flat_messages.make_place(
                user_id, posted.session_id, draft, idempotency_key=idempotency_key
            )
            asked = await replies.ask(key, draft, idempotency_key=idempotency_key)
            message = ChatMessage.from_json(asked.message_json)
            answer = await replies.wait(key, asked.reply_id)
        else:
            key, message = await flat_messages.post(
                user_id, posted.session_id, draft, idempotency_key=idempotency_key
            )
    except MessageIdConflictError as error:
        # The service counts messages in a list; here the message itself was the body.
        error.faults = [Fault("/id", fault.detail) for fault in error.faults]
        raise
    flat = flat_message(key.user_id, key.session_id, message)
    if reply:
        flat["reply"] = answer and flat_message(key.user_id, key.session_id, answer)
    return EncodedResponse(encode_json(flat))
