"""Scratch: a private temporary SQLite file, so that memory stays the same for sources of any size.

The file vanishes with its connection: a killed process leaves nothing behind. It lies where
temporary files do (`TMPDIR`).
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast

import apsw

Value = str | int | bytes | None
Row = tuple[Any, ...]

_CACHE_KIBIBYTES = 8 * 1024


class Scratch:
    """A database of our own that nobody else sees."""

    def __init__(self, tables: str) -> None:
        # The empty name lets SQLite choose the file, and write to it what its cache cannot hold.
        self._connection: Any = apsw.Connection("")
        for name, value in (
            ("journal_mode", "off"),
            ("synchronous", "off"),
            ("temp_store", "file"),
            ("cache_size", -_CACHE_KIBIBYTES),
        ):
            self._connection.pragma(name, value)
        self.execute(tables)

    def close(self) -> None:
        """Remove everything."""
        self._connection.close()

    def execute(self, statements: str, values: Sequence[Value] = ()) -> Iterator[Row]:
        """Run statements; what they find is read as it is asked for."""
        return cast("Iterator[Row]", self._connection.execute(statements, values))

    def insert(self, statement: str, rows: Iterable[Sequence[Value]]) -> None:
        """Run a statement once for each row, together."""
        with self._connection:
            self._connection.executemany(statement, rows)
