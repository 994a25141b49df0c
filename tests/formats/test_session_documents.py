"""What a session document says of its session and of each message, damaged ones included."""

import json
from typing import Any

import bson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.folding import Finding, Reason
from app.domain.source_options import SourceOptions
from app.errors import ConfigurationError
from app.formats.port import FaultyRecord, Notation, RawRecord, Record, SessionRecord
from app.formats.session_documents import SessionDocuments

MESSAGE: dict[str, Any] = {
    "id": "msg_1",
    "content": "Hello!",
    "message_type": "user",
    "user_id": "user_123",
    "metadata": {},
    "created_at": "2024-01-01T12:00:00Z",
}
# The example of the format's own specification.
WHOLE: dict[str, Any] = {
    "id": "session_12345_20240101_120000",
    "user_id": "user_123",
    "session_name": "Shopping Chat",
    "is_active": True,
    "context": {},
    "messages": [
        MESSAGE,
        {
            "id": "msg_2",
            "content": "Hi! How can I help you?",
            "message_type": "assistant",
            "user_id": "user_123",
            "metadata": {"type": "ai_response"},
            "created_at": "2024-01-01T12:00:01Z",
        },
    ],
    "message_count": 2,
    "last_message_at": "2024-01-01T12:00:01Z",
    "created_at": "2024-01-01T12:00:00Z",
    "updated_at": "2024-01-01T12:00:01Z",
}

Any_Record = Record | SessionRecord | FaultyRecord


def read_raw(raw: bytes, options: SourceOptions = SourceOptions()) -> list[Any_Record]:  # noqa: B008 - frozen
    return list(SessionDocuments(options).records([RawRecord(100, raw)]))


def read(document: Any, options: SourceOptions = SourceOptions()) -> list[Any_Record]:  # noqa: B008 - frozen
    return read_raw(json.dumps(document).encode(), options)


def session_in(records: list[Any_Record]) -> SessionRecord:
    (session,) = [one for one in records if isinstance(one, SessionRecord)]
    return session


def stored(record: Any_Record) -> dict[str, Any]:
    """A message as it will be stored."""
    assert isinstance(record, Record)
    loaded = json.loads(record.message.message(record.message.id or "made").unplaced_json)
    assert isinstance(loaded, dict)
    return loaded


def faults(records: list[Any_Record]) -> list[tuple[int, Reason]]:
    return [(one.position, one.reason) for one in records if isinstance(one, FaultyRecord)]


def test_the_specified_document_is_a_session_and_two_messages() -> None:
    session, first, second = read(WHOLE)

    assert isinstance(session, SessionRecord)
    assert (session.session_id, session.user_id) == (WHOLE["id"], "user_123")
    told = session.fields.model_dump(mode="json")
    assert told == {
        "session_name": "Shopping Chat",
        "status": "active",
        "tags": [],
        "is_pinned": False,
        "project_id": None,
        "workspace_id": None,
        "context": {},
        "metadata": {},
        "created_at": "2024-01-01T12:00:00.000Z",
        "updated_at": "2024-01-01T12:00:01.000Z",
        "extras": {},
    }
    assert session.findings == 0
    assert isinstance(first, Record)
    assert isinstance(second, Record)
    assert (session.position, first.message.position, second.message.position) == (100, 101, 102)
    assert (first.session_id, first.user_id) == (WHOLE["id"], "user_123")
    assert stored(second) == {
        "id": "msg_2",
        "content": "Hi! How can I help you?",
        "message_type": "assistant",
        "user_id": None,
        "metadata": {"type": "ai_response"},
        "created_at": "2024-01-01T12:00:01.000Z",
        "parent_id": None,
        "edited_at": None,
        "deleted_at": None,
    }
    assert first.message.findings == second.message.findings == 0


def test_the_order_is_that_of_the_array() -> None:
    later = {**MESSAGE, "id": "a", "created_at": "2030-01-01T00:00:00Z"}
    earlier = {**MESSAGE, "id": "b", "created_at": "1999-01-01T00:00:00Z"}

    records = read({**WHOLE, "messages": [later, earlier]})

    messages = sorted(one.message for one in records if isinstance(one, Record))
    assert [one.id for one in messages] == ["a", "b"]


def test_near_shapes_are_known_by_their_names() -> None:
    document = {
        "_id": 17,
        "title": "Near",
        "user_id": "ada",
        "messages": [
            {
                "role": "tool",
                "timestamp": 1_704_110_400,
                "content": [{"type": "text", "text": "one"}, {"type": "image"}, "two"],
            }
        ],
    }

    session, message = read(document)

    assert isinstance(session, SessionRecord)
    assert (session.session_id, session.fields.session_name) == ("17", "Near")
    said = stored(message)
    assert (said["content"], said["message_type"]) == ("one\n\ntwo", "tool")
    assert said["created_at"] == "2024-01-01T12:00:00.000Z"
    assert said["metadata"]["chatfold:source"] == {
        "content": [{"type": "text", "text": "one"}, {"type": "image"}, "two"]
    }


def test_the_operator_names_other_fields() -> None:
    options = SourceOptions(
        fields={"id": "key", "messages": "turns", "message.content": "said", "message.id": "no"}
    )

    session, message = read(
        {"key": "s", "user_id": "user_123", "turns": [{**MESSAGE, "said": "x", "no": 3}]}, options
    )

    assert isinstance(session, SessionRecord)
    assert session.session_id == "s"
    said = stored(message)
    assert (said["id"], said["content"]) == ("3", "x")
    assert said["metadata"]["chatfold:source"] == {"content": "Hello!", "id": "msg_1"}


@pytest.mark.parametrize("name", ["colour", "message.colour"])
def test_an_unknown_field_of_the_operator_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError):
        SessionDocuments(SourceOptions(fields={name: "x"}))


def test_what_no_field_holds_goes_to_the_extras() -> None:
    session = session_in(
        read(
            {
                **WHOLE,
                "colour": {"$red": 1, "a.b": 2},
                "tags": ["a", 1],
                "session_name": "x" * 1001,
                "is_active": "yes",
                "status": "asleep",
                "context": [1],
                "created_at": "yesterday",
                "message_count": 3,
                "last_message_at": "never",
            }
        )
    )

    assert session.fields.extras == {
        "colour": {"$red": 1, "a.b": 2},
        "tags": ["a", 1],
        "session_name": "x" * 1001,
        "is_active": "yes",
        "status": "asleep",
        "context": [1],
        "created_at": "yesterday",
        "message_count": 3,
        "last_message_at": "never",
    }
    assert session.findings == Finding.UNKNOWN_FIELDS


@pytest.mark.parametrize(
    ("members", "status"),
    [
        ({"is_active": True}, "active"),
        ({"is_active": False}, "archived"),
        ({"is_active": False, "status": "completed"}, "completed"),
        ({"is_active": None, "status": "archived"}, "archived"),
        ({"is_active": None}, "active"),
        ({"is_active": True, "status": "completed"}, "completed"),
    ],
)
def test_status_and_is_active(members: dict[str, Any], status: str) -> None:
    assert session_in(read({**WHOLE, **members})).fields.status == status


def test_another_author_and_another_session_of_a_message_are_kept() -> None:
    message = {**MESSAGE, "user_id": "eve", "session_id": "elsewhere"}

    _, record = read({**WHOLE, "messages": [message]})

    assert isinstance(record, Record)
    assert (record.session_id, record.user_id) == (WHOLE["id"], "user_123")
    kept = stored(record)["metadata"]["chatfold:source"]
    assert kept == {"user_id": "eve", "session_id": "elsewhere"}
    assert record.message.findings == Finding.UNKNOWN_FIELDS


def test_a_document_without_a_user_leaves_it_to_its_messages() -> None:
    session, first, second = read({**WHOLE, "user_id": None})

    assert isinstance(session, SessionRecord)
    assert session.user_id is None
    assert {one.user_id for one in (first, second) if isinstance(one, Record)} == {"user_123"}


def test_a_missing_date_is_that_of_the_message_before_or_of_the_session() -> None:
    dateless = {"content": "x", "message_type": "user"}

    _, *records = read({**WHOLE, "messages": [dateless, {**MESSAGE, "id": "m"}, dateless]})

    assert [stored(one)["created_at"] for one in records] == ["2024-01-01T12:00:00.000Z"] * 3
    findings = [one.message.findings for one in records if isinstance(one, Record)]
    assert findings == [Finding.DATE_INFERRED, 0, Finding.DATE_INFERRED]


def test_without_any_date_of_the_session_the_first_message_that_has_one_tells() -> None:
    dateless = {"content": "x", "message_type": "user"}
    document = {"id": "s", "user_id": "u", "messages": [dateless, MESSAGE]}

    _, first, _ = read(document)

    assert stored(first)["created_at"] == "2024-01-01T12:00:00.000Z"
    assert faults(read({**document, "messages": [dateless]})) == [(101, Reason.MISSING_CREATED_AT)]


def test_a_damaged_message_is_rejected_with_its_place_and_the_others_stay() -> None:
    damaged: list[Any] = [
        7,
        {**MESSAGE, "content": 5},
        {**MESSAGE, "created_at": "soon"},
        {**MESSAGE, "id": {"a": 1}},
    ]

    records = read({**WHOLE, "messages": [*damaged, MESSAGE]})

    assert faults(records) == [
        (101, Reason.NOT_AN_OBJECT),
        (102, Reason.INVALID_CONTENT),
        (103, Reason.INVALID_CREATED_AT),
        (104, Reason.INVALID_ID),
    ]
    assert stored(records[-1])["id"] == "msg_1"


def test_bytes_that_are_no_text_cost_one_message() -> None:
    raw = json.dumps({**WHOLE, "messages": [{**MESSAGE, "content": "AA"}, MESSAGE]}).encode()

    records = read_raw(raw.replace(b"AA", b"\xff\xfe"))

    assert faults(records) == [(101, Reason.MALFORMED_JSON)]
    assert stored(records[-1])["id"] == "msg_1"


def test_a_number_that_is_none_is_kept() -> None:
    raw = json.dumps({**WHOLE, "messages": [{**MESSAGE, "metadata": {"a": float("nan")}}]})

    _, message = read_raw(raw.encode())

    assert stored(message)["metadata"] == {"a": {"$numberDouble": "NaN"}}


def test_a_damaged_member_of_the_session_is_left_out_and_told() -> None:
    raw = json.dumps({**WHOLE, "session_name": "AA"}).encode().replace(b"AA", b"\xff")

    fault, session, *messages = read_raw(raw)

    assert isinstance(fault, FaultyRecord)
    assert fault.reason is Reason.MALFORMED_JSON
    assert isinstance(session, SessionRecord)
    assert session.fields.session_name is None
    assert [stored(one)["id"] for one in messages] == ["msg_1", "msg_2"]


def test_values_nested_too_deeply_are_kept_as_text() -> None:
    deep: Any = 1
    for _ in range(100):
        deep = {"a": deep}

    session, message = read({**WHOLE, "deep": deep, "messages": [{**MESSAGE, "metadata": deep}]})

    assert isinstance(session, SessionRecord)
    assert session.findings == Finding.UNKNOWN_FIELDS | Finding.KEPT_AS_TEXT
    assert json.loads(session.fields.extras["json"])["deep"] == deep
    text = stored(message)["metadata"]["chatfold:source"]["json"]
    assert json.loads(text) == {"metadata": deep}


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b'{"id": "s"', Reason.MALFORMED_JSON),
        (b"[" * 100_000, Reason.MALFORMED_JSON),
        (b"[]", Reason.NOT_AN_OBJECT),
        (b"{}", Reason.MISSING_SESSION_ID),
        (b'{"id": "a\\u0000"}', Reason.INVALID_ID),
        (b'{"id": "s", "user_id": []}', Reason.INVALID_ID),
    ],
)
def test_what_is_no_session_document_is_rejected(raw: bytes, reason: Reason) -> None:
    assert faults(read_raw(raw)) == [(100, reason)]


def test_messages_that_are_no_array_are_rejected_and_the_session_stays() -> None:
    session, fault = read({**WHOLE, "messages": {"0": MESSAGE}})

    assert isinstance(session, SessionRecord)
    assert isinstance(fault, FaultyRecord)
    assert fault.reason is Reason.INVALID_CONTENT


def test_bson_and_extended_json_say_the_same() -> None:
    identity = bson.ObjectId("65a000000000000000000001")
    document = {**WHOLE, "_id": identity, "created_at": {"$date": "2024-01-01T12:00:00Z"}}
    extended = read({**document, "_id": {"$oid": str(identity)}})
    as_bson = bson.encode({**WHOLE, "_id": identity})

    from_bson = list(SessionDocuments().records([RawRecord(100, as_bson)], Notation.BSON))

    for session in (session_in(extended), session_in(from_bson)):
        assert session.fields.created_at is not None
        assert session.fields.created_at.isoformat() == "2024-01-01T12:00:00+00:00"
        assert session.fields.extras == {"_id": str(identity)}
        assert session.findings == 0
    assert list(map(stored, extended[1:])) == list(map(stored, from_bson[1:]))


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
NAMES = ("id", "user_id", "content", "role", "created_at", "metadata", "session_name", "tags")
ANY_MESSAGE = ANY_JSON | st.dictionaries(st.sampled_from(NAMES), ANY_JSON)


@given(
    st.dictionaries(st.sampled_from((*NAMES, "is_active", "updated_at")), ANY_JSON),
    st.lists(ANY_MESSAGE) | ANY_JSON,
)
def test_any_document_has_a_record_for_all_of_it(document: dict[str, Any], messages: Any) -> None:
    records = read({"id": "s", **document, "messages": messages})

    positions = [
        one.message.position if isinstance(one, Record) else one.position for one in records
    ]
    if isinstance(messages, list) and len(positions) > 1:
        assert positions == list(range(100, 101 + len(messages)))
    assert positions[0] == 100


@given(st.binary())
def test_any_bytes_have_a_record(raw: bytes) -> None:
    assert read_raw(raw)
