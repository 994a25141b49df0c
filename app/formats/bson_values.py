"""Values of MongoDB as JSON values, whether they come as BSON or as Extended JSON of any version.

What JSON has a form for takes that: ids and UUIDs are text, dates ISO 8601, long integers numbers.
Anything else is relaxed Extended JSON, version 2
(https://www.mongodb.com/docs/manual/reference/mongodb-extended-json/).
"""

import base64
import binascii
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID

import bson
from bson import json_util
from bson.binary import UUID_SUBTYPE, Binary
from bson.code import Code
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.datetime_ms import DatetimeMS
from bson.dbref import DBRef
from bson.errors import BSONError
from bson.int64 import Int64
from bson.objectid import ObjectId

from app.domain.folding import EPOCH

_LEVELS = 201
"""How deep the JSON parser goes; as BSON nobody can bring in what as JSON would be refused."""

_CODEC: CodecOptions[dict[str, Any]] = CodecOptions(
    tz_aware=True, datetime_conversion=DatetimeConversion.DATETIME_AUTO
)
_UUID_BYTES = 16
_INT64 = range(-(2**63), 2**63)


def bson_document(raw: bytes) -> dict[str, Any]:
    """What a BSON document says, as JSON values.

    Raises:
        ValueError: it is damaged, or nested too deeply.
    """
    try:
        # PyMongo's type for bytes names numpy arrays, which are not installed.
        decoded = bson.decode(raw, _CODEC)  # pyright: ignore[reportUnknownMemberType] - see above
        return cast("dict[str, Any]", _plain(decoded, _LEVELS))
    except (BSONError, RecursionError) as error:
        raise ValueError("It is damaged, or nested too deeply.") from error


def extended_value(value: Any) -> Any:
    """A value of Extended JSON as JSON values; what only looks like it stays as it is."""
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        read = _WRAPPERS.get(frozenset(members))
        if read is not None:
            try:
                return read(members)
            except (ValueError, TypeError, LookupError, OverflowError, binascii.Error):
                return members
        return {name: extended_value(one) for name, one in members.items()}
    if isinstance(value, list):
        return [extended_value(one) for one in cast("Sequence[Any]", value)]
    return value


def is_wrapper(value: Any) -> bool:
    """Whether a JSON value is how Extended JSON writes one that JSON has no form for."""
    return isinstance(value, dict) and frozenset(cast("dict[str, Any]", value)) in _WRAPPERS


def _plain(value: Any, levels_left: int) -> Any:
    kind = cast("object", type(value))
    if kind in _AS_THEY_ARE:
        return value
    if kind in _PLAIN:
        return _PLAIN[kind](value)
    if kind is Code and value.scope is not None:
        value = {"$code": str(value), "$scope": dict(value.scope)}
    elif kind is DBRef:
        value = dict(value.as_doc())
    if levels_left == 0 and isinstance(value, dict | list):
        raise ValueError("It is damaged, or nested too deeply.")
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        return {name: _plain(one, levels_left - 1) for name, one in members.items()}
    if isinstance(value, list):
        return [_plain(one, levels_left - 1) for one in cast("Sequence[Any]", value)]
    return json_util.default(value, json_util.RELAXED_JSON_OPTIONS)


def _plain_float(value: float) -> Any:
    if math.isfinite(value):
        return value
    if math.isnan(value):
        return {"$numberDouble": "NaN"}
    return {"$numberDouble": "Infinity" if value > 0 else "-Infinity"}


def _plain_date(moment: datetime) -> str:
    utc = moment.astimezone(UTC)
    unit = "microseconds" if utc.microsecond % 1000 else "milliseconds"
    return utc.isoformat(timespec=unit).replace("+00:00", "Z")


def _plain_binary(value: Binary) -> Any:
    if value.subtype == UUID_SUBTYPE and len(value) == _UUID_BYTES:
        return str(UUID(bytes=bytes(value)))
    return json_util.default(value, json_util.RELAXED_JSON_OPTIONS)


_AS_THEY_ARE: frozenset[object] = frozenset({str, int, bool, type(None)})
_PLAIN: dict[object, Callable[[Any], Any]] = {
    float: _plain_float,
    Int64: int,
    ObjectId: str,
    datetime: _plain_date,
    DatetimeMS: lambda value: {"$date": {"$numberLong": str(int(value))}},
    Binary: _plain_binary,
}


# --- from Extended JSON -------------------------------------------------------------------------


def _whole(text: Any) -> int:
    value = int(_text(text))
    if value not in _INT64:
        raise ValueError
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _number(members: Mapping[str, Any]) -> int:
    (text,) = members.values()
    return _whole(text)


def _double(members: Mapping[str, Any]) -> Any:
    return _plain_float(float(_text(members["$numberDouble"])))


def _object_id(members: Mapping[str, Any]) -> str:
    text = _text(members["$oid"])
    if not ObjectId.is_valid(text):
        raise ValueError
    return text.lower()


def _date(members: Mapping[str, Any]) -> Any:
    value = members["$date"]
    if isinstance(value, str):
        moment = datetime.fromisoformat(value)
        return _plain_date(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    if isinstance(value, dict):
        value = _whole(cast("dict[str, Any]", value)["$numberLong"])
    if type(value) is not int:
        raise TypeError
    try:
        return _plain_date(EPOCH + timedelta(milliseconds=value))
    except OverflowError:
        return {"$date": {"$numberLong": str(value)}}


def _binary(members: Mapping[str, Any]) -> Any:
    text, subtype = members["$binary"], members.get("$type")  # version 1
    if isinstance(text, dict):
        inner = cast("dict[str, Any]", text)
        text, subtype = inner["base64"], inner["subType"]
    raw = base64.b64decode(_text(text), validate=True)
    return _plain_binary(Binary(raw, int(_text(subtype), 16)))


def _regex(members: Mapping[str, Any]) -> Any:  # version 1
    pattern, options = _text(members["$regex"]), _text(members["$options"])
    return {"$regularExpression": {"pattern": pattern, "options": options}}


_WRAPPERS: dict[frozenset[str], Callable[[Mapping[str, Any]], Any]] = {
    frozenset({"$oid"}): _object_id,
    frozenset({"$date"}): _date,
    frozenset({"$numberLong"}): _number,
    frozenset({"$numberInt"}): _number,
    frozenset({"$numberDouble"}): _double,
    frozenset({"$binary"}): _binary,
    frozenset({"$binary", "$type"}): _binary,
    frozenset({"$uuid"}): lambda members: str(UUID(_text(members["$uuid"]))),
    frozenset({"$symbol"}): lambda members: _text(members["$symbol"]),
    frozenset({"$undefined"}): lambda _members: None,
    frozenset({"$regex", "$options"}): _regex,
    # What JSON has no form for stays as it is; version 2 says it so already.
    frozenset({"$numberDecimal"}): dict,
    frozenset({"$regularExpression"}): dict,
    frozenset({"$timestamp"}): dict,
    frozenset({"$code"}): dict,
    frozenset({"$minKey"}): dict,
    frozenset({"$maxKey"}): dict,
}
