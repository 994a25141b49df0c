"""Counts of what a user has, true after every change."""

from app.domain.identity import SessionKey
from app.store.port import SessionStore, UserStats
from tests.conformance.state import Neighbours
from tests.factories import ADA, BOB, make_messages, make_new_session, make_put
from tests.fake_clock import START, instant

A = SessionKey(ADA, "a")
B = SessionKey(ADA, "b")


async def test_a_user_without_sessions_has_zeros(
    store: SessionStore, neighbours: Neighbours
) -> None:
    assert await store.stats("nobody") == UserStats(0, 0, None, None)
    assert await store.stats("") == UserStats(0, 0, None, None)
    assert await neighbours.are_untouched()


async def test_sessions_and_living_messages_are_counted(store: SessionStore) -> None:
    await store.insert(
        make_new_session(
            A, created_at=instant(-9), updated_at=instant(3), messages=make_messages(3)
        )
    )
    await store.insert(make_new_session(B, created_at=instant(-5), updated_at=instant(1)))
    await store.insert(make_new_session(SessionKey(BOB, "a"), created_at=instant(-99)))

    assert await store.stats(ADA) == UserStats(2, 3, instant(-9), instant(3))
    assert await store.stats(BOB) == UserStats(1, 0, instant(-99), instant(-99))


async def test_stats_follow_every_change(store: SessionStore) -> None:
    await store.insert(make_new_session(A))
    await store.insert(make_new_session(B, created_at=instant(-5)))

    await store.append(A, make_messages(5), at=instant(1))
    assert await store.stats(ADA) == UserStats(2, 5, instant(-5), instant(1))
    await store.delete_message(A, "m0", instant(2))
    assert await store.stats(ADA) == UserStats(2, 4, instant(-5), instant(2))
    await store.change_header(B, make_put(at=instant(3), is_pinned=True))
    assert await store.stats(ADA) == UserStats(2, 4, instant(-5), instant(3))
    await store.delete(B, instant(4))
    assert await store.stats(ADA) == UserStats(1, 4, START, instant(2))
    await store.erase_user(ADA, instant(5))
    assert await store.stats(ADA) == UserStats(0, 0, None, None)
