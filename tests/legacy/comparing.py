"""Comparing what is served from a source with what a run stores of it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from app.domain.identity import SessionKey
from app.legacy.folding_store import FoldingStore
from app.legacy.opening import open_sources
from app.store.memory import MemoryStore
from app.store.port import SessionStore
from migrations.job import Job
from tests.migrations.sources import fold


@asynccontextmanager
async def legacy(description: str) -> AsyncIterator[SessionStore]:
    store = MemoryStore()
    (source,) = await open_sources([description], store.limits)
    try:
        yield FoldingStore(store, [source])
    finally:
        await source.aclose()


async def assert_the_same(description: str, job: Job, path: Path) -> int:
    """Compare all sessions, whole but for generation and run, and tell how many there are."""
    folded = MemoryStore()
    await fold(path, folded, job=job)
    keys = await folded.list_keys(limit=100_000)
    async with legacy(description) as store:
        assert await store.list_keys(limit=100_000) == keys
        for key in keys:
            assert await content_of(store, key) == await content_of(folded, key)
    return len(keys)


async def content_of(store: SessionStore, key: SessionKey) -> tuple[dict[str, Any], bytes | None]:
    encoded = await store.read(key)
    header = json.loads(encoded.header_json)
    assert header.pop("generation")
    header["origin"].pop("run_id")
    return header, encoded.messages_json
