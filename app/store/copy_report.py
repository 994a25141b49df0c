"""CopyReport: what a copy brought, what it left alone, and how the two stores compare after it."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar

_EXAMPLES = 100
_SHOWN_EXAMPLES = 10


class Finding(StrEnum):
    """Why a session is not, or not yet, the same in both stores."""

    MISSING = "missing"
    """The target does not have it; where the source is in use, it may be new."""
    DIFFERENT = "different"
    """Both have the same version, and yet another content."""
    WRITTEN_SINCE = "written_since"
    """Someone wrote to it in the source, or deleted it, after it was copied; copy again."""
    OTHER_IN_TARGET = "other_in_target"
    """The target has another session under its key, or one with writes of its own."""
    DELETED_IN_TARGET = "deleted_in_target"
    """Its user has deleted it in the target; it does not come back by itself."""
    ONLY_IN_TARGET = "only_in_target"
    """The source neither has it nor has deleted it."""
    DAMAGED_IN_SOURCE = "damaged_in_source"
    DAMAGED_IN_TARGET = "damaged_in_target"
    TOO_LARGE = "too_large"
    """The target's limits are narrower than the source's."""


@dataclass(frozen=True, slots=True, order=True)
class Example:
    """A finding and the session where it is."""

    finding: Finding
    user_id: str
    session_id: str

    def __str__(self) -> str:
        """For people."""
        return f"{self.finding}: session {self.session_id!r} of {self.user_id!r}"


@dataclass(frozen=True, slots=True, order=True)
class DamagedEntry:
    """A finding and the entry of a ledger that cannot be decoded."""

    finding: Finding
    run_id: str
    number: int

    def __str__(self) -> str:
        """For people."""
        return f"{self.finding}: entry {self.number} of run {self.run_id!r}"


E = TypeVar("E", Example, DamagedEntry)


@dataclass(slots=True)
class Findings(Generic[E]):
    """How often each finding was met, with examples; as many as are good to read."""

    counts: dict[Finding, int] = field(default_factory=dict[Finding, int])
    examples: list[E] = field(default_factory=list[E])

    def add(self, example: E) -> None:
        """Count one."""
        self.counts[example.finding] = self.counts.get(example.finding, 0) + 1
        if len(self.examples) < _EXAMPLES:
            self.examples.append(example)


@dataclass(slots=True)
class Copied:
    """What a copy did."""

    sessions: int = 0
    """Of the source."""
    marks: int = 0
    """Deletion marks that the source has, and the target too by now."""
    stored: int = 0
    """Sessions that the target did not have."""
    replaced: int = 0
    """Sessions of which it had an earlier state."""
    present: int = 0
    """Sessions that it had."""
    removed: int = 0
    """Sessions that were deleted in the source."""
    messages: int = 0
    """In the sessions stored and replaced."""
    documents: int = 0
    """Documents beside the sessions that the target did not have, or in an earlier state."""
    documents_left: int = 0
    """Those of which it has a later or another state."""
    ledger_entries: int = 0
    """What runs have noted: entries that the target did not have, or in an earlier state."""
    ledger_entries_left: int = 0
    """Entries of which it has a later or another state."""
    damaged_ledger_entries: Findings[DamagedEntry] = field(default_factory=Findings[DamagedEntry])
    """Entries that were left as they are because one of the stores cannot read them."""
    left: Findings[Example] = field(default_factory=Findings[Example])
    """Sessions that were left as they are."""


@dataclass(slots=True)
class Compared:
    """How two stores compare."""

    equal: int = 0
    """Sessions of which all that the stores know has the same hash."""
    messages: int = 0
    """In those sessions."""
    missing_marks: int = 0
    """Deletion marks of the source that the target does not have."""
    equal_documents: int = 0
    different_documents: int = 0
    """Those that only one of the stores has included."""
    equal_ledger_entries: int = 0
    different_ledger_entries: int = 0
    """Those that only one of the stores has included."""
    damaged_ledger_entries: Findings[DamagedEntry] = field(default_factory=Findings[DamagedEntry])
    """Not among those that differ."""
    differences: Findings[Example] = field(default_factory=Findings[Example])


@dataclass(frozen=True, slots=True)
class CopyReport:
    """A copy from store to store."""

    source: str
    target: str
    seconds: float
    copied: Copied
    compared: Compared | None
    """None where nobody wanted to know."""

    @property
    def has_findings(self) -> bool:
        """Whether someone should look: the target does not hold exactly what the source holds."""
        compared = self.compared or Compared()
        return bool(
            self.copied.left.counts
            or self.copied.documents_left
            or self.copied.ledger_entries_left
            or self.copied.damaged_ledger_entries.counts
            or compared.differences.counts
            or compared.missing_marks
            or compared.different_documents
            or compared.different_ledger_entries
            or compared.damaged_ledger_entries.counts
        )

    def to_json(self) -> str:
        """For programs: the fields, and whether someone should look."""
        return json.dumps({**asdict(self), "has_findings": self.has_findings}, ensure_ascii=False)

    def to_text(self) -> str:
        """For people."""
        copied, compared = self.copied, self.compared
        lines = [
            f"copy of {self.source} to {self.target}: {self.seconds:.1f} s",
            (
                f"sessions: {copied.sessions:,} in the source; {copied.stored:,} stored,"
                f" {copied.replaced:,} replaced, {copied.present:,} present,"
                f" {copied.removed:,} removed"
            ),
            f"messages copied: {copied.messages:,}; deletion marks: {copied.marks:,}",
            *_finding_lines("left as they are", copied.left),
        ]
        counts = {
            "documents copied": copied.documents,
            "documents left as they are": copied.documents_left,
            "ledger entries copied": copied.ledger_entries,
            "ledger entries left as they are": copied.ledger_entries_left,
        }
        lines.extend(_count_lines(counts))
        if copied.damaged_ledger_entries.counts:
            title = "damaged ledger entries left"
            lines.extend(_finding_lines(title, copied.damaged_ledger_entries))
        if compared is None:
            lines.append("not verified")
        else:
            lines.append(
                f"verified: {compared.equal:,} sessions with {compared.messages:,} messages are"
                " equal by hash"
            )
            lines.extend(_finding_lines("differences", compared.differences))
            counts = {
                "deletion marks missing": compared.missing_marks,
                "documents that are equal": compared.equal_documents,
                "documents that differ": compared.different_documents,
                "ledger entries that are equal": compared.equal_ledger_entries,
                "ledger entries that differ": compared.different_ledger_entries,
            }
            lines.extend(_count_lines(counts))
            if compared.damaged_ledger_entries.counts:
                title = "damaged ledger entries"
                lines.extend(_finding_lines(title, compared.damaged_ledger_entries))
        return "\n".join(lines) + "\n"


def _count_lines(counts: dict[str, int]) -> Iterator[str]:
    return (f"{what}: {count:,}" for what, count in counts.items() if count)


def _finding_lines(title: str, findings: Findings[E]) -> Iterator[str]:
    counts = ", ".join(f"{count:,} {finding}" for finding, count in findings.counts.items())
    yield f"{title}: {counts or 'none'}"
    for one in findings.examples[:_SHOWN_EXAMPLES]:
        yield f"    {one}"
    more = sum(findings.counts.values()) - _SHOWN_EXAMPLES
    if more > 0:
        yield f"    and {more:,} more (--json names up to {_EXAMPLES})"
