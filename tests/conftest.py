"""What all tests share: a clock that tests own, and every store behind one fixture."""

from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import settings

from app.store.port import SessionStore
from tests.fake_clock import FakeClock
from tests.stores import STORES, StoreKind

settings.register_profile("deterministic", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("wide", deadline=None, max_examples=2000)
settings.load_profile("deterministic")


class OpenStore:
    """Opens stores of one kind: a new one, or the one of this name again where the kind lasts."""

    def __init__(self, kind: StoreKind, folder: Path) -> None:
        self._kind = kind
        self._folder = folder
        self._numbers = count()
        self._opened: list[tuple[SessionStore, Path]] = []

    async def __call__(self, name: str | None = None) -> SessionStore:
        folder = self._folder / (f"number-{next(self._numbers)}" if name is None else name)
        folder.mkdir(exist_ok=True)
        store = await self._kind.open(folder)
        self._opened.append((store, folder))
        return store

    async def settle(self) -> None:
        """Wait until no opened store has anything left to do."""
        for _, folder in self._opened:
            await self._kind.settle(folder)

    async def aclose(self) -> None:
        for store, _ in self._opened:
            await store.aclose()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=list(STORES))
async def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[OpenStore]:
    opener = OpenStore(STORES[request.param], tmp_path)
    yield opener
    await opener.aclose()


@pytest.fixture
async def store(open_store: OpenStore) -> SessionStore:
    return await open_store()
