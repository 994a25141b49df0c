"""Format: how a source that is not ours yields records, damage included, one by one."""

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from types import TracebackType
from typing import NamedTuple, Protocol, Self

from app.domain.folding import Reason, SourceMessage
from app.domain.source_options import SourceOptions
from app.domain.source_session import SourceFields


class Notation(StrEnum):
    """How the records of a source are written."""

    JSON = "json"
    """In UTF-8; MongoDB's Extended JSON too, which a record itself tells."""
    BSON = "bson"


class RawRecord(NamedTuple):
    """A record of a source as it came."""

    position: int
    """1 for the first; in lines, blank ones are counted in it, and are no records."""
    raw: bytes | None
    """None where it is longer than a source's limit, or cannot be told from what follows it."""
    damage: str = ""
    """A sentence for people where it cannot be told from what follows it."""


class Source(Protocol):
    """Where records come from; read once, while its `with` block runs."""

    @property
    def name(self) -> str:
        """For people; shows no password."""
        ...

    @property
    def size_bytes(self) -> int | None:
        """Of the open source as it is stored, where that is known."""
        ...

    @property
    def bytes_read(self) -> int:
        """How far the reading is, in bytes as they are stored; 0 where that is not known."""
        ...

    @property
    def blank_lines(self) -> int:
        """How many lines held nothing, so far; they are no records."""
        ...

    @property
    def notation(self) -> Notation:
        """Of all records of the open source."""
        ...

    def __enter__(self) -> Self:
        """Open it.

        Raises:
            SourceError: it cannot be opened; the sentence says why.
        """
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close it."""
        ...

    def __iter__(self) -> Iterator[RawRecord]:
        """Every record in the order of the source, damaged ones included.

        Raises:
            SourceError: it cannot be read on.
        """
        ...

    def place(self, position: int) -> str:
        """Where a record is, in people's words: `line 5`, `document 3`."""
        ...

    def fingerprint(self) -> str | None:
        """The same as long as the open source is unchanged; None where nothing can tell.

        Raises:
            SourceError: it cannot be looked at.
        """
        ...


class LiveSource(Source, Protocol):
    """A source behind a server, which can be asked for some of its documents alone."""

    def wanted(self, options: SourceOptions) -> Iterator[RawRecord]:
        """Every document that may be wanted, if this user or session is; the names stay.

        Raises:
            SourceError: it cannot be read on.
        """
        ...

    def holding(
        self, names: Sequence[str], ids: Sequence[str], *, or_nobody: bool = False
    ) -> Iterator[RawRecord]:
        """Every document in which one of these members is one of these ids, or more than those.

        An id is looked for in every form in which a product may have stored it. With `or_nobody`,
        documents in which one of the members is missing, null or empty are among them.

        Raises:
            SourceError: it cannot be read on.
        """
        ...


class Record(NamedTuple):
    """A message that could be placed: what it is, and whose."""

    session_id: str
    user_id: str | None
    message: SourceMessage
    raw: bytes


class SessionRecord(NamedTuple):
    """What a source says of a session itself; one that has no messages is told so only."""

    position: int
    session_id: str
    user_id: str | None
    fields: SourceFields
    raw: bytes
    findings: int = 0
    """Of `Finding`."""
    artifact_json: bytes = b""
    """A `SourceArtifact` of the session, where the record is that; then it tells no fields."""


class FaultyRecord(NamedTuple):
    """A record that cannot be placed, and why."""

    position: int
    reason: Reason
    detail: str
    """A short sentence for people, which quotes nothing of the record."""
    raw: bytes
    session_id: str | None = None
    """Where the record says so much, and its session is to be named."""


class Format(Protocol):
    """Reads the records of one kind of source; made with what the operator says of it.

    It goes to other processes as a pickle.
    """

    @property
    def name(self) -> str:
        """A stable name; folded sessions carry it in their origin."""
        ...

    def records(
        self, raw_records: Iterable[RawRecord], notation: Notation
    ) -> Iterator[Record | SessionRecord | FaultyRecord]:
        """At least one for each raw record, in their order; never raises for their content."""
        ...
