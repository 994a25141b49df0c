"""BSON files: how a stream of bytes falls into documents, as `mongodump` writes them."""

from collections.abc import Iterable, Iterator

from app.formats.port import Notation, RawRecord
from app.formats.spans import SIDE_BY_SIDE, Span

_LENGTH_BYTES = 4
_SHORTEST_BYTES = 5
_LAST_BYTE = 0
_TYPES = frozenset({0, *range(0x01, 0x14), 0x7F, 0xFF})  # of a first member; 0 where there is none
_HIGHEST_LENGTH_BYTE = 3  # what is longer is none of MongoDB's, and no text has such a byte


class BSONFraming:
    """Documents that begin with their length (https://bsonspec.org), in bounded memory.

    Nothing but the lengths tells where a document begins: a wrong one ends the reading.
    """

    notation = Notation.BSON
    word = "document"
    blank_lines = 0
    joints = SIDE_BY_SIDE

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes

    def records(self, chunks: Iterable[bytes]) -> Iterator[RawRecord]:
        """The documents, and in the end how much could not be read."""
        position = 1
        rest = b""
        unread = iter(chunks)
        for chunk in unread:
            rest += chunk
            at = 0
            while len(rest) - at >= _LENGTH_BYTES:
                size_bytes = int.from_bytes(rest[at : at + _LENGTH_BYTES], "little", signed=True)
                if not _SHORTEST_BYTES <= size_bytes <= self._limit_bytes:
                    yield self._unread(position, "Its length", rest[at:], unread)
                    return
                if len(rest) - at < size_bytes:
                    break
                if rest[at + size_bytes - 1] != _LAST_BYTE:
                    yield self._unread(position, "Its length or its end", rest[at:], unread)
                    return
                yield RawRecord(position, rest[at : at + size_bytes])
                position += 1
                at += size_bytes
            rest = rest[at:]
        if rest:
            damage = f"The source ends within this document: {len(rest):,} bytes were not read."
            yield RawRecord(position, None, damage)

    def spans(self, chunks: Iterable[bytes]) -> Iterator[Span]:
        """The documents, and where each is; what could not be read is the rest of the stream."""
        start = 0
        for record in self.records(chunks):
            stop = None if record.raw is None else start + len(record.raw)
            yield Span(record, start, stop)
            start = stop or start

    def _unread(self, position: int, what: str, rest: bytes, unread: Iterator[bytes]) -> RawRecord:
        size_bytes = len(rest) + sum(map(len, unread))
        damage = f"{what} is damaged: {size_bytes:,} bytes from here to the end were not read."
        return RawRecord(position, None, damage)


def is_bson(beginning: bytes) -> bool:
    """Whether a stream that begins so is of BSON: no text begins with such a length and type."""
    return (
        len(beginning) >= _SHORTEST_BYTES
        and beginning[_LENGTH_BYTES - 1] <= _HIGHEST_LENGTH_BYTE
        and beginning[_LENGTH_BYTES] in _TYPES
    )
