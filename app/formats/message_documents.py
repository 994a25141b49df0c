"""Message documents: the old shape, one JSON object per message, each naming its session."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, cast

from pydantic_core import from_json

from app.domain.folding import EPOCH, KEPT_NAME, Finding, Reason, source_message
from app.domain.free_json import checked_json, encode_json
from app.domain.identity import ID_LIMIT_BYTES, checked_id
from app.domain.message import MessageType
from app.domain.source_options import AS_IT_IS, SourceOptions
from app.formats.port import FaultyRecord, Notation, RawRecord, Record

_FIELDS = frozenset(
    {"id", "session_id", "user_id", "content", "message_type", "metadata", "created_at"}
)

# The old shape knew these three; "tool" was no word of it, whoever wrote it meant something else.
_MESSAGE_TYPES = {
    kind.value: kind for kind in (MessageType.USER, MessageType.ASSISTANT, MessageType.SYSTEM)
}

_MICROSECOND = timedelta(microseconds=1)
_EARLIEST = (datetime.min.replace(tzinfo=UTC) - EPOCH) // _MICROSECOND
_LATEST = (datetime.max.replace(tzinfo=UTC) - EPOCH) // _MICROSECOND

# Epoch numbers tell their unit by their size: seconds up to the year 5138, finer ones from 1973.
_SECONDS_BELOW = 10**11
_MILLISECONDS_BELOW = 10**14
_MICROSECONDS_BELOW = 10**17

_PLAIN_VALUES = frozenset({str, int, bool, type(None)})
_PLAIN_LINE_BYTES = 1000  # no integer in a line this short can be too long


class _FaultError(Exception):
    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class MessageDocuments:
    """The format of individual message documents, as `/api/chat` once stored them."""

    name = "message-documents"

    def __init__(self, options: SourceOptions = AS_IT_IS) -> None:
        self._options = options

    def records(
        self, raw_records: Iterable[RawRecord], notation: Notation = Notation.JSON
    ) -> Iterator[Record | FaultyRecord]:
        """One record for each raw one; see the port."""
        for position, raw, damage in raw_records:
            if raw is None:
                yield _unread(position, damage, notation)
                continue
            try:
                yield _record(position, raw)
            except _FaultError as fault:
                yield FaultyRecord(position, fault.reason, fault.detail, raw)


def _unread(position: int, damage: str, notation: Notation) -> FaultyRecord:
    if not damage:
        detail = "The record is too long to be looked at."
        return FaultyRecord(position, Reason.MESSAGE_TOO_LARGE, detail, b"")
    is_bson = notation is Notation.BSON
    reason = Reason.MALFORMED_BSON if is_bson else Reason.MALFORMED_JSON
    return FaultyRecord(position, reason, damage, b"")


def _record(position: int, raw: bytes) -> Record:
    try:
        decoded = from_json(raw, allow_inf_nan=False)
    except ValueError:
        raise _FaultError(Reason.MALFORMED_JSON, "The line is not JSON in UTF-8.") from None
    if not isinstance(decoded, dict):
        raise _FaultError(Reason.NOT_AN_OBJECT, "The line is JSON, but not an object.")
    document = cast("dict[str, Any]", decoded)
    session_id, user_id, message_id = _ids(document)
    instant, is_naive = _instant(document.get("created_at"))
    findings = Finding.NAIVE_TIMESTAMP.value if is_naive else 0
    content = document.get("content")
    if content is None:
        content = ""
        findings |= Finding.NULL_CONTENT
    elif not isinstance(content, str):
        raise _FaultError(Reason.INVALID_CONTENT, "The content is neither text nor null.")
    message_type = document.get("message_type")
    metadata = document.get("metadata")
    if (
        isinstance(message_type, str)
        and message_type in _MESSAGE_TYPES
        and isinstance(metadata, dict)
        and _FIELDS.issuperset(document)
        and _is_plain(metadata := cast("dict[str, Any]", metadata), raw)
    ):
        kind, clean = _MESSAGE_TYPES[message_type], metadata
    else:
        kind, clean, more = _kept(document)
        findings |= more
    return Record(
        session_id,
        user_id,
        source_message(instant, message_id, position, content, kind, clean, findings, len(raw)),
        raw,
    )


def _ids(document: dict[str, Any]) -> tuple[str, str | None, str]:
    """The ids of session, user and message; the latter two may be missing (None, and empty).

    Raises:
        _FaultError: the session's is missing, or one of them can be no id.
    """
    session_id, user_id = document.get("session_id"), document.get("user_id")
    message_id = document.get("id")
    if (
        isinstance(session_id, str)
        and isinstance(user_id, str)
        and isinstance(message_id, str)
        and session_id
        and user_id
        and (together := session_id + user_id + message_id).isascii()
        and len(together) <= ID_LIMIT_BYTES
        and "\0" not in together
    ):
        return session_id, user_id, message_id  # nearly always, and quickly said
    checked_session_id = _id(document, "session_id")
    if checked_session_id is None:
        raise _FaultError(Reason.MISSING_SESSION_ID, "The record names no session.")
    return checked_session_id, _id(document, "user_id"), _id(document, "id") or ""


def _id(document: dict[str, Any], name: str) -> str | None:
    """An id as it came, an integer as decimal text, None where there is none.

    Raises:
        _FaultError: it can be no id.
    """
    value = document.get(name)
    if value is None or value == "":
        return None
    is_integer = isinstance(value, int) and not isinstance(value, bool)
    if not isinstance(value, str) and not is_integer:
        raise _FaultError(Reason.INVALID_ID, f"The {name} is neither text nor an integer.")
    try:
        return checked_id(str(value))
    except ValueError as error:
        raise _FaultError(Reason.INVALID_ID, f"The {name} {error}.") from None


def _instant(value: Any) -> tuple[int, bool]:
    """Microseconds since 1970, and whether the zone had to be assumed.

    Raises:
        _FaultError: there is none, or it is no instant of the years 1 to 9999.
    """
    if value is None or value == "":
        raise _FaultError(Reason.MISSING_CREATED_AT, "The record has no date.")
    try:
        if isinstance(value, str):
            instant, is_naive = _parsed(value)
        else:
            instant, is_naive = _epoch_microseconds(value), False
    except (ValueError, OverflowError):
        instant, is_naive = _LATEST + 1, False
    if not _EARLIEST <= instant <= _LATEST:
        raise _FaultError(
            Reason.INVALID_CREATED_AT, "The date is neither ISO 8601 nor a time since 1970."
        )
    return instant, is_naive


@lru_cache(maxsize=1024)  # in many sources the same date comes several times in a row
def _parsed(text: str) -> tuple[int, bool]:
    # `fromisoformat` takes weeks and dates without dashes too; nobody meant those.
    if text[4:5] != "-" or text[7:8] != "-" or text[10:11] not in {"T", "t", " ", ""}:
        raise ValueError
    parsed = datetime.fromisoformat(text)
    if parsed.tzinfo is None:
        return (parsed.replace(tzinfo=UTC) - EPOCH) // _MICROSECOND, True
    return (parsed - EPOCH) // _MICROSECOND, False


def _epoch_microseconds(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError  # noqa: TRY004 - a value of the source, no argument of ours
    size = abs(value)
    if size < _SECONDS_BELOW:
        return round(value * 1_000_000)
    if size < _MILLISECONDS_BELOW:
        return round(value * 1000)
    if size < _MICROSECONDS_BELOW:
        return round(value)
    raise ValueError


def _is_plain(metadata: dict[str, Any], raw: bytes) -> bool:
    """Whether this is surely JSON that every store keeps; most is, and it is quickly said."""
    return (
        _PLAIN_VALUES.issuperset(map(type, metadata.values()))
        and len(raw) < _PLAIN_LINE_BYTES
        and b"\\u0000" not in raw
        and KEPT_NAME not in metadata
    )


def _kept(document: dict[str, Any]) -> tuple[MessageType, dict[str, Any], int]:
    """Type and metadata to store, what no field can hold being under our name there; findings."""
    findings = 0
    kept: dict[str, Any] = {}
    message_type = document.get("message_type")
    if not isinstance(message_type, str) or message_type not in _MESSAGE_TYPES:
        kept["message_type"] = message_type
        message_type = MessageType.SYSTEM
        findings |= Finding.UNKNOWN_MESSAGE_TYPE
    unknown = {name: value for name, value in document.items() if name not in _FIELDS}
    if unknown:
        kept.update(unknown)
        findings |= Finding.UNKNOWN_FIELDS
    raw_metadata = document.get("metadata")
    metadata = _as_object(raw_metadata)
    if metadata is None:
        kept["metadata"] = raw_metadata
        findings |= Finding.METADATA_NOT_AN_OBJECT
        metadata = {}
    elif KEPT_NAME in metadata:  # someone else's use of our name stays readable below ours
        kept["metadata"] = {KEPT_NAME: metadata[KEPT_NAME]}
    stored = {**metadata, KEPT_NAME: kept} if kept else metadata
    if not _is_storable(stored):
        findings |= Finding.KEPT_AS_TEXT
        whole = {**kept, "metadata": raw_metadata} if raw_metadata is not None else kept
        stored = {KEPT_NAME: {"json": encode_json(whole).decode()}}
    return MessageType(message_type), stored, findings


def _as_object(metadata: Any) -> dict[str, Any] | None:
    """The object that metadata is, or that its text holds; null is an empty one."""
    if metadata is None:
        return {}
    if isinstance(metadata, str):
        try:
            metadata = from_json(metadata, allow_inf_nan=False)
        except ValueError:
            return None
    return cast("dict[str, Any]", metadata) if isinstance(metadata, dict) else None


def _is_storable(metadata: dict[str, Any]) -> bool:
    try:
        checked_json(metadata)
    except ValueError:
        return False
    return True
