"""LineSource: the lines of a file or of standard input, plain or gzipped, in bounded memory."""

import gzip
import hashlib
import io
import os
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from app.errors import SourceError
from app.formats.port import Notation, RawRecord

LINE_LIMIT_BYTES = 64 * 1024 * 1024
"""The longest line that is looked at: the largest message, with each of its bytes escaped."""

STANDARD_INPUT = Path("-")

_CHUNK_BYTES = 1024 * 1024
_FINGERPRINT_BYTES = 64 * 1024
_GZIP_MAGIC = b"\x1f\x8b"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class LineSource:
    """A source of lines, open while its `with` block runs.

    Raises:
        SourceError: the file cannot be opened; from the iteration too, where it cannot be read on.
    """

    notation = Notation.JSON

    def __init__(self, path: Path, *, line_limit_bytes: int = LINE_LIMIT_BYTES) -> None:
        self.name = "standard input" if path == STANDARD_INPUT else str(path)
        self.blank_lines = 0
        """How many lines held nothing, so far."""
        self.size_bytes: int | None = None
        """Of the source as it is stored, where that is known."""
        self._path = path
        self._line_limit_bytes = line_limit_bytes
        self._stored: io.BufferedReader
        self._plain: gzip.GzipFile | io.BufferedReader

    def __enter__(self) -> Self:
        """Open the source."""
        try:
            if self._path == STANDARD_INPUT:
                stored = open(sys.stdin.fileno(), "rb", closefd=False)
            else:
                stored = self._path.open("rb")
                self.size_bytes = self._path.stat().st_size or None  # a pipe has none
            is_gzip = stored.peek(len(_GZIP_MAGIC)).startswith(_GZIP_MAGIC)
        except OSError as error:
            reason = error.strerror or error
            raise SourceError(f"{self.name} cannot be opened: {reason}.") from error
        self._stored = stored
        self._plain = gzip.GzipFile(fileobj=stored) if is_gzip else stored
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the source; standard input is left open for its owner."""
        self._stored.close()

    @property
    def bytes_read(self) -> int:
        """How far the reading is, in bytes as they are stored; 0 where that is not known."""
        return self._stored.tell() if self.size_bytes is not None else 0

    def __iter__(self) -> Iterator[RawRecord]:
        """The lines that are not blank."""
        position = 0
        rest = b""
        is_cut = False  # the beginning of `rest` was thrown away
        while chunk := self._read():
            if position == 0 and not rest:
                chunk = chunk.removeprefix(_BYTE_ORDER_MARK)
            *whole, rest = (rest + chunk).split(b"\n")
            for raw in whole:
                position += 1
                if is_cut or len(raw) > self._line_limit_bytes:
                    is_cut = False
                    yield RawRecord(position, None)
                elif not raw or raw.isspace():
                    self.blank_lines += 1
                else:
                    yield RawRecord(position, raw)
            if len(rest) > self._line_limit_bytes:
                rest = b""
                is_cut = True
        if is_cut:
            yield RawRecord(position + 1, None)
        elif rest and not rest.isspace():
            yield RawRecord(position + 1, rest)

    def place(self, position: int) -> str:
        """See the port."""
        return f"line {position}"

    def fingerprint(self) -> str | None:
        """Of the file's size, date, beginning and end; a stream has none."""
        try:
            stat = os.fstat(self._stored.fileno())
            if self.size_bytes is None or self._path == STANDARD_INPUT:
                return None
            ends = hashlib.sha256()
            with self._path.open("rb") as file:
                ends.update(file.read(_FINGERPRINT_BYTES))
                file.seek(max(0, stat.st_size - _FINGERPRINT_BYTES))
                ends.update(file.read(_FINGERPRINT_BYTES))
        except OSError as error:
            raise SourceError(f"{self.name} cannot be read: {error.strerror}.") from error
        return f"{stat.st_size}-{stat.st_mtime_ns}-{ends.hexdigest()[:32]}"

    def _read(self) -> bytes:
        try:
            return self._plain.read(_CHUNK_BYTES)
        except (OSError, EOFError, zlib.error) as error:
            raise SourceError(f"{self.name} cannot be read to its end: {error}") from error
