"""Reader: connections for reading, some for threads and one for the event loop itself.

A read that is bounded by a key or a limit takes some ten microseconds, less than handing it to a
thread and back; it runs where it is asked. Everything else goes to a thread.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import apsw

from app.errors import StoreUnavailableError
from app.store.sqlite.connections import BUSY_TIMEOUT_MILLISECONDS, open_reader
from app.store.sqlite.failures import translated_failures
from app.store.sqlite.statements import run

T = TypeVar("T")

Query = Callable[[apsw.Connection], T]
"""Reads, in one transaction, so that all it sees is of one moment; holds nothing open after."""

_THREADS = 4
_INLINE_BUSY_TIMEOUT_MILLISECONDS = 50
"""Readers wait for nobody but a recovery after a crash; the event loop must not wait for long."""


class Reader:
    """Runs queries; many at once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix=f"reader of {path.name}")
        self._of_thread = threading.local()
        self._opened: list[apsw.Connection] = []
        self._is_closed = False
        with translated_failures():
            self._inline = self._open(_INLINE_BUSY_TIMEOUT_MILLISECONDS)

    def run_inline(self, query: Query[T], *, is_one_statement: bool = False) -> T:
        """Run a query that a key or a limit bounds, here and now.

        One statement is a transaction of its own and need not be put into another.
        """
        if self._is_closed:
            raise StoreUnavailableError("The store is closed.")
        with translated_failures():
            if is_one_statement:
                return query(self._inline)
            return _in_transaction(self._inline, query)

    async def run(self, query: Query[T]) -> T:
        """Run a query in a thread."""
        if self._is_closed:
            raise StoreUnavailableError("The store is closed.")
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, self._run_in_thread, query
        )

    async def aclose(self) -> None:
        """Wait for the running queries and close all connections."""
        if self._is_closed:
            return
        self._is_closed = True
        await asyncio.to_thread(self._threads.shutdown)
        for connection in self._opened:
            connection.close()

    def _run_in_thread(self, query: Query[T]) -> T:
        with translated_failures():
            connection: apsw.Connection | None = getattr(self._of_thread, "connection", None)
            if connection is None:
                connection = self._of_thread.connection = self._open(BUSY_TIMEOUT_MILLISECONDS)
            return _in_transaction(connection, query)

    def _open(self, busy_timeout_milliseconds: int) -> apsw.Connection:
        connection = open_reader(self._path, busy_timeout_milliseconds=busy_timeout_milliseconds)
        self._opened.append(connection)
        return connection


def _in_transaction(connection: apsw.Connection, query: Query[T]) -> T:
    run(connection, "BEGIN")
    try:
        return query(connection)
    finally:
        run(connection, "COMMIT")
