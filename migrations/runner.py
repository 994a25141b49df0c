"""Runner: source → fold → store, in bounded memory, noted in a ledger from which it can go on."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from time import monotonic

from app.clock import Clock, SystemClock
from app.domain.identity import SessionKey
from app.formats.port import Source
from app.progress import Progress, SilentProgress
from app.store.port import SessionStore
from migrations.collecting import seldom_collected
from migrations.estimate import RunEstimate
from migrations.folds import PartedSession, folded_sessions, read_source
from migrations.going_on import ledger_of
from migrations.job import Job
from migrations.ledger import BatchState, RunLedger, RunState
from migrations.ledger_documents import DocumentState
from migrations.outcomes import Observer, Outcome, Tally, both, ignore
from migrations.project_report import LEFT_LIMIT, FailedSessions, LeftDocument
from migrations.report import RunReport, record_counts, session_counts
from migrations.spool import Spool, Totals, spool_path
from migrations.storing import Resumed, Storing
from migrations.storing_documents import StoringDocuments
from migrations.throttle import Throttle

PART_RECORDS = 10_000
"""So many records of one session are folded at a time, and are one batch."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How a run goes about its work; nothing of it changes what the run does."""

    throttle: Throttle = field(default_factory=Throttle)
    part_records: int = PART_RECORDS
    """Of a new run."""
    workers: int = 2
    """How many processes decode, this one included, once the source is worth others."""
    takes_over: bool = False
    """Go on with a run though another process may be at work on it."""


async def run(
    job: Job,
    source: Source,
    store: SessionStore,
    *,
    clock: Clock | None = None,
    progress: Progress | None = None,
    observer: Observer = ignore,
    manner: Manner | None = None,
) -> RunReport:
    """Fold a source into a store, or go on with a run of it that did not end.

    Sessions that an earlier run of the job stored are completed where messages are missing, their
    headers follow the source where no user has changed them, and all else that users have done
    since is left alone. An interruption, even a kill, leaves whole sessions, or beginnings of those
    longer than a part.

    Raises:
        SourceError: the source cannot be read; nothing was stored.
        StoreError: the store failed; what is stored is whole, and the run may go on.
        RunBusyError: another process is at work on the run.
    """
    watch = _Watch()
    clock = clock or SystemClock()
    progress = progress or SilentProgress()
    manner = manner or Manner()
    failed = FailedSessions()
    tally = Tally(both(observer, failed.note) if job.makes_projects else observer)
    with source:
        ledger = await ledger_of(
            job,
            source,
            store,
            clock,
            part_records=manner.part_records,
            takes_over=manner.takes_over,
        )
        watch.add(ledger.record.seconds)
        tally.place = source.place
        resumed = await _resumed(ledger, tally)
        path = None if ledger.record.fingerprint is None else spool_path(ledger.run_id)
        spool = Spool(path)
        with closing(spool), seldom_collected():
            totals = spool.totals
            if totals is None:
                await read_source(job, source, spool, tally, progress, workers=manner.workers)
                totals = Totals(tally.read, tally.outside, source.blank_lines)
                spool.keep(totals)
            tally.read, tally.outside = totals.read, totals.outside
            storing = Storing(job, store, ledger, tally, progress, manner.throttle, resumed)
            progress.begin("folding", tally.read)
            estimate = RunEstimate(tally.read, tally.done)

            def look() -> None:
                estimate.look(tally.done, watch.seconds)

            documents: Mapping[str, int] | None = None
            try:
                await _store_all(job, spool, store, ledger, storing, resumed, look)
                if job.makes_projects:
                    documents = await _store_documents(
                        job, spool, store, ledger, storing, resumed, progress, manner.throttle
                    )
            except asyncio.CancelledError:
                await storing.finish_what_has_begun()
                await ledger.change(holder=None, seconds=watch.seconds)
                raise
            tally.check_balance()
            if job.makes_projects:  # the ledger does not keep whose faults are nobody's
                failed.add_all(one.session_id for one in spool.faults())
            spool.discard()
    await ledger.change(
        state=RunState.DONE,
        holder=None,
        ended_at=clock.now(),
        seconds=watch.seconds,
        estimated_seconds=estimate.seconds,
        records_read=totals.read,
        blank_lines=totals.blank_lines,
        outside=totals.outside,
    )
    return RunReport(
        run_id=ledger.run_id,
        job=job.name,
        source=source.name,
        seconds=watch.seconds,
        estimated_seconds=estimate.seconds,
        records=record_counts(tally, totals.blank_lines),
        sessions=session_counts(storing.counts.sessions),
        messages_added=storing.counts.messages_added,
        late=storing.counts.late,
        retold=storing.counts.retold,
        projects=None
        if documents is None
        else failed.figures(documents, await _left_documents(ledger, documents)),
    )


class _Watch:
    """How long a run has been at work, in all its processes."""

    def __init__(self) -> None:
        self._began_at_seconds = monotonic()

    def add(self, seconds: float) -> None:
        """Count what earlier processes took."""
        self._began_at_seconds -= seconds

    @property
    def seconds(self) -> float:
        """So far."""
        return monotonic() - self._began_at_seconds


async def _store_all(
    job: Job,
    spool: Spool,
    store: SessionStore,
    ledger: RunLedger,
    storing: Storing,
    resumed: Resumed,
    look: Callable[[], None],
) -> None:
    """Bring every session that is not stored yet; of the last one, the parts that are not."""
    for fault in spool.faults(after_count=resumed.place.faults):
        await storing.take_fault(fault)
    sessions = _sessions(job, spool, store, ledger)
    is_dealt_with = max(0, resumed.place.sessions - 1)
    for index, (key, parts) in enumerate(islice(sessions, is_dealt_with, None), is_dealt_with):
        is_later = False
        for number, part in enumerate(parts):
            if index >= resumed.place.sessions or number >= resumed.place.parts:
                await storing.take(key, part, number, is_later=is_later)
                look()
            is_later = is_later or not part.is_empty
    await storing.finish()


async def _store_documents(
    job: Job,
    spool: Spool,
    store: SessionStore,
    ledger: RunLedger,
    storing: Storing,
    resumed: Resumed,
    progress: Progress,
    throttle: Throttle,
) -> Mapping[str, int]:
    """Bring what the sessions become beside their conversations; says how much of each kind."""
    place, number = storing.place, storing.next_number
    documents = StoringDocuments(
        job, store, ledger, progress, throttle, place, number, resumed.begun
    )
    with closing(documents):
        await documents.store_all(_sessions(job, spool, store, ledger), place.sessions)
    return storing.counts.plus(documents.counts).documents


async def _left_documents(
    ledger: RunLedger, documents: Mapping[str, int]
) -> Sequence[LeftDocument]:
    """The first of those that are not what the source says, and stay so."""
    left: list[LeftDocument] = []
    if not any(DocumentState(name.split(".")[1]).is_left for name in documents):
        return left
    async for entry in ledger.batches():
        for key, one in entry.documents.items():
            if one.state is not None and DocumentState(one.state).is_left:
                left.append(LeftDocument(key.user_id, one.session_id, *key[1:], one.state))
        if len(left) >= LEFT_LIMIT:
            break
    return left


def _sessions(
    job: Job, spool: Spool, store: SessionStore, ledger: RunLedger
) -> Iterator[PartedSession]:
    return folded_sessions(
        spool,
        message_limit_bytes=store.limits.message_bytes,
        header_limit_bytes=store.limits.header_bytes,
        part_records=ledger.record.part_records,
        makes_projects=job.makes_projects,
    )


async def _resumed(ledger: RunLedger, tally: Tally) -> Resumed:
    """Where the run goes on; what its batches say is counted again."""
    resumed = Resumed()
    async for entry in ledger.batches():
        if entry.record.state is BatchState.BEGUN:
            resumed.begun[entry.number] = entry
            continue
        outcomes = [Outcome.of_members(members) for members in entry.record.faults]
        for key, session in entry.sessions.items():
            outcomes += [Outcome.of_members(members, key) for members in session.outcomes]
            if session.state is not None:
                resumed.newest = SessionKey(*key), session
        resumed.number = entry.number + 1
        resumed.place = entry.record.place
        resumed.counts = resumed.counts.plus(entry.record.counts)
        tally.take_in(entry.record.counts, outcomes)
    return resumed
