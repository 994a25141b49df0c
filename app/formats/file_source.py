"""FileSource: the records of a file or of standard input, whatever form they have."""

import gzip
import hashlib
import io
import os
import sys
import zlib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Self

from app.errors import SourceError
from app.formats.array_framing import ArrayFraming
from app.formats.bson_framing import BSONFraming, is_bson
from app.formats.line_framing import LineFraming
from app.formats.port import Notation, RawRecord
from app.formats.spans import Joints, Span

RECORD_LIMIT_BYTES = 64 * 1024 * 1024
"""The longest record that is looked at: the largest message, with each of its bytes escaped."""

STANDARD_INPUT = Path("-")

_CHUNK_BYTES = 1024 * 1024
_FINGERPRINT_BYTES = 64 * 1024
_GZIP_MAGIC = b"\x1f\x8b"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class FileSource:
    """JSON lines, a JSON array or BSON, plain or gzipped: the first bytes tell which.

    Raises:
        SourceError: the file cannot be opened; from the iteration too, where it cannot be read on.
    """

    def __init__(self, path: Path, *, record_limit_bytes: int = RECORD_LIMIT_BYTES) -> None:
        self.name = "standard input" if path == STANDARD_INPUT else str(path)
        self.size_bytes: int | None = None
        """Of the source as it is stored, where that is known."""
        self.bytes_read = 0
        """How far the records that were given out reach, in bytes as they are stored."""
        self.is_compressed = False
        """Whether the open source is gzipped."""
        self.path = path
        self._record_limit_bytes = record_limit_bytes
        self._stored: io.BufferedReader
        self._plain: gzip.GzipFile | io.BufferedReader
        self._beginning: bytes
        self._mark: bytes
        self._framing: LineFraming | ArrayFraming | BSONFraming

    def __enter__(self) -> Self:
        """Open the source, and see what it is."""
        try:
            if self.path == STANDARD_INPUT:
                stored = open(sys.stdin.fileno(), "rb", closefd=False)
            else:
                stored = self.path.open("rb")
                self.size_bytes = self.path.stat().st_size or None  # a pipe has none
            is_gzip = stored.peek(len(_GZIP_MAGIC)).startswith(_GZIP_MAGIC)
        except OSError as error:
            reason = error.strerror or error
            raise SourceError(f"{self.name} cannot be opened: {reason}.") from error
        self._stored = stored
        self._plain = gzip.GzipFile(fileobj=stored) if is_gzip else stored
        self.is_compressed = is_gzip
        try:
            beginning = self._read()
        except SourceError:
            stored.close()
            raise
        self._mark = b""
        if self._is_bson(beginning):
            self._framing = BSONFraming(self._record_limit_bytes)
        else:
            if beginning.startswith(_BYTE_ORDER_MARK):
                self._mark = _BYTE_ORDER_MARK
            beginning = beginning.removeprefix(self._mark)
            is_array = beginning.lstrip().startswith(b"[")
            framing = ArrayFraming if is_array else LineFraming
            self._framing = framing(self._record_limit_bytes)
        self._beginning = beginning
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
    def notation(self) -> Notation:
        """See the port."""
        return self._framing.notation

    @property
    def blank_lines(self) -> int:
        """See the port."""
        return self._framing.blank_lines

    def __iter__(self) -> Iterator[RawRecord]:
        """Every record, in order."""
        return self._framing.records(chain([self._beginning], self._chunks()))

    @property
    def joints(self) -> Joints:
        """What stands around the records of the open source."""
        joints = self._framing.joints
        return joints._replace(opening=self._mark + joints.opening)

    def spans(self) -> Iterator[Span]:
        """Every record, and where it is; instead of the iteration."""
        offset = len(self._mark)
        for record, start, stop in self._framing.spans(chain([self._beginning], self._chunks())):
            yield Span(record, start + offset, None if stop is None else stop + offset)

    def plain_bytes(self, start: int, stop: int | None) -> Iterator[bytes]:
        """A part of the open source as it reads, in pieces; apart from any iteration.

        Raises:
            SourceError: it cannot be read.
        """
        try:
            with self.path.open("rb") as stored:
                plain = gzip.GzipFile(fileobj=stored) if self.is_compressed else stored
                plain.seek(start)
                while piece := plain.read(_CHUNK_BYTES):
                    yield piece if stop is None else piece[: max(0, stop - start)]
                    start += len(piece)
                    if stop is not None and start >= stop:
                        break
        except (OSError, EOFError, zlib.error) as error:
            raise SourceError(f"{self.name} cannot be read to its end: {error}") from error

    def place(self, position: int) -> str:
        """See the port."""
        return f"{self._framing.word} {position}"

    def fingerprint(self) -> str | None:
        """Of the file's size, date, beginning and end; a stream has none."""
        if self.size_bytes is None or self.path == STANDARD_INPUT:
            return None
        try:
            stat = os.fstat(self._stored.fileno())
            ends = hashlib.sha256()
            with self.path.open("rb") as file:
                ends.update(file.read(_FINGERPRINT_BYTES))
                file.seek(max(0, stat.st_size - _FINGERPRINT_BYTES))
                ends.update(file.read(_FINGERPRINT_BYTES))
        except OSError as error:
            raise SourceError(f"{self.name} cannot be read: {error.strerror}.") from error
        return f"{stat.st_size}-{stat.st_mtime_ns}-{ends.hexdigest()[:32]}"

    def _is_bson(self, beginning: bytes) -> bool:
        # The name counts too: what is damaged from its first byte on has only that.
        return is_bson(beginning) or self.path.name.endswith((".bson", ".bson.gz"))

    def _chunks(self) -> Iterator[bytes]:
        self._note_progress()
        while chunk := self._read():
            yield chunk
            self._note_progress()

    def _note_progress(self) -> None:
        if self.size_bytes is not None:
            self.bytes_read = self._stored.tell()

    def _read(self) -> bytes:
        try:
            return self._plain.read(_CHUNK_BYTES)
        except (OSError, EOFError, zlib.error) as error:
            raise SourceError(f"{self.name} cannot be read to its end: {error}") from error
