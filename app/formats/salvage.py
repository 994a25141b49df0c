"""Salvage: what of a damaged JSON file is whole, and which of its bytes are not."""

import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple, cast

from app.formats.loose_json import extended_number

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

# An object; with what stands before it where it is only the value of a member.
_OBJECT = re.compile(r"(:[\s\[]*+)?\{(?=\s*+[\"}])")
_BETWEEN = " \t\r\n,[]"
_NEXT_NAME = re.compile(r'[\s,]*(?=")')
_COLON = re.compile(r"\s*:\s*")
_END_OF_VALUE = re.compile(r"\s*[,}]")
_CONTAINERS = (str, dict, list)

_WINDOW = 4096
_TOLD_LATE = 16  # so near to the end of what was looked at, a fault may be that the rest is missing

_decode = json.JSONDecoder(parse_constant=extended_number).raw_decode


class Salvaged(NamedTuple):
    """What could be read of a file."""

    objects: list[dict[str, Any]]
    losses: list[str]
    """What could not, in sentences for people, with places in bytes from 0."""


def salvaged_objects(raw: bytes, is_wanted: Callable[[dict[str, Any]], bool]) -> Salvaged:
    """The whole objects of a damaged array, in the order of the file."""
    text = _text(raw)
    losses = _Losses(raw, text)
    objects: list[dict[str, Any]] = []
    at = 0
    while found := _OBJECT.search(text, at):
        at = found.end()
        if found[1] is not None:
            continue
        start = at - 1
        value, stop = _object_at(text, start)
        if value is None:
            continue
        at = stop
        if is_wanted(value):
            losses.note(start)
            losses.skip(stop)
            objects.append(value)
    losses.note(len(text))
    if not losses.sentences and not text.rstrip().endswith("]"):
        losses.sentences.append("The file ends before its array does.")
    return Salvaged(objects, losses.sentences)


def salvaged_members(raw: bytes) -> Salvaged:
    """The first whole object of a damaged file; else the whole members of the first that begins."""
    text = _text(raw)
    losses = _Losses(raw, text)
    at = 0
    while found := _OBJECT.search(text, at):
        at = found.end()
        if found[1] is None:
            value, stop = _object_at(text, at - 1)
            if value is not None:
                losses.note(at - 1)
                losses.skip(stop)
                losses.note(len(text))
                return Salvaged([value], losses.sentences)
    members, stop = _members(text)
    if members:
        losses.note(text.find("{"))
        losses.skip(stop)
    losses.note(len(text))
    if not losses.sentences:
        losses.sentences.append("The file ends before its object does.")
    return Salvaged([members] if members else [], losses.sentences)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _object_at(text: str, start: int) -> tuple[dict[str, Any] | None, int]:
    """The whole object that begins here, and where it ends.

    An error of the decoder costs as much as the text before it is long: a few characters are tried
    first, more only where those are too few.
    """
    window = _WINDOW
    while True:
        some = text[start : start + window]
        try:
            value, stop = _decode(some)
        except json.JSONDecodeError as error:
            is_unended = error.pos > window - _TOLD_LATE or error.msg.startswith("Unterminated")
            if len(some) < window or not is_unended:
                return None, start
            window *= 16
        except (ValueError, RecursionError):  # a number of too many digits; too many levels
            return None, start
        else:
            return cast("dict[str, Any]", value), start + stop


def _members(text: str) -> tuple[dict[str, Any], int]:
    """The whole members of the first object, and where they end."""
    members: dict[str, Any] = {}
    stop = text.find("{") + 1
    while stop and (name_at := _NEXT_NAME.match(text, stop)):
        try:
            name, after_name = _decode(text, name_at.end())
            colon = _COLON.match(text, after_name)
            if colon is None:
                break
            value, after_value = _decode(text, colon.end())
        except (ValueError, RecursionError):
            break
        if not isinstance(value, _CONTAINERS) and not _END_OF_VALUE.match(text, after_value):
            break  # a number may have gone on
        members[name] = value
        stop = after_value
    return members, stop


class _Losses:
    """The bytes between what was taken."""

    def __init__(self, raw: bytes, text: str) -> None:
        self.sentences: list[str] = []
        self._text = text
        has_mark = raw.startswith(_BYTE_ORDER_MARK)
        self._taken = 1 if has_mark else 0
        self._bytes_taken = len(_BYTE_ORDER_MARK) if has_mark else 0

    def note(self, start: int) -> None:
        """Note what lies between what was taken last and what begins at `start`."""
        between = self._text[self._taken : start]
        lost = between.lstrip(_BETWEEN)
        blank = len(between) - len(lost)  # all of it one byte each
        lost = lost.rstrip(_BETWEEN)
        self._advance(start)
        if not lost:
            return
        size_bytes = len(between.encode("utf-8", "surrogateescape"))
        first = self._bytes_taken - size_bytes + blank
        last = first + len(lost.encode("utf-8", "surrogateescape")) - 1
        what = "are null" if not lost.strip("\0") else "could not be read"
        self.sentences.append(f"Bytes {first:,} to {last:,} {what}.")

    def skip(self, stop: int) -> None:
        """Note that everything up to here was taken."""
        self._advance(stop)

    def _advance(self, stop: int) -> None:
        if stop > self._taken:
            moved = self._text[self._taken : stop]
            self._bytes_taken += len(moved.encode("utf-8", "surrogateescape"))
            self._taken = stop
