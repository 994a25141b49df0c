"""What one message document must become; the rules of a record, as verify understands them."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn, cast
from zoneinfo import ZoneInfo

from app.domain.source_options import SourceOptions
from migrations.expected_values import decoded_bson, from_extended, is_extended

KEPT_NAME = "chatfold:source"
"""The name in a message's metadata below which stands what no field of a message can hold."""

_ID_LIMIT_BYTES = 1024
_SOURCE_DEPTH_LIMIT = 201
_STORED_DEPTH_LIMIT = 64
_INTEGER_LIMIT_BITS = 4096
_PLAIN_CHARACTERS = 1000  # no integer in a text this short can be too long
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_INSTANT = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
_LAST_INSTANT = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
_TYPES = ("user", "assistant", "system")
_FIELDS = ("id", "session_id", "user_id", "content", "message_type", "metadata", "created_at")

Row = tuple[Any, ...]
"""Position, session, user, instant, id, identity, content, type and metadata."""


class ExpectedRecords:
    """Tells of each record what it must become, with the options of the operator."""

    def __init__(self, options: SourceOptions) -> None:
        self._names = {name: options.fields.get(name, name) for name in _FIELDS}
        self._zone = ZoneInfo(options.time_zone) if options.time_zone else None

    def row(self, position: int, raw: bytes, *, is_bson: bool) -> Row | None:
        """What a record says, or None where it cannot be placed."""
        try:
            document = decoded_bson(raw) if is_bson else self._from_json(raw)
        except (ValueError, RecursionError):
            return None
        return None if document is None else self._row(position, document)

    def _from_json(self, raw: bytes) -> dict[str, Any] | None:
        document = json.loads(raw.decode(), parse_constant=_refuse)
        if not isinstance(document, dict):
            return None
        document = cast("dict[str, Any]", document)
        if b"\\u" in raw:
            canonical(document).encode()  # fails on half of a surrogate pair
        if _depth(document, raw) > _SOURCE_DEPTH_LIMIT:
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
            session_id = _id(said, "session_id")
            user_id = _id(said, "user_id")
            message_id = _id(said, "id")
            instant = self._instant(said["created_at"])
        except (ValueError, OverflowError):
            return None
        content = said["content"]
        if isinstance(content, list):
            content = _joined_texts(cast("Sequence[Any]", content))
        elif content is None:
            content = ""
        if not session_id or not isinstance(content, str):
            return None
        message_type, metadata = self._type_and_metadata(said, others)
        identity = "=" + message_id
        if not message_id:
            told = canonical([instant, content, message_type, metadata]).encode()
            identity = "#" + hashlib.sha256(told).hexdigest()
        return (
            *(position, session_id, user_id or None, instant),
            *(message_id, identity, content, message_type, metadata),
        )

    def _instant(self, value: Any) -> int:
        if isinstance(value, str):
            date, separator, time = value[:10], value[10:11], value[11:]
            if date[4:5] != "-" or date[7:8] != "-" or separator not in ("", " ", "T", "t"):
                raise ValueError(value)
            moment = datetime.fromisoformat(f"{date}T{time}" if separator else date)
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=self._zone or UTC)
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

    def _type_and_metadata(
        self, said: Mapping[str, Any], others: Mapping[str, Any]
    ) -> tuple[str, str | None]:
        kept = dict(others)
        message_type = said["message_type"]
        if message_type not in _TYPES:
            kept[self._names["message_type"]] = message_type
            message_type = "system"
        if isinstance(said["content"], list):
            kept[self._names["content"]] = said["content"]
        metadata = said["metadata"]
        if isinstance(metadata, str):
            metadata = _decoded(metadata)
        if said["metadata"] is None:
            metadata = {}
        if not isinstance(metadata, dict):
            kept[self._names["metadata"]] = said["metadata"]
            metadata = {}
        metadata = cast("dict[str, Any]", metadata)
        if KEPT_NAME in metadata:
            kept[self._names["metadata"]] = {KEPT_NAME: metadata[KEPT_NAME]}
        if kept:
            metadata = {**metadata, KEPT_NAME: kept}
        text = canonical(metadata)
        is_plain = (
            len(text) < _PLAIN_CHARACTERS
            and text.count("{") + text.count("[") <= _STORED_DEPTH_LIMIT
            and "Infinity" not in text
            and "\\u0000" not in text
        )
        return message_type, text if is_plain or _is_storable(metadata, 0) else None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _id(document: dict[str, Any], name: str) -> str:
    value = document.get(name)
    if value is None:
        return ""
    if type(value) is int:
        value = str(value)
    if not isinstance(value, str) or "\0" in value or len(value.encode()) > _ID_LIMIT_BYTES:
        raise ValueError(name)
    return value


def _joined_texts(parts: Sequence[Any]) -> str:
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
    return text if _depth(value, b"") > _SOURCE_DEPTH_LIMIT else value


def _is_storable(value: Any, level: int) -> bool:
    if isinstance(value, dict):
        names = cast("dict[str, Any]", value)
        return (
            level < _STORED_DEPTH_LIMIT
            and not any("\0" in name for name in names)
            and all(_is_storable(one, level + 1) for one in names.values())
        )
    if isinstance(value, list):
        items = cast("Sequence[Any]", value)
        return level < _STORED_DEPTH_LIMIT and all(_is_storable(one, level + 1) for one in items)
    if isinstance(value, float):
        return abs(value) != float("inf")
    return type(value) is not int or value.bit_length() <= _INTEGER_LIMIT_BITS


def _depth(value: Any, line: bytes) -> int:
    if line and line.count(b"[") + line.count(b"{") <= _SOURCE_DEPTH_LIMIT:
        return 0  # at most so deep, and that is deep enough
    if isinstance(value, dict):
        inner: Iterable[Any] = cast("dict[str, Any]", value).values()
    elif isinstance(value, list):
        inner = cast("Sequence[Any]", value)
    else:
        return 0
    return 1 + max((_depth(one, b"") for one in inner), default=0)


def canonical(value: Any) -> str:
    """JSON that is the same for equal values."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
