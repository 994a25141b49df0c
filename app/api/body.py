"""Bodies of requests: read under a limit, and parsed as strict JSON by one set of rules."""

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, cast

from fastapi.routing import APIRoute
from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from app.domain.session import faults_of
from app.errors import DocumentTooLargeError, Fault, InvalidInputError, MalformedJSONError

T = TypeVar("T")

MEMBER_LIMIT = 100
"""The most members that an object of ours may have; free JSON within it may have any number."""

_UNSUPPORTED_MEDIA_TYPE = 415
_TOO_DEEP = "recursion limit exceeded"


async def read_body(request: Request) -> bytes:
    """The body, as long as it is JSON by its type and not too long.

    A length that is announced is believed, so that too long a body is refused before it is sent.

    Raises:
        DocumentTooLargeError: it has more bytes than the settings let in.
        HTTPException: 415, it is of another type, or of none. A page of another origin can make a
            browser send those, but not JSON, without asking us first.
    """
    limit_bytes: int = request.app.state.settings.body_limit_bytes
    content_type = b""
    for name, value in request.scope["headers"]:
        if name == b"content-length" and int(value) > limit_bytes:
            raise DocumentTooLargeError("A request's body", limit_bytes, "bytes")
        if name == b"content-type":
            content_type = value
    body = await _receive_all(request, limit_bytes)
    if body and not _is_json(content_type):
        raise HTTPException(_UNSUPPORTED_MEDIA_TYPE)
    return body


def parse_json(body: bytes) -> Any:
    """The body as JSON (RFC 8259): no NaN, no lone surrogates, no other encoding than UTF-8.

    Raises:
        MalformedJSONError: it is not that.
        InvalidInputError: it is nested too deeply or has too many members to be looked at.
    """
    try:
        parsed = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        reason = str(error)
        if reason.startswith(_TOO_DEEP):
            raise InvalidInputError(Fault("", "is nested too deeply")) from None
        raise MalformedJSONError(Fault("", reason)) from None
    _check_member_counts(parsed)
    return parsed


def validated(adapter: TypeAdapter[T], parsed: Any) -> T:
    """Parsed JSON as a model.

    Raises:
        InvalidInputError: it is not what is expected here.
    """
    try:
        return adapter.validate_python(parsed)
    except ValidationError as error:
        raise InvalidInputError(*faults_of(error)) from None


class JSONRoute(APIRoute):
    """A route whose body FastAPI validates, after we have read and parsed it."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler, given a request with our ways of reading."""
        handle = super().get_route_handler()

        async def handle_json(request: Request) -> Response:
            return await handle(_JSONRequest(request.scope, request.receive))

        return handle_json


class _JSONRequest(Request):
    async def body(self) -> bytes:
        if not hasattr(self, "_body"):
            self._body = await read_body(self)
        return self._body

    async def json(self) -> Any:
        return parse_json(await self.body())


def _check_member_counts(parsed: Any) -> None:
    # Each unknown member becomes a finding, and millions of them fit into a body.
    is_list = isinstance(parsed, list)
    for index, item in enumerate(cast("list[Any]", parsed) if is_list else [parsed]):
        if isinstance(item, dict) and len(cast("dict[str, Any]", item)) > MEMBER_LIMIT:
            pointer = f"/{index}" if is_list else ""
            raise InvalidInputError(Fault(pointer, f"must have at most {MEMBER_LIMIT} members"))


async def _receive_all(request: Request, limit_bytes: int) -> bytes:
    received: list[bytes] = []
    size_bytes = 0
    while True:
        message = await request.receive()
        if message["type"] != "http.request":
            raise ClientDisconnect
        received.append(message.get("body", b""))
        size_bytes += len(received[-1])
        if size_bytes > limit_bytes:
            raise DocumentTooLargeError("A request's body", limit_bytes, "bytes")
        if not message.get("more_body"):
            return b"".join(received)


def _is_json(content_type: bytes) -> bool:
    media_type = content_type.partition(b";")[0].strip().lower()
    return media_type == b"application/json" or media_type.endswith(b"+json")
