"""What all tests share: a clock that tests own, and every store behind one fixture."""

from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import count
from pathlib import Path
from typing import Protocol

import pytest
from hypothesis import settings

from app.store.memory import MemoryStore
from app.store.port import SessionStore
from app.store.sqlite.store import SQLiteStore
from tests.fake_clock import FakeClock

settings.register_profile("deterministic", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("wide", deadline=None, max_examples=2000)
settings.load_profile("deterministic")


class OpenStore(Protocol):
    """Opens a store: a new one, or the one that had this name before where the store lasts."""

    async def __call__(self, name: str | None = None) -> SessionStore: ...


async def open_memory(_folder: Path) -> SessionStore:
    return MemoryStore()


async def open_sqlite(folder: Path) -> SessionStore:
    return await SQLiteStore.open(folder / "chatfold.db")


StoreOpener = Callable[[Path], Awaitable[SessionStore]]

STORES: dict[str, StoreOpener] = {"memory": open_memory, "sqlite": open_sqlite}
"""Every store there is, by how it is opened in a folder of its own."""


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=list(STORES))
async def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[OpenStore]:
    opener = STORES[request.param]
    opened: list[SessionStore] = []
    numbers = count()

    async def open_(name: str | None = None) -> SessionStore:
        folder = tmp_path / (f"store-{next(numbers)}" if name is None else f"store-named-{name}")
        folder.mkdir(exist_ok=True)
        store = await opener(folder)
        opened.append(store)
        return store

    yield open_
    for store in opened:
        await store.aclose()


@pytest.fixture
async def store(open_store: OpenStore) -> SessionStore:
    return await open_store()
