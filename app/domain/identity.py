"""Keys and ids: what an id may be, which ids we make, and from what."""

import os
import re
import time
import uuid
from typing import Annotated, NamedTuple

from pydantic import AfterValidator

from app.domain.free_json import checked_text

ID_LIMIT_BYTES = 1024
"""The longest id in UTF-8 bytes; leaves room for two in the narrowest index key."""

ANONYMOUS = "anonymous"
"""The owner of sessions that were made without a user."""

_CHATFOLD = uuid.UUID("6c1d3f0e-52a7-5f0c-9a53-0d1e4cbb7a10")  # namespace of all ids derived here


def checked_id(value: str) -> str:
    """The id itself: 1 to `ID_LIMIT_BYTES` bytes of UTF-8 without NUL.

    Raises:
        ValueError: it is empty, too long, or holds a NUL or a lone surrogate.
    """
    if not value:
        raise ValueError("must not be empty")
    if "\0" in value:
        raise ValueError("must not hold a NUL")
    checked_text(value)
    if len(value) * 4 > ID_LIMIT_BYTES and len(value.encode()) > ID_LIMIT_BYTES:
        raise ValueError(f"must have at most {ID_LIMIT_BYTES} bytes in UTF-8")
    return value


Id = Annotated[str, AfterValidator(checked_id)]
"""The id of a user, a session or a message, kept as it came."""


class SessionKey(NamedTuple):
    """What identifies a session: two users may own the same id."""

    user_id: str
    session_id: str


class Version(NamedTuple):
    """One state of one session: an id used again has another generation."""

    generation: str
    revision: int


_VERSION = re.compile(r"([0-9a-f]{16})-([1-9][0-9]{0,17})")


def parse_version(text: str) -> Version | None:
    """The version that `version_text` wrote, or None where the text is something else."""
    match = _VERSION.fullmatch(text)
    return Version(match[1], int(match[2])) if match else None


def version_text(version: Version) -> str:
    """`<generation>-<revision>`, the inside of an entity tag."""
    return f"{version.generation}-{version.revision}"


def new_generation() -> str:
    """Sixteen random hexadecimal digits."""
    return os.urandom(8).hex()


def derived_generation(kind: str, *parts: str) -> str:
    """The generation that these parts always give."""
    return uuid.UUID(derived_id(kind, *parts)).bytes[-8:].hex()


def new_id() -> str:
    """A time-ordered id (UUID version 7, RFC 9562): new ids land at the end of an index."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds << 80) | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF000 << 64) | (0x7000 << 64)
    value = value & ~(0xC000 << 48) | (0x8000 << 48)
    digits = f"{value:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def session_id_of_key(user_id: str, idempotency_key: str) -> str:
    """The id of the session that a creation with this key makes, where it names none."""
    return derived_id("session", user_id, idempotency_key)


def derived_id(kind: str, *parts: str) -> str:
    """The id (UUID version 5) that these parts always give; no two lists of parts share one."""
    name = "".join(f"{len(part.encode())}:{part}," for part in (kind, *parts))
    return str(uuid.uuid5(_CHATFOLD, name))
