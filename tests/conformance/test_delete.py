"""A deleted session is gone from everywhere, and only its marker stays."""

import asyncio

import pytest

from app.domain.identity import SessionKey
from app.errors import SessionNotEmptyError, SessionNotFoundError
from app.store.port import MessageWindow, SessionStore
from tests.conformance.state import Neighbours, ids_listed, places_found, state_of
from tests.conftest import OpenStore
from tests.factories import (
    ADA,
    BOB,
    KEY,
    make_edit,
    make_message,
    make_messages,
    make_new_session,
    make_put,
)
from tests.fake_clock import START, instant


async def test_a_deleted_session_is_gone_from_everywhere(
    store: SessionStore, neighbours: Neighbours
) -> None:
    await store.insert(
        make_new_session(messages=[make_message("m0", "zebra")], session_name="zebra crossing")
    )
    await store.edit_message(KEY, "m0", make_edit("zebra again"))
    assert await places_found(store, "zebra") == [("session", 0), ("session", None)]
    assert "session" in await ids_listed(store)
    assert KEY in await store.list_keys()
    assert await store.find_owners("session") == [ADA, BOB]
    assert (await store.stats(ADA)).session_count == 2

    await store.delete(KEY, START)

    assert await store.find_version(KEY) is None
    assert await places_found(store, "zebra") == []
    assert await ids_listed(store) == ["neighbour"]
    assert KEY not in await store.list_keys()
    assert await store.find_owners("session") == [BOB]
    assert (await store.stats(ADA)).session_count == 1
    assert [one.session_id for one in await store.list_recent_messages(ADA, limit=10)] == [
        "neighbour",
        "neighbour",
    ]
    assert await neighbours.are_untouched()


async def test_every_method_calls_a_deleted_session_absent(store: SessionStore) -> None:
    await store.insert(make_new_session(messages=make_messages(1)))
    await store.delete(KEY, START)

    with pytest.raises(SessionNotFoundError):
        await store.read(KEY)
    with pytest.raises(SessionNotFoundError):
        await store.change_header(KEY, make_put(session_name="x"))
    with pytest.raises(SessionNotFoundError):
        await store.append(KEY, make_messages(1), at=START)
    with pytest.raises(SessionNotFoundError):
        await store.list_messages(KEY, MessageWindow())
    with pytest.raises(SessionNotFoundError):
        await store.edit_message(KEY, "m0", make_edit("x"))
    with pytest.raises(SessionNotFoundError):
        await store.delete_message(KEY, "m0", START)
    with pytest.raises(SessionNotFoundError):
        await store.list_past_texts(KEY, "m0")
    with pytest.raises(SessionNotFoundError):
        await store.delete(KEY, START)
    assert await store.list_keys() == []


async def test_a_deletion_leaves_a_marker(store: SessionStore, neighbours: Neighbours) -> None:
    await store.insert(make_new_session())
    assert await store.find_deleted([KEY]) == set()

    await store.delete(KEY, instant(1))

    assert await store.find_deleted([KEY]) == {KEY}
    assert await neighbours.are_untouched()


@pytest.mark.parametrize("key", [SessionKey(ADA, "absent"), SessionKey("nobody", "session")])
async def test_an_absent_session_is_not_found_and_not_marked(
    store: SessionStore, neighbours: Neighbours, key: SessionKey
) -> None:
    with pytest.raises(SessionNotFoundError):
        await store.delete(key, START)

    assert await store.find_deleted([key]) == set()
    assert await neighbours.are_untouched()


async def test_what_is_left_for_later_is_done_however_many_were_deleted(
    store: SessionStore, neighbours: Neighbours, open_store: OpenStore
) -> None:
    keys = [SessionKey(ADA, f"s{number}") for number in range(5)]
    for key in keys:
        await store.insert(make_new_session(key, messages=make_messages(3)))
        await store.edit_message(key, "m0", make_edit("edited"))

    for key in keys:
        await store.delete(key, START)

    # Nobody writes after this: the store has to get on by itself.
    await open_store.settle()
    assert await store.find_deleted(keys) == set(keys)
    assert await neighbours.are_untouched()


async def test_a_long_session_is_deleted_whole(store: SessionStore, neighbours: Neighbours) -> None:
    await store.insert(make_new_session(messages=make_messages(1500)))
    assert len(await store.list_recent_messages(ADA, limit=1000)) == 1000
    before = await state_of(store, SessionKey(ADA, "neighbour"))

    await store.delete(KEY, START)

    assert len(await store.list_recent_messages(ADA, limit=1000)) == 2
    assert await state_of(store, SessionKey(ADA, "neighbour")) == before
    assert await neighbours.are_untouched()


# --- only where it is empty ---------------------------------------------------------------------


async def test_a_session_with_messages_stays_where_only_an_empty_one_was_to_go(
    store: SessionStore, neighbours: Neighbours
) -> None:
    await store.insert(make_new_session(messages=make_messages(2)))
    before = await state_of(store, KEY)

    with pytest.raises(SessionNotEmptyError):
        await store.delete(KEY, START, only_empty=True)

    assert await state_of(store, KEY) == before
    assert await store.find_deleted([KEY]) == set()
    assert await neighbours.are_untouched()


async def test_a_session_of_tombstones_is_empty(store: SessionStore) -> None:
    await store.insert(make_new_session(messages=make_messages(1)))
    await store.delete_message(KEY, "m0", START)

    await store.delete(KEY, START, only_empty=True)

    assert await store.find_version(KEY) is None
    assert await store.find_deleted([KEY]) == {KEY}


async def test_an_append_and_a_deletion_of_an_empty_session_do_not_both_happen(
    store: SessionStore,
) -> None:
    for _ in range(5):
        await store.insert(make_new_session())

        appended, deleted = await asyncio.gather(
            store.append(KEY, make_messages(1), at=START),
            store.delete(KEY, START, only_empty=True),
            return_exceptions=True,
        )

        if isinstance(deleted, SessionNotEmptyError):
            assert len((await store.read(KEY)).messages()) == 1
            await store.delete(KEY, START)
        else:
            assert deleted is None
            assert isinstance(appended, SessionNotFoundError)
