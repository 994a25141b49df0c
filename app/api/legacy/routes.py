"""The legacy door: `/api/chat/history` and `/api/chat/message`, on session documents."""

from typing import Annotated, ClassVar, cast

from fastapi import APIRouter, Depends, Query, Request, Response

from app.api.body import JSONRoute
from app.api.dependencies import Caller, IdempotencyKey, Sessions, authenticator, named_user
from app.api.deprecation import DeprecatedRoute
from app.api.legacy.mapping import clamped_limit, clamped_offset, draft_of, flat_message
from app.api.legacy.schemas import FlatMessage, OptionalId, PostedFlatMessage
from app.api.problems import problems
from app.api.responses import READ_HEADERS, EncodedResponse
from app.domain.free_json import encode_json
from app.errors import (
    DocumentTooLargeError,
    EndpointSunsetError,
    Fault,
    MalformedJSONError,
    MessageIdConflictError,
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
    response_model=FlatMessage,
    responses=problems(
        UserRequiredError,
        MalformedJSONError,
        MessageIdConflictError,
        DocumentTooLargeError,
        EndpointSunsetError,
    ),
)
async def post_message(
    request: Request,
    caller: Caller,
    flat_messages: FlatMessages,
    posted: PostedFlatMessage,
    idempotency_key: IdempotencyKey,
) -> Response:
    """Store a message, and make its session where it has none."""
    user_id = authenticator(request).agreed_user(caller, posted.user_id)
    try:
        key, message = await flat_messages.post(
            user_id, posted.session_id, draft_of(posted), idempotency_key=idempotency_key
        )
    except MessageIdConflictError as error:
        # The service counts messages in a list; here the message itself was the body.
        error.faults = [Fault("/id", fault.detail) for fault in error.faults]
        raise
    return EncodedResponse(encode_json(flat_message(key.user_id, key.session_id, message)))
