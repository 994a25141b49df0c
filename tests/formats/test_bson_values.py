"""Values of MongoDB become the same JSON, in whatever notation they come."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import bson
import pytest
from bson import json_util
from bson.binary import Binary
from bson.code import Code
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.datetime_ms import DatetimeMS
from bson.dbref import DBRef
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.max_key import MaxKey
from bson.min_key import MinKey
from bson.objectid import ObjectId
from bson.regex import Regex
from bson.timestamp import Timestamp

from app.formats.bson_values import bson_document, extended_value, is_wrapper
from migrations.expected_values import decoded_bson, from_extended

OBJECT_ID = "66f0c0ffee00000000000001"
UUID_TEXT = "7c1d6a54-aaaa-4bbb-8ccc-000000000001"
VALUES: list[tuple[Any, Any]] = [
    (ObjectId(OBJECT_ID), OBJECT_ID),
    (Int64(2**62), 2**62),
    (Int64(-(2**63)), -(2**63)),
    (5, 5),
    (1.5, 1.5),
    (True, True),
    (None, None),
    ("text", "text"),
    (datetime(2024, 1, 1, 12, 0, 0, 123_000, tzinfo=UTC), "2024-01-01T12:00:00.123Z"),
    (DatetimeMS(-62_135_596_800_000), "0001-01-01T00:00:00.000Z"),
    (DatetimeMS(10**15), {"$date": {"$numberLong": "1000000000000000"}}),
    (Decimal128("1.50"), {"$numberDecimal": "1.50"}),
    (Binary(b"\0\1"), {"$binary": {"base64": "AAE=", "subType": "00"}}),
    (Binary(b"\0\1", 0x80), {"$binary": {"base64": "AAE=", "subType": "80"}}),
    (Binary(UUID(UUID_TEXT).bytes, 4), UUID_TEXT),
    (Regex("^a", "im"), {"$regularExpression": {"pattern": "^a", "options": "im"}}),
    (Timestamp(7, 8), {"$timestamp": {"t": 7, "i": 8}}),
    (Code("f()"), {"$code": "f()"}),
    (DBRef("c", ObjectId(OBJECT_ID)), {"$ref": "c", "$id": OBJECT_ID}),
    (MinKey(), {"$minKey": 1}),
    (MaxKey(), {"$maxKey": 1}),
    (float("nan"), {"$numberDouble": "NaN"}),
    (float("-inf"), {"$numberDouble": "-Infinity"}),
    ([ObjectId(OBJECT_ID), {"a": Int64(1)}], [OBJECT_ID, {"a": 1}]),
    ({"$set": 1, "a.b": 2, "": 3}, {"$set": 1, "a.b": 2, "": 3}),
]
_TYPED: CodecOptions[dict[str, Any]] = CodecOptions(
    tz_aware=True, datetime_conversion=DatetimeConversion.DATETIME_AUTO
)
_NOT_IN_VERSION_1 = (float,)  # it writes bare NaN, which is no JSON


@pytest.mark.parametrize(("value", "expected"), VALUES, ids=repr)
def test_a_value_of_bson_becomes_json(value: Any, expected: Any) -> None:
    raw = bson.encode({"v": value})

    assert bson_document(raw) == {"v": expected}
    assert decoded_bson(raw) == {"v": expected}


@pytest.mark.parametrize(
    "options",
    [
        json_util.LEGACY_JSON_OPTIONS,
        json_util.CANONICAL_JSON_OPTIONS,
        json_util.RELAXED_JSON_OPTIONS,
    ],
    ids=["1", "2 canonical", "2 relaxed"],
)
@pytest.mark.parametrize(("value", "expected"), VALUES, ids=repr)
def test_a_value_of_extended_json_becomes_the_same(
    value: Any, expected: Any, options: json_util.JSONOptions
) -> None:
    if options is json_util.LEGACY_JSON_OPTIONS and isinstance(value, _NOT_IN_VERSION_1):
        return
    typed = bson.decode(bson.encode({"v": value}), _TYPED)
    written = json.loads(json_util.dumps(typed, json_options=options))["v"]

    assert extended_value(written) == expected
    assert from_extended(written) == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"$date": 1_704_110_400_123}, "2024-01-01T12:00:00.123Z"),
        ({"$date": "2024-01-01T14:00:00.123456+02:00"}, "2024-01-01T12:00:00.123456Z"),
        ({"$date": "2024-01-01T12:00:00"}, "2024-01-01T12:00:00.000Z"),
        ({"$uuid": UUID_TEXT}, UUID_TEXT),
        ({"$symbol": "s"}, "s"),
        ({"$undefined": True}, None),
        ({"$oid": OBJECT_ID.upper()}, OBJECT_ID),
    ],
)
def test_other_spellings_are_known(written: Any, expected: Any) -> None:
    assert is_wrapper(written)
    assert extended_value(written) == expected
    assert from_extended(written) == expected


@pytest.mark.parametrize(
    "written",
    [
        {"$oid": "short"},
        {"$oid": 5},
        {"$date": "yesterday"},
        {"$date": True},
        {"$date": {"$numberLong": "x"}},
        {"$numberLong": "9223372036854775808"},
        {"$numberLong": 5},
        {"$numberInt": "five"},
        {"$numberDouble": "many"},
        {"$binary": "?", "$type": "00"},
        {"$binary": {"base64": "AAE="}},
        {"$binary": {"base64": "AAE=", "subType": "100"}},
        {"$uuid": "x"},
        {"$regex": 5, "$options": ""},
    ],
)
def test_what_only_looks_like_a_value_stays_as_it_is(written: Any) -> None:
    assert extended_value({"a": written}) == {"a": written}
    assert from_extended({"a": written}) == {"a": written}


@pytest.mark.parametrize("written", [{}, {"$set": 1}, {"$oid": 1, "a": 2}, [], "x", None], ids=repr)
def test_other_values_are_no_wrappers(written: Any) -> None:
    assert not is_wrapper(written)


def nested(levels: int) -> bytes:
    empty = bson.encode({})
    sizes = range(len(empty) + 8 * (levels - 1), len(empty), -8)
    begins = [size.to_bytes(4, "little") + b"\x03a\0" for size in sizes]
    return b"".join(begins) + empty + b"\0" * len(begins)


def test_bson_may_be_as_deep_as_json() -> None:
    assert bson_document(nested(201)) == decoded_bson(nested(201))
    for decode in (bson_document, decoded_bson):
        for levels in (202, 500, 100_000):
            with pytest.raises(ValueError, match="nested too deeply"):
                decode(nested(levels))


@pytest.mark.parametrize(
    "raw",
    [
        b"\x05\0\0\0\1",
        b"\x0c\0\0\0\x02a\0\x01\0\0\0\0",
        b"\x10\0\0\0\x02a\0\x04\0\0\0\xff\xfe\0\0",
        b"\x08\0\0\0\x99a\0\0",
    ],
)
def test_damaged_bson_is_refused(raw: bytes) -> None:
    for decode in (bson_document, decoded_bson):
        with pytest.raises(ValueError, match="It is damaged"):
            decode(raw)
