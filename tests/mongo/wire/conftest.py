"""A server that fails on demand, and the store on it."""

import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.store.mongo.store import MongoStore
from tests.mongo.wire.server import WireServer, serving_wire

SEGMENT_BYTES = 2048
"""So few that a dozen messages are sealed."""
TIMEOUT_SECONDS = 0.5
"""How long a call may take where it is going to take as long as it may."""
COSMOS = "account.mongo.cosmos.azure.com"


@pytest.fixture
async def wire() -> AsyncIterator[WireServer]:
    async with serving_wire() as server:
        yield server


@pytest.fixture
def cosmos(wire: WireServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """The server under a name that only Azure Cosmos DB has."""
    resolve = socket.getaddrinfo

    def resolve_here(host: str, *arguments: Any, **options: Any) -> Any:
        return resolve("127.0.0.1" if host == COSMOS else host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve_here)
    return wire.url.replace("127.0.0.1", COSMOS)


async def open_on(url: str, *, timeout_seconds: float = TIMEOUT_SECONDS) -> MongoStore:
    return await MongoStore.open(
        url, write_timeout_seconds=timeout_seconds, segment_bytes=SEGMENT_BYTES
    )


@pytest.fixture
async def wired_store(wire: WireServer) -> AsyncIterator[MongoStore]:
    store = await open_on(wire.url)
    yield store
    await store.aclose()


@pytest.fixture
async def patient_store(wire: WireServer) -> AsyncIterator[MongoStore]:
    """One that outlasts what the driver needs to find a server again."""
    store = await open_on(wire.url, timeout_seconds=10)
    yield store
    await store.aclose()
