"""What all tests share: a clock that tests own, and every store behind one fixture."""

import gc
import os
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import settings

from app.store.port import SessionStore
from tests.fake_clock import FakeClock
from tests.files_in_memory import move_into_memory
from tests.mongo.capabilities import reason_to_leave_out
from tests.store_kind import Place, StoreKind
from tests.stores import IS_CHOSEN, SERVER_VARIABLE, STORES

settings.register_profile("deterministic", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("wide", deadline=None, max_examples=2000)
settings.load_profile("deterministic")


def pytest_configure(config: pytest.Config) -> None:
    """Keep files of tests in memory; the processes beside each other have them in one folder."""
    if remove := move_into_memory():
        config.add_cleanup(remove)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what a server cannot do and, where stores are chosen, what is not about them."""
    others = [item for item in items if not _is_of_this_run(item)]
    items[:] = [item for item in items if _is_of_this_run(item)]
    config.hook.pytest_deselected(items=others)
    for item in items:
        if reason := reason_to_leave_out(_store_name(item), item.nodeid):
            item.add_marker(pytest.mark.skip(reason=reason))
        if SERVER_VARIABLE in os.environ:
            item.add_marker("enable_socket")  # the server may be anywhere


def pytest_collection_finish() -> None:
    """Let the collector pass over ten thousand tests, and what some of them hold, but seldom."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def _is_of_this_run(item: pytest.Item) -> bool:
    """Whether it is about the stores of this run, and shows there what it does nowhere else."""
    name = _store_name(item)
    if IS_CHOSEN and name is None:
        return False
    is_of_any_store = item.get_closest_marker("at_the_door") is not None
    return not is_of_any_store or name == "memory" or bool(os.environ.get("SOAK"))


def _store_name(item: pytest.Item) -> str | None:
    """The name of the store that a test runs on; None where it has none, or one of its own."""
    assert isinstance(item, pytest.Function)
    if not hasattr(item, "callspec"):
        return None
    parameters = item.callspec.params
    for parameter in ("store_kind", "place", "engine_name"):
        if isinstance(name := parameters.get(parameter), str):
            return name
    return None


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
        for folder in {folder for _, folder in self._opened}:
            await self._kind.drop(folder)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=list(STORES))
def store_kind(request: pytest.FixtureRequest) -> StoreKind:
    return STORES[request.param]


@pytest.fixture
async def open_store(store_kind: StoreKind, tmp_path: Path) -> AsyncIterator[OpenStore]:
    opener = OpenStore(store_kind, tmp_path)
    yield opener
    await opener.aclose()


@pytest.fixture
async def store(open_store: OpenStore) -> SessionStore:
    return await open_store()


@pytest.fixture(params=[name for name, kind in STORES.items() if kind.environment is not None])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    """Where several processes can have a store in common."""
    place = Place(STORES[request.param], tmp_path)
    yield place
    await place.kind.drop(place.folder)
