"""Counts of what the caller has."""

import httpx

from tests.api.requests import MESSAGES, append, make_session
from tests.fake_clock import FakeClock

STATS = "/api/chat/stats"


async def test_a_new_user_has_nothing(ada: httpx.AsyncClient) -> None:
    answer = await ada.get(STATS)

    assert answer.json() == {
        "session_count": 0,
        "message_count": 0,
        "first_activity_at": None,
        "last_activity_at": None,
    }


async def test_sessions_and_living_messages_are_counted(
    ada: httpx.AsyncClient, bob: httpx.AsyncClient, clock: FakeClock
) -> None:
    await make_session(ada)
    clock.advance(60)
    await append(ada, "a", "b", "c")
    await ada.delete(f"{MESSAGES}/mb")
    await make_session(ada, "t")
    clock.advance(60)
    await make_session(bob)

    answer = await ada.get(STATS)

    assert answer.headers["cache-control"] == "private, no-cache"
    assert answer.json() == {
        "session_count": 2,
        "message_count": 2,
        "first_activity_at": "2026-01-02T03:04:05.678Z",
        "last_activity_at": "2026-01-02T03:05:05.678Z",
    }
