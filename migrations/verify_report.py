"""VerifyReport: how source and store compare; like verify, it knows nothing of the fold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing in the store that is not as the source says."""

    code: str
    user_id: str
    session_id: str
    detail: str
    message_id: str | None = None
    position: int | None = None
    """Of the record in the source."""
    place: str | None = None
    """Where that is, in people's words."""


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """How source and store compare."""

    job: str
    source: str
    record_word: str
    """What a record of the source is called."""
    seconds: float
    records_read: int
    sessions_expected: int
    messages_expected: int
    sessions_equal: int
    """Every count, hash, order, date, type and metadata as the source says."""
    differences: Mapping[str, int]
    """By code."""
    examples: Sequence[Difference]
    written_since: Sequence[Mapping[str, str]]
    """Sessions that users wrote to after the fold; compared up to their folded part."""
    deleted_since: Sequence[Mapping[str, str]]
    not_ours: Sequence[Mapping[str, str]]
    """Sessions whose place another maker's session has; not compared."""
    documents_expected: Mapping[str, int] = field(default_factory=dict[str, int])
    """Projects and what must be in them, by kind."""
    projects_changed_since: Sequence[Mapping[str, str]] = ()
    """Sessions whose projects users have changed; only what they cannot change was compared."""

    @property
    def has_findings(self) -> bool:
        """Whether there is a difference."""
        return bool(self.differences)

    def to_text(self) -> str:
        """For people."""
        counts = ", ".join(f"{count:,} {code}" for code, count in self.differences.items())
        lines = [
            f"{self.job} verify of {self.source}: {self.seconds:.1f} s",
            f"records read: {self.records_read:,}",
            f"sessions expected: {self.sessions_expected:,}; equal: {self.sessions_equal:,}",
            f"messages expected: {self.messages_expected:,}",
            *(f"expected, {kind}: {n:,}" for kind, n in self.documents_expected.items()),
            "differences: " + (counts or "none"),
        ]
        for example in self.examples:
            message = f", message {example.message_id!r}" if example.message_id else ""
            place = f", {example.place}" if example.place else ""
            lines.append(
                f"    {example.code}: user {example.user_id!r}, session {example.session_id!r}"
                f"{message}{place}: {example.detail}"
            )
        for title, sessions in (
            ("written to since, compared up to the folded part", self.written_since),
            ("deleted by their users since", self.deleted_since),
            ("with a project that its user has changed since", self.projects_changed_since),
            ("not made by this job, not compared", self.not_ours),
        ):
            if sessions:
                lines.append(f"{title}: {len(sessions):,}")
                lines.extend(f"    {one['session_id']!r} of {one['user_id']!r}" for one in sessions)
        return "\n".join(lines) + "\n"
