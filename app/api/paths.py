"""Ids in paths: routing on the raw path, one decoding, and the paths that `Location` names.

Any id works percent-encoded, slashes included. `~` and the base64url of an id (RFC 4648 §5, without
padding) is always understood, and needed for `.`, `..` and ids that begin with `~`: the dots would
be resolved away on their way here (RFC 3986 §5.2.4), and `~` announces this form.
"""

import base64
import re
from urllib.parse import quote, unquote_to_bytes

from starlette.types import Scope

_PLAIN = re.compile(rb"[A-Za-z0-9\-._~!$&'()*+,;=:@/]*")
_ESCAPE_OR_ILLEGAL = re.compile(rb"%[0-9A-Fa-f]{2}|[^A-Za-z0-9\-._~!$&'()*+,;=:@/]")
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


def route_on_raw_path(scope: Scope) -> None:
    """Let the request be routed on its path as it was sent, so that `%2F` separates nothing.

    Equivalent spellings become one (RFC 3986 §6.2.2): escapes of unreserved characters are undone,
    the others get upper-case digits, and what may not stand in a path is escaped. The path is then
    ASCII and safe in a header.
    """
    raw: bytes | None = scope.get("raw_path")
    if raw is None:  # optional in ASGI
        scope["path"] = quote(scope["path"])
    elif _PLAIN.fullmatch(raw):
        scope["path"] = raw.decode("ascii")
    else:
        scope["path"] = _ESCAPE_OR_ILLEGAL.sub(_normalised, raw).decode("ascii")


def decode_id(segment: str) -> str | None:
    """The id in a segment of a routed path, or None where it holds none."""
    if segment.isalnum():  # nearly all ids, and nothing to decode in them
        return segment
    if segment in {".", ".."}:
        return None
    try:
        if segment.startswith("~"):
            return _decode_base64url(segment[1:]).decode()
        return unquote_to_bytes(segment).decode()
    except ValueError:
        return None


def encode_id(id_: str) -> str:
    """The id as a segment of a path."""
    if id_ in {".", ".."} or id_.startswith("~"):
        return "~" + base64.urlsafe_b64encode(id_.encode()).rstrip(b"=").decode()
    return quote(id_, safe="")


def _normalised(match: re.Match[bytes]) -> bytes:
    found = match[0]
    if len(found) == 1:
        return b"%%%02X" % found[0]
    octet = int(found[1:], 16)
    return bytes([octet]) if octet in _UNRESERVED else found.upper()


def _decode_base64url(text: str) -> bytes:
    decoded = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if base64.urlsafe_b64encode(decoded).rstrip(b"=").decode() != text:
        raise ValueError("not the one spelling of these bytes")
    return decoded
