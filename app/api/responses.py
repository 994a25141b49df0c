"""Responses whose body is bytes already, and the headers that reads have in common."""

import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

from starlette.responses import Response, StreamingResponse

from app.api.etags import etag_of
from app.domain.identity import Version

RawHeader = tuple[bytes, bytes]

READ_HEADERS: tuple[RawHeader, ...] = (
    (b"cache-control", b"private, no-cache"),
    (b"vary", b"Authorization, X-User-Id, X-API-Key"),
)
"""A browser may keep what it has read and must ask each time whether it still holds."""

_JSON: RawHeader = (b"content-type", b"application/json")


class EncodedResponse(Response):
    """JSON that is encoded already, sent without encoding its headers anew."""

    def __init__(self, body: bytes, *headers: RawHeader, status_code: int = 200) -> None:
        self.status_code = status_code
        self.background = None
        self.body = body
        self.raw_headers = [_JSON, (b"content-length", b"%d" % len(body)), *headers]


class EmptyResponse(Response):
    """A 204, or a 304 with the headers that its 200 would have."""

    def __init__(self, *headers: RawHeader, status_code: int = 204) -> None:
        super().__init__(status_code=status_code)
        self.raw_headers = list(headers)


UNCHANGED: dict[int | str, dict[str, Any]] = {
    304: {"description": "`If-None-Match` names what is there now."}
}
"""What `responses=` says of routes that may answer so."""


def unchanged(version: Version) -> EmptyResponse:
    """A 304: the caller has this version already."""
    return EmptyResponse(etag_header(version), *READ_HEADERS, status_code=304)


def etag_header(version: Version) -> RawHeader:
    """The `ETag` of a version."""
    return b"etag", etag_of(version).encode()


def link_header(link: str) -> RawHeader:
    """A `Link` to another page."""
    return b"link", link.encode()


def attachment_header(name: str, extension: str) -> RawHeader:
    """`Content-Disposition` for a download (RFC 6266): the name, and what ASCII leaves of it."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", name)
    whole = quote(name, safe="")
    value = f"attachment; filename=\"{plain}.{extension}\"; filename*=UTF-8''{whole}.{extension}"
    return b"content-disposition", value.encode()


async def lines_response(lines: AsyncIterator[bytes], name: str) -> Response:
    """Lines of JSON as a download, streamed.

    What fails before the first line is raised; what fails later breaks the connection, so that
    half of them cannot be taken for all.
    """
    first = await anext(lines, None)
    response = StreamingResponse(_ended(first, lines), media_type="application/x-ndjson")
    response.raw_headers += [attachment_header(name, "ndjson"), *READ_HEADERS]
    return response


async def _ended(first: bytes | None, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if first is None:
        return
    yield first + b"\n"
    async for line in rest:
        yield line + b"\n"
