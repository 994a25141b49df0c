"""Scratch: a private temporary SQLite file, so that memory stays the same for sources of any size.

By default it vanishes with its connection: a killed process leaves nothing behind. It lies where
temporary files do (`TMPDIR`). One that has a name is kept once it is said to be whole, so that
another process can read what this one has written.
"""

import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import apsw

Value = str | int | bytes | None
Row = tuple[Any, ...]

_CACHE_KIBIBYTES = 8 * 1024


class Scratch:
    """A database of our own that nobody else sees."""

    def __init__(self, tables: str, path: Path | None = None) -> None:
        # What another version of us or of Python has written, this one might misread.
        layout = f"{version('chatfold')} {sys.version} {tables}"
        self._mark = zlib.crc32(layout.encode()) >> 1 or 1
        # The empty name lets SQLite choose the file, and write to it what its cache cannot hold.
        self._connection: Any = apsw.Connection("" if path is None else str(path))
        self.is_whole = self._connection.pragma("user_version") == self._mark
        if path is not None and not self.is_whole:
            self._connection.close()
            path.unlink()
            path.touch(mode=0o600)
            self._connection = apsw.Connection(str(path))
        for name, value in (
            ("journal_mode", "off"),
            ("synchronous", "off"),
            ("temp_store", "file"),
            ("cache_size", -_CACHE_KIBIBYTES),
        ):
            self._connection.pragma(name, value)
        if not self.is_whole:
            self.execute(tables)

    def keep(self) -> None:
        """Say that it is whole, once everything is on the disk."""
        self._connection.pragma("synchronous", "full")
        self._connection.pragma("user_version", self._mark)
        self.is_whole = True

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
