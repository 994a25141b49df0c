"""A fold stores what is absent: it never overwrites, and what was deleted does not come back."""

import pytest

from app.domain.identity import SessionKey
from app.errors import DocumentTooLargeError, MessageIdConflictError
from app.store.port import SessionStore
from tests.conformance.state import Neighbours, contents_of, messages_of, state_of
from tests.factories import ADA, BOB, KEY, make_message, make_messages, make_new_session
from tests.fake_clock import START


async def test_absent_sessions_are_stored_and_present_ones_left(
    store: SessionStore, neighbours: Neighbours
) -> None:
    await store.insert(make_new_session(messages=make_messages(2)))
    before = await state_of(store, KEY)
    fresh = SessionKey("carol", "fresh")

    stored = await store.insert_absent(
        [
            make_new_session(messages=[make_message("x", "not to be kept")]),
            make_new_session(fresh, messages=[make_message("y", "kept")]),
        ]
    )

    assert stored == [False, True]
    assert await state_of(store, KEY) == before
    assert await contents_of(store, fresh) == ["kept"]
    assert await neighbours.are_untouched()


async def test_a_second_run_stores_nothing(store: SessionStore) -> None:
    sessions = [make_new_session(SessionKey(ADA, f"s{n}")) for n in range(3)]
    await store.insert_absent(sessions)
    before = [await state_of(store, session.key) for session in sessions]

    stored = await store.insert_absent(sessions)

    assert stored == [False, False, False]
    assert [await state_of(store, session.key) for session in sessions] == before


async def test_one_key_twice_in_a_call_is_stored_once(store: SessionStore) -> None:
    stored = await store.insert_absent(
        [
            make_new_session(messages=[make_message("a", "first")]),
            make_new_session(messages=[make_message("a", "second")]),
        ]
    )

    assert stored == [True, False]
    assert await contents_of(store, KEY) == ["first"]


async def test_what_was_deleted_does_not_come_back(
    store: SessionStore, neighbours: Neighbours
) -> None:
    await store.insert(make_new_session(messages=make_messages(1)))
    await store.delete(KEY, START)

    stored = await store.insert_absent([make_new_session(messages=make_messages(1))])

    assert stored == [False]
    assert await store.find_version(KEY) is None
    assert await store.find_deleted([KEY]) == {KEY}
    assert await neighbours.are_untouched()


async def test_no_session_of_an_erased_user_comes_back(store: SessionStore) -> None:
    await store.insert(make_new_session())
    await store.erase_user(ADA, START)
    never_seen = SessionKey(ADA, "never seen before")
    others = SessionKey(BOB, "session")

    stored = await store.insert_absent(
        [make_new_session(), make_new_session(never_seen), make_new_session(others)]
    )

    assert stored == [False, False, True]
    assert await store.list_keys() == [others]


async def test_what_was_made_anew_is_present(store: SessionStore) -> None:
    await store.insert(make_new_session())
    await store.delete(KEY, START)
    await store.insert(make_new_session(messages=[make_message("a", "anew")]))

    stored = await store.insert_absent([make_new_session()])

    assert stored == [False]
    assert await contents_of(store, KEY) == ["anew"]


async def test_no_session_stores_nothing(store: SessionStore) -> None:
    stored = await store.insert_absent([])

    assert stored == []
    assert await store.list_keys() == []


async def test_messages_may_be_more_than_a_batch(store: SessionStore) -> None:
    stored = await store.insert_absent([make_new_session(messages=make_messages(2500))])

    assert stored == [True]
    assert [message.seq for message in await messages_of(store, KEY)] == list(range(2500))


async def test_one_session_with_an_id_twice_refuses_them_all(
    store: SessionStore, neighbours: Neighbours
) -> None:
    twice = make_new_session(
        SessionKey(ADA, "twice"), messages=[make_message("a"), make_message("a")]
    )

    with pytest.raises(MessageIdConflictError) as caught:
        await store.insert_absent([make_new_session(), twice])

    assert (caught.value.message_id, caught.value.index) == ("a", 1)
    assert await store.find_version(KEY) is None
    assert await store.find_version(twice.key) is None
    assert await neighbours.are_untouched()


@pytest.mark.parametrize("place", [0, 1])
async def test_one_session_that_is_too_large_refuses_them_all(
    store: SessionStore, place: int
) -> None:
    sessions = [make_new_session(SessionKey(ADA, "small"), messages=make_messages(1))]
    sessions.insert(place, make_new_session(metadata={"filler": "x" * store.limits.header_bytes}))

    with pytest.raises(DocumentTooLargeError):
        await store.insert_absent(sessions)

    assert await store.list_keys() == []


async def test_a_message_that_is_too_large_refuses_them_all(store: SessionStore) -> None:
    large = make_message("m0", "x" * store.limits.message_bytes)

    with pytest.raises(DocumentTooLargeError):
        await store.insert_absent(
            [make_new_session(SessionKey(ADA, "small")), make_new_session(messages=[large])]
        )

    assert await store.list_keys() == []


async def test_an_oversized_session_refuses_even_where_its_key_is_taken(
    store: SessionStore,
) -> None:
    await store.insert(make_new_session())
    large = make_message("m0", "x" * store.limits.message_bytes)

    with pytest.raises(DocumentTooLargeError):
        await store.insert_absent(
            [make_new_session(SessionKey(ADA, "small")), make_new_session(messages=[large])]
        )

    assert await store.list_keys() == [KEY]
