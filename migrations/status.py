"""Status: the runs that a store's ledgers know, what became of their records, and what is left."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.domain.folding import Reason
from app.domain.instants import instant_text
from app.store.port import SessionStore
from migrations.finish_record import is_at_its_end
from migrations.ledger import BatchState, Counts, RunLedger, RunState, list_runs


@dataclass(frozen=True, slots=True)
class RunStatus:
    """How far one run is."""

    run_id: str
    job: str
    source: str
    state: str
    is_interrupted: bool
    """Whether nobody is at work on it, though it is not at its end."""
    began_at: str
    ended_at: str | None
    seconds: float
    records_read: int | None
    """None as long as the source has not been read to its end."""
    folded: int
    skipped: int
    rejected: int
    late: int
    sessions: int
    verified_at: str | None
    next_step: str
    """What is left to do, in a sentence."""


@dataclass(frozen=True, slots=True)
class StatusReport:
    """All runs, the oldest first."""

    runs: Sequence[RunStatus]

    @property
    def has_findings(self) -> bool:
        """Whether someone should look: a run was interrupted."""
        return any(run.is_interrupted for run in self.runs)

    def to_text(self) -> str:
        """For people."""
        if not self.runs:
            return "no runs\n"
        return "".join(map(_lines, self.runs))


def _lines(run: RunStatus) -> str:
    state = f"{run.state}, interrupted" if run.is_interrupted else run.state
    read = "" if run.records_read is None else f"{run.records_read:,} read = "
    return (
        f"{run.run_id}  {state}: {run.job} of {run.source}, {run.seconds:.1f} s\n"
        f"    records: {read}{run.folded:,} folded + {run.skipped:,} skipped"
        f" + {run.rejected:,} rejected; {run.late:,} late; sessions: {run.sessions:,}\n"
        f"    next: {run.next_step}\n"
    )


async def status_of(store: SessionStore) -> StatusReport:
    """Every run that the store's ledgers know."""
    return StatusReport([await run_status(ledger) for ledger in await list_runs(store)])


async def run_status(ledger: RunLedger) -> RunStatus:
    """How far a run is."""
    record = ledger.record
    counts = Counts()
    async for entry in ledger.batches():
        if entry.record.state is not BatchState.BEGUN:
            counts = counts.plus(entry.record.counts)
    skipped = sum(count for code, count in counts.reasons.items() if Reason(code).is_skip)
    is_under_way = record.is_held
    return RunStatus(
        run_id=ledger.run_id,
        job=record.job,
        source=record.source,
        state=record.state,
        is_interrupted=not is_under_way and not is_at_its_end(record),
        began_at=instant_text(record.began_at),
        ended_at=None if record.ended_at is None else instant_text(record.ended_at),
        seconds=record.seconds,
        records_read=record.records_read,
        folded=counts.folded,
        skipped=skipped,
        rejected=sum(counts.reasons.values()) - skipped,
        late=counts.late,
        sessions=sum(counts.sessions.values()),
        verified_at=None if record.verified_at is None else instant_text(record.verified_at),
        next_step=_next_step(ledger, is_under_way=is_under_way),
    )


def _next_step(ledger: RunLedger, *, is_under_way: bool) -> str:
    record = ledger.record
    if is_under_way:
        return "it is at work"
    if not is_at_its_end(record):
        begun = {
            RunState.RUNNING: f"{record.job} run",
            RunState.ROLLING_BACK: f"rollback {ledger.run_id}",
            RunState.DONE: f"{record.job} finish",
        }
        return f"`{begun[record.state]}`, which goes on from there"
    if record.state is RunState.DONE and record.verified_at is None:
        return f"`{record.job} verify`"
    if record.state is RunState.DONE and not record.keeps_source:
        return f"`{record.job} finish`, once nobody uses the source any more"
    return "nothing"
