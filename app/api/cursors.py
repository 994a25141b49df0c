"""Pages on the wire: opaque cursors that fit one user's listing, and `Link` to the next page."""

from urllib.parse import quote, unquote_plus

from starlette.requests import Request

from app.api.responses import READ_HEADERS, RawHeader, link_header
from app.domain.free_json import encode_json
from app.domain.page import Position, decode_cursor, encode_cursor

_SAFE_IN_QUERY = "%!$'()*+,;:@/?="  # what RFC 3986 lets stand in a query, and escapes


class Listing:
    """One listing of one user: its cursors fit neither another user nor other filters."""

    def __init__(self, *identity: str | bool | None, kinds: tuple[type, ...]) -> None:
        self._scope = encode_json(identity).decode()
        self._kinds = kinds

    def position(self, cursor: str | None) -> Position | None:
        """Where the page begins that a cursor names; None is the beginning.

        Raises:
            InvalidCursorError: the cursor was not made by this listing.
        """
        if cursor is None:
            return None
        return decode_cursor(cursor, scope=self._scope, kinds=self._kinds)

    def cursor(self, position: Position | None) -> str | None:
        """The cursor of a position."""
        return None if position is None else encode_cursor(position, scope=self._scope)


def page_link(request: Request, relation: str, **parameters: str | int) -> str:
    """A `Link` value (RFC 8288): this request's target with some of its parameters replaced.

    The others stay as they were written, but for what would end the target early.
    """
    written = request.scope["query_string"].decode("latin-1").split("&")
    kept = [
        quote(part, safe=_SAFE_IN_QUERY, encoding="latin-1")
        for part in written
        if part and unquote_plus(part.partition("=")[0]) not in parameters
    ]
    replaced = [f"{name}={value}" for name, value in parameters.items()]
    return f'<{request.scope["path"]}?{"&".join([*kept, *replaced])}>; rel="{relation}"'


def page_headers(request: Request, cursor: str | None) -> list[RawHeader]:
    """What a page of a list has in its headers: with a cursor, where the next one is."""
    if cursor is None:
        return list(READ_HEADERS)
    return [*READ_HEADERS, link_header(page_link(request, "next", cursor=cursor))]
