"""A server that fails on demand, and the store on it."""

from collections.abc import AsyncIterator

import pytest

from app.store.mongo.store import MongoStore
from tests.mongo.wire.server import WireServer, serving_wire

SEGMENT_BYTES = 2048
"""So few that a dozen messages are sealed."""


@pytest.fixture
async def wire() -> AsyncIterator[WireServer]:
    async with serving_wire() as server:
        yield server


@pytest.fixture
async def wired_store(wire: WireServer) -> AsyncIterator[MongoStore]:
    store = await MongoStore.open(
        wire.url, write_timeout_seconds=TIMEOUT_SECONDS, segment_bytes=SEGMENT_BYTES
    )
    yield store
    await store.aclose()


TIMEOUT_SECONDS = 0.3
"""How long a call may take; those that fail in another way do not wait for it."""
