"""Stored batches: what goes to the store together, and what has become of it so far."""

from collections import Counter
from dataclasses import dataclass, field

from app.domain.folding import Refusal
from app.domain.identity import SessionKey
from migrations.folds import Part
from migrations.ledger import Counts
from migrations.outcomes import Outcome, Tally
from migrations.report import SessionState
from migrations.spool import SpooledFault

BATCH_MESSAGES = 4000
BATCH_BYTES = 4 * 1024 * 1024
"""What goes to the store in one call: whole sessions, together about this much of the source."""


@dataclass(slots=True)
class Item:
    """A part of a session on its way."""

    key: SessionKey
    part: Part
    is_later: bool
    """Whether an earlier part of the session has gone before."""


@dataclass(slots=True)
class Batch:
    """What goes to the store together."""

    message_limit: int
    items: list[Item] = field(default_factory=list[Item])
    faults: list[SpooledFault] = field(default_factory=list[SpooledFault])
    refusals: list[tuple[SessionKey, Refusal]] = field(
        default_factory=list[tuple[SessionKey, Refusal]]
    )
    message_count: int = 0
    size_bytes: int = 0

    @property
    def beginnings(self) -> list[Item]:
        """Those parts of which there is no earlier one."""
        return [item for item in self.items if not item.is_later]

    @property
    def is_full(self) -> bool:
        """Whether nothing should be added."""
        count = self.message_count + len(self.faults) + len(self.refusals)
        return count >= self.message_limit or self.size_bytes >= BATCH_BYTES

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to say of it."""
        return not (self.items or self.faults or self.refusals)


@dataclass(slots=True)
class Account:
    """What has become of a batch so far."""

    tally: Tally
    outcomes: list[Outcome]
    sessions: Counter[SessionState] = field(default_factory=Counter[SessionState])
    messages_added: int = 0
    late: int = 0
    retold: int = 0

    def counts(self) -> Counts:
        """For the ledger."""
        return Counts(
            folded=self.tally.folded,
            late=self.late,
            retold=self.retold,
            messages_added=self.messages_added,
            reasons={str(reason): count for reason, count in self.tally.reasons.items()},
            findings={finding.code: count for finding, count in self.tally.findings.items()},
            sessions={str(state): count for state, count in self.sessions.items()},
        )
