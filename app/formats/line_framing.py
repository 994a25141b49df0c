"""Lines: how a stream of bytes falls into records where each is a line."""

from collections.abc import Iterable, Iterator
from io import BytesIO
from itertools import chain

from app.formats.port import Notation, RawRecord
from app.formats.spans import SIDE_BY_SIDE, Span

_BREAK = b"\n"


class LineFraming:
    """Records between line breaks, in bounded memory."""

    notation = Notation.JSON
    word = "line"
    joints = SIDE_BY_SIDE

    def __init__(self, limit_bytes: int) -> None:
        self.blank_lines = 0
        """How many lines held nothing, so far."""
        self._limit_bytes = limit_bytes

    def records(self, chunks: Iterable[bytes]) -> Iterator[RawRecord]:
        """The lines that are not blank."""
        position = 0
        rest = b""
        is_cut = False  # the beginning of `rest` was thrown away
        for chunk in chunks:
            *whole, rest = (rest + chunk).split(_BREAK)
            for raw in whole:
                position += 1
                if is_cut or len(raw) > self._limit_bytes:
                    is_cut = False
                    yield RawRecord(position, None)
                elif not raw or raw.isspace():
                    self.blank_lines += 1
                else:
                    yield RawRecord(position, raw)
            if len(rest) > self._limit_bytes:
                rest = b""
                is_cut = True
        if is_cut:
            yield RawRecord(position + 1, None)
        elif rest and not rest.isspace():
            yield RawRecord(position + 1, rest)

    def spans(self, chunks: Iterable[bytes]) -> Iterator[Span]:
        """The same, each with its line break, and where it is."""
        # Apart from `records`, which nearly every source goes through: it must not be slower.
        position = 1
        start = size_bytes = 0
        line = b""  # or as much of it as is looked at
        for piece in chain.from_iterable(map(BytesIO, chunks)):
            size_bytes += len(piece)
            if size_bytes <= self._limit_bytes + len(_BREAK):
                line += piece
            if piece.endswith(_BREAK):
                yield from self._span(position, line, start, size_bytes)
                position += 1
                start += size_bytes
                size_bytes = 0
                line = b""
        yield from self._span(position, line, start, size_bytes)

    def _span(self, position: int, line: bytes, start: int, size_bytes: int) -> Iterator[Span]:
        stop = start + size_bytes
        raw = line.removesuffix(_BREAK)
        if size_bytes - (len(line) - len(raw)) > self._limit_bytes:
            yield Span(RawRecord(position, None), start, stop)
        elif raw and not raw.isspace():
            yield Span(RawRecord(position, line), start, stop)
