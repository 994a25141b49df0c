"""A watch hears of changes by a change stream where the server has one, and polls where not."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
from bson import Timestamp

from app.store.mongo.store import MongoStore
from tests.mongo.wire.conftest import open_on
from tests.mongo.wire.server import WireServer

CURSOR = 7


class Stream:
    """The change stream of a server: a test says when something has changed."""

    def __init__(self, wire: WireServer) -> None:
        self.has_changed = asyncio.Event()
        self.opened: list[Any] = []
        self.is_broken = False
        wire.failures["aggregate"] = self._open
        wire.failures["getMore"] = self._more

    async def _open(self, command: Any, _answer: Any) -> Any:
        self.opened.append(command["pipeline"])
        return _batch("firstBatch", []) | {"operationTime": Timestamp(1, 1)}

    async def _more(self, command: Any, _answer: Any) -> Any:
        if self.is_broken:
            return {"ok": 0, "code": 286, "errmsg": "the history is lost"}
        try:
            await asyncio.wait_for(self.has_changed.wait(), command["maxTimeMS"] / 1000)
        except TimeoutError:
            return _batch("nextBatch", [])
        self.has_changed.clear()
        return _batch("nextBatch", [{"_id": {"_data": str(number)}} for number in range(50)])


def _batch(name: str, documents: list[Any]) -> Any:
    return {"ok": 1, "cursor": {"id": CURSOR, "ns": "chatfold.sessions", name: documents}}


@pytest.fixture
async def replicated(
    wire: WireServer, caplog: pytest.LogCaptureFixture
) -> AsyncIterator[MongoStore]:
    caplog.set_level(logging.INFO, "app")
    wire.greeting["msg"] = "isdbgrid"
    store = await open_on(wire.url, timeout_seconds=2)
    yield store
    await store.aclose()


async def test_a_change_wakes_a_watch_once_however_much_has_changed(
    wire: WireServer, replicated: MongoStore
) -> None:
    stream = Stream(wire)

    async with aclosing(await replicated.watch()) as changes:
        await anext(changes)
        stream.has_changed.set()
        async with asyncio.timeout(5):
            await anext(changes)
        waiting = asyncio.ensure_future(anext(changes))
        _, asleep = await asyncio.wait({waiting}, timeout=1.2)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

    assert stream.opened == [[{"$changeStream": {}}, {"$project": {"_id": 1}}]]
    assert asleep == {waiting}
    assert "killCursors" in wire.names()


async def test_a_server_without_change_streams_is_polled(
    wire: WireServer, replicated: MongoStore, caplog: pytest.LogCaptureFixture
) -> None:
    async def refuse(_command: Any, _answer: Any) -> Any:
        return {"ok": 0, "code": 40573, "errmsg": "only supported on replica sets"}

    wire.failures["aggregate"] = refuse

    for _ in range(2):
        async with asyncio.timeout(5), aclosing(await replicated.watch()) as changes:
            await anext(changes)
            await anext(changes)

    assert wire.names().count("aggregate") == 1
    assert [one for one in caplog.messages if "change streams" in one] == [
        "The database has no change streams (40573): it is polled."
    ]


async def test_a_stream_that_breaks_is_followed_by_polling(
    wire: WireServer, replicated: MongoStore, caplog: pytest.LogCaptureFixture
) -> None:
    stream = Stream(wire)

    async with asyncio.timeout(10), aclosing(await replicated.watch()) as changes:
        await anext(changes)
        stream.is_broken = True
        for _ in range(3):
            await anext(changes)

    assert [one for one in caplog.messages if "broke" in one] == [
        "A change stream broke (OperationFailure): the database is polled."
    ]
