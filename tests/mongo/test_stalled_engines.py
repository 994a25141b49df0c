"""A real server that has stopped answering, or has gone: every operation says so, in time."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.errors import StoreUnavailableError
from app.main import create_app
from tests.engines.running import Engine
from tests.factories import ADA, KEY, make_message, make_messages, make_new_session
from tests.fake_clock import START, FakeClock
from tests.laws.conftest import SETTINGS, client_of
from tests.laws.test_law_10_a_failing_store_says_so import ALL, ask
from tests.mongo.test_killed_engines import Engines
from tests.stores import ENGINES

PATIENCE_SECONDS = 60
"""By far more than all of these requests may take together, at two seconds each."""


@pytest.fixture(params=ENGINES)
def engine_name(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def engines(engine_name: str, tmp_path: Path) -> Iterator[Engines]:
    engines = Engines(engine_name, tmp_path)
    yield engines
    engines.stop()


def stall(engine: Engine) -> None:
    """It keeps its connections, takes what is sent, and does nothing."""
    os.kill(engine.process.pid, signal.SIGSTOP)


def go_on(engine: Engine) -> None:
    os.kill(engine.process.pid, signal.SIGCONT)


@pytest.mark.parametrize("end", [stall, Engine.kill], ids=["stalled", "killed"])
async def test_every_operation_says_so_in_time(engines: Engines, end: object) -> None:
    engine = engines.start()
    store = await engines.open()
    await store.insert(make_new_session(messages=make_messages(3)))
    assert callable(end)
    end(engine)
    began_at_seconds = time.monotonic()

    async with client_of(create_app(SETTINGS, store, FakeClock()), ADA) as client:
        answers = await asyncio.gather(*(ask(client, operation) for operation in ALL.values()))
        health = await client.get("/healthz")
    took_seconds = time.monotonic() - began_at_seconds
    if end is stall:
        go_on(engine)
    await store.aclose()

    assert {answer.status_code for answer in answers} == {503}
    assert {answer.headers["content-type"] for answer in answers} == {"application/problem+json"}
    assert {answer.headers["retry-after"] for answer in answers} == {"1"}
    assert health.status_code == 200
    assert took_seconds < PATIENCE_SECONDS


async def test_what_was_sent_to_a_stalled_server_is_there_once_after_a_retry(
    engines: Engines,
) -> None:
    engine = engines.start()
    store = await engines.open()
    await store.insert(make_new_session())
    stall(engine)

    with pytest.raises(StoreUnavailableError):
        await store.append(KEY, [make_message("m0")], at=START)
    go_on(engine)
    appended = await until_it_works(engines)

    assert appended.startswith(b'{"seq":0,"id":"m0"')
    await store.aclose()
    store = await engines.open()
    assert [message.id for message in (await store.read(KEY)).messages()] == ["m0"]
    await store.aclose()


async def until_it_works(engines: Engines) -> bytes:
    for _ in range(20):
        try:
            store = await engines.open()
        except StoreUnavailableError:
            continue
        try:
            appended = await store.append(KEY, [make_message("m0")], at=START)
        except StoreUnavailableError:
            continue
        else:
            return appended.messages_json[0]
        finally:
            await store.aclose()
    raise AssertionError("the server never answered again")
