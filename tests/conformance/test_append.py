"""Appended messages get the next places, all of a batch or none, and are counted."""

import json

import pytest

from app.domain.identity import SessionKey
from app.domain.message import MessageType
from app.errors import MessageIdConflictError, SessionNotFoundError
from app.store.port import SessionStore
from tests.conformance.state import Neighbours, header_of, messages_of, places_found, state_of
from tests.factories import KEY, make_message, make_messages, make_new_session
from tests.fake_clock import START, instant


async def test_a_message_is_stored_as_it_came_and_answered_as_stored(
    store: SessionStore, neighbours: Neighbours
) -> None:
    await store.insert(make_new_session(generation="00000000000000aa"))
    assert await messages_of(store, KEY) == ()

    appended = await store.append(
        KEY,
        [
            make_message(
                "m/0",
                'text with "quotes",\n\0 and 中文',
                message_type=MessageType.TOOL,
                user_id="eve",
                metadata={"a": [1, {"b": None}]},
                created_at=instant(-3600),
            )
        ],
        at=instant(5),
    )

    (stored,) = appended.messages_json
    assert json.loads(stored) == {
        "seq": 0,
        "id": "m/0",
        "content": 'text with "quotes",\n\0 and 中文',
        "message_type": "tool",
        "user_id": "eve",
        "metadata": {"a": [1, {"b": None}]},
        "created_at": "2026-01-02T02:04:05.678Z",
        "parent_id": None,
        "edited_at": None,
        "deleted_at": None,
    }
    assert appended.version == ("00000000000000aa", 2)
    read = await store.read(KEY)
    assert read.messages_json == stored
    assert read.version == appended.version
    assert await neighbours.are_untouched()


async def test_an_append_moves_the_counters(store: SessionStore) -> None:
    await store.insert(make_new_session())

    await store.append(
        KEY, [make_message("m0"), make_message("m1", created_at=instant(-9))], at=instant(5)
    )

    header = await header_of(store, KEY)
    assert (header.message_count, header.next_seq) == (2, 2)
    assert header.last_message_at == instant(-9)
    assert header.updated_at == instant(5)
    assert header.created_at == START
    assert (header.revision, header.changes) == (2, 0)


async def test_places_go_on_without_gaps_over_appends_of_any_size(store: SessionStore) -> None:
    await store.insert(make_new_session(messages=make_messages(2)))
    number = 2

    for size in (1, 3, 1, 1, 10, 2, 100, 1):
        appended = await store.append(KEY, make_messages(size, first=number), at=START)
        assert [json.loads(one)["seq"] for one in appended.messages_json] == list(
            range(number, number + size)
        )
        number += size

    messages = await messages_of(store, KEY)
    assert [message.seq for message in messages] == list(range(121))
    assert [message.id for message in messages] == [f"m{seq}" for seq in range(121)]
    assert (await header_of(store, KEY)).revision == 9


async def test_a_tombstone_keeps_its_place_from_being_given_again(store: SessionStore) -> None:
    await store.insert(make_new_session(messages=make_messages(2)))
    await store.delete_message(KEY, "m1", START)

    appended = await store.append(KEY, [make_message("m2")], at=START)

    assert json.loads(appended.messages_json[0])["seq"] == 2
    header = await header_of(store, KEY)
    assert (header.message_count, header.next_seq) == (2, 3)


async def test_an_append_of_nothing_changes_nothing(store: SessionStore) -> None:
    await store.insert(make_new_session(messages=make_messages(1)))
    before = await state_of(store, KEY)

    appended = await store.append(KEY, [], at=instant(9))

    assert appended.messages_json == ()
    assert appended.version == (await store.read(KEY)).version
    assert await state_of(store, KEY) == before


@pytest.mark.parametrize("key", [SessionKey("ada", "absent"), SessionKey("nobody", "session")])
async def test_an_absent_session_is_not_found_and_not_made(
    store: SessionStore, neighbours: Neighbours, key: SessionKey
) -> None:
    with pytest.raises(SessionNotFoundError):
        await store.append(key, make_messages(1), at=START)

    assert await store.find_version(key) is None
    assert await neighbours.are_untouched()


async def test_a_refused_batch_leaves_nothing_behind(
    store: SessionStore, neighbours: Neighbours
) -> None:
    await store.insert(make_new_session(messages=[make_message("taken", "first")]))
    before = await state_of(store, KEY)
    batch = [make_message("n0", "zebra"), make_message("taken", "other"), make_message("n1")]

    with pytest.raises(MessageIdConflictError):
        await store.append(KEY, batch, at=START)

    assert await state_of(store, KEY) == before
    assert await places_found(store, "zebra") == []
    appended = await store.append(KEY, [make_message("n0", "another text")], at=START)
    assert json.loads(appended.messages_json[0])["seq"] == 1
    assert await neighbours.are_untouched()


async def test_the_same_message_id_may_be_in_two_sessions(
    store: SessionStore, neighbours: Neighbours
) -> None:
    await store.insert(make_new_session())

    await store.append(KEY, [make_message("m0", "of this session")], at=START)

    assert [message.content for message in await messages_of(store, KEY)] == ["of this session"]
    assert await neighbours.are_untouched()


async def test_fresh_ids_are_stored_like_any_other(store: SessionStore) -> None:
    await store.insert(make_new_session(messages=make_messages(1)))

    await store.append(
        KEY,
        [make_message("f1", is_id_fresh=True), make_message("m2"), make_message("m0")],
        at=START,
    )
    await store.append(KEY, [make_message("f3", is_id_fresh=True)], at=START)

    assert [message.id for message in await messages_of(store, KEY)] == ["m0", "f1", "m2", "f3"]


async def test_a_fresh_id_is_known_to_later_appends(store: SessionStore) -> None:
    await store.insert(make_new_session())
    first = await store.append(KEY, [make_message("f", is_id_fresh=True)], at=START)

    again = await store.append(KEY, [make_message("f")], at=START)

    assert again == first
    with pytest.raises(MessageIdConflictError):
        await store.append(KEY, [make_message("f", "other")], at=START)
    assert len(await messages_of(store, KEY)) == 1
