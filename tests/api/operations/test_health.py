"""Health: the process answers always, readiness asks the store."""

import pytest

from app.errors import CorruptStoreError, StoreBusyError, StoreError
from app.store.memory import MemoryStore
from tests.api.auth.credentials import jwt_settings, settings
from tests.api.serving import client_of
from tests.fake_clock import FakeClock


class FailingStore(MemoryStore):
    """A store whose check fails."""

    def __init__(self, error: StoreError) -> None:
        super().__init__()
        self._error = error

    async def check(self) -> None:
        raise self._error


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_a_sound_service_says_ok_without_a_credential(path: str, clock: FakeClock) -> None:
    async with client_of(jwt_settings(), MemoryStore(), clock) as client:
        answer = await client.get(path)

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def test_a_busy_store_makes_the_service_unready(clock: FakeClock) -> None:
    store = FailingStore(StoreBusyError("Another process holds the store."))

    async with client_of(settings(), store, clock) as client:
        ready = await client.get("/readyz")
        health = await client.get("/healthz")

    assert ready.status_code == 503
    assert ready.json()["code"] == "store_busy"
    assert ready.json()["detail"] == "Another process holds the store."
    assert health.status_code == 200


async def test_a_damaged_store_makes_the_service_unready(clock: FakeClock) -> None:
    store = FailingStore(CorruptStoreError("The file is damaged."))

    async with client_of(settings(), store, clock) as client:
        ready = await client.get("/readyz")

    assert ready.status_code == 503
    assert ready.json()["code"] == "store_unavailable"
    assert ready.json()["detail"] == "The file is damaged."
