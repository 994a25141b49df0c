"""Format: how a source that is not ours yields records, damage included, one by one."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

from app.domain.folding import Reason, SourceMessage


class Line(NamedTuple):
    """A line of a source; a record where records are lines."""

    position: int
    """1 for the first line; blank lines are counted in it, and are no records."""
    raw: bytes | None
    """Without its line break; None where it is longer than a source's limit."""


class Record(NamedTuple):
    """A record that could be placed: what it is, and whose."""

    session_id: str
    user_id: str | None
    message: SourceMessage
    raw: bytes


class FaultyRecord(NamedTuple):
    """A record that cannot be placed, and why."""

    position: int
    reason: Reason
    detail: str
    """A short sentence for people, which quotes nothing of the record."""
    raw: bytes


class Format(Protocol):
    """Reads the records of one kind of source."""

    @property
    def name(self) -> str:
        """A stable name; folded sessions carry it in their origin."""
        ...

    def records(self, lines: Iterable[Line]) -> Iterator[Record | FaultyRecord]:
        """One record for each line, in the order of the lines; never raises for their content."""
        ...
