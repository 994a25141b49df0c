"""Routes of one session: create, change, delete, export."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from app.api.body import JSONRoute
from app.api.chat.schemas import SessionChange, SessionCreation, SessionExport
from app.api.dependencies import (
    Caller,
    CallersSession,
    IdempotencyKey,
    SeenVersions,
    Sessions,
    authenticator,
    named_user,
)
from app.api.paths import encode_id
from app.api.problems import BODY_PROBLEMS, problems
from app.api.responses import (
    READ_HEADERS,
    EmptyResponse,
    EncodedResponse,
    attachment_header,
    etag_header,
)
from app.domain.encoded import EncodedSession, header_json
from app.domain.identity import SessionKey
from app.domain.session import ChatSession, Precondition, SessionHeader
from app.errors import (
    InvalidETagError,
    RevisionMismatchError,
    SessionExistsError,
    SessionNotFoundError,
    UserRequiredError,
)
from app.service.markdown import markdown_of
from app.service.sessions import SessionService
from app.store.port import WHOLE

router = APIRouter(
    prefix="/api/chat", tags=["chat"], route_class=JSONRoute, dependencies=[Depends(named_user)]
)

_CHANGE_PROBLEMS = problems(
    SessionNotFoundError,
    RevisionMismatchError,
    *BODY_PROBLEMS,
    InvalidETagError,
    UserRequiredError,
)

_CHANGE_SCHEMA = {"schema": {"$ref": "#/components/schemas/SessionChange"}}


@router.post(
    "/sessions",
    operation_id="create_session",
    status_code=201,
    response_model=ChatSession,
    responses=problems(SessionExistsError, *BODY_PROBLEMS),
)
async def create_session(
    request: Request,
    sessions: Sessions,
    caller: Caller,
    idempotency_key: IdempotencyKey,
    body: SessionCreation | None = None,
) -> Response:
    """Create a session; an `Idempotency-Key` makes a retry give the stored session again."""
    wanted = body or SessionCreation()
    user_id = authenticator(request).agreed_user(caller, wanted.user_id)
    header = await sessions.create(
        user_id, wanted.id, wanted.members(), idempotency_key=idempotency_key
    )
    session = EncodedSession(header.version, header_json(header), b"")
    if header.next_seq:  # a retry, and there are messages by now
        session = await sessions.read(header.key, WHOLE)
    location = f"{request.scope['path']}/{encode_id(header.id)}"
    return EncodedResponse(
        session.to_json(),
        etag_header(session.version),
        (b"location", location.encode()),
        status_code=201,
    )


@router.put(
    "/sessions/{session_id}",
    operation_id="set_session_fields",
    response_model=SessionHeader,
    responses=_CHANGE_PROBLEMS,
)
async def set_session_fields(
    key: CallersSession, body: SessionChange, precondition: SeenVersions, sessions: Sessions
) -> Response:
    """Set the named fields; `is_active: false` means `archived` unless `completed`."""
    return await _changed(sessions, key, body, precondition, is_merge=False)


@router.patch(
    "/sessions/{session_id}",
    operation_id="merge_session_fields",
    response_model=SessionHeader,
    responses=_CHANGE_PROBLEMS,
    openapi_extra={"requestBody": {"content": {"application/merge-patch+json": _CHANGE_SCHEMA}}},
)
async def merge_session_fields(
    key: CallersSession, body: SessionChange, precondition: SeenVersions, sessions: Sessions
) -> Response:
    """Apply a JSON Merge Patch (RFC 7396): null removes, objects are merged."""
    return await _changed(sessions, key, body, precondition, is_merge=True)


@router.delete(
    "/sessions/{session_id}",
    operation_id="delete_session",
    status_code=204,
    response_class=Response,
    responses=problems(
        SessionNotFoundError, RevisionMismatchError, InvalidETagError, UserRequiredError
    ),
)
async def delete_session(
    key: CallersSession, precondition: SeenVersions, sessions: Sessions
) -> Response:
    """Delete a session with everything in it; its id may be used again."""
    await sessions.delete(key, precondition)
    return EmptyResponse()


@router.get(
    "/sessions/{session_id}/export",
    operation_id="export_session",
    response_model=ChatSession,
    responses={
        200: {"content": {"text/markdown": {"schema": {"type": "string"}}}},
        **problems(SessionNotFoundError, UserRequiredError),
    },
)
async def export_session(
    key: CallersSession, wanted: Annotated[SessionExport, Query()], sessions: Sessions
) -> Response:
    """Download one session, as its JSON or as Markdown to read."""
    encoded = await sessions.read(key, WHOLE)
    headers = (etag_header(encoded.version), *READ_HEADERS)
    if wanted.format == "json":
        attachment = attachment_header(key.session_id, "json")
        return EncodedResponse(encoded.to_json(), attachment, *headers)
    response = Response(markdown_of(encoded.document()), media_type="text/markdown")
    response.raw_headers += [attachment_header(key.session_id, "md"), *headers]
    return response


async def _changed(
    sessions: SessionService,
    key: SessionKey,
    body: SessionChange,
    precondition: Precondition | None,
    *,
    is_merge: bool,
) -> Response:
    header = await sessions.change(
        key, body.members(), is_merge=is_merge, precondition=precondition
    )
    return EncodedResponse(header_json(header), etag_header(header.version))
