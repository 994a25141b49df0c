"""Unified diffs: what differs between two texts, by line, in the form that `patch` understands."""

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import takewhile
from typing import NamedTuple

LINES_COMPARED_LIMIT = 2000
"""Where more lines than this lie between the first difference and the last, they are shown as
replaced as a whole: to find out more takes a time that grows with the square of their number."""

_CONTEXT_LINES = 3


class _Change(NamedTuple):
    """Lines of the old text that became lines of the new one; either may be none."""

    old_start: int
    old_end: int
    new_start: int
    new_end: int


def unified_diff(before: str, after: str, *, names: tuple[str, str]) -> str:
    """The difference with some equal lines around each change; empty where there is none.

    A line ends with a line feed and nothing else: a carriage return before it is a part of it.
    """
    old, new = _lines(before), _lines(after)
    hunks = [_hunk(old, new, changes) for changes in _grouped(_changes(old, new))]
    if not hunks:
        return ""
    return "".join([f"--- {names[0]}\n+++ {names[1]}\n", *hunks])


def _lines(text: str) -> list[str]:
    lines = [f"{line}\n" for line in text.split("\n")]
    if lines[-1] == "\n":
        return lines[:-1]
    lines[-1] += "\\ No newline at end of file\n"
    return lines


def _changes(old: Sequence[str], new: Sequence[str]) -> list[_Change]:
    head = _equal_count(zip(old, new, strict=False))
    rest = min(len(old), len(new)) - head
    tail = min(rest, _equal_count(zip(reversed(old), reversed(new), strict=False)))
    old_middle, new_middle = old[head : len(old) - tail], new[head : len(new) - tail]
    if not old_middle and not new_middle:
        return []
    if max(len(old_middle), len(new_middle)) > LINES_COMPARED_LIMIT:
        return [_Change(head, len(old) - tail, head, len(new) - tail)]
    codes = SequenceMatcher(None, old_middle, new_middle).get_opcodes()
    return [
        _Change(head + old_start, head + old_end, head + new_start, head + new_end)
        for tag, old_start, old_end, new_start, new_end in codes
        if tag != "equal"
    ]


def _equal_count(pairs: Iterator[tuple[str, str]]) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _grouped(changes: Sequence[_Change]) -> Iterator[list[_Change]]:
    """Changes that are so close to each other that one hunk shows them."""
    group: list[_Change] = []
    for change in changes:
        if group and change.old_start - group[-1].old_end > 2 * _CONTEXT_LINES:
            yield group
            group = []
        group.append(change)
    if group:
        yield group


def _hunk(old: Sequence[str], new: Sequence[str], changes: Sequence[_Change]) -> str:
    first, last = changes[0], changes[-1]
    before = min(_CONTEXT_LINES, first.old_start)
    after = min(_CONTEXT_LINES, len(old) - last.old_end)
    written: list[str] = []
    at = first.old_start - before
    for change in changes:
        written.extend(" " + line for line in old[at : change.old_start])
        written.extend("-" + line for line in old[change.old_start : change.old_end])
        written.extend("+" + line for line in new[change.new_start : change.new_end])
        at = change.old_end
    written.extend(" " + line for line in old[at : at + after])
    old_range = _range(first.old_start - before, last.old_end + after)
    new_range = _range(first.new_start - before, last.new_end + after)
    return "".join([f"@@ -{old_range} +{new_range} @@\n", *written])


def _range(start: int, end: int) -> str:
    """Lines as hunks count them: from 1, and an empty range begins after the line before it."""
    count = end - start
    if count == 1:
        return str(start + 1)
    return f"{start + 1 if count else start},{count}"
