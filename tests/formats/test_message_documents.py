"""What a message document says, and what makes a line no record at all."""

import json
from typing import Any, NamedTuple

import pytest

from app.domain.folding import Finding, Reason
from app.formats.message_documents import MessageDocuments
from app.formats.port import FaultyRecord, RawRecord, Record

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
