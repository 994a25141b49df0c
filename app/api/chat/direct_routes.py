"""The three routes that carry nearly all traffic: the whole read, the list, the append."""

from collections.abc import Sequence
from typing import Annotated, Any, cast

from fastapi import APIRouter, Body, Depends, Header, Query
from pydantic import TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from app.api.body import parse_json, read_body, validated
from app.api.chat.mapping import draft_of, filter_of, listing_of, selection_of
from app.api.chat.schemas import (
    PostedMessage,
    SessionList,
    SessionPage,
    SessionRead,
    StoredMessages,
)
from app.api.cursors import page_link
from app.api.dependencies import (
    CallersSession,
    IdempotencyKey,
    SeenVersions,
    authenticator,
    callers_session,
    callers_user,
    decode_session_id,
    idempotency_key_of,
    named_user,
    session_service,
    user_service,
)
from app.api.direct import DirectRoute
from app.api.etags import is_known, names_known, precondition_of
from app.api.parameters import parse_parameters
from app.api.problems import BODY_PROBLEMS, problems
from app.api.responses import (
    READ_HEADERS,
    EmptyResponse,
    EncodedResponse,
    etag_header,
    link_header,
)
from app.domain.free_json import encode_json
from app.domain.session import ChatSession
from app.errors import (
    Fault,
    InvalidCursorError,
    InvalidETagError,
    InvalidInputError,
    LimitExceededError,
    MessageIdConflictError,
    ParentNotFoundError,
    RevisionMismatchError,
    SessionNotFoundError,
    UserRequiredError,
)
from app.store.port import WHOLE

router = APIRouter(
    prefix="/api/chat", tags=["chat"], route_class=DirectRoute, dependencies=[Depends(named_user)]
)

_ONE_MESSAGE = TypeAdapter(PostedMessage)
_MESSAGES = TypeAdapter(list[PostedMessage])


def _parameters_of_read(
    key: CallersSession,
    read: Annotated[SessionRead, Query()],
    if_none_match: Annotated[str | None, Header()] = None,
) -> None:
    """Declared for the OpenAPI document; `read_session` reads them itself."""


@router.get(
    "/sessions/{session_id}",
    operation_id="read_session",
    response_model=ChatSession,
    responses={
        304: {"description": "`If-None-Match` names the version of the session."},
        **problems(SessionNotFoundError, InvalidETagError, UserRequiredError),
    },
    dependencies=[Depends(_parameters_of_read)],
)
async def read_session(request: Request) -> Response:
    """Read a whole session, or what is new in it, in one version; without messages, its header."""
    key = await callers_session(request, request.path_params["session_id"])
    selection = selection_of(parse_parameters(SessionRead, request))
    sessions = await session_service(request)
    version = None
    if names_known(request):
        version = await sessions.version_of(key)
        if is_known(request, version):
            return EmptyResponse(etag_header(version), *READ_HEADERS, status_code=304)
    if selection == WHOLE:
        version, body = await sessions.read_whole(key, version)
    else:
        encoded = await sessions.read(key, selection)
        version, body = encoded.version, encoded.to_json()
    return EncodedResponse(body, etag_header(version), *READ_HEADERS)


def _parameters_of_list(wanted: Annotated[SessionList, Query()]) -> None:
    """Declared for the OpenAPI document; `list_sessions` reads them itself."""


@router.get(
    "/sessions",
    operation_id="list_sessions",
    response_model=SessionPage,
    responses=problems(InvalidCursorError, UserRequiredError),
    dependencies=[Depends(_parameters_of_list)],
)
async def list_sessions(request: Request) -> Response:
    """List the caller's sessions without their messages; `Link` names the next page.

    By activity, newest first, nothing is shown twice while sessions change, and what moved is on
    page one again. By creation, oldest first, a walk meets every session that lives through it.
    """
    user_id = await callers_user(request)
    wanted = parse_parameters(SessionList, request)
    listing = listing_of(user_id, wanted)
    users = await user_service(request)
    page = await users.list_sessions(
        user_id,
        order=wanted.order,
        filter=filter_of(wanted),
        limit=wanted.limit,
        after=listing.position(wanted.cursor),
    )
    cursor = listing.cursor(page.next_position)
    body = b'{"items":[%s],"next_cursor":%s}' % (b",".join(page.items), encode_json(cursor))
    if cursor is None:
        return EncodedResponse(body, *READ_HEADERS)
    next_page = link_header(page_link(request, "next", cursor=cursor))
    return EncodedResponse(body, *READ_HEADERS, next_page)


def _parameters_of_append(
    key: CallersSession,
    body: Annotated[PostedMessage | list[PostedMessage], Body()],
    precondition: SeenVersions,
    idempotency_key: IdempotencyKey,
) -> None:
    """Declared for the OpenAPI document; `append_messages` reads them itself."""


@router.post(
    "/sessions/{session_id}/messages",
    operation_id="append_messages",
    status_code=201,
    response_model=StoredMessages,
    responses=problems(
        SessionNotFoundError,
        RevisionMismatchError,
        *BODY_PROBLEMS,
        InvalidETagError,
        UserRequiredError,
        MessageIdConflictError,
        ParentNotFoundError,
        LimitExceededError,
    ),
    dependencies=[Depends(_parameters_of_append)],
)
async def append_messages(request: Request) -> Response:
    """Append one message or a list of up to 1,000, all or nothing.

    Ids of the client, or an `Idempotency-Key`, make a retry safe: it gives the stored messages and
    changes nothing.
    """
    asking = await authenticator(request).principal(request)
    session_id = decode_session_id(request.path_params["session_id"])
    precondition = precondition_of(request)
    idempotency_key = await idempotency_key_of(request.headers.get("idempotency-key"))
    sessions = await session_service(request)
    parsed = parse_json(await read_body(request))
    is_list = isinstance(parsed, list)
    if is_list:
        sessions.check_batch_size(len(cast("list[Any]", parsed)))
    posted = validated(_MESSAGES, parsed) if is_list else [validated(_ONE_MESSAGE, parsed)]
    key = await sessions.key_of(asking.user_id, session_id, author_id=posted[0].user_id)
    try:
        appended = await sessions.append(
            key,
            [draft_of(message) for message in posted],
            idempotency_key=idempotency_key,
            precondition=precondition,
        )
    except InvalidInputError as error:
        error.faults = _faults_in_body(error, posted, is_list=is_list)
        raise
    return EncodedResponse(
        b'{"messages":[%s]}' % b",".join(appended.messages_json),
        etag_header(appended.version),
        status_code=201,
    )


def _faults_in_body(
    error: InvalidInputError, posted: Sequence[PostedMessage], *, is_list: bool
) -> Sequence[Fault]:
    """The service's faults, which count messages in a list, as places of what was sent."""
    if isinstance(error, MessageIdConflictError) and posted[error.index].id is None:
        return [Fault("Idempotency-Key", "was used here before, with another content")]
    if is_list:
        return error.faults
    return [Fault(fault.pointer.removeprefix("/0"), fault.detail) for fault in error.faults]
