"""Page[T] and the opaque Cursor: keyset positions that fit only the listing that made them."""

import base64
import json
from dataclasses import dataclass
from hashlib import blake2b
from typing import Generic, TypeVar

from app.domain.free_json import encode_json
from app.errors import InvalidCursorError

T = TypeVar("T")

Position = tuple[str | int, ...]
"""Where a page ended, in the listing's own sort keys."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items in order, and where the next page begins (None: this was the last)."""

    items: tuple[T, ...]
    next_position: Position | None


def encode_cursor(position: Position, *, scope: str) -> str:
    """An opaque text for a position; `scope` names the listing, its user and its filters."""
    payload = encode_json([_fingerprint(scope), *position])
    return base64.urlsafe_b64encode(payload).rstrip(b"=").decode()


def decode_cursor(cursor: str, *, scope: str, kinds: tuple[type, ...]) -> Position:
    """The position in a cursor; `kinds` are the types of its parts.

    The fingerprint is no secret: it stops mistakes, not attacks. A forged cursor gains nothing,
    since every listing is bounded by its user whatever the cursor says.

    Raises:
        InvalidCursorError: it is broken, or another listing, user or filter made it.
    """
    try:
        payload = base64.b64decode(
            cursor.encode("ascii") + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True
        )
        fingerprint, *position = json.loads(payload)
    except (ValueError, TypeError, RecursionError):
        raise InvalidCursorError from None
    if fingerprint != _fingerprint(scope) or [type(part) for part in position] != list(kinds):
        raise InvalidCursorError
    for part in position:
        if isinstance(part, int) and not -(2**63) <= part < 2**63:
            raise InvalidCursorError
        if isinstance(part, str) and any("\ud800" <= character <= "\udfff" for character in part):
            raise InvalidCursorError
    return tuple(position)


def _fingerprint(scope: str) -> str:
    return blake2b(scope.encode(), digest_size=6).hexdigest()
