"""Operators see how the service is, what was slow, and who still calls what will end."""

from datetime import timedelta
from pathlib import Path

import pytest
from httpx import AsyncClient

from app.api.callers import DAY_LIMIT, Callers
from app.api.slow_requests import KEPT_PER_ROUTE, WINDOW_SECONDS, SlowRequests
from app.errors import CorruptStoreError
from app.store.memory import MemoryStore
from app.store.mongo.store import MongoStore
from tests.api.admin.serving import ADMIN_HASH, AS_OPERATOR, served
from tests.api.auth.credentials import settings
from tests.api.serving import client_of
from tests.fake_clock import START, FakeClock
from tests.mongo.facade import database_in_memory

ADMIN = settings(admin_keys=[ADMIN_HASH])


class DamagedStore(MemoryStore):
    async def check(self) -> None:
        raise CorruptStoreError("Page 7.")


async def test_calls_are_counted_by_day_endpoint_and_caller(clock: FakeClock) -> None:
    async def call(client: AsyncClient, agent: str) -> None:
        headers = {"User-Agent": agent, "X-User-Id": "ada"}
        await client.get("/api/chat/history", headers=headers)

    async with client_of(ADMIN, MemoryStore(), clock) as client:
        for agent in ("OldPhone/1.0", "OldPhone/1.1 (secret)", "curl/8"):
            await call(client, agent)
        clock.advance(86_400)
        await call(client, "curl/8")
        answer = await client.get("/api/admin/callers", headers=AS_OPERATOR)

    body = answer.json()
    first, second = sorted({one["day"] for one in body["calls"]})
    assert first < second
    assert [tuple(one.values()) for one in body["calls"]] == [
        (second, "/api/chat/history", "curl", 1),
        (first, "/api/chat/history", "OldPhone", 2),
        (first, "/api/chat/history", "curl", 1),
    ]
    assert body["since"] < body["sunset_at"]
    assert body["processes"] == 1
    assert "secret" not in answer.text


def test_days_are_forgotten_after_a_year_and_a_bit() -> None:
    callers = Callers(START)
    for day in range(DAY_LIMIT + 5):
        callers.count("/old", "phone", START + timedelta(days=day))

    days = [one.day for one in callers.calls()]

    assert len(days) == DAY_LIMIT
    assert days[-1] == (START + timedelta(days=5)).date()


async def test_the_status_tells_of_store_sizes_and_versions(tmp_path: Path) -> None:
    async with served(tmp_path) as operator:
        body = (await operator.get("/api/admin/status")).json()

    assert body["store_problem"] is None
    assert body["store_kind"] == "memory"  # as the settings of these tests say
    assert body["sizes_bytes"]["process_memory"] > 1_000_000
    assert body["sizes_bytes"]["store_file"] >= 4096
    assert body["sizes_bytes"]["store_disk_free"] > 0
    assert (body["store_parts"], body["sizes_unknown"]) == ([], {})
    assert body["versions"].keys() > {"chatfold", "python", "fastapi"}


async def test_a_database_tells_of_its_collections(clock: FakeClock) -> None:
    store = await MongoStore.over(database_in_memory(), segment_bytes=262_144)
    async with client_of(ADMIN, store, clock) as client:
        body = (await client.get("/api/admin/status", headers=AS_OPERATOR)).json()
    await store.aclose()

    assert body["store_parts"] == []
    assert body["sizes_unknown"] == {
        **dict.fromkeys(
            ("sessions", "segments", "chores", "ledgers", "documents", "meta"),
            "The server has no collStats.",
        ),
        **dict.fromkeys(("store_disk", "store_disk_used"), "The server has no dbStats."),
    }
    assert body["sizes_bytes"].keys() == {"process_memory", "read_cache"}


async def test_a_store_that_cannot_be_used_is_told_of(clock: FakeClock) -> None:
    async with client_of(ADMIN, DamagedStore(), clock) as client:
        answer = await client.get("/api/admin/status", headers=AS_OPERATOR)

    assert answer.status_code == 200
    assert answer.json()["store_problem"] == "The store is damaged: Page 7."


async def test_the_url_of_the_store_shows_no_password(clock: FakeClock) -> None:
    url = "mongodb://user:password@db/chat?a=secret"
    of_database = ADMIN.model_copy(update={"store": url})

    async with client_of(of_database, MemoryStore(), clock) as client:
        answer = await client.get("/api/admin/status", headers=AS_OPERATOR)

    assert answer.json()["store_kind"] == "mongodb"
    assert answer.json()["store_url"] == "mongodb://user:***@db/chat"
    assert "password" not in answer.text
    assert "secret" not in answer.text


async def test_requests_are_told_with_their_ids(clock: FakeClock) -> None:
    async with client_of(ADMIN, MemoryStore(), clock) as client:
        await client.get("/readyz", headers={"X-Request-Id": "request-7"})
        body = (await client.get("/api/admin/status", headers=AS_OPERATOR)).json()

    (slow,) = body["slow_requests"]
    assert (slow["method"], slow["route"], slow["status"]) == ("GET", "/readyz", 200)
    assert slow["request_id"] == "request-7"
    assert slow["seconds"] > 0


@pytest.mark.parametrize("windows", [0, 1, 2])
def test_only_the_slowest_of_the_last_hour_are_kept(clock: FakeClock, windows: int) -> None:
    now = [0.0]
    slow = SlowRequests(clock, lambda: now[0])
    for number in range(20):
        slow.note("GET", "/a", 200, number / 10, f"request-{number}")
    slow.note("GET", "/b", 200, 9.0, "other")
    now[0] = windows * WINDOW_SECONDS
    slow.note("GET", "/c", 200, 0.5, "now")

    found = [one.request_id for one in slow.slowest()]

    of_a = [f"request-{number}" for number in (19, 18, 17, 16, 15)]
    assert len(of_a) == KEPT_PER_ROUTE
    assert found == (["now"] if windows == 2 else ["other", *of_a, "now"])
