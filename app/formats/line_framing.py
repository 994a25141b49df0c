"""Lines: how a stream of bytes falls into records where each is a line."""

from collections.abc import Iterable, Iterator

from app.formats.port import Notation, RawRecord


class LineFraming:
    """Records between line breaks, in bounded memory."""

    notation = Notation.JSON
    word = "line"

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
            *whole, rest = (rest + chunk).split(b"\n")
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
