"""Tally: one outcome per record, counted, with examples, and handed on to an observer."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from app.domain.folding import Finding, Reason, Refusal, SourceRecord
from app.domain.identity import SessionKey
from app.errors import MigrationError
from migrations.ledger import Counts
from migrations.spool import SpooledFault

EXAMPLE_LIMIT = 1000
"""How many examples of each reason a report keeps; the text form shows the first few."""


class OutcomeKind(StrEnum):
    """What became of a record."""

    FOLDED = "folded"
    SKIPPED = "skipped"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a record that was not plainly folded."""

    position: int
    kind: OutcomeKind
    code: str
    """Of a `Reason`; of a `Finding` where the record was folded."""
    place: str
    """Where the record is, in people's words."""
    detail: str | None = None
    user_id: str | None = None
    session_id: str | None = None
    message_id: str | None = None
    kept_position: int | None = None
    """Of the record that holds the message id."""
    kept_place: str | None = None

    def members(self) -> list[Any]:
        """All but the session's key, for the ledger."""
        return [getattr(self, name) for name in _MEMBERS]

    @classmethod
    def of_members(cls, members: list[Any], key: SessionKey | None = None) -> "Outcome":
        """What `members` was made of."""
        user_id, session_id = key or (None, None)
        return cls(
            **dict(zip(_MEMBERS, members, strict=True)), user_id=user_id, session_id=session_id
        )

    def without_ids(self) -> "Outcome":
        """Without what may tell of a person."""
        return replace(self, session_id=None, message_id=None)


_MEMBERS = (
    "position",
    "kind",
    "code",
    "place",
    "detail",
    "message_id",
    "kept_position",
    "kept_place",
)

Observer = Callable[[Outcome], None]
"""Is told every outcome that is not plain, in no particular order."""


def ignore(_outcome: Outcome) -> None:
    """Observe nothing."""


def both(one: Observer, other: Observer) -> Observer:
    """An observer that tells two."""

    def tell(outcome: Outcome) -> None:
        one(outcome)
        other(outcome)

    return tell


@dataclass(slots=True)
class Tally:
    """The outcomes of one run or plan so far."""

    observer: Observer = ignore
    place: Callable[[int], str] = "record {}".format
    """Where a record is, in people's words."""
    read: int = 0
    outside: int = 0
    """Records of sessions that were not asked for; not among those read."""
    folded: int = 0
    reasons: Counter[Reason] = field(default_factory=Counter[Reason])
    findings: Counter[Finding] = field(default_factory=Counter[Finding])
    examples: dict[str, list[Outcome]] = field(default_factory=dict[str, list[Outcome]])
    """By code, at most `EXAMPLE_LIMIT` each."""

    @property
    def skipped(self) -> int:
        """Records that were left out without loss."""
        return sum(count for reason, count in self.reasons.items() if reason.is_skip)

    @property
    def rejected(self) -> int:
        """Records that could not be folded."""
        return sum(count for reason, count in self.reasons.items() if not reason.is_skip)

    @property
    def done(self) -> int:
        """Records that have an outcome."""
        return self.folded + self.skipped + self.rejected

    def count_folded(self, key: SessionKey, records: Iterable[SourceRecord]) -> None:
        """Note records that are messages of the session now."""
        for record in records:
            self.folded += 1
            if record.findings:
                for finding in Finding(record.findings):
                    self.findings[finding] += 1
                    self._note(self._found(finding, key, record))

    def refuse_unplaced(self, fault: SpooledFault) -> None:
        """Note a record that belongs to no session, or to nobody."""
        self._refuse(
            fault.reason,
            fault.position,
            detail=fault.detail,
            session_id=fault.session_id,
            message_id=fault.message_id,
        )

    def refuse(self, key: SessionKey, refusal: Refusal) -> None:
        """Note a record that did not become a message of its session."""
        self._refuse(
            refusal.reason,
            refusal.record.position,
            user_id=key.user_id,
            session_id=key.session_id,
            message_id=refusal.record.id or None,
            kept_position=refusal.kept_position,
        )

    def take_in(self, counts: Counts, outcomes: Iterable[Outcome]) -> None:
        """Add what was counted elsewhere."""
        self.folded += counts.folded
        self.reasons.update({Reason(code): count for code, count in counts.reasons.items()})
        by_code = {finding.code: finding for finding in Finding}
        self.findings.update({by_code[code]: count for code, count in counts.findings.items()})
        for outcome in outcomes:
            self._note(outcome)

    def check_balance(self) -> None:
        """Pass if every record that was read has one outcome.

        Raises:
            MigrationError: one has none or several, which is a defect of ours.
        """
        if self.read != self.done:
            raise MigrationError(
                f"The counts do not add up: {self.read:,} records were read,"
                f" {self.folded:,} folded, {self.skipped:,} skipped, {self.rejected:,} rejected."
            )

    def _refuse(
        self,
        reason: Reason,
        position: int,
        *,
        detail: str | None = None,
        user_id: str | None = None,
        session_id: str | None = None,
        message_id: str | None = None,
        kept_position: int | None = None,
    ) -> None:
        self.reasons[reason] += 1
        kind = OutcomeKind.SKIPPED if reason.is_skip else OutcomeKind.REJECTED
        self._note(
            Outcome(
                position,
                kind,
                reason,
                self.place(position),
                detail,
                user_id,
                session_id,
                message_id,
                kept_position,
                None if kept_position is None else self.place(kept_position),
            )
        )

    def _found(self, finding: Finding, key: SessionKey, record: SourceRecord) -> Outcome:
        return Outcome(
            record.position,
            OutcomeKind.FOLDED,
            finding.code,
            self.place(record.position),
            user_id=key.user_id,
            session_id=key.session_id,
            message_id=record.id or None,
        )

    def _note(self, outcome: Outcome) -> None:
        self.observer(outcome)
        kept = self.examples.setdefault(outcome.code, [])
        if len(kept) < EXAMPLE_LIMIT:
            kept.append(outcome)
