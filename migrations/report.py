"""Reports: what a plan or a run found, for people and for programs."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Protocol

from app.domain.folding import Reason
from migrations.outcomes import Outcome, Tally
from migrations.project_report import ProjectFigures

_SHOWN_EXAMPLES = 3


class SessionState(StrEnum):
    """What a run does with a session."""

    CREATED = "created"
    COMPLETED = "completed"
    """It was ours and lacked messages, or the source says something else of it by now."""
    UNCHANGED = "unchanged"
    """It was ours and had all of it."""
    REFUSED = "refused"
    """Its place is another's, or its user deleted it."""


@dataclass(frozen=True, slots=True)
class RecordCounts:
    """The records of a source: read = folded + skipped + rejected."""

    read: int
    folded: int
    skipped: int
    rejected: int
    blank_lines: int
    """Lines that held nothing, and are no records."""
    outside: int
    """Records of sessions that were not asked for; not among those read."""
    reasons: Mapping[str, int]
    """Why records were skipped or rejected, by code."""
    findings: Mapping[str, int]
    """What was odd about records that were folded, by code."""
    examples: Mapping[str, Sequence[Outcome]]
    """By code, in no particular order."""


@dataclass(frozen=True, slots=True)
class RunReport:
    """What a run did, all of its processes together."""

    run_id: str
    job: str
    source: str
    seconds: float
    estimated_seconds: float | None
    """As it was told after the first records; None where there were too few to tell by."""
    records: RecordCounts
    sessions: Mapping[str, int]
    """By `SessionState`."""
    messages_added: int
    late: int
    """Of these, the ones that came to sessions which were folded before."""
    retold: int
    """Headers of sessions folded before that follow the source again."""
    projects: ProjectFigures | None = None
    """Of a job that makes projects."""

    @property
    def has_findings(self) -> bool:
        """Whether someone should look: a record was rejected."""
        return self.records.rejected > 0

    def to_text(self) -> str:
        """For people."""
        rate = self.records.read / max(self.seconds, 0.001)
        told = f", {rate:,.0f} records/s{self._told_of_estimate()}"
        return _joined(
            [
                f"{self.job} run {self.run_id} of {self.source}: {self.seconds:.1f} s{told}",
                *_record_lines(self.records),
                "sessions: " + _listed(self.sessions),
                f"messages added: {self.messages_added:,}, {self.late:,} of them late",
                *([told_of_retold(self.retold)] if self.retold else []),
                *([] if self.projects is None else self.projects.lines()),
            ]
        )

    def _told_of_estimate(self) -> str:
        if self.estimated_seconds is None:
            return ""
        off = self.estimated_seconds / max(self.seconds, 0.001) - 1
        return f" (estimated: {self.estimated_seconds:.1f} s, {off:+.0%})"


@dataclass(frozen=True, slots=True)
class Sample:
    """A session before and after, cut short."""

    before: Sequence[str]
    """Its first records, as they are."""
    after: Mapping[str, Any]
    """Key, dates, count, and the first messages as they will be."""


@dataclass(frozen=True, slots=True)
class PlanReport:
    """What a run would do."""

    job: str
    source: str
    records: RecordCounts
    sessions: Mapping[str, int]
    messages_to_add: int
    samples: Sequence[Sample]
    estimated_run_seconds: float
    needed_bytes: int
    """About what the store will grow by, told by some of the sessions."""
    free_bytes: int | None
    """What is free where the store is; None where that is not known."""
    projects: ProjectFigures | None = None
    """Of a job that makes projects."""

    @property
    def is_too_large(self) -> bool:
        """Whether the disk of the store may be full before the end."""
        return self.free_bytes is not None and self.needed_bytes > self.free_bytes

    @property
    def has_findings(self) -> bool:
        """Whether someone should look before a run: a record would be rejected, or space lacks."""
        return self.records.rejected > 0 or self.is_too_large

    def to_text(self) -> str:
        """For people."""
        lines: list[str] = [
            f"{self.job} plan of {self.source}; nothing was written",
            *_record_lines(self.records),
            "sessions: " + _listed(self.sessions),
            f"messages to add: {self.messages_to_add:,}",
            *([] if self.projects is None else self.projects.lines()),
            f"a run will take about {self.estimated_run_seconds:.1f} s",
            self._told_of_space(),
        ]
        for sample in self.samples:
            lines.extend(_diff_lines(sample))
        return _joined(lines)

    def _told_of_space(self) -> str:
        grows = f"the store will grow by about {_in_mebibytes(self.needed_bytes)}"
        if self.free_bytes is None:
            return f"{grows}; how much is free there is not known"
        lacks = ", WHICH IS NOT ENOUGH" if self.is_too_large else ""
        return f"{grows}; {_in_mebibytes(self.free_bytes)} are free there{lacks}"


@dataclass(frozen=True, slots=True)
class RollbackReport:
    """What a rollback did, or would do."""

    run_id: str
    job: str
    source: str
    seconds: float
    is_dry: bool
    is_source_back: bool
    """Whether a finish had changed the source, and that is undone, too."""
    sessions: Mapping[str, int]
    """By `Undone`."""
    left: Sequence[Mapping[str, str]]
    """The first of those that were left alone, and why; documents with `kind` and `id`."""
    documents: Mapping[str, int] = field(default_factory=dict[str, int])
    """By `Undone`; of projects and what is in them."""

    @property
    def has_findings(self) -> bool:
        """Whether someone should look: a session or document was left alone."""
        return bool(self.left)

    def to_text(self) -> str:
        """For people."""
        told = "dry rollback" if self.is_dry else "rollback"
        of_run = f"{self.job} run {self.run_id} of {self.source}"
        return _joined(
            [
                f"{told} of {of_run}: {self.seconds:.1f} s",
                *(["the source is what it was before the finish"] if self.is_source_back else []),
                f"sessions: {_listed(self.sessions)}",
                *([f"documents: {_listed(self.documents)}"] if self.documents else []),
                *(f"    left alone: {told_of_left(one)}" for one in self.left),
            ]
        )


class Report(Protocol):
    """What a command prints in the end; a dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def has_findings(self) -> bool:
        """Whether someone should look."""
        ...

    def to_text(self) -> str:
        """For people."""
        ...


def to_json(report: Report) -> str:
    """For programs: the report's fields, and whether someone should look."""
    return json.dumps({**asdict(report), "has_findings": report.has_findings}, ensure_ascii=False)


def record_counts(tally: Tally, blank_lines: int) -> RecordCounts:
    """The tally of a source that has been read to its end."""
    return RecordCounts(
        read=tally.read,
        folded=tally.folded,
        skipped=tally.skipped,
        rejected=tally.rejected,
        blank_lines=blank_lines,
        outside=tally.outside,
        reasons={str(reason): count for reason, count in sorted(tally.reasons.items())},
        findings={finding.code: count for finding, count in sorted(tally.findings.items())},
        examples=tally.examples,
    )


def session_counts(states: Mapping[Any, int]) -> dict[str, int]:
    """Every state, zeros included."""
    return {str(state): states.get(state, 0) for state in SessionState}


def told_of_left(one: Mapping[str, str]) -> str:
    """Which session or document it is, and why."""
    document = f"{one['kind']} {one['id']!r} of " if "kind" in one else ""
    return f"{document}session {one['session_id']!r} of {one['user_id']!r}: {one['why']}"


def told_of_retold(count: int) -> str:
    """In words."""
    return f"sessions folded before whose header follows the source again: {count:,}"


def _record_lines(records: RecordCounts) -> Iterator[str]:
    yield (
        f"records read: {records.read:,} = {records.folded:,} folded"
        f" + {records.skipped:,} skipped + {records.rejected:,} rejected"
        f" (blank lines: {records.blank_lines:,})"
    )
    if records.outside:
        yield f"records of sessions that were not asked for: {records.outside:,}"
    for code, count in records.reasons.items():
        kind = "skipped" if Reason(code).is_skip else "rejected"
        yield f"{kind}, {code}: {count:,}"
        yield from _example_lines(records.examples.get(code, ()), count)
    for code, count in records.findings.items():
        yield f"folded, {code}: {count:,}"
        yield from _example_lines(records.examples.get(code, ()), count)


def _in_mebibytes(size_bytes: int) -> str:
    return f"{size_bytes / 2**20:,.1f} MiB"


def _diff_lines(sample: Sample) -> Iterator[str]:
    """What becomes of the first records of a session, like a diff."""
    after = sample.after
    yield f"sample: session {after['id']!r} of {after['user_id']!r}"
    for record in sample.before:
        yield f"  - {record}"
    count = after["message_count"]
    yield f"  + {count:,} messages, {after['created_at']} to {after['updated_at']}"
    for seq, message in enumerate(after["messages"]):
        said = json.dumps(message["content"], ensure_ascii=False)
        named = f"{message['created_at']} {message['message_type']} {message['id']!r}"
        yield f"  +   {seq}: {named}: {said}"


def _example_lines(examples: Sequence[Outcome], count: int) -> Iterator[str]:
    for example in examples[:_SHOWN_EXAMPLES]:
        named = [
            f"{label} {value!r}"
            for label, value in (
                ("session", example.session_id),
                ("user", example.user_id),
                ("message", example.message_id),
            )
            if value is not None
        ]
        if example.kept_place is not None:
            named.append(f"kept is {example.kept_place}")
        if example.detail is not None:
            named.append(example.detail)
        yield f"    {example.place}: {', '.join(named)}"
    if count > _SHOWN_EXAMPLES:
        yield f"    and {count - _SHOWN_EXAMPLES:,} more (--outcomes FILE names every one)"


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {code}" for code, count in counts.items())


def _joined(lines: Sequence[str]) -> str:
    return "\n".join(lines) + "\n"
