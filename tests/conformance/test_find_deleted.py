"""Which keys a user deleted, or lost with everything else, and has not made anew."""

from app.domain.identity import SessionKey
from app.store.port import SessionStore
from tests.conformance.state import Neighbours
from tests.factories import ADA, BOB, KEY, make_new_session
from tests.fake_clock import START

NEVER = SessionKey(ADA, "never")


async def test_keys_never_deleted_are_not_found(
    store: SessionStore, neighbours: Neighbours
) -> None:
    await store.insert(make_new_session())

    assert await store.find_deleted([]) == set()
    assert await store.find_deleted([KEY, NEVER, KEY]) == set()
    assert await neighbours.are_untouched()


async def test_only_deleted_keys_of_those_asked_are_found(store: SessionStore) -> None:
    keys = [SessionKey(ADA, f"s{n}") for n in range(4)]
    for key in [*keys, SessionKey(BOB, "s1")]:
        await store.insert(make_new_session(key))
    await store.delete(keys[1], START)
    await store.delete(keys[3], START)

    assert await store.find_deleted([*keys, NEVER, SessionKey(BOB, "s1")]) == {keys[1], keys[3]}
    assert await store.find_deleted([keys[0], keys[1], keys[1]]) == {keys[1]}


async def test_a_key_made_anew_and_deleted_again_is_found_again(store: SessionStore) -> None:
    await store.insert(make_new_session())
    await store.delete(KEY, START)
    await store.insert(make_new_session())
    assert await store.find_deleted([KEY]) == set()

    await store.delete(KEY, START)

    assert await store.find_deleted([KEY]) == {KEY}


async def test_every_key_of_an_erased_user_is_found(
    store: SessionStore, neighbours: Neighbours
) -> None:
    erased = SessionKey("eve", "session")
    await store.insert(make_new_session(erased))

    await store.erase_user("eve", START)

    unseen = SessionKey("eve", "never there")
    assert await store.find_deleted([erased, unseen, KEY]) == {erased, unseen}
    assert await neighbours.are_untouched()


async def test_what_an_erased_user_makes_anew_is_not_found(store: SessionStore) -> None:
    anew, old, unseen = (SessionKey(ADA, name) for name in ("anew", "old", "unseen"))
    await store.insert(make_new_session(old))
    await store.insert(make_new_session(anew))
    await store.delete(old, START)
    await store.erase_user(ADA, START)

    await store.insert(make_new_session(anew))

    assert await store.find_deleted([anew, old, unseen]) == {old, unseen}


async def test_what_was_made_anew_is_found_after_a_second_erasure(store: SessionStore) -> None:
    await store.erase_user(ADA, START)
    await store.insert(make_new_session())
    assert await store.find_deleted([KEY]) == set()

    await store.erase_user(ADA, START)

    assert await store.find_deleted([KEY]) == {KEY}


async def test_what_was_made_anew_and_deleted_after_an_erasure_is_found(
    store: SessionStore,
) -> None:
    await store.erase_user(ADA, START)
    await store.insert(make_new_session())

    await store.delete(KEY, START)

    assert await store.find_deleted([KEY]) == {KEY}


async def test_many_keys_may_be_asked_for_at_once(store: SessionStore) -> None:
    await store.insert(make_new_session())
    await store.delete(KEY, START)

    found = await store.find_deleted([SessionKey(ADA, f"s{n}") for n in range(5000)] + [KEY])

    assert found == {KEY}
