"""What one message document must become; the rules of a record, as verify understands them."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, NoReturn, cast
from zoneinfo import ZoneInfo

from app.domain.source_options import SourceOptions
from migrations.expected_source import OpenSource, opened
from migrations.expected_values import decoded_bson, from_extended, is_extended

KEPT_NAME = "chatfold:source"
"""The name in a message's metadata below which stands what no field of a message can hold."""

_ID_LIMIT_BYTES = 1024
SOURCE_DEPTH_LIMIT = 201
_STORED_DEPTH_LIMIT = 64
_INTEGER_LIMIT_BITS = 4096
_PLAIN_CHARACTERS = 1000  # no integer in a text this short can be too long
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_INSTANT = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
_LAST_INSTANT = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
_TYPES = ("user", "assistant", "system")
_FIELDS = ("id", "session_id", "user_id", "content", "message_type", "metadata", "created_at")


class Row(NamedTuple):
    """A message as the source tells it."""

    position: int
    session_id: str
    user_id: str | None
    place: int
    """What orders the messages of a session, before their ids."""
    instant: int
    """Microseconds since 1970."""
    id: str
    """Empty where there is none."""
    identity: str
    """What two records of one message share."""
    content: str
    message_type: str
    metadata: str | None
    """None: whatever is kept of it is kept as text."""


class ToldRow(NamedTuple):
    """What the source says of a session itself."""

    position: int
    session_id: str
    user_id: str | None
    fields: str
    """JSON of every field that is told, and of the extras: null where they are kept as text."""
    size_bytes: int
    """Of all that with its defaults."""


class ExpectedRecords:
    """Tells of each record what it must become, with the options of the operator."""

    needs_session = False

    def __init__(self, options: SourceOptions) -> None:
        self._names = {name: options.fields.get(name, name) for name in _FIELDS}
        self._zone = ZoneInfo(options.time_zone) if options.time_zone else None

    def opened(self, location: str, options: SourceOptions) -> AbstractContextManager[OpenSource]:
        """The source at its beginning.

        Raises:
            SourceError: it cannot be read.
        """
        return opened(location, options)

    def rows(self, position: int, raw: bytes | None, *, is_bson: bool) -> Iterator[Row | None]:
        """What a record says, or None where it cannot be placed."""
        document = None
        if raw is not None:
            with suppress(ValueError, RecursionError):
                document = decoded_bson(raw) if is_bson else self._from_json(raw)
        yield None if document is None else self._row(position, document)

    def place(self, position: int, word: str) -> str:
        """Where a record is, in people's words."""
        return f"{word} {position}"

    def _from_json(self, raw: bytes) -> dict[str, Any] | None:
        document = json.loads(raw.decode(), parse_constant=_refuse)
        if not isinstance(document, dict):
            return None
        document = cast("dict[str, Any]", document)
        if b"\\u" in raw:
            canonical(document).encode()  # fails on half of a surrogate pair
        if depth_of(document, raw) > SOURCE_DEPTH_LIMIT:
            return None
        telling = {*self._names.values(), "_id"} - {self._names["metadata"]}
        if b'"$' in raw and any(is_extended(document.get(name)) for name in telling):
            return {name: from_extended(value) for name, value in document.items()}
        return document

    def _row(self, position: int, document: dict[str, Any]) -> Row | None:
        said = {ours: document.get(theirs) for ours, theirs in self._names.items()}
        others = {n: v for n, v in document.items() if n not in self._names.values()}
        if "_id" in others:
            if said["id"] is None or said["id"] == "":
                said["id"] = others.pop("_id")
            elif others["_id"] == said["id"]:
                del others["_id"]
        try:
            session_id = id_of(said, "session_id")
            user_id = id_of(said, "user_id")
            message_id = id_of(said, "id")
            instant = instant_of(said["created_at"], self._zone)
        except (ValueError, OverflowError):
            return None
        content = said["content"]
        if isinstance(content, list):
            content = joined_texts(cast("Sequence[Any]", content))
        elif content is None:
            content = ""
        if not session_id or not isinstance(content, str):
            return None
        message_type, metadata = type_and_metadata(said, others, self._names, _TYPES)
        identity = identity_of(message_id, [instant, content, message_type, metadata])
        return Row(
            position,
            session_id,
            user_id or None,
            instant,
            instant,
            message_id,
            identity,
            content,
            message_type,
            metadata,
        )


def instant_of(value: Any, zone: ZoneInfo | None) -> int:
    """Microseconds since 1970.

    Raises:
        ValueError: there is no such instant; or an OverflowError.
    """
    if isinstance(value, str):
        date, separator, time = value[:10], value[10:11], value[11:]
        if date[4:5] != "-" or date[7:8] != "-" or separator not in ("", " ", "T", "t"):
            raise ValueError(value)
        moment = datetime.fromisoformat(f"{date}T{time}" if separator else date)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=zone or UTC)
        instant = (moment - _EPOCH) // timedelta(microseconds=1)
    elif type(value) in (int, float):
        digits = abs(value)
        if digits >= 10**17:
            raise ValueError(value)
        factor = 1_000_000 if digits < 10**11 else 1000 if digits < 10**14 else 1
        instant = round(value * factor)
    else:
        raise ValueError(value)
    if not _FIRST_INSTANT <= instant <= _LAST_INSTANT:
        raise ValueError(value)
    return instant


def type_and_metadata(
    said: Mapping[str, Any],
    others: Mapping[str, Any],
    names: Mapping[str, str],
    types: Sequence[str],
) -> tuple[str, str | None]:
    """The type of a message, and its metadata as JSON; None where that is kept as text."""
    kept = dict(others)
    message_type = said["message_type"]
    if message_type not in types:
        kept[names["message_type"]] = message_type
        message_type = "system"
    if isinstance(said["content"], list):
        kept[names["content"]] = said["content"]
    metadata = said["metadata"]
    if isinstance(metadata, str):
        metadata = _decoded(metadata)
    if said["metadata"] is None:
        metadata = {}
    if not isinstance(metadata, dict):
        kept[names["metadata"]] = said["metadata"]
        metadata = {}
    metadata = cast("dict[str, Any]", metadata)
    if KEPT_NAME in metadata:
        kept[names["metadata"]] = {KEPT_NAME: metadata[KEPT_NAME]}
    if kept:
        metadata = {**metadata, KEPT_NAME: kept}
    text = canonical(metadata)
    is_plain = (
        len(text) < _PLAIN_CHARACTERS
        and text.count("{") + text.count("[") <= _STORED_DEPTH_LIMIT
        and "Infinity" not in text
        and "\\u0000" not in text
    )
    return message_type, text if is_plain or is_storable(metadata) else None


def identity_of(message_id: str, told: Sequence[Any]) -> str:
    """What two records of one message share: its id, or all that is told of it."""
    if message_id:
        return "=" + message_id
    return "#" + hashlib.sha256(canonical(told).encode()).hexdigest()


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def id_of(document: Mapping[str, Any], name: str) -> str:
    """An id as text, empty where there is none.

    Raises:
        ValueError: it can be no id.
    """
    value = document.get(name)
    if value is None:
        return ""
    if type(value) is int:
        value = str(value)
    if not isinstance(value, str) or "\0" in value or len(value.encode()) > _ID_LIMIT_BYTES:
        raise ValueError(name)
    return value


def joined_texts(parts: Sequence[Any]) -> str:
    """What a list of parts says."""
    texts: list[str] = []
    for part in parts:
        match part:
            case str(text) | {"text": str(text)} | {"text": {"value": str(text)}}:
                texts.append(text)
            case _:
                pass
    return "\n\n".join(texts)


def instant_text(instant: int) -> str:
    """As stores write it, in milliseconds."""
    moment = _EPOCH + timedelta(microseconds=instant // 1000 * 1000)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _decoded(text: str) -> Any:
    """What JSON in a text says; the text itself where it is none."""
    try:
        value = json.loads(text, parse_constant=_refuse)
        canonical(value).encode()
    except (ValueError, RecursionError):
        return text
    return text if depth_of(value) > SOURCE_DEPTH_LIMIT else value


def is_storable(value: Any, level: int = 0) -> bool:
    """Whether every store keeps this value, so many levels deep, as it is."""
    if isinstance(value, dict):
        names = cast("dict[str, Any]", value)
        return (
            level < _STORED_DEPTH_LIMIT
            and not any("\0" in name for name in names)
            and all(is_storable(one, level + 1) for one in names.values())
        )
    if isinstance(value, list):
        items = cast("Sequence[Any]", value)
        return level < _STORED_DEPTH_LIMIT and all(is_storable(one, level + 1) for one in items)
    if isinstance(value, float):
        return abs(value) != float("inf")
    return type(value) is not int or value.bit_length() <= _INTEGER_LIMIT_BITS


def depth_of(value: Any, line: bytes = b"") -> int:
    """How many levels a value has; 0 where the line that it comes from shows that they are few."""
    if line and line.count(b"[") + line.count(b"{") <= SOURCE_DEPTH_LIMIT:
        return 0  # at most so deep, and that is deep enough
    if isinstance(value, dict):
        inner: Iterable[Any] = cast("dict[str, Any]", value).values()
    elif isinstance(value, list):
        inner = cast("Sequence[Any]", value)
    else:
        return 0
    return 1 + max((depth_of(one) for one in inner), default=0)


def canonical(value: Any) -> str:
    """JSON that is the same for equal values."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
