"""Every store there is: how tests open it, and how they wait until it has nothing left to do."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

import apsw

from app.store.memory import MemoryStore
from app.store.port import SessionStore
from app.store.sqlite.store import SQLiteStore

_DEADLINE_SECONDS = 20


class StoreKind(NamedTuple):
    """One kind of store, kept in a folder of its own."""

    open: Callable[[Path], Awaitable[SessionStore]]
    settle: Callable[[Path], Awaitable[None]]
    """Return when the store has done what it leaves for later: indexing, sweeping up."""


async def open_memory(_folder: Path) -> SessionStore:
    return MemoryStore()


async def settle_memory(_folder: Path) -> None:
    """It leaves nothing for later."""


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


STORES = {
    "memory": StoreKind(open_memory, settle_memory),
    "sqlite": StoreKind(open_sqlite, settle_sqlite),
}
