"""Importing: sessions of our own export go into a store as they were, noted in a ledger."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from itertools import count, islice
from time import monotonic

from app.clock import Clock, SystemClock
from app.domain.folding import Reason
from app.domain.identity import SessionKey
from app.domain.source_options import AS_IT_IS, SourceOptions
from app.errors import SessionExistsError
from app.formats.port import Source
from app.progress import Progress, SilentProgress
from app.store.port import SessionStore
from migrations.going_on import ledger_of
from migrations.import_batches import ImportBatch, import_batches
from migrations.import_targets import CREATED, UNCHANGED, Verdict, refused, verdict_on
from migrations.jobs.import_export import IMPORT_EXPORT
from migrations.ledger import (
    BatchEntry,
    BatchRecord,
    BatchState,
    Place,
    RunLedger,
    RunState,
    SessionRecord,
)
from migrations.outcomes import Observer, Outcome, Tally, ignore
from migrations.report import RunReport, record_counts, session_counts

_PART_RECORDS = 1  # a record is a session


async def import_export(
    source: Source,
    store: SessionStore,
    *,
    options: SourceOptions = AS_IT_IS,
    clock: Clock | None = None,
    progress: Progress | None = None,
    observer: Observer = ignore,
    takes_over: bool = False,
) -> RunReport:
    """Put every session of an export into a store, as it was; its records are whole sessions.

    A session that is there already, as exported or later, stays as it is; so does one of another
    life, or one that its user deleted: those are told. An import that did not end goes on.

    Raises:
        SourceError: the source cannot be read on; what was stored before is whole.
        StoreError: the store failed; what is stored is whole.
        RunBusyError: another process is at work on the run.
    """
    began_at_seconds = monotonic()
    clock, progress = clock or SystemClock(), progress or SilentProgress()
    job = IMPORT_EXPORT.told(options)
    with source:
        ledger = await ledger_of(
            job, source, store, clock, part_records=_PART_RECORDS, takes_over=takes_over
        )
        began_at_seconds -= ledger.record.seconds
        tally = Tally(observer, source.place)
        importing = _Importing(store, ledger, tally, await _resumed(ledger, tally))
        progress.begin("importing", source.size_bytes)
        records = islice(source, importing.records_done, options.limit)
        try:
            for batch in import_batches(records, options, source.place):
                await importing.store_batch(batch)
                progress.advance(source.bytes_read, tally.read)
        except asyncio.CancelledError:
            await ledger.change(holder=None, seconds=monotonic() - began_at_seconds)
            raise
        blank_lines = source.blank_lines
    tally.check_balance()
    seconds = monotonic() - began_at_seconds
    await ledger.change(
        state=RunState.DONE,
        holder=None,
        ended_at=clock.now(),
        seconds=seconds,
        records_read=tally.read,
        blank_lines=blank_lines,
        outside=tally.outside,
    )
    return RunReport(
        run_id=ledger.run_id,
        job=job.name,
        source=source.name,
        seconds=seconds,
        estimated_seconds=None,
        records=record_counts(tally, blank_lines),
        sessions=session_counts(importing.sessions),
        messages_added=importing.messages_added,
        late=0,
        retold=0,
    )


@dataclass(slots=True)
class _Resumed:
    """Where an import goes on: after the batches that its ledger calls done."""

    number: int = 1
    """Of the next batch."""
    place: Place = field(default_factory=Place)
    sessions: Counter[str] = field(default_factory=Counter[str])
    messages_added: int = 0
    begun: dict[int, BatchEntry] = field(default_factory=dict[int, BatchEntry])


async def _resumed(ledger: RunLedger, tally: Tally) -> _Resumed:
    """Where the import goes on; what its batches say is counted again."""
    resumed = _Resumed()
    async for entry in ledger.batches():
        if entry.record.state is BatchState.BEGUN:
            resumed.begun[entry.number] = entry
            continue
        counts = entry.record.counts
        outcomes = [Outcome.of_members(members) for members in entry.record.faults]
        for key, session in entry.sessions.items():
            outcomes += [Outcome.of_members(members, key) for members in session.outcomes]
        tally.take_in(counts, outcomes)
        tally.read += counts.folded + sum(counts.reasons.values())
        resumed.number = entry.number + 1
        resumed.place = entry.record.place
        resumed.sessions.update(counts.sessions)
        resumed.messages_added += counts.messages_added
    tally.outside = resumed.place.faults + resumed.place.sessions - tally.read
    return resumed


class _Importing:
    """Stores one batch after the other."""

    def __init__(
        self, store: SessionStore, ledger: RunLedger, tally: Tally, resumed: _Resumed
    ) -> None:
        self.sessions = resumed.sessions
        self.messages_added = resumed.messages_added
        self._store = store
        self._ledger = ledger
        self._tally = tally
        self._place = resumed.place
        self._numbers = count(resumed.number)
        self._begun = resumed.begun

    @property
    def records_done(self) -> int:
        """How many records of the source have been dealt with, those not asked for included."""
        return self._place.faults + self._place.sessions

    async def store_batch(self, batch: ImportBatch) -> None:
        """Note what is about to be stored, store it, and note what has become of it.

        What was there before is noted as such: a rollback of a batch that was only begun must not
        take it for ours, and whoever goes on must know which sessions the killed one has stored.
        """
        number = next(self._numbers)
        begun = self._begun.get(number)
        begun_keys = {key for key, one in begun.sessions.items() if one.generation} if begun else ()
        revision = 0 if begun is None else begun.revision
        entry = BatchEntry(number, BatchRecord(state=BatchState.BEGUN), {}, revision)
        verdicts = {key: await verdict_on(self._store, one) for key, one in batch.images.items()}
        to_store = [key for key, verdict in verdicts.items() if verdict == CREATED]
        for key in begun_keys:
            if verdicts.get(key) == UNCHANGED:
                verdicts[key] = CREATED
        for key, verdict in verdicts.items():
            entry.sessions[key] = _noted(batch, key, verdict)
        await self._ledger.write(entry)
        for key in to_store:
            verdicts[key] = await self._put(batch, key)
        for key, verdict in verdicts.items():
            batch.settle(key, verdict)
            members = {"state": verdict[1], "folded": [] if verdict[0] else [batch.position(key)]}
            entry.sessions[key] = _noted(batch, key, verdict).model_copy(update=members)
        for outcome in batch.outcomes:  # what is not plain
            if outcome.user_id is not None and outcome.session_id is not None:
                key = SessionKey(outcome.user_id, outcome.session_id)
                entry.sessions[key].outcomes.append(outcome.members())
        self._place = batch.place_after(self._place)
        faults = [one.without_ids().members() for one in batch.faults]
        entry.record = BatchRecord(
            state=BatchState.DONE, place=self._place, counts=batch.counts, faults=faults
        )
        await self._ledger.write(entry)
        self.sessions.update(batch.counts.sessions)
        self.messages_added += batch.messages_added
        batch.add_to(self._tally)

    async def _put(self, batch: ImportBatch, key: SessionKey) -> Verdict:
        try:
            await self._store.put_image(batch.images[key])
        except SessionExistsError:  # made at this moment
            return refused(Reason.TARGET_NOT_OURS)
        return CREATED


def _noted(batch: ImportBatch, key: SessionKey, verdict: Verdict) -> SessionRecord:
    """What the ledger says of a session: all that a rollback must know of one that is stored."""
    header = batch.images[key].header
    return SessionRecord(
        session_id=key.session_id,
        generation=header.generation if verdict == CREATED else "",
        message_count=header.next_seq,
        changes=header.changes,
    )
