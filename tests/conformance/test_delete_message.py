"""A deleted message leaves a tombstone in its place, and nothing of what it said."""

import json

import pytest

from app.domain.identity import SessionKey
from app.domain.message import MessageType
from app.errors import MessageNotFoundError, SessionNotFoundError
from app.store.port import SessionStore
from tests.conformance.state import Neighbours, header_of, messages_of, places_found, state_of
from tests.factories import ADA, KEY, make_edit, make_message, make_messages, make_new_session
from tests.fake_clock import START, instant


async def test_a_tombstone_keeps_place_type_and_date_and_nothing_that_was_said(
    store: SessionStore, neighbours: Neighbours
) -> None:
    await store.insert(
        make_new_session(
            generation="00000000000000aa",
            messages=[
                make_message("m0"),
                make_message(
                    "m1",
                    "zebra secret",
                    message_type=MessageType.ASSISTANT,
                    user_id="eve-secret",
                    metadata={"secret": 1},
                    created_at=instant(3),
                    parent_id="m0",
                ),
                make_message("m2"),
            ],
        )
    )
    await store.edit_message(KEY, "m1", make_edit("zebra secret, edited", at=instant(4)))
    before = await messages_of(store, KEY)
    assert await places_found(store, "zebra") == [("session", 1)]

    version = await store.delete_message(KEY, "m1", instant(5))

    encoded = await store.read(KEY)
    assert json.loads(encoded.to_json())["messages"][1] == {
        "seq": 1,
        "id": "m1",
        "content": "",
        "message_type": "assistant",
        "user_id": None,
        "metadata": {},
        "created_at": "2026-01-02T03:04:08.678Z",
        "parent_id": "m0",
        "edited_at": None,
        "deleted_at": "2026-01-02T03:04:10.678Z",
    }
    assert b"secret" not in encoded.to_json()
    assert version == encoded.version == ("00000000000000aa", 3)
    after = await messages_of(store, KEY)
    assert (after[0], after[2]) == (before[0], before[2])
    assert await places_found(store, "zebra") == []
    with pytest.raises(MessageNotFoundError):
        await store.list_past_texts(KEY, "m1")
    assert [one.message.id for one in await store.list_recent_messages(ADA, limit=9)][-2:] == [
        "m0",
        "m2",
    ]
    assert await neighbours.are_untouched()


async def test_counters_follow_the_living(store: SessionStore) -> None:
    await store.insert(
        make_new_session(messages=[make_message(f"m{n}", created_at=instant(-n)) for n in range(4)])
    )

    async def counters() -> tuple[object, ...]:
        header = await header_of(store, KEY)
        return header.message_count, header.next_seq, header.last_message_at, header.changes

    assert await counters() == (4, 4, instant(-3), 0)
    await store.delete_message(KEY, "m3", START)
    assert await counters() == (3, 4, instant(-2), 1)
    await store.delete_message(KEY, "m0", START)
    assert await counters() == (2, 4, instant(-2), 2)
    await store.delete_message(KEY, "m2", START)
    assert await counters() == (1, 4, instant(-1), 3)
    await store.delete_message(KEY, "m1", START)
    assert await counters() == (0, 4, None, 4)
    await store.append(KEY, [make_message("m4", created_at=instant(-9))], at=START)
    assert await counters() == (1, 5, instant(-9), 4)


async def test_a_deletion_moves_the_date_of_the_session(store: SessionStore) -> None:
    await store.insert(make_new_session(messages=make_messages(1)))

    await store.delete_message(KEY, "m0", instant(5))

    header = await header_of(store, KEY)
    assert (header.updated_at, header.revision) == (instant(5), 2)


async def test_a_second_deletion_is_quiet(store: SessionStore, neighbours: Neighbours) -> None:
    await store.insert(make_new_session(messages=make_messages(2)))
    first = await store.delete_message(KEY, "m1", instant(5))
    before = await state_of(store, KEY)

    again = await store.delete_message(KEY, "m1", instant(6))

    assert again == first
    assert await state_of(store, KEY) == before
    assert await neighbours.are_untouched()


@pytest.mark.parametrize("message_id", ["absent", "M0"])
async def test_an_absent_message_is_not_found(
    store: SessionStore, neighbours: Neighbours, message_id: str
) -> None:
    await store.insert(make_new_session(messages=make_messages(1)))
    before = await state_of(store, KEY)

    with pytest.raises(MessageNotFoundError):
        await store.delete_message(KEY, message_id, START)

    assert await state_of(store, KEY) == before
    assert await neighbours.are_untouched()


@pytest.mark.parametrize("key", [SessionKey("ada", "absent"), SessionKey("nobody", "session")])
async def test_an_absent_session_is_not_found(
    store: SessionStore, neighbours: Neighbours, key: SessionKey
) -> None:
    with pytest.raises(SessionNotFoundError):
        await store.delete_message(key, "m0", START)

    assert await neighbours.are_untouched()


async def test_messages_in_every_part_of_a_long_session_can_be_deleted(
    store: SessionStore,
) -> None:
    await store.insert(make_new_session(messages=make_messages(400)))
    gone = [0, 63, 64, 127, 200, 335, 336, 399]

    for seq in gone:
        await store.delete_message(KEY, f"m{seq}", START)
    await store.append(KEY, make_messages(200, first=400), at=START)

    messages = await messages_of(store, KEY)
    assert [m.seq for m in messages] == list(range(600))
    assert [m.seq for m in messages if m.is_deleted] == gone
    assert all(m.content == f"the text of m{m.seq}" for m in messages if not m.is_deleted)
    assert (await header_of(store, KEY)).message_count == 592
