"""Values of MongoDB as verify expects to find them: BSON and Extended JSON, by ways of its own."""

import base64
import re
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import bson
from bson.binary import Binary
from bson.code import Code
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.datetime_ms import DatetimeMS
from bson.dbref import DBRef
from bson.decimal128 import Decimal128
from bson.errors import BSONError
from bson.max_key import MaxKey
from bson.min_key import MinKey
from bson.objectid import ObjectId
from bson.regex import Regex
from bson.timestamp import Timestamp

_DEPTH_LIMIT = 201
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OPTIONS: CodecOptions[dict[str, Any]] = CodecOptions(
    datetime_conversion=DatetimeConversion.DATETIME_MS
)
_OBJECT_ID = re.compile(r"[0-9a-fA-F]{24}")
_REGEX_FLAGS = {
    "i": re.IGNORECASE,
    "l": re.LOCALE,
    "m": re.MULTILINE,
    "s": re.DOTALL,
    "u": re.UNICODE,
    "x": re.VERBOSE,
}
_KEPT = (
    {"$numberDecimal"},
    {"$regularExpression"},
    {"$timestamp"},
    {"$code"},
    {"$minKey"},
    {"$maxKey"},
)
_READ = (
    *({"$oid"}, {"$date"}, {"$numberLong"}, {"$numberInt"}, {"$numberDouble"}, {"$uuid"}),
    *({"$symbol"}, {"$undefined"}, {"$binary"}, {"$binary", "$type"}, {"$regex", "$options"}),
)


def decoded_bson(raw: bytes) -> dict[str, Any]:
    """A document as JSON values.

    Raises:
        ValueError: it is damaged, or nested too deeply.
    """
    try:
        # PyMongo's type for bytes names numpy arrays, which are not installed.
        document = bson.decode(raw, _OPTIONS)  # pyright: ignore[reportUnknownMemberType] - see above
        return cast("dict[str, Any]", _from_bson(document, 1))
    except (BSONError, RecursionError) as error:
        raise ValueError("It is damaged, or nested too deeply.") from error


def is_extended(value: Any) -> bool:
    """Whether it is a value that Extended JSON writes as an object."""
    return isinstance(value, dict) and set(cast("dict[str, Any]", value)) in (*_READ, *_KEPT)


def from_extended(value: Any) -> Any:
    """A value of Extended JSON as a JSON value."""
    if isinstance(value, list):
        return [from_extended(one) for one in cast("Sequence[Any]", value)]
    if not isinstance(value, dict):
        return value
    members = cast("dict[str, Any]", value)
    if set(members) in _KEPT:
        return members
    if set(members) in _READ:
        try:
            return _read(members)
        except (ValueError, OverflowError, TypeError, KeyError):
            return members
    return {name: from_extended(one) for name, one in members.items()}


def _read(members: dict[str, Any]) -> Any:  # noqa: C901, PLR0912 - a table of forms
    match members:
        case {"$oid": str(text)} if _OBJECT_ID.fullmatch(text):
            value: Any = text.lower()
        case {"$numberLong": str(text)} | {"$numberInt": str(text)} if (
            -(2**63) <= int(text) < 2**63
        ):
            value = int(text)
        case {"$numberDouble": str(text)}:
            value = _float(float(text))
        case {"$symbol": str(text)}:
            value = text
        case {"$uuid": str(text)}:
            value = str(uuid.UUID(text))
        case {"$undefined": _}:
            value = None
        case {"$regex": str(pattern), "$options": str(options)}:
            value = {"$regularExpression": {"pattern": pattern, "options": options}}
        case {"$binary": {"base64": str(text), "subType": str(kind)}}:
            value = _binary(base64.b64decode(text, validate=True), int(kind, 16))
        case {"$binary": str(text), "$type": str(kind)}:
            value = _binary(base64.b64decode(text, validate=True), int(kind, 16))
        case {"$date": str(text)}:
            moment = datetime.fromisoformat(text)
            value = _date(moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment)
        case {"$date": {"$numberLong": str(text)}} if -(2**63) <= int(text) < 2**63:
            value = _milliseconds(int(text))
        case {"$date": int(number)} if not isinstance(number, bool):
            value = _milliseconds(number)
        case _:
            value = members
    return value


def _from_bson(value: Any, level: int) -> Any:  # noqa: C901, PLR0911, PLR0912 - a table of types
    match value:
        case dict() | list() if level > _DEPTH_LIMIT:
            raise ValueError("It is damaged, or nested too deeply.")
        case dict():
            members = cast("dict[str, Any]", value)
            return {name: _from_bson(one, level + 1) for name, one in members.items()}
        case list():
            return [_from_bson(one, level + 1) for one in cast("Sequence[Any]", value)]
        case Code() if value.scope is not None:
            scope = _from_bson(dict(value.scope), level + 1)
            return {"$code": str(value), "$scope": scope}
        case Code():
            return {"$code": str(value)}
        case DBRef():
            return _from_bson(dict(value.as_doc()), level)
        case ObjectId():
            return str(value)
        case DatetimeMS():
            return _milliseconds(int(value))
        case Binary():
            return _binary(bytes(value), value.subtype)
        case bytes():
            return _binary(value, 0)
        case float():
            return _float(value)
        case bool() | str() | None:
            return value
        case int():
            return int(value)
        case Decimal128():
            return {"$numberDecimal": str(value)}
        case Regex():
            pattern, flags = cast("Regex[str]", value).pattern, value.flags
            return {"$regularExpression": {"pattern": pattern, "options": _letters(flags)}}
        case Timestamp():
            return {"$timestamp": {"t": value.time, "i": value.inc}}
        case MinKey():
            return {"$minKey": 1}
        case MaxKey():
            return {"$maxKey": 1}
        case _:
            raise ValueError("It has a value of an unknown type.")


def _float(value: float) -> Any:
    words = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
    return {"$numberDouble": words[str(value)]} if str(value) in words else value


def _letters(flags: int) -> str:
    return "".join(letter for letter, bit in _REGEX_FLAGS.items() if flags & bit)


def _binary(value: bytes, kind: int) -> Any:
    if not 0 <= kind <= 255:  # noqa: PLR2004 - a byte
        raise ValueError(kind)
    if kind == 4 and len(value) == 16:  # noqa: PLR2004 - a UUID (https://bsonspec.org)
        return str(uuid.UUID(bytes=value))
    return {"$binary": {"base64": base64.b64encode(value).decode(), "subType": f"{kind:02x}"}}


def _milliseconds(number: int) -> Any:
    try:
        return _date(_EPOCH + timedelta(milliseconds=number))
    except OverflowError:
        return {"$date": {"$numberLong": str(number)}}


def _date(moment: datetime) -> str:
    text = moment.astimezone(UTC).strftime("%m-%dT%H:%M:%S")
    micros = moment.microsecond
    fraction = f"{micros:06d}" if micros % 1000 else f"{micros // 1000:03d}"
    return f"{moment.astimezone(UTC).year:04d}-{text}.{fraction}Z"
