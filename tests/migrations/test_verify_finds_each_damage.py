"""Verify names each way in which a store can differ from its source, and only what differs."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.domain.identity import SessionKey
from app.domain.message import MessageType, NewMessage
from app.domain.session import NewSession, Origin
from app.errors import CorruptDocumentError
from app.store.memory import MemoryStore
from app.store.port import HEADER_ONLY, MessagePage, MessageWindow
from migrations.verify_report import Difference
from tests.migrations.sources import at, document, fold, verified, write_source

KEY = SessionKey("ada", "s1")

SOURCE = [
    document("m0", "zero", created_at=at(0)),
    document("m1", "one", created_at=at(1), message_type="assistant"),
    document("m2", "two", created_at=at(2), metadata={"a": 1}),
    document("m3", "three", created_at=at(3)),
    document("n0", "neighbour", created_at=at(0), session_id="s2"),
]

Damage = Callable[[list[NewMessage]], list[NewMessage]]


def changed(place: int, **members: Any) -> Damage:
    """One message with these members instead."""

    def damage(messages: list[NewMessage]) -> list[NewMessage]:
        messages[place] = messages[place].model_copy(update=members)
        return messages

    return damage


def lost(place: int) -> Damage:
    return lambda messages: messages[:place] + messages[place + 1 :]


def doubled(place: int) -> Damage:
    def damage(messages: list[NewMessage]) -> list[NewMessage]:
        copy = messages[place].model_copy(update={"id": "copy"})
        return [*messages[: place + 1], copy, *messages[place + 1 :]]

    return damage


def swapped(messages: list[NewMessage]) -> list[NewMessage]:
    return [messages[0], messages[2], messages[1], messages[3]]


async def damaged_store(path: Path, damage: Damage, **members: Any) -> MemoryStore:
    """What a fold makes of the source, with session `s1` stored otherwise."""
    whole = MemoryStore()
    await fold(path, whole)
    store = MemoryStore()
    for key in await whole.list_keys():
        document_of = (await whole.read(key)).document()
        messages = [
            NewMessage.model_validate(message.model_dump()) for message in document_of.messages
        ]
        values: dict[str, Any] = {
            "key": key,
            "messages": tuple(damage(messages) if key == KEY else messages),
            "origin": document_of.origin,
            "generation": document_of.generation,
            "created_at": document_of.created_at,
            "updated_at": document_of.updated_at,
        }
        await store.insert(NewSession(**{**values, **(members if key == KEY else {})}))
    return store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_source(tmp_path / "source.jsonl", SOURCE)


def undamaged(messages: list[NewMessage]) -> list[NewMessage]:
    return messages


async def test_a_whole_store_has_no_difference(path: Path) -> None:
    report = await verified(path, await damaged_store(path, undamaged))

    assert report.examples == []
    assert not report.has_findings
    assert (report.records_read, report.messages_expected) == (5, 5)
    assert (report.sessions_expected, report.sessions_equal) == (2, 2)


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        pytest.param(lost(0), ["message_missing m0 1"], id="first lost"),
        pytest.param(lost(2), ["message_missing m2 3"], id="middle lost"),
        pytest.param(lost(3), ["message_missing m3 4"], id="last lost"),
        pytest.param(swapped, ["order_differs m2 3"], id="two swapped"),
        pytest.param(changed(0, content="zer0"), ["content_differs m0 1"], id="text altered"),
        pytest.param(changed(0, content="zero "), ["content_differs m0 1"], id="blank added"),
        pytest.param(
            changed(1, message_type=MessageType.USER), ["type_differs m1 2"], id="type altered"
        ),
        pytest.param(changed(2, metadata={}), ["metadata_differs m2 3"], id="metadata lost"),
        pytest.param(
            changed(2, metadata={"a": 2}), ["metadata_differs m2 3"], id="metadata altered"
        ),
        pytest.param(changed(3, user_id="bob"), ["author_differs m3 4"], id="author added"),
        pytest.param(
            changed(3, id="m9"),
            ["message_missing m3 4", "message_unexpected m9 None"],
            id="id altered",
        ),
    ],
)
async def test_a_damaged_message_is_named_with_its_line(
    path: Path, damage: Damage, found: list[str]
) -> None:
    store = await damaged_store(path, damage)

    report = await verified(path, store)

    assert [f"{one.code} {one.message_id} {one.position}" for one in report.examples] == found
    assert {(one.user_id, one.session_id) for one in report.examples} == {("ada", "s1")}
    assert report.sessions_equal == 1
    assert report.has_findings


async def test_a_doubled_message_in_the_middle_is_named(path: Path) -> None:
    store = await damaged_store(path, doubled(1))

    report = await verified(path, store)

    assert "message_unexpected" in report.differences
    assert "copy" in {one.message_id for one in report.examples}


async def test_a_doubled_message_at_the_end_is_named_where_nobody_has_written(path: Path) -> None:
    store = await damaged_store(path, doubled(3))

    report = await verified(path, store)

    assert report.differences == {"message_unexpected": 1}


@pytest.mark.parametrize("milliseconds", [1, -1, 3_600_000])
async def test_a_changed_date_is_named(path: Path, milliseconds: int) -> None:
    def damage(messages: list[NewMessage]) -> list[NewMessage]:
        moved = messages[1].created_at + timedelta(milliseconds=milliseconds)
        return changed(1, created_at=moved)(messages)

    store = await damaged_store(path, damage)

    report = await verified(path, store)

    assert [(one.code, one.message_id) for one in report.examples] == [("date_differs", "m1")]


async def test_a_changed_date_of_the_session_is_named(path: Path) -> None:
    store = await damaged_store(
        path, undamaged, created_at=(await first_date(path)) + timedelta(seconds=1)
    )

    report = await verified(path, store)

    assert report.differences == {"session_date_differs": 1}


async def first_date(path: Path) -> Any:
    store = await damaged_store(path, undamaged)
    return (await store.read(KEY, HEADER_ONLY)).header().created_at


async def test_a_lost_session_is_named(path: Path) -> None:
    store = await damaged_store(path, undamaged, key=SessionKey("ada", "elsewhere"))

    report = await verified(path, store)

    assert report.examples == [
        Difference("session_missing", "ada", "s1", "The store has no such session.")
    ]


async def test_a_session_of_the_wrong_user_is_named_with_its_owner(path: Path) -> None:
    store = await damaged_store(path, undamaged, key=SessionKey("bob", "s1"))

    report = await verified(path, store)

    assert report.examples == [
        Difference("session_missing", "ada", "s1", "The session belongs to 'bob' instead.")
    ]


async def test_a_session_of_another_maker_is_not_compared_and_named(path: Path) -> None:
    store = await damaged_store(
        path, lost(0), origin=Origin(format="another-format", source_id="s1")
    )

    report = await verified(path, store)

    assert report.not_ours == [{"user_id": "ada", "session_id": "s1"}]
    assert not report.has_findings


class CorruptStore(MemoryStore):
    """Cannot decode the messages of `s1`."""

    async def list_messages(self, key: SessionKey, window: MessageWindow) -> MessagePage:
        if key == KEY:
            raise CorruptDocumentError("message")
        return await super().list_messages(key, window)


async def test_a_session_that_cannot_be_decoded_is_named_and_its_neighbours_compared(
    path: Path,
) -> None:
    store = CorruptStore()
    await fold(path, store)

    report = await verified(path, store)

    assert report.differences == {"session_damaged": 1}
    assert (report.sessions_expected, report.sessions_equal) == (2, 1)


async def test_a_fold_that_took_the_later_of_two_contents_is_found(tmp_path: Path) -> None:
    path = write_source(
        tmp_path / "source.jsonl",
        [
            document("m0", "later", created_at=at(7)),
            document("m0", "earlier", created_at=at(1)),
        ],
    )
    store = await damaged_store(path, changed(0, content="later"))

    report = await verified(path, store)

    assert [(one.code, one.message_id, one.position) for one in report.examples] == [
        ("content_differs", "m0", 2)
    ]


async def test_a_message_given_to_a_user_who_may_not_be_its_owner_is_found(
    tmp_path: Path,
) -> None:
    path = write_source(
        tmp_path / "source.jsonl",
        [
            document("m0", "of ada"),
            document("m1", "of bob", user_id="bob"),
            document("m2", "of whom", user_id=None),
        ],
    )

    def with_the_unnamed(messages: list[NewMessage]) -> list[NewMessage]:
        unnamed = messages[0].model_copy(update={"id": "m2", "content": "of whom"})
        return [*messages, unnamed]

    store = await damaged_store(path, with_the_unnamed)

    report = await verified(path, store)

    assert report.differences == {"message_unexpected": 1}
