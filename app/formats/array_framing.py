"""JSON arrays: how a stream of bytes falls into the elements of an array, damaged ones included.

Elements are only told apart here; whether each is JSON is for others to find out. An element is
what its brackets enclose. Where they cannot be right, it ends at the first place, from its
beginning on, that looks like two objects side by side.
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


_USUAL_ELEMENT = re.compile(_value(4))
"""What nearly all elements are, found in one step."""

_TOKEN = re.compile(
    rb"%b\s*+(?P<misplaced>[^\s,:\]}])?|(?P<torn>\"(?:[^\"\\\n]++|\\[^\n])*+\\?\n)"
    rb"|(?P<partial>\")|[\[\]{},:]" % _STRING
)
"""What tells where others end. A string can hold no line break, and only some bytes may follow it:
otherwise its closing mark is missing."""

_BETWEEN_ELEMENTS = re.compile(rb"[\s,]*+")
_NO_OBJECT = re.compile(rb"[^,\[\]{]++")
_SIDE_BY_SIDE = re.compile(rb'(?:\}\s*+,|\n)\s*+(?=\{\s*+")')
_LOOKED_BACK_BYTES = 4096  # what lies between two elements is shorter

_OPENING = frozenset({b"{", b"["})
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
        self._is_array_open = False
        self._is_within = False
        """Whether an element has begun; all that follows is about it."""
        self._start: int = 0
        """Of the element, in the buffer."""
        self._at: int = 0
        """How far it was looked at."""
        self._open_brackets: list[bytes] = []
        self._previous = b""
        self._is_lost = False
        """Whether its brackets tell nothing, or it is too long to be kept."""
        self._is_cut = False
        """Whether its beginning was thrown away."""
        self._fed_bytes = 0
        """Where the buffer ends, in the stream."""
        self._begins_at = 0
        """Where the element begins, in the stream."""
        self._ends_at: int | None = None
        """Where it ends; None where the stream ends within it."""

    def spans(self, chunks: Iterable[bytes]) -> Iterator[Span]:
        """The elements, and where each is."""
        for record in self.records(chunks):
            yield Span(record, self._begins_at, self._ends_at)

    def records(self, chunks: Iterable[bytes]) -> Iterator[RawRecord]:
        """The elements; an array that does not end is told in the end."""
        awaited_bytes = 0
        for chunk in chunks:
            self._buffer = self._buffer[self._start :] + chunk
            self._fed_bytes += len(chunk)
            self._at -= self._start
            self._start = 0
            if len(self._buffer) < awaited_bytes:
                continue
            yield from self._elements()
            # A long element is looked at when it is twice as long, not over and over.
            awaited_bytes = min(2 * (len(self._buffer) - self._start), self._limit_bytes)
            if len(self._buffer) - self._start > self._limit_bytes:
                self._lose()
                yield from self._elements()
            if self._is_lost and len(self._buffer) - self._start > self._limit_bytes:
                self._start = self._at
                self._is_cut = True
        yield from self._elements(is_last=True)
        if self._is_array_open:
            self._begins_at, self._ends_at = self._fed_bytes, None
            yield RawRecord(self._position + 1, None, _CUT_SHORT)

    def _elements(self, *, is_last: bool = False) -> Iterator[RawRecord]:
        """Those that end within the buffer."""
        while self._is_within or self._has_begun():
            end = self._end(is_last=is_last)
            if end is None:
                return
            self._position += 1
            self._ends_at = self._fed_bytes - len(self._buffer) + end
            if self._is_cut or end - self._start > self._limit_bytes:
                yield RawRecord(self._position, None)
            elif self._is_lost and end == len(self._buffer):
                self._is_array_open, self._ends_at = False, None
                yield RawRecord(self._position, None, _CUT_SHORT)
            else:
                yield RawRecord(self._position, self._buffer[self._start : end])
            self._start = self._at = end
            self._is_within = False

    def _has_begun(self) -> bool:
        """Go to where the next element begins, if there is one in the buffer."""
        while True:
            between = _BETWEEN_ELEMENTS.match(self._buffer, self._at)
            if between:
                self._at = between.end()
            self._start = self._at
            sign = self._buffer[self._at : self._at + 1]
            if sign == b"]" or (sign == b"[" and not self._is_array_open):
                self._is_array_open = sign == b"["
                self._at += 1
            else:
                break
        self._open_brackets.clear()
        self._is_cut = self._is_lost = False
        self._is_within = bool(sign)
        self._begins_at = self._fed_bytes - len(self._buffer) + self._at
        return self._is_within

    def _end(self, *, is_last: bool) -> int | None:
        """Where the element ends; None where that is not in the buffer yet."""
        if self._at == self._start and not self._is_lost:
            sign = self._buffer[self._at : self._at + 1]
            if sign not in _OPENING:
                other = _NO_OBJECT.match(self._buffer, self._at)
                end = other.end() if other else self._at
                return end if end < len(self._buffer) or is_last else None
            usual = _USUAL_ELEMENT.match(self._buffer, self._at)
            if usual:
                return usual.end()
        if not self._is_lost:
            closed = self._closed()
            if closed is not None:
                return closed
            if is_last:
                self._lose()
        return self._side_by_side(is_last=is_last) if self._is_lost else None

    def _closed(self) -> int | None:
        """Where the last bracket is closed; None where it is not, or cannot be said to be."""
        brackets = self._open_brackets
        for token in _TOKEN.finditer(self._buffer, self._at):
            kind, sign = token.lastgroup, token[0][:1]
            if kind == "partial" or (sign == b'"' and token.end() == len(self._buffer)):
                self._at = token.start()
                return None
            is_wrong = kind is not None
            if sign in _OPENING:
                is_wrong = bool(brackets) and brackets[-1] == b"{" and self._previous != b":"
                brackets.append(sign)
            elif sign in _OPENERS:
                is_wrong = brackets.pop() != _OPENERS[sign]
                if not brackets and not is_wrong:
                    return token.end()
            if is_wrong:
                self._lose()
                return None
            self._previous = sign
        self._at = len(self._buffer)
        return None

    def _lose(self) -> None:
        self._is_lost = True
        self._at = self._start

    def _side_by_side(self, *, is_last: bool) -> int | None:
        """Where the next two objects seem to meet."""
        found = _SIDE_BY_SIDE.search(self._buffer, self._at)
        if found:
            return found.start() + (found[0][:1] == b"}")
        self._at = max(self._at, len(self._buffer) - _LOOKED_BACK_BYTES)
        return len(self._buffer) if is_last else None
