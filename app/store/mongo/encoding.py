"""Encoding: messages and headers as BSON documents, and back into the very bytes they came from.

Free JSON is a document where BSON keeps it exactly and in about as many bytes, so that operators
can query it; else it is its own JSON text. So a stored message is never much larger than its JSON,
and the published limits hold for the documents of any server.
"""

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from types import UnionType
from typing import Any, cast

import bson
from pydantic_core import from_json

from app.domain.free_json import encode_json
from app.domain.instants import instant_text
from app.domain.message import EncodedMessage, PastText
from app.domain.session import Origin, SessionHeader, SessionStatus, SessionSummary
from app.errors import CorruptDocumentError

Document = dict[str, Any]
"""A BSON document as the driver takes and gives it; instants in it are naive UTC."""

STEP_BYTES = 12
"""What a revision takes in `steps`, with the key of its place in that array."""

_EXCESS_LIMIT_BYTES = 128
_FLAT_MEMBERS = 16
"""So many members that are texts take less than the excess in any case, and are the most common."""

_DEPTH_LIMIT = 20
"""Levels of free JSON as documents; servers count their own levels on top, and some stop early."""

_INTEGER_BITS = 64
_OPTIONAL_TEXTS = ("user_id", "parent_id")
_OPTIONAL_INSTANTS = ("edited_at", "deleted_at")
_MESSAGE_MEMBERS = frozenset(
    {"seq", "id", "content", "message_type", "metadata", "created_at"}
    | {*_OPTIONAL_TEXTS, *_OPTIONAL_INSTANTS}
)


# --- instants -----------------------------------------------------------------------------------


def stored_instant(text: str) -> datetime:
    """An instant in the form of the wire, as the driver takes and gives it."""
    return datetime.fromisoformat(text[:-1])  # without its Z


def naive_instant(instant: datetime) -> datetime:
    """An instant of the domain as the driver takes and gives it."""
    return instant.astimezone(UTC).replace(tzinfo=None)


def aware_instant(stored: datetime | None) -> datetime | None:
    """A stored instant as the domain knows it."""
    return None if stored is None else stored.replace(tzinfo=UTC)


# --- free JSON ----------------------------------------------------------------------------------


def stored_json(value: Mapping[str, Any]) -> Document | str:
    """A document where BSON keeps the value as it is, else the value's JSON text."""
    if not value:
        return {}
    document = dict(value)
    if len(document) <= _FLAT_MEMBERS and all(map(_is_exact_text, document.items())):
        return document
    text = encode_json(document)
    if _is_exact(document, _DEPTH_LIMIT):
        # Arrays spell out each index, so that a list of numbers can take six times its JSON.
        size_bytes = len(bson.encode(document))
        if size_bytes <= len(text) + _EXCESS_LIMIT_BYTES:
            return document
    return text.decode()


def loaded_json(stored: Any) -> dict[str, Any]:
    """The value that `stored_json` stored."""
    value = from_json(stored) if isinstance(stored, str) else stored
    if not isinstance(value, dict):
        raise TypeError("free JSON must be an object")
    return cast("dict[str, Any]", value)


def _is_exact(value: Any, levels_left: int) -> bool:
    match value:
        case None | bool() | str():
            return True
        case int():
            return value.bit_length() < _INTEGER_BITS
        case float():
            # Some servers lose the sign of zero, or take a whole float for an integer.
            return math.isfinite(value) and not value.is_integer()
        case dict():
            return levels_left > 0 and all(
                _is_exact_name(name) and _is_exact(item, levels_left - 1)
                for name, item in cast("dict[str, Any]", value).items()
            )
        case list():
            # A list in a list is refused by some.
            return levels_left > 0 and all(
                not isinstance(item, list) and _is_exact(item, levels_left - 1)
                for item in cast("Iterable[Any]", value)
            )
        case _:
            return False


def _is_exact_text(member: tuple[str, Any]) -> bool:
    name, value = member
    return isinstance(value, str) and _is_exact_name(name)


def _is_exact_name(name: str) -> bool:
    return name != "" and name[0] != "$" and "." not in name


# --- messages -----------------------------------------------------------------------------------


def stored_message(members: Mapping[str, Any], digest: bytes) -> Document:
    """A message as it is embedded: its members as its JSON has them, absent where they are null."""
    document: Document = {
        "id": members["id"],
        "content": members["content"],
        "message_type": members["message_type"],
        "created_at": stored_instant(members["created_at"]),
        "digest": digest,
    }
    for name in _OPTIONAL_TEXTS:
        if members.get(name) is not None:
            document[name] = members[name]
    for name in _OPTIONAL_INSTANTS:
        if members.get(name) is not None:
            document[name] = stored_instant(members[name])
    if members["metadata"]:
        document["metadata"] = stored_json(members["metadata"])
    if not _MESSAGE_MEMBERS.issuperset(members):
        extras = {name: item for name, item in members.items() if name not in _MESSAGE_MEMBERS}
        document["extras"] = stored_json(extras)
    return document


def stored_new_message(message: EncodedMessage) -> Document:
    """A new message as it is embedded."""
    return stored_message(from_json(message.unplaced_json), message.digest)


def message_members(seq: int, document: Document) -> dict[str, Any]:
    """A stored message's members in the order of its JSON.

    Raises:
        CorruptDocumentError: it is not one.
    """
    try:
        get = document.get
        id_, content, message_type = document["id"], document["content"], document["message_type"]
        is_text = isinstance(id_, str) and isinstance(content, str)
        if not (is_text and isinstance(message_type, str)):
            raise CorruptDocumentError("message")  # they would come out as they are
        metadata, edited_at, deleted_at = get("metadata"), get("edited_at"), get("deleted_at")
        members = {
            "seq": seq,
            "id": id_,
            "content": content,
            "message_type": message_type,
            "user_id": get("user_id"),
            "metadata": loaded_json(metadata) if metadata else {},
            "created_at": instant_text(document["created_at"]),
            "parent_id": get("parent_id"),
            "edited_at": edited_at and instant_text(edited_at),
            "deleted_at": deleted_at and instant_text(deleted_at),
        }
        if "extras" in document:
            members |= loaded_json(document["extras"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CorruptDocumentError("message") from error
    return members


def message_json(seq: int, document: Document) -> bytes:
    """A stored message at its place, as JSON."""
    return encode_json(message_members(seq, document))


def messages_json(placed: Iterable[tuple[int, Document]]) -> bytes:
    """The inside of a JSON array of stored messages; all of them are encoded in one go."""
    return encode_json([message_members(seq, document) for seq, document in placed])[1:-1]


def message_size_bytes(document: Document) -> int:
    """What a stored message counts towards the size of what embeds it."""
    return len(bson.encode(document)) + STEP_BYTES


# --- past texts ---------------------------------------------------------------------------------


def stored_past_text(seq: int, past: PastText) -> Document:
    """What a message said before an edit."""
    return {
        "seq": seq,
        "content": past.content,
        "metadata": stored_json(past.metadata),
        "replaced_at": naive_instant(past.replaced_at),
    }


def loaded_past_text(document: Document) -> PastText:
    """The past text that `stored_past_text` stored.

    Raises:
        CorruptDocumentError: it is not one.
    """
    try:
        return PastText(
            content=document["content"],
            metadata=loaded_json(document["metadata"]),
            replaced_at=document["replaced_at"].replace(tzinfo=UTC),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CorruptDocumentError("past text") from error


# --- headers ------------------------------------------------------------------------------------

SUMMARY_FIELDS = tuple("session_id" if n == "id" else n for n in SessionSummary.model_fields)
"""What lists ask for; `id` has another name, since Beanie gives that one to `_id`."""

HEADER_FIELDS = (*SUMMARY_FIELDS, "context", "metadata", "origin", "extras")


def stored_header(header: SessionHeader) -> Document:
    """A header's members, as the head has them beside the messages."""
    document: Document = {name: getattr(header, name) for name in SessionSummary.model_fields}
    document["session_id"] = document.pop("id")
    for name in ("created_at", "updated_at"):
        document[name] = naive_instant(document[name])
    last = header.last_message_at
    document["last_message_at"] = None if last is None else naive_instant(last)
    document["status"] = header.status.value
    document["tags"] = list(header.tags)
    document["context"] = stored_json(header.context)
    document["metadata"] = stored_json(header.metadata)
    if header.origin is not None:
        document["origin"] = stored_json(header.origin.model_dump(mode="json"))
    if header.model_extra:
        document["extras"] = stored_json(header.model_extra)
    return document


def loaded_header(document: Document) -> SessionHeader:
    """The header in a head.

    Raises:
        CorruptDocumentError: it cannot be decoded.
    """
    try:
        origin = document.get("origin")
        return SessionHeader.model_construct(
            **_summary_members(document),
            context=loaded_json(document["context"]),
            metadata=loaded_json(document["metadata"]),
            origin=None if origin is None else Origin.model_validate(loaded_json(origin)),
            **loaded_json(document.get("extras", {})),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CorruptDocumentError("session header") from error


def loaded_summary(document: Document) -> SessionHeader:
    """A header without its free JSON, for lists.

    Raises:
        CorruptDocumentError: it cannot be decoded.
    """
    try:
        return SessionHeader.model_construct(**_summary_members(document))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CorruptDocumentError("session summary") from error


_SUMMARY_TYPES: tuple[tuple[str, type | UnionType], ...] = (
    *((name, str) for name in ("user_id", "session_id", "generation")),
    *((name, str | None) for name in ("session_name", "project_id", "workspace_id")),
    *((name, int) for name in ("message_count", "next_seq", "revision", "changes")),
    ("is_pinned", bool),
    ("tags", list),
)
"""Those that would come out as they are, whatever they are; the others are decoded."""


def _summary_members(document: Document) -> dict[str, Any]:
    members = {name: document[name] for name in SUMMARY_FIELDS}
    for name, kind in _SUMMARY_TYPES:
        if not isinstance(members[name], kind):
            raise TypeError(name)
    members["id"] = members.pop("session_id")
    members["status"] = SessionStatus(members["status"])
    members["tags"] = tuple(members["tags"])
    members["created_at"] = document["created_at"].replace(tzinfo=UTC)
    members["updated_at"] = document["updated_at"].replace(tzinfo=UTC)
    members["last_message_at"] = aware_instant(document["last_message_at"])
    return members
