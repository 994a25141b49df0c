"""Every store there is, or those on the servers that a run is about."""

import asyncio
import os
from pathlib import Path

import apsw

from app.store.memory import MemoryStore
from app.store.port import SessionStore
from app.store.sqlite.store import SQLiteStore
from tests.engines.building import RECIPES
from tests.mongo.kinds import SMALL_SEGMENT_BYTES, in_memory, on_engine, on_server
from tests.store_kind import StoreKind

ENGINES_VARIABLE = "CHATFOLD_TEST_ENGINES"
"""Names of stores, separated by commas: the tests of stores run on these only."""
SERVER_VARIABLE = "CHATFOLD_TEST_MONGODB_URI"
"""A MongoDB server: the tests of stores run on it only."""

_DEADLINE_SECONDS = 20
_SMALL = "-small-segments"


async def open_memory(_folder: Path) -> SessionStore:
    return MemoryStore()


async def open_sqlite(folder: Path) -> SessionStore:
    return await SQLiteStore.open(folder / "chatfold.db")


async def settle_sqlite(folder: Path) -> None:
    connection = apsw.Connection(str(folder / "chatfold.db"))
    try:
        async with asyncio.timeout(_DEADLINE_SECONDS):
            while connection.execute(  # noqa: ASYNC110 - a thread does it, and sets no event
                "SELECT 1 FROM search_pending UNION ALL SELECT 1 FROM remains LIMIT 1"
            ).fetchone():
                await asyncio.sleep(0.002)
    finally:
        connection.close()


def sqlite_environment(folder: Path) -> dict[str, str]:
    return {"CHATFOLD_STORE": f"sqlite:///{folder}/chatfold.db"}


SQLITE = StoreKind(open_sqlite, settle_sqlite, environment=sqlite_environment)

_WITHOUT_SERVER = {
    "memory": StoreKind(open_memory),
    "sqlite": SQLITE,
    "mongomock": in_memory(),
    "mongomock" + _SMALL: in_memory(segment_bytes=SMALL_SEGMENT_BYTES),
}
_ON_ENGINES = {engine: on_engine(engine) for engine in RECIPES} | {
    engine + _SMALL: on_engine(engine, segment_bytes=SMALL_SEGMENT_BYTES) for engine in RECIPES
}


def _stores_of_this_run() -> dict[str, StoreKind]:
    if uri := os.environ.get(SERVER_VARIABLE):
        return {
            "mongodb": on_server(lambda: uri),
            "mongodb" + _SMALL: on_server(lambda: uri, segment_bytes=SMALL_SEGMENT_BYTES),
        }
    if names := os.environ.get(ENGINES_VARIABLE):
        return {name: (_WITHOUT_SERVER | _ON_ENGINES)[name] for name in names.split(",")}
    return _WITHOUT_SERVER


STORES = _stores_of_this_run()
STORES_BEHIND_DOORS = [name for name in STORES if not name.endswith(_SMALL)]
"""The same without small segments: what lies behind the port is nothing that a door could see."""
IS_CHOSEN = STORES is not _WITHOUT_SERVER
"""Whether the run is about these stores only, and tests that have no store are left out."""
ENGINES = [name for name in STORES if name in RECIPES]
"""Those that this run may start, and kill."""
