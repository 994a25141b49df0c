"""An application for operators, in this process, on a file of its own, with the real engine."""

import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from httpx import ASGITransport, AsyncClient, Response

from app.api.auth import ADMIN_PATH
from app.main import create_app
from app.store.port import SessionStore
from app.store.sqlite.store import SQLiteStore
from migrations.engine import ProcessEngine
from tests.api.auth.credentials import settings
from tests.fake_clock import FakeClock

ADMIN_KEY = "key-of-the-operator"
ADMIN_HASH = hashlib.sha256(ADMIN_KEY.encode()).hexdigest()
AS_OPERATOR = {"X-API-Key": ADMIN_KEY}
MIGRATIONS = f"{ADMIN_PATH}migrations"
RUNS = f"{MIGRATIONS}/runs"


@asynccontextmanager
async def served(folder: Path, *places: str) -> AsyncIterator[AsyncClient]:
    """A client of an operator; sources are allowed in the folder `sources`, and in these places."""
    sources = folder / "sources"
    sources.mkdir(exist_ok=True)
    file = folder / "chatfold.db"
    store = await SQLiteStore.open(file)
    try:
        async with served_store(store, file, str(sources), *places) as client:
            yield client
    finally:
        await store.aclose()


@asynccontextmanager
async def served_store(store: SessionStore, file: Path, *places: str) -> AsyncIterator[AsyncClient]:
    """A client of an operator on a store; sources are allowed in these places.

    Processes of migrations open the file.
    """
    configured = settings(admin_keys=[ADMIN_HASH], admin_sources=list(places))
    url = f"sqlite:///{file}"
    engine = ProcessEngine(store, url, configured.admin_sources, poll_seconds=0.01)
    app = create_app(configured, store, FakeClock(), engine)
    try:
        async with AsyncClient(
            transport=ASGITransport(app), base_url="http://chatfold.test", headers=AS_OPERATOR
        ) as client:
            yield client
    finally:
        await engine.aclose()


def events(answer: Response) -> list[tuple[str, dict[str, Any]]]:
    """The events of a whole stream."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/event-stream")
    blocks = [block for block in answer.text.split("\n\n") if block.startswith("event: ")]
    pairs = [block.removeprefix("event: ").split("\ndata: ") for block in blocks]
    return [(name, json.loads(data)) for name, data in pairs]


def end(answer: Response) -> dict[str, Any]:
    """The data of the last event, which says how the work ended."""
    name, data = events(answer)[-1]
    assert name == "end"
    return data
