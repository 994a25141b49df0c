"""Law 1 on the other side of the wire: the database itself is killed in the middle of writing."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.errors import StoreUnavailableError
from app.store.mongo.store import MongoStore
from app.store.port import SessionStore
from tests.engines.running import Engine, start
from tests.factories import KEY, make_message, make_new_session
from tests.fake_clock import START
from tests.mongo.kinds import SMALL_SEGMENT_BYTES, with_options
from tests.stores import ENGINES

WRITERS = 6


class Engines:
    """One engine after the other on the same data."""

    def __init__(self, name: str, folder: Path) -> None:
        self._name = name
        self._folder = folder
        self._running: list[Engine] = []

    def start(self) -> Engine:
        self._running.append(start(self._name, self._folder))
        return self._running[-1]

    async def open(self) -> MongoStore:
        """The store on the engine that was started last."""
        url = with_options(self._name, self._running[-1].url + "chatfold")
        return await MongoStore.open(
            url, write_timeout_seconds=2, segment_bytes=SMALL_SEGMENT_BYTES
        )

    def stop(self) -> None:
        for engine in self._running:
            if engine.process.poll() is None:
                engine.stop()


@pytest.fixture(params=ENGINES)
def engine_name(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def engines(engine_name: str, tmp_path: Path) -> Iterator[Engines]:
    engines = Engines(engine_name, tmp_path)
    yield engines
    engines.stop()


class Writing:
    """Writers that append, each with ids of its own, until their store is gone."""

    def __init__(self, store: SessionStore) -> None:
        self._store = store
        self.acknowledged: set[str] = set()
        self.unacknowledged: set[str] = set()
        self.is_enough = asyncio.Event()

    async def write(self, name: str, *, enough: int) -> None:
        number = 0
        while True:
            message_id = f"{name}-{number}"
            try:
                await self._store.append(KEY, [make_message(message_id)], at=START)
            except StoreUnavailableError:
                self.unacknowledged.add(message_id)
                return
            self.acknowledged.add(message_id)
            number += 1
            if len(self.acknowledged) >= enough:
                self.is_enough.set()


async def test_what_was_acknowledged_is_there_after_the_engine_was_killed(
    engines: Engines,
) -> None:
    engine = engines.start()
    store = await engines.open()
    await store.insert(make_new_session())
    writing = Writing(store)
    writers = [
        asyncio.create_task(writing.write(f"w{number}", enough=60)) for number in range(WRITERS)
    ]
    await writing.is_enough.wait()
    engine.kill()
    await asyncio.gather(*writers)
    await store.aclose()

    engines.start()
    store = await engines.open()
    stored = [message.id for message in (await store.read(KEY)).messages()]
    assert set(stored) >= writing.acknowledged
    assert set(stored) <= writing.acknowledged | writing.unacknowledged
    assert len(stored) == len(set(stored))
    for message_id in sorted(writing.acknowledged | writing.unacknowledged):
        await store.append(KEY, [make_message(message_id)], at=START)
    retried = (await store.read(KEY)).messages()
    await store.aclose()

    assert [message.id for message in retried[: len(stored)]] == stored
    assert {message.id for message in retried} == writing.acknowledged | writing.unacknowledged
    assert [message.seq for message in retried] == list(range(len(retried)))


async def test_a_store_whose_engine_is_gone_says_so_and_works_again_with_it(
    engines: Engines,
) -> None:
    engine = engines.start()
    store = await engines.open()
    await store.insert(make_new_session())
    engine.kill()

    with pytest.raises(StoreUnavailableError):
        await store.read(KEY)
    with pytest.raises(StoreUnavailableError):
        await store.check()
    await store.aclose()

    engines.start()
    store = await engines.open()
    assert (await store.read(KEY)).header().key == KEY
    await store.aclose()
