"""Who owns a session with a given id."""

from app.domain.identity import SessionKey
from app.store.port import SessionStore
from tests.conformance.state import Neighbours
from tests.factories import ADA, BOB, make_new_session
from tests.fake_clock import START


async def test_an_unknown_id_has_no_owner(store: SessionStore, neighbours: Neighbours) -> None:
    assert await store.find_owners("absent") == []
    assert await store.find_owners("sess") == []
    assert await store.find_owners("SESSION") == []
    assert await neighbours.are_untouched()


async def test_each_user_with_this_id_is_an_owner(store: SessionStore) -> None:
    for user_id in ("carol", ADA, BOB):
        await store.insert(make_new_session(SessionKey(user_id, "shared")))
    await store.insert(make_new_session(SessionKey(ADA, "own")))

    assert await store.find_owners("own") == [ADA]
    assert sorted(await store.find_owners("shared", limit=5)) == [ADA, BOB, "carol"]


async def test_no_more_than_the_limit_are_named(store: SessionStore) -> None:
    users = [ADA, BOB, "carol"]
    for user_id in users:
        await store.insert(make_new_session(SessionKey(user_id, "shared")))

    assert len(set(await store.find_owners("shared")) & set(users)) == 2
    assert len(await store.find_owners("shared", limit=1)) == 1


async def test_who_deleted_it_owns_it_no_more(store: SessionStore) -> None:
    for user_id in (ADA, BOB):
        await store.insert(make_new_session(SessionKey(user_id, "shared")))

    await store.delete(SessionKey(ADA, "shared"), START)
    assert await store.find_owners("shared") == [BOB]
    await store.erase_user(BOB, START)
    assert await store.find_owners("shared") == []
    await store.insert(make_new_session(SessionKey(ADA, "shared")))
    assert await store.find_owners("shared") == [ADA]
