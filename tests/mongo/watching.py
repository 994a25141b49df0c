"""Watching: what a store asks of its server, by the driver's own command monitoring."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import bson
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)

from app.clock import Clock
from app.store.mongo.store import MongoStore
from tests.mongo.wire.server import serving_wire
from tests.stores import STORES

WIRE = "wire"
SERVERS = [
    name
    for name, kind in STORES.items()
    if kind.environment is not None and name not in {"sqlite", "memory"}
] or [WIRE]
"""Those of this run; where it has none, one that is made of mongomock."""

Document = dict[str, Any]


class Command(NamedTuple):
    """A command that a server has answered; sizes are those of its documents."""

    name: str
    body: Document
    request_bytes: int
    reply_bytes: int


class Watch(CommandListener):
    """Everything that the clients of one test have asked."""

    def __init__(self) -> None:
        self._begun: dict[int, Document] = {}
        self.commands: list[Command] = []

    def started(self, event: CommandStartedEvent) -> None:
        self._begun[event.request_id] = dict(event.command)

    def succeeded(self, event: CommandSucceededEvent) -> None:
        body = self._begun.pop(event.request_id)
        sizes = len(bson.encode(body)), len(bson.encode(event.reply))
        self.commands.append(Command(event.command_name, body, *sizes))

    def failed(self, event: CommandFailedEvent) -> None:
        body = self._begun.pop(event.request_id)
        self.commands.append(Command(event.command_name, body, len(bson.encode(body)), 0))

    def names(self) -> list[str]:
        return [command.name for command in self.commands]

    @property
    def last(self) -> Command:
        return self.commands[-1]


class WatchedServer(NamedTuple):
    """A server with one database of the test's own."""

    url: str
    watch: Watch

    async def open(self, *, segment_bytes: int, clock: Clock | None = None) -> MongoStore:
        """The store; nothing of its start is in the watch."""
        client = AsyncMongoClient[Document](self.url, event_listeners=[self.watch])
        store = await MongoStore.over(
            client.get_default_database(), segment_bytes=segment_bytes, clock=clock
        )
        self.watch.commands.clear()
        return store

    def database(self) -> AsyncDatabase[Document]:
        """The database for looking into it, unwatched; its client is the caller's to close."""
        return AsyncMongoClient[Document](self.url).get_default_database()


@asynccontextmanager
async def watching(name: str, folder: Path) -> AsyncIterator[WatchedServer]:
    """A server of this name; its database is dropped in the end."""
    async with AsyncExitStack() as stack:
        if name == WIRE:
            url = (await stack.enter_async_context(serving_wire())).url
        else:
            kind = STORES[name]
            assert kind.environment is not None
            url = kind.environment(folder)["CHATFOLD_STORE"]
            stack.push_async_callback(kind.drop, folder)
        yield WatchedServer(url, Watch())
