"""Messages: the stored form is the wire form, an edit keeps the rest, a tombstone keeps nothing."""

import json

import pytest
from hypothesis import given
from pydantic import ValidationError

from app.domain.encoded import EncodedSession, decoded_summary
from app.domain.identity import Version
from app.domain.message import ChatMessage, MessageType, NewMessage, placed_json
from app.errors import CorruptDocumentError
from tests.factories import make_edit, make_message
from tests.fake_clock import START, instant
from tests.strategies import messages

STORED = (
    b'{"seq":7,"id":"m/1","content":"caf\xc3\xa9 \\u0000","message_type":"tool","user_id":"eve",'
    b'"metadata":{"wide":1000000000000000000000000000000,"$a.b":[1.0,null]},'
    b'"created_at":"2026-01-02T03:04:05.678Z","parent_id":"m/0","edited_at":null,"deleted_at":null}'
)


def make_stored() -> ChatMessage:
    return ChatMessage.from_json(STORED)


def test_the_stored_form_is_the_wire_form_to_the_byte() -> None:
    message = make_message(
        "m/1",
        "café \0",
        message_type=MessageType.TOOL,
        user_id="eve",
        metadata={"wide": 10**30, "$a.b": [1.0, None]},
        parent_id="m/0",
    )

    assert placed_json(7, message.unplaced_json()) == STORED
    assert make_stored().to_json() == STORED


@given(message=messages())
def test_reading_and_writing_a_message_changes_no_byte(message: NewMessage) -> None:
    stored = placed_json(3, message.unplaced_json())

    assert ChatMessage.from_json(stored).to_json() == stored


def test_members_of_a_later_version_are_kept() -> None:
    stored = STORED[:-1] + b',"later":{"x":[1]}}'

    message = ChatMessage.from_json(stored)

    assert json.loads(message.to_json())["later"] == {"x": [1]}
    assert json.loads(message.edited(make_edit("x")).to_json())["later"] == {"x": [1]}
    assert "later" not in json.loads(message.tombstone(START).to_json())


def test_an_edit_sets_what_it_names_and_says_when() -> None:
    edited = make_stored().edited(make_edit("new", at=instant(1)))

    assert (edited.content, edited.edited_at) == ("new", instant(1))
    assert edited.metadata == make_stored().metadata
    assert (edited.seq, edited.id, edited.user_id, edited.created_at) == (7, "m/1", "eve", START)


def test_an_edit_without_effect_gives_the_message_itself() -> None:
    message = make_stored()

    assert message.edited(make_edit()) is message
    assert message.edited(make_edit("café \0")) is message
    assert message.edited(make_edit(metadata={"$a.b": [1.0, None], "wide": 10**30})) is message
    assert message.edited(make_edit(metadata={"$a.b": [1, None], "wide": 10**30})) is not message


def test_a_tombstone_keeps_id_place_type_date_and_parent_only() -> None:
    tombstone = make_stored().edited(make_edit("new")).tombstone(instant(2))

    assert tombstone.is_deleted
    assert json.loads(tombstone.to_json()) == {
        "seq": 7,
        "id": "m/1",
        "content": "",
        "message_type": "tool",
        "user_id": None,
        "metadata": {},
        "created_at": "2026-01-02T03:04:05.678Z",
        "parent_id": "m/0",
        "edited_at": None,
        "deleted_at": "2026-01-02T03:04:07.678Z",
    }


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        b"{}",
        b"null",
        b"[]",
        STORED[:-1],
        STORED[:40],
        STORED.replace(b'"seq":7', b'"seq":-1'),
        STORED.replace(b'"tool"', b'"robot"'),
        STORED.replace(b"\xc3\xa9", b"\xc3"),
        STORED.replace(b"\\u0000", b"\\ud800"),
        STORED.replace(b"03:04:05.678Z", b"03:04:05.678"),
        STORED.replace(b'"m/1"', b'""'),
        STORED.replace(b"1.0,null", b"1e400"),
    ],
)
def test_a_damaged_message_is_named(stored: bytes) -> None:
    with pytest.raises(CorruptDocumentError) as caught:
        ChatMessage.from_json(stored)

    assert caught.value.what == "message"


@pytest.mark.parametrize("damaged", [b"{}", b"", b'{"id":"x"', b"[]"])
def test_a_damaged_session_is_named(damaged: bytes) -> None:
    encoded = EncodedSession(Version("0" * 16, 1), damaged, b"")

    with pytest.raises(CorruptDocumentError):
        encoded.header()
    with pytest.raises(CorruptDocumentError):
        encoded.document()
    with pytest.raises(CorruptDocumentError):
        encoded.messages()
    with pytest.raises(CorruptDocumentError):
        decoded_summary(damaged)


@pytest.mark.parametrize(
    "fields",
    [
        {"id": ""},
        {"id": "a\0"},
        {"content": "\ud800"},
        {"content": None},
        {"message_type": "robot"},
        {"user_id": ""},
        {"metadata": []},
        {"metadata": {"a": float("nan")}},
        {"created_at": "2026-01-01T00:00:00"},
        {"parent_id": "x" * 1025},
    ],
)
def test_a_new_message_that_breaks_a_rule_is_refused(fields: dict[str, object]) -> None:
    valid: dict[str, object] = {"id": "m", "content": "x", "created_at": START}
    assert NewMessage.model_validate(valid).content == "x"

    with pytest.raises(ValidationError):
        NewMessage.model_validate({**valid, **fields})
