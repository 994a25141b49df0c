"""Errors → RFC 9457 problem+json; the only table of status codes."""

import json
import logging
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from app.api.logs import current_request_id
from app.domain.identity import Version, version_text
from app.domain.session import pointer_of
from app.errors import (
    AppError,
    AssistantBusyError,
    AssistantError,
    AssistantMissingError,
    AuthenticationError,
    BlankProjectError,
    ConflictError,
    DocumentTooLargeError,
    EndpointSunsetError,
    Fault,
    InvalidCursorError,
    InvalidETagError,
    InvalidInputError,
    KeysUnavailableError,
    LimitExceededError,
    MalformedJSONError,
    NotFoundError,
    PermissionDeniedError,
    RevisionMismatchError,
    RunBusyError,
    RunStateError,
    RunTakenOverError,
    SelectionChangedError,
    SessionNotEmptyError,
    StoreError,
    StoreUnavailableError,
    UnknownRunError,
    UserRequiredError,
)

MEDIA_TYPE = "application/problem+json"
FAULTS_SHOWN_LIMIT = 100
"""A body of many megabytes can be wrong in a million places; nobody reads that many."""

_DETAIL_LIMIT_CHARACTERS = 2000

BODY_PROBLEMS = (
    MalformedJSONError,
    DocumentTooLargeError,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
)
"""What any route with a body may meet."""

_EVERYWHERE = (InvalidInputError, AuthenticationError, PermissionDeniedError, StoreUnavailableError)

_STATUSES: dict[type[Exception], HTTPStatus] = {
    NotFoundError: HTTPStatus.NOT_FOUND,
    RevisionMismatchError: HTTPStatus.PRECONDITION_FAILED,
    SessionNotEmptyError: HTTPStatus.BAD_REQUEST,
    ConflictError: HTTPStatus.CONFLICT,
    MalformedJSONError: HTTPStatus.BAD_REQUEST,
    BlankProjectError: HTTPStatus.BAD_REQUEST,
    InvalidCursorError: HTTPStatus.BAD_REQUEST,
    InvalidETagError: HTTPStatus.BAD_REQUEST,
    UserRequiredError: HTTPStatus.BAD_REQUEST,
    InvalidInputError: HTTPStatus.UNPROCESSABLE_ENTITY,
    AuthenticationError: HTTPStatus.UNAUTHORIZED,
    PermissionDeniedError: HTTPStatus.FORBIDDEN,
    DocumentTooLargeError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    LimitExceededError: HTTPStatus.UNPROCESSABLE_ENTITY,
    EndpointSunsetError: HTTPStatus.GONE,
    KeysUnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
    StoreUnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
    AssistantMissingError: HTTPStatus.NOT_IMPLEMENTED,
    AssistantBusyError: HTTPStatus.SERVICE_UNAVAILABLE,
    AssistantError: HTTPStatus.BAD_GATEWAY,
    UnknownRunError: HTTPStatus.NOT_FOUND,
    RunBusyError: HTTPStatus.CONFLICT,
    RunTakenOverError: HTTPStatus.CONFLICT,
    RunStateError: HTTPStatus.CONFLICT,
}

_UNEXPECTED = (
    "internal_error",
    "Something went wrong",
    "The server met an error of its own; its log has more under the request id.",
)

_log = logging.getLogger(__name__)


class ProblemFault(BaseModel):
    """One place of the input, and what is wrong there."""

    pointer: str
    """A JSON pointer into the body (RFC 6901), or the name of a parameter or header."""
    detail: str


class Problem(BaseModel):
    """An error as RFC 9457 writes it."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    code: str
    """Stable; what programs decide by."""
    instance: str
    request_id: str | None = None
    errors: list[ProblemFault] = []
    current_revision: int | None = None
    """With `revision_mismatch` and its like: where it is now."""
    current_text: str | None = None
    """With `selection_changed`: the whole text as it is now."""


def status_of(error: type[Exception]) -> HTTPStatus:
    """The status of an error's nearest ancestor in the table; 500 where there is none."""
    for ancestor in error.__mro__:
        if ancestor in _STATUSES:
            return _STATUSES[ancestor]
    return HTTPStatus.INTERNAL_SERVER_ERROR


def problems(*kinds: type[AppError] | HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """What a route's `responses=` says of errors it may meet, and of those that all may."""
    by_status: dict[int, list[str]] = {}
    for kind in (*kinds, *_EVERYWHERE):
        if isinstance(kind, HTTPStatus):
            by_status.setdefault(kind.value, []).append(f"`{kind.name.lower()}`: {kind.phrase}")
        else:
            status = status_of(kind).value
            by_status.setdefault(status, []).append(f"`{kind.code}`: {kind.title}")
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {
            "description": "; ".join(descriptions),
            "content": {MEDIA_TYPE: {"schema": schema}},
        }
        for status, descriptions in sorted(by_status.items())
    }


def problem_response(request: Request, error: Exception) -> Response:
    """An error as a response."""
    if isinstance(error, HTTPException) and isinstance(error.__cause__, AppError):
        error = error.__cause__  # FastAPI puts a 400 around whatever the reading of a body raises
    if isinstance(error, RequestValidationError):
        error = InvalidInputError(*_faults_of_request(error))
    if isinstance(error, HTTPException):
        return _framework_problem(request, error)
    if not isinstance(error, AppError):
        return _rendered(request, HTTPStatus.INTERNAL_SERVER_ERROR, *_UNEXPECTED)
    if isinstance(error, StoreError):
        _log.error("The store failed: %s", error, exc_info=error)
    faults = _faults(error)
    members, headers = _told_by(error)
    if faults:
        members["errors"] = [fault._asdict() for fault in faults]
    detail = "; ".join(f"{pointer or 'body'}: {found}" for pointer, found in faults)
    return _rendered(
        request,
        status_of(type(error)),
        error.code,
        error.title,
        detail or str(error),
        members,
        headers,
    )


def install_problems(app: FastAPI) -> None:
    """Answer every error that routes raise with a problem; the framing answers what is left."""

    async def answer(request: Request, error: Exception) -> Response:
        return problem_response(request, error)

    for kind in (AppError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, answer)


def _told_by(error: AppError) -> tuple[dict[str, Any], dict[str, str]]:
    """The members and the headers that only this kind of error has."""
    match error:
        case RevisionMismatchError():
            current = Version(error.current_generation, error.current_revision)
            etag = f'"{version_text(current)}"'
            return {"current_revision": error.current_revision}, {"ETag": etag}
        case AuthenticationError():
            return {}, {"WWW-Authenticate": "Bearer"}
        case SelectionChangedError(current_text=current_text):
            return {"current_text": current_text}, {}
        case EndpointSunsetError(successor=successor):
            return {"successor": successor}, {}
        case KeysUnavailableError() | StoreUnavailableError() | AssistantBusyError():
            return {}, {"Retry-After": str(error.retry_after_seconds)}
        case _:
            return {}, {}


def _faults(error: AppError) -> Sequence[Fault]:
    if isinstance(error, InvalidInputError):
        return error.faults[:FAULTS_SHOWN_LIMIT]
    if isinstance(error, LimitExceededError):
        return [Fault("", str(error))]
    return []


def _framework_problem(request: Request, error: HTTPException) -> Response:
    status = HTTPStatus(error.status_code)
    headers = dict(error.headers or {})
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(sorted(_allowed_methods(request)))
    code = status.name.lower()
    return _rendered(request, status, code, status.phrase, status.description, headers=headers)


def _allowed_methods(request: Request) -> Iterable[str]:
    # Starlette names only those of the first route that has this path.
    path = request.scope["path"]
    methods: set[str] = set()
    for route in iter_route_contexts(request.app.routes):
        if route.methods and route.path_regex.match(path):
            methods |= route.methods
    return methods


def _faults_of_request(error: RequestValidationError) -> Iterable[Fault]:
    for found in error.errors():
        where, *location = found["loc"]
        pointer = pointer_of(location) if where == "body" else ".".join(map(str, location))
        yield Fault(pointer, found["msg"].removeprefix("Value error, "))


def _rendered(
    request: Request,
    status: HTTPStatus,
    code: str,
    title: str,
    detail: str,
    members: dict[str, Any] | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    body = {
        "type": f"/problems/{code}",
        "title": title,
        "status": status.value,
        "detail": detail[:_DETAIL_LIMIT_CHARACTERS],
        "code": code,
        "instance": request.scope["path"],
        "request_id": current_request_id.get(),
        **(members or {}),
    }
    return Response(json.dumps(body), status.value, headers, MEDIA_TYPE)
