"""The elements of a JSON array as verify tells them apart: each is decoded where it begins."""

import codecs
import json
import re
from collections.abc import Iterator
from typing import BinaryIO

_CHUNK_BYTES = 1024 * 1024
_SIDE_BY_SIDE = re.compile(r"(?a)(?:\}\s*,|\n)\s*(?=\{\s*\")")
_BETWEEN = re.compile(r"(?a)[\s,]*")
_COMMA_OR_BRACKET = re.compile(r"[,\[\]{]")
_TELLING = re.compile(r"""(?a)"(?:(?:[^"\\\n]++|\\[^\n])*+"(?P<behind>\s*))?|[\[\]{},:]""")


def array_elements(source: BinaryIO, limit_bytes: int) -> Iterator[bytes | None]:
    """Each element as it is written; None for one that is longer than the limit."""
    array = _Array(source, limit_bytes)
    while array.has_more():
        yield array.next_element()


class _Array:
    """The text of an array, of which no more is in memory than its longest element and a chunk."""

    def __init__(self, source: BinaryIO, limit_bytes: int) -> None:
        self._source = source
        self._limit_bytes = limit_bytes
        self._utf8 = codecs.getincrementaldecoder("utf-8-sig")("surrogateescape")
        self._json = json.JSONDecoder(parse_constant=str)
        self._text = ""
        self._at = 0
        """Where the next element begins, in the text."""
        self._is_whole = False
        """Whether there is nothing more to read."""
        self._is_open = False

    def has_more(self) -> bool:
        """Go to the next element, if there is one."""
        while True:
            between = _BETWEEN.match(self._text, self._at)
            self._at = between.end() if between else self._at
            sign = self._text[self._at : self._at + 1]
            if sign == "]" or (sign == "[" and not self._is_open):
                self._is_open = sign == "["
                self._at += 1
            elif sign or self._is_whole:
                return bool(sign)
            else:
                self._read_on()

    def next_element(self) -> bytes | None:
        """What stands here, and go behind it; None where it is too long."""
        is_too_long = False
        while True:
            end = self._side_by_side() if is_too_long else self._end()
            if end is None and self._is_whole:
                end = len(self._text)
            if end is not None:
                element = self._text[self._at : end]
                self._at = end
                return None if is_too_long else element.encode("utf-8", "surrogateescape")
            if len(self._text) - self._at > self._limit_bytes:
                is_too_long = True
                self._at = len(self._text) - _CHUNK_BYTES
            self._read_on()

    def _end(self) -> int | None:
        """Where the element ends; None where that needs more of the text."""
        if self._text[self._at] not in "{[":
            found = _COMMA_OR_BRACKET.search(self._text, self._at)
            return found.start() if found else None
        try:
            return self._json.raw_decode(self._text, self._at)[1]
        except (json.JSONDecodeError, RecursionError):
            return self._closed()

    def _closed(self) -> int | None:
        """Where the brackets of an element that is no JSON, or not whole yet, are closed."""
        brackets = before = ""
        for found in _TELLING.finditer(self._text, self._at):
            sign, behind = found[0][0], found["behind"]
            if sign == '"' and behind is None:  # it ends in what is read next, or at a line break
                is_wrong = "\n" in self._text[found.start() :]
                if not is_wrong:
                    break
            elif sign == '"':
                if found.end() == len(self._text):
                    break
                is_wrong = self._text[found.end()] not in ",:]}"
            elif sign in "{[":
                is_wrong = brackets[-1:] == "{" and before != ":"
                brackets += sign
            elif sign in "}]":
                is_wrong = brackets[-1] + sign not in {"{}", "[]"}
                brackets = brackets[:-1]
                if not brackets and not is_wrong:
                    return found.end()
            else:
                is_wrong = False
            if is_wrong:
                return self._side_by_side()
            before = sign
        return self._side_by_side() if self._is_whole else None

    def _side_by_side(self) -> int | None:
        """Where the next two objects seem to meet."""
        found = _SIDE_BY_SIDE.search(self._text, self._at)
        return found and found.start() + (found[0][0] == "}")

    def _read_on(self) -> None:
        # As much again as a long element has so far, so that it is not decoded over and over.
        chunk = self._source.read(max(_CHUNK_BYTES, len(self._text) - self._at))
        self._is_whole = not chunk
        self._text = self._text[self._at :] + self._utf8.decode(chunk, final=not chunk)
        self._at = 0
