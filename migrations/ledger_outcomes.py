"""The outcomes of a run, one for each record, as its ledger has them."""

from collections.abc import AsyncIterator
from typing import Any

from migrations.ledger import BatchState, RunLedger
from migrations.outcomes import Outcome, OutcomeKind


async def outcomes_of(ledger: RunLedger) -> AsyncIterator[dict[str, Any]]:
    """One for each record that a batch has dealt with; of erased users nothing is known any more.

    A record that was folded although something is odd about it has its finding as `code`; one of
    several findings.
    """
    async for entry in ledger.batches():
        if entry.record.state is BatchState.BEGUN:
            continue
        for members in entry.record.faults:
            yield _shown(Outcome.of_members(members))
        for key, session in entry.sessions.items():
            others = [Outcome.of_members(members, key) for members in session.outcomes]
            told = {one.position: one for one in others}
            for position in session.folded:
                if position not in told:
                    yield {
                        "position": position,
                        "kind": OutcomeKind.FOLDED,
                        "user_id": key.user_id,
                        "session_id": key.session_id,
                    }
            for outcome in told.values():
                yield _shown(outcome)


def _shown(outcome: Outcome) -> dict[str, Any]:
    members = {name: getattr(outcome, name) for name in outcome.__slots__}
    return {name: value for name, value in members.items() if value is not None}
