"""What a message document says, and what makes a line no record at all."""

import json
import pickle
from datetime import UTC, datetime
from typing import Any, NamedTuple

import bson
import pytest
from bson.int64 import Int64
from bson.objectid import ObjectId

from app.domain.folding import Finding, Reason
from app.domain.source_options import SourceOptions
from app.errors import ConfigurationError
from app.formats.message_documents import MessageDocuments
from app.formats.port import FaultyRecord, Notation, RawRecord, Record

WHOLE: dict[str, Any] = {
    "id": "m1",
    "session_id": "s1",
    "user_id": "ada",
    "content": "Hello!",
    "message_type": "user",
    "metadata": {},
    "created_at": "2024-01-01T12:00:00.000Z",
}
NOON_MICROSECONDS = 1_704_110_400_000_000


def read(raw: bytes) -> Record | FaultyRecord:
    (record,) = MessageDocuments().records([RawRecord(7, raw)])
    return record


def understood(**members: Any) -> Record:
    """The record of a whole document with these members instead."""
    record = read(json.dumps({**WHOLE, **members}).encode())
    assert isinstance(record, Record)
    return record


class Said(NamedTuple):
    """What a record says, as it will be stored."""

    id: str
    position: int
    instant_microseconds: int
    content: str
    message_type: str
    metadata: dict[str, Any]
    findings: int


def said(record: Record) -> Said:
    source = record.message
    stored = json.loads(source.message(source.id or "made").unplaced_json)
    return Said(
        source.id,
        source.position,
        source.order_key,
        stored["content"],
        stored["message_type"],
        stored["metadata"],
        source.findings,
    )


def without(name: str) -> Record | FaultyRecord:
    return read(json.dumps({key: value for key, value in WHOLE.items() if key != name}).encode())


def refused(**members: Any) -> Reason:
    record = read(json.dumps({**WHOLE, **members}).encode())
    assert isinstance(record, FaultyRecord)
    assert record.position == 7
    return record.reason


def test_a_whole_document_is_understood_as_it_is() -> None:
    record = understood()

    message = said(record)
    assert (record.session_id, record.user_id) == ("s1", "ada")
    assert (message.id, message.position, message.content) == ("m1", 7, "Hello!")
    assert (message.message_type, message.metadata) == ("user", {})
    assert message.instant_microseconds == NOON_MICROSECONDS
    assert message.findings == 0


@pytest.mark.parametrize(
    "raw",
    [
        b"{",
        b"nonsense",
        b'{"id": NaN}',
        b'{"id": "\xff"}',
        rb'{"content": "\ud800"}',
        b"[" * 300 + b"]" * 300,
        b"\x00",
    ],
)
def test_a_line_that_is_not_json_is_malformed(raw: bytes) -> None:
    record = read(raw)

    assert isinstance(record, FaultyRecord)
    assert record.reason is Reason.MALFORMED_JSON
    assert record.raw == raw


@pytest.mark.parametrize("raw", [b"[]", b'"text"', b"7", b"null", b"true"])
def test_json_that_is_no_object_is_refused(raw: bytes) -> None:
    record = read(raw)

    assert isinstance(record, FaultyRecord)
    assert record.reason is Reason.NOT_AN_OBJECT


def test_a_line_that_was_too_long_to_read_is_refused() -> None:
    (record,) = MessageDocuments().records([RawRecord(3, None)])

    assert isinstance(record, FaultyRecord)
    assert (record.position, record.reason) == (3, Reason.MESSAGE_TOO_LARGE)


@pytest.mark.parametrize("session_id", [None, ""])
def test_no_session_id_is_refused(session_id: str | None) -> None:
    assert refused(session_id=session_id) is Reason.MISSING_SESSION_ID


def test_an_absent_session_id_is_refused() -> None:
    record = without("session_id")

    assert isinstance(record, FaultyRecord)
    assert record.reason is Reason.MISSING_SESSION_ID


@pytest.mark.parametrize("name", ["id", "session_id", "user_id"])
@pytest.mark.parametrize(
    "value", [["a"], {"a": 1}, True, 1.5, "nul\0", "x" * 1025, "é" * 513], ids=str
)
def test_what_cannot_be_an_id_is_refused(name: str, value: Any) -> None:
    assert refused(**{name: value}) is Reason.INVALID_ID


@pytest.mark.parametrize("value", ["x" * 1024, "é" * 512, "a/b c%20.", "日本", " ", "."])
def test_any_other_text_is_an_id_as_it_is(value: str) -> None:
    record = understood(id=value, session_id=value, user_id=value)

    assert (record.session_id, record.user_id, record.message.id) == (value, value, value)


def test_an_integer_id_becomes_its_decimal_digits() -> None:
    record = understood(id=-5, session_id=12345678901234567890123, user_id=0)

    assert (record.session_id, record.user_id, record.message.id) == (
        "12345678901234567890123",
        "0",
        "-5",
    )


@pytest.mark.parametrize("value", [None, ""])
def test_a_missing_user_or_message_id_is_understood_as_missing(value: str | None) -> None:
    record = understood(id=value, user_id=value)

    assert record.user_id is None
    assert record.message.id == ""


@pytest.mark.parametrize(
    ("written", "microseconds"),
    [
        ("2024-01-01T12:00:00Z", NOON_MICROSECONDS),
        ("2024-01-01T12:00:00+00:00", NOON_MICROSECONDS),
        ("2024-01-01T14:30:00+02:30", NOON_MICROSECONDS),
        ("2024-01-01t12:00:00Z", NOON_MICROSECONDS),
        ("2024-01-01 12:00:00Z", NOON_MICROSECONDS),
        ("2024-01-01T12:00Z", NOON_MICROSECONDS),
        ("2024-01-01T12:00:00.1Z", NOON_MICROSECONDS + 100_000),
        ("2024-01-01T12:00:00.123456Z", NOON_MICROSECONDS + 123_456),
        ("2024-01-01T12:00:00.123456789Z", NOON_MICROSECONDS + 123_456),
        (1_704_110_400, NOON_MICROSECONDS),
        (1_704_110_400.25, NOON_MICROSECONDS + 250_000),
        (1_704_110_400_007, NOON_MICROSECONDS + 7000),
        (1_704_110_400_000_009, NOON_MICROSECONDS + 9),
        (0, 0),
        (-1, -1_000_000),
        ("1969-12-31T23:59:59.999999Z", -1),
        ("0001-01-01T00:00:00Z", -62_135_596_800_000_000),
        ("9999-12-31T23:59:59.999999Z", 253_402_300_799_999_999),
    ],
)
def test_an_instant_is_read_in_every_form(written: Any, microseconds: int) -> None:
    message = said(understood(created_at=written))

    assert message.instant_microseconds == microseconds
    assert message.findings == 0


@pytest.mark.parametrize(
    ("written", "microseconds"),
    [
        ("2024-01-01T12:00:00", NOON_MICROSECONDS),
        ("2024-01-01 12:00:00.5", NOON_MICROSECONDS + 500_000),
        ("2024-01-01", NOON_MICROSECONDS - 43_200_000_000),
    ],
)
def test_a_naive_instant_is_utc_and_a_finding(written: str, microseconds: int) -> None:
    message = said(understood(created_at=written))

    assert message.instant_microseconds == microseconds
    assert message.findings == Finding.NAIVE_TIMESTAMP


@pytest.mark.parametrize("written", [None, ""])
def test_no_date_is_refused(written: str | None) -> None:
    assert refused(created_at=written) is Reason.MISSING_CREATED_AT


@pytest.mark.parametrize(
    "written",
    [
        "yesterday",
        "2024-13-01T00:00:00Z",
        "2024-02-30T00:00:00Z",
        "2024-01-01T25:00:00Z",
        "20240101T120000Z",
        "17120101112",
        "2024-W01-1",
        "2024-01-01x12:00:00",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        10**17,
        -(10**17),
        True,
        ["2024-01-01T12:00:00Z"],
        {"$date": "yesterday"},
        {"at": "2024-01-01T12:00:00Z"},
    ],
    ids=str,
)
def test_what_is_no_date_of_the_years_1_to_9999_is_refused(written: Any) -> None:
    assert refused(created_at=written) is Reason.INVALID_CREATED_AT


def test_a_date_that_no_double_can_carry_is_refused() -> None:
    raw = json.dumps(WHOLE).encode().replace(b'"2024-01-01T12:00:00.000Z"', b"1e400")

    record = read(raw)

    assert isinstance(record, FaultyRecord)
    assert record.reason is Reason.INVALID_CREATED_AT


def test_null_content_is_empty_and_a_finding() -> None:
    message = said(understood(content=None))

    assert message.content == ""
    assert message.findings == Finding.NULL_CONTENT


@pytest.mark.parametrize("content", [7, True, {"text": "a"}], ids=str)
def test_content_that_is_no_text_is_refused(content: Any) -> None:
    assert refused(content=content) is Reason.INVALID_CONTENT


@pytest.mark.parametrize("content", ["", " ", "\n\t ", "NUL \0 \x1b \u2028 \ufeff e\u0301 👩‍💻"])
def test_any_text_is_content_as_it_is(content: str) -> None:
    message = said(understood(content=content))

    assert message.content == content
    assert message.findings == 0


@pytest.mark.parametrize("message_type", ["user", "assistant", "system"])
def test_the_three_old_types_are_kept(message_type: str) -> None:
    message = said(understood(message_type=message_type))

    assert (message.message_type, message.metadata, message.findings) == (message_type, {}, 0)


@pytest.mark.parametrize("message_type", ["human", "tool", "USER", "", None, 7, ["user"]], ids=str)
def test_any_other_type_becomes_system_and_is_kept_raw(message_type: Any) -> None:
    message = said(understood(message_type=message_type, metadata={"a": 1}))

    assert message.message_type == "system"
    assert message.metadata == {"a": 1, "chatfold:source": {"message_type": message_type}}
    assert message.findings == Finding.UNKNOWN_MESSAGE_TYPE


@pytest.mark.parametrize("metadata", ["a text", "[2]", '{"a":', '"text"', 7, [1]], ids=str)
def test_metadata_that_is_no_object_is_kept_raw(metadata: Any) -> None:
    message = said(understood(metadata=metadata))

    assert message.metadata == {"chatfold:source": {"metadata": metadata}}
    assert message.findings == Finding.METADATA_NOT_AN_OBJECT


def test_null_metadata_is_empty() -> None:
    message = said(understood(metadata=None))

    assert (message.metadata, message.findings) == ({}, 0)


def test_absent_metadata_is_empty() -> None:
    record = without("metadata")

    assert isinstance(record, Record)
    assert (said(record).metadata, said(record).findings) == ({}, 0)


def test_metadata_as_the_text_of_an_object_is_that_object() -> None:
    message = said(understood(metadata='{"a": {"b": [1.5, "é"]}}'))

    assert (message.metadata, message.findings) == ({"a": {"b": [1.5, "é"]}}, 0)


def test_unknown_fields_are_kept_under_our_name() -> None:
    message = said(understood(edited=True, parent_id="m0", metadata={"a": 1}))

    assert message.metadata == {
        "a": 1,
        "chatfold:source": {"edited": True, "parent_id": "m0"},
    }
    assert message.findings == Finding.UNKNOWN_FIELDS


def test_our_name_in_the_metadata_of_the_source_stays_readable() -> None:
    message = said(understood(metadata={"a": 1, "chatfold:source": "theirs"}))

    assert message.metadata == {
        "a": 1,
        "chatfold:source": {"metadata": {"chatfold:source": "theirs"}},
    }


def deep(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


def test_metadata_of_64_levels_is_kept_as_it_is() -> None:
    message = said(understood(metadata=deep(64)))

    assert (message.metadata, message.findings) == (deep(64), 0)


@pytest.mark.parametrize(
    "metadata",
    [json.dumps(deep(65)), '{"a":1e400}', '{"a\\u0000":1}', '{"a":' + "9" * 2000 + "}"],
    ids=["too deep", "not finite", "NUL in a name", "too many digits"],
)
def test_metadata_that_no_store_keeps_is_kept_as_text(metadata: str) -> None:
    raw = json.dumps({**WHOLE, "metadata": None}).replace("null", metadata).encode()

    record = read(raw)

    assert isinstance(record, Record)
    assert list(said(record).metadata) == ["chatfold:source"]
    assert isinstance(said(record).metadata["chatfold:source"]["json"], str)
    assert said(record).findings == Finding.KEPT_AS_TEXT


def test_a_database_id_serves_where_there_is_no_other() -> None:
    record = understood(id=None, _id="d1")

    assert (said(record).id, said(record).metadata, said(record).findings) == ("d1", {}, 0)


def test_a_database_id_beside_an_id_is_kept_and_nothing_odd() -> None:
    record = understood(_id={"$oid": "66f0c0ffee00000000000001"})

    assert said(record).id == "m1"
    assert said(record).metadata == {"chatfold:source": {"_id": "66f0c0ffee00000000000001"}}
    assert said(record).findings == 0


def test_a_database_id_that_is_the_id_is_kept_once() -> None:
    record = understood(_id="m1")

    assert (said(record).id, said(record).metadata) == ("m1", {})


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ([], ""),
        (["one"], "one"),
        (["one", "two\n"], "one\n\ntwo\n"),
        (
            [{"type": "text", "text": "one"}, {"type": "image_url", "image_url": {}}, "two"],
            "one\n\ntwo",
        ),
        ([{"type": "text", "text": {"value": "one", "annotations": []}}], "one"),
        ([{"text": 7}, {"value": "no"}, 7, None, ["no"]], ""),
    ],
    ids=str,
)
def test_parts_become_their_texts_and_are_kept(parts: list[Any], text: str) -> None:
    message = said(understood(content=parts, metadata={"a": 1}))

    assert message.content == text
    assert message.metadata == {"a": 1, "chatfold:source": {"content": parts}}
    assert message.findings == Finding.CONTENT_PARTS


EXTENDED: dict[str, Any] = {
    "_id": {"$oid": "66f0c0ffee00000000000001"},
    "session_id": {"$numberLong": "7"},
    "user_id": {"$oid": "66f0c0ffee0000000000000a"},
    "content": "Hello!",
    "message_type": "user",
    "metadata": {"n": {"$numberLong": "5"}, "at": [{"$date": "2024-01-01T12:00:00Z"}]},
    "created_at": {"$date": {"$numberLong": "1704110400000"}},
}


def test_extended_json_is_understood_and_its_metadata_unwrapped() -> None:
    record = read(json.dumps(EXTENDED).encode())

    assert isinstance(record, Record)
    assert (record.session_id, record.user_id) == ("7", "66f0c0ffee0000000000000a")
    assert said(record).id == "66f0c0ffee00000000000001"
    assert said(record).instant_microseconds == NOON_MICROSECONDS
    assert said(record).metadata == {"n": 5, "at": ["2024-01-01T12:00:00.000Z"]}


def test_a_record_that_is_not_extended_keeps_its_names() -> None:
    metadata = {"n": {"$numberLong": "5"}, "$set": {"a.b": 1}}

    message = said(understood(metadata=metadata))

    assert (message.metadata, message.findings) == (metadata, 0)


@pytest.mark.parametrize("instant", [-62_135_596_800_000, -1, 0, 99_999_999, 253_402_300_799_999])
def test_milliseconds_of_extended_json_are_milliseconds_however_small(instant: int) -> None:
    message = said(understood(created_at={"$date": {"$numberLong": str(instant)}}))

    assert message.instant_microseconds == instant * 1000


def test_bson_is_understood() -> None:
    raw = bson.encode(
        {
            "_id": ObjectId("66f0c0ffee00000000000001"),
            "session_id": Int64(7),
            "user_id": ObjectId("66f0c0ffee0000000000000a"),
            "content": "NUL \0 is text",
            "message_type": "assistant",
            "metadata": {"n": Int64(5)},
            "created_at": datetime(2024, 1, 1, 12, tzinfo=UTC),
        }
    )

    (record,) = MessageDocuments().records([RawRecord(7, raw)], Notation.BSON)

    assert isinstance(record, Record)
    assert (record.session_id, record.user_id) == ("7", "66f0c0ffee0000000000000a")
    assert said(record).id == "66f0c0ffee00000000000001"
    assert said(record).instant_microseconds == NOON_MICROSECONDS
    assert (said(record).content, said(record).message_type) == ("NUL \0 is text", "assistant")
    assert (said(record).metadata, said(record).findings) == ({"n": 5}, 0)


def test_damage_in_bson_is_told() -> None:
    damaged = [
        RawRecord(1, b"\x05\0\0\0\1"),
        RawRecord(2, None, "Its length is damaged."),
        RawRecord(3, None),
    ]

    records = list(MessageDocuments().records(damaged, Notation.BSON))

    assert [
        (record.position, record.reason) for record in records if isinstance(record, FaultyRecord)
    ] == [
        (1, Reason.MALFORMED_BSON),
        (2, Reason.MALFORMED_BSON),
        (3, Reason.MESSAGE_TOO_LARGE),
    ]


def told(options: SourceOptions, document: dict[str, Any]) -> Record:
    raw = RawRecord(7, json.dumps(document).encode())
    (record,) = MessageDocuments(options).records([raw])
    assert isinstance(record, Record)
    return record


def test_fields_may_have_other_names_and_are_kept_under_those() -> None:
    options = SourceOptions(
        fields={"created_at": "timestamp", "message_type": "role", "session_id": "chat"}
    )

    record = told(
        options,
        {
            "id": "m1",
            "chat": "s1",
            "user_id": "ada",
            "content": "Hello!",
            "role": "human",
            "timestamp": "2024-01-01T12:00:00Z",
            "created_at": "yesterday",
        },
    )

    assert record.session_id == "s1"
    assert said(record).instant_microseconds == NOON_MICROSECONDS
    assert said(record).metadata == {
        "chatfold:source": {"role": "human", "created_at": "yesterday"}
    }
    assert said(record).findings == Finding.UNKNOWN_MESSAGE_TYPE | Finding.UNKNOWN_FIELDS


def test_one_field_of_the_source_may_be_two_of_ours() -> None:
    options = SourceOptions(fields={"session_id": "id"})

    record = told(options, {name: value for name, value in WHOLE.items() if name != "session_id"})

    assert (record.session_id, said(record).id, said(record).metadata) == ("m1", "m1", {})


@pytest.mark.parametrize(
    ("zone", "written", "hours"),
    [
        ("Europe/Berlin", "2024-01-01T12:00:00", -1),
        ("Europe/Berlin", "2024-07-01T12:00:00", -2),
        ("America/New_York", "2024-01-01 12:00:00", 5),
        ("Europe/Berlin", "2024-01-01T12:00:00Z", 0),
        ("Europe/Berlin", "2024-01-01T12:00:00+05:00", -5),
    ],
)
def test_a_naive_time_is_one_of_the_zone_that_the_operator_names(
    zone: str, written: str, hours: int
) -> None:
    record = told(SourceOptions(time_zone=zone), {**WHOLE, "created_at": written})

    noon = datetime.fromisoformat(f"{written[:10]}T12:00:00Z").timestamp() * 1_000_000
    assert said(record).instant_microseconds == noon + hours * 3_600_000_000
    assert said(record).findings == 0


@pytest.mark.parametrize(
    "options",
    [SourceOptions(fields={"role": "message_type"}), SourceOptions(time_zone="Mars/Olympus")],
    ids=str,
)
def test_options_that_fit_nothing_are_refused(options: SourceOptions) -> None:
    with pytest.raises(ConfigurationError, match="There is no"):
        MessageDocuments(options)


def test_the_format_goes_to_another_process() -> None:
    options = SourceOptions(fields={"id": "key"}, time_zone="Europe/Berlin")
    raw = RawRecord(1, json.dumps({**WHOLE, "key": "k", "created_at": "2024-01-01"}).encode())

    there = pickle.loads(pickle.dumps(MessageDocuments(options)))  # noqa: S301 - our own

    assert list(there.records([raw])) == list(MessageDocuments(options).records([raw]))
