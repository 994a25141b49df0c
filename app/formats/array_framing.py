"""JSON arrays: how a stream of bytes falls into the elements of an array, damaged ones included.

Elements are only told apart here; whether each is JSON is for others to find out. Where one is so
damaged that its end is not where the brackets say, the next one begins at the next place that looks
like two elements side by side.
"""

import re
from collections.abc import Iterable, Iterator

from app.formats.port import Notation, RawRecord
from app.formats.spans import Joints, Span

_STRING = rb'"(?:[^"\\\n]++|\\[^\n])*+"'


def _value(levels: int) -> bytes:
    """A value with so many levels of objects and arrays at most."""
    simple = rb'%b|[^\s,:\[\]{}"]++' % _STRING
    if levels == 0:
        return rb"(?:%b)" % simple
    inner = _value(levels - 1)
    members = rb"\{\s*+(?:%b\s*+:\s*+%b\s*+,?\s*+)*+\}" % (_STRING, inner)
    items = rb"\[\s*+(?:%b\s*+,?\s*+)*+\]" % inner
    return rb"(?:%b|%b|%b)" % (simple, members, items)


# What nearly all elements are, found in one step.
_USUAL_ELEMENT = re.compile(rb"\s*+%b\s*+," % _value(4))

# Outside of strings, only these bytes tell where an element ends. A string can hold no line break:
# one that does lacks its closing mark, and so does one with anything but these bytes after it.
_TOKEN = re.compile(
    rb"%b\s*+(?P<misplaced>[^\s,:\]}])?|(?P<torn>\"(?:[^\"\\\n]++|\\[^\n])*+\\?\n)"
    rb"|(?P<partial>\")|[\[\]{},:]" % _STRING
)
_SIDE_BY_SIDE = re.compile(rb'(?:\}\s*+,|\n)\s*+(?=\{\s*+")')
_LOOKED_BACK_BYTES = 4096  # what lies between two elements is shorter

_BRACKETS = frozenset({b"{", b"}", b"[", b"]"})
_OPENERS = {b"}": b"{", b"]": b"["}
_CUT_SHORT = "The source ends before its array does."


class ArrayFraming:
    """Records that are the elements of an array, in bounded memory."""

    notation = Notation.JSON
    word = "element"
    blank_lines = 0
    # Between line breaks, since those are where reading finds on after an element that is damaged.
    joints = Joints(b"[\n", b",\n", b"\n]\n")

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._position = 0
        self._buffer = b""
        self._start = 0
        """Of the element, in the buffer."""
        self._at = 0
        """How far it was looked at."""
        self._open_brackets: list[bytes] = []
        self._previous = b""
        self._is_array_open = False
        self._is_cut = False
        """Whether the beginning of the element was thrown away."""
        self._is_lost = False
        """Whether the brackets of the element tell nothing any more."""
        self._fed_bytes = 0
        """Where the buffer ends, in the stream."""
        self._cut_at = 0
        """Where the element begins in the stream, if its beginning was thrown away."""
        self._span: tuple[int, int | None] = (0, None)
        """Of the element that came out last, in the stream."""

    def spans(self, chunks: Iterable[bytes]) -> Iterator[Span]:
        """The elements, and where each is; of one that is told apart, the white space around it."""
        for record in self.records(chunks):
            yield Span(record, *self._span)

    def records(self, chunks: Iterable[bytes]) -> Iterator[RawRecord]:
        """The elements; an array that does not end is told in the end."""
        for chunk in chunks:
            self._buffer = self._buffer[self._start :] + chunk
            self._fed_bytes += len(chunk)
            self._at -= self._start
            self._start = 0
            yield from self._elements()
            if len(self._buffer) - self._start > self._limit_bytes:
                self._cut()
        yield from self._last()

    def _elements(self) -> Iterator[RawRecord]:
        """Those that end within the buffer."""
        while True:
            if self._is_array_open and self._at == self._start and not self._is_cut:
                while usual := _USUAL_ELEMENT.match(self._buffer, self._at):
                    yield from self._ended(usual.end() - 1, usual.end())
            if self._is_lost:
                side_by_side = _SIDE_BY_SIDE.search(self._buffer, self._at)
                if side_by_side is None:
                    self._at = max(self._at, len(self._buffer) - _LOOKED_BACK_BYTES)
                    return
                yield from self._ended(side_by_side.start() + 1, side_by_side.end())
                continue
            token = _TOKEN.search(self._buffer, self._at)
            if token is None:
                self._at = len(self._buffer)
                return
            kind, sign = token.lastgroup, token[0][:1]
            if kind == "partial" or (sign == b'"' and token.end() == len(self._buffer)):
                self._at = token.start()
                return
            if kind is not None:
                self._lose(token.start())
                continue
            self._at = token.end()
            if sign in _BRACKETS or (sign == b"," and not self._open_brackets):
                yield from self._structure(sign, token.start())
            else:
                self._previous = sign

    def _structure(self, token: bytes, place: int) -> Iterator[RawRecord]:
        """Note a bracket, or a comma between elements; what it ends comes out."""
        is_value_due = self._previous == b":"
        self._previous = token
        if token in b"{[":
            yield from self._opened(token, place, is_value_due=is_value_due)
        elif token in b"}]":
            yield from self._closed(token, place)
        else:
            yield from self._ended(place, place + 1)

    def _opened(self, token: bytes, place: int, *, is_value_due: bool) -> Iterator[RawRecord]:
        brackets = self._open_brackets
        if not self._is_array_open and not brackets and token == b"[" and self._is_blank(place):
            self._is_array_open = True
            self._start = self._at
            return
        is_in_object = bool(brackets) and brackets[-1] == b"{"
        if is_in_object and not is_value_due and token == b"[":
            self._lose(place)
            return
        if (is_in_object and not is_value_due) or (not brackets and not self._is_blank(place)):
            yield from self._ended(place, place)
            self._at = place + 1
        brackets.append(token)

    def _closed(self, token: bytes, place: int) -> Iterator[RawRecord]:
        brackets = self._open_brackets
        if brackets and brackets[-1] == _OPENERS[token]:
            brackets.pop()
        elif brackets:
            self._lose(place)
        elif token == b"]":
            yield from self._ended(place, place + 1)
            self._is_array_open = False

    def _lose(self, place: int) -> None:
        self._is_lost = True
        self._at = place

    def _is_blank(self, stop: int) -> bool:
        return not self._is_cut and not self._buffer[self._start : stop].strip()

    def _ended(self, stop: int, start: int) -> Iterator[RawRecord]:
        """The element up to `stop`, if there is one; the next begins at `start`."""
        if not self._is_blank(stop):
            self._position += 1
            is_too_long = self._is_cut or stop - self._start > self._limit_bytes
            raw = None if is_too_long else self._buffer[self._start : stop].strip()
            self._span = (self._begins_at(), self._in_stream(stop))
            yield RawRecord(self._position, raw)
        self._start = self._at = start
        self._open_brackets.clear()
        self._previous = b""
        self._is_cut = self._is_lost = False

    def _in_stream(self, place: int) -> int:
        return self._fed_bytes - len(self._buffer) + place

    def _begins_at(self) -> int:
        return self._cut_at if self._is_cut else self._in_stream(self._start)

    def _cut(self) -> None:
        """Throw away the beginning of an element that is too long, but for what tells its end."""
        self._cut_at = self._begins_at()
        rest = self._buffer[self._at :]
        if not self._is_lost and len(rest) > _LOOKED_BACK_BYTES:  # within a string
            is_escaping = (len(rest) - len(rest.rstrip(b"\\"))) % 2
            rest = b'"' + b"\\" * is_escaping
        self._buffer = rest
        self._at = self._start = 0
        self._is_cut = True

    def _last(self) -> Iterator[RawRecord]:
        is_torn = bool(self._open_brackets) and not self._is_lost
        is_array_open, is_lost = self._is_array_open, self._is_lost
        if is_torn and not self._is_cut:
            self._span = (self._begins_at(), None)
            yield RawRecord(self._position + 1, None, _CUT_SHORT)
            return
        yield from self._ended(len(self._buffer), len(self._buffer))
        if is_array_open and not is_lost and not is_torn:
            self._span = (self._begins_at(), None)
            yield RawRecord(self._position + 1, None, _CUT_SHORT)
