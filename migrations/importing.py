"""Importing: sessions of our own export go into a store as they were, noted in a ledger."""

import secrets
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import islice
from time import monotonic

from app.clock import Clock, SystemClock
from app.domain.folding import Reason, Refusal
from app.domain.identity import SessionKey
from app.domain.image import SessionImage
from app.domain.source_options import AS_IT_IS, SourceOptions
from app.domain.source_session import SourceFields, SourceSession, source_session
from app.errors import DocumentTooLargeError, SessionExistsError, SessionNotFoundError
from app.formats.chatfold_export import exported_image
from app.formats.faults import FaultError
from app.formats.port import RawRecord, Source
from app.progress import Progress, SilentProgress
from app.store.port import HEADER_ONLY, SessionStore
from migrations.jobs.import_export import IMPORT_EXPORT
from migrations.ledger import (
    BatchEntry,
    BatchRecord,
    BatchState,
    Counts,
    RunLedger,
    RunState,
    SessionRecord,
    new_run,
)
from migrations.outcomes import Observer, Outcome, Tally, ignore
from migrations.report import RunReport, SessionState, record_counts, session_counts
from migrations.spool import SpooledFault

_BATCH_BYTES = 4 * 1024 * 1024
_BATCH_SESSIONS = 200
_PART_RECORDS = 1  # a record is a session


async def import_export(
    source: Source,
    store: SessionStore,
    *,
    options: SourceOptions = AS_IT_IS,
    clock: Clock | None = None,
    progress: Progress | None = None,
    observer: Observer = ignore,
) -> RunReport:
    """Put every session of an export into a store, as it was; its records are whole sessions.

    A session that is there already, as exported or later, stays as it is; so does one of another
    life, or one that its user deleted: those are told. An interrupted import is begun again.

    Raises:
        SourceError: the source cannot be read on; what was stored before is whole.
        StoreError: the store failed; what is stored is whole.
    """
    began_at_seconds = monotonic()
    clock, progress = clock or SystemClock(), progress or SilentProgress()
    with source:
        tally = Tally(observer, source.place)
        ledger = await new_run(
            store,
            clock,
            secrets.token_hex(3),
            job=IMPORT_EXPORT.name,
            format=IMPORT_EXPORT.format.name,
            source=source.name,
            options=asdict(options),
            part_records=_PART_RECORDS,
            fingerprint=source.fingerprint(),
        )
        importing = _Importing(store, ledger, tally, options)
        progress.begin("importing", source.size_bytes)
        records = islice(source, options.limit)
        for number, batch in enumerate(_batches(records), start=1):
            await importing.store_batch(number, batch)
            progress.advance(source.bytes_read, tally.read)
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
        job=IMPORT_EXPORT.name,
        source=source.name,
        seconds=seconds,
        estimated_seconds=None,
        records=record_counts(tally, blank_lines),
        sessions=session_counts(importing.sessions),
        messages_added=importing.messages_added,
        late=0,
        retold=0,
    )


def _batches(records: Iterable[RawRecord]) -> Iterator[list[RawRecord]]:
    batch: list[RawRecord] = []
    size_bytes = 0
    for record in records:
        batch.append(record)
        size_bytes += len(record.raw or b"")
        if size_bytes >= _BATCH_BYTES or len(batch) >= _BATCH_SESSIONS:
            yield batch
            batch, size_bytes = [], 0
    if batch:
        yield batch


class _Importing:
    """Stores one batch after the other."""

    def __init__(
        self, store: SessionStore, ledger: RunLedger, tally: Tally, options: SourceOptions
    ) -> None:
        self.sessions: Counter[SessionState] = Counter()
        self.messages_added = 0
        self._store = store
        self._ledger = ledger
        self._tally = tally
        self._options = options

    async def store_batch(self, number: int, records: list[RawRecord]) -> None:
        """Note what is about to be stored, store it, and note what has become of it."""
        outcomes: list[Outcome] = []
        tally = Tally(outcomes.append, self._tally.place)
        images: dict[SessionKey, tuple[SourceSession, SessionImage]] = {}
        for record in records:
            self._sort_out(record, images, tally)
        entry = BatchEntry(number, BatchRecord(state=BatchState.BEGUN), {})
        for key, (_, image) in images.items():
            entry.sessions[key] = SessionRecord(
                session_id=key.session_id,
                generation=image.header.generation,
                message_count=image.header.next_seq,
                changes=image.header.changes,
            )
        await self._ledger.write(entry)
        states: Counter[SessionState] = Counter()
        added_before = self.messages_added
        for key, (told, image) in images.items():
            refusal, state = await self._put(key, image)
            states[state] += 1
            members: dict[str, object] = {"state": state}
            if refusal is None:
                tally.count_folded(key, [told])
                members["folded"] = [told.position]
            else:
                tally.refuse(key, Refusal(told, refusal, None))
                members["generation"] = ""
            entry.sessions[key] = entry.sessions[key].model_copy(update=members)
        self._note(entry, outcomes)
        counts = Counts(
            folded=tally.folded,
            messages_added=self.messages_added - added_before,
            reasons={str(reason): count for reason, count in tally.reasons.items()},
            sessions={str(state): count for state, count in states.items()},
        )
        faults = [one.without_ids().members() for one in outcomes if one.user_id is None]
        entry.record = BatchRecord(state=BatchState.DONE, counts=counts, faults=faults)
        await self._ledger.write(entry)
        self.sessions.update(states)
        self._tally.read += tally.read
        self._tally.outside += tally.outside
        self._tally.take_in(counts, outcomes)

    def _sort_out(
        self,
        record: RawRecord,
        images: dict[SessionKey, tuple[SourceSession, SessionImage]],
        tally: Tally,
    ) -> None:
        position, raw, damage = record
        tally.read += 1
        if raw is None:
            reason = Reason.MALFORMED_JSON if damage else Reason.SESSION_TOO_LARGE
            tally.refuse_unplaced(SpooledFault(position, reason, damage or None))
            return
        try:
            image = exported_image(raw)
        except FaultError as fault:
            tally.refuse_unplaced(SpooledFault(position, fault.reason, fault.detail))
            return
        key = image.header.key
        wanted = self._options
        if wanted.user not in {None, key.user_id} or wanted.session not in {None, key.session_id}:
            tally.read -= 1
            tally.outside += 1
            return
        told = source_session(position, SourceFields(), 0, len(raw))
        if key in images:
            first, other = images[key]
            is_same = other == image
            reason = Reason.EXACT_DUPLICATE if is_same else Reason.CONFLICTING_ID
            tally.refuse(key, Refusal(told, reason, first.position))
        else:
            images[key] = told, image

    async def _put(
        self, key: SessionKey, image: SessionImage
    ) -> tuple[Reason | None, SessionState]:
        """Store a session where there is room for it; why not, where there is none."""
        try:
            there = (await self._store.read(key, HEADER_ONLY)).version
        except SessionNotFoundError:
            pass
        else:
            version = image.header.version
            if there.generation == version.generation and there.revision >= version.revision:
                return None, SessionState.UNCHANGED
            return Reason.TARGET_NOT_OURS, SessionState.REFUSED
        if await self._store.find_deleted([key]):
            return Reason.DELETED_BY_USER, SessionState.REFUSED
        try:
            await self._store.put_image(image)
        except SessionExistsError:  # made at this moment
            return Reason.TARGET_NOT_OURS, SessionState.REFUSED
        except DocumentTooLargeError:
            return Reason.SESSION_TOO_LARGE, SessionState.REFUSED
        self.messages_added += image.header.next_seq
        return None, SessionState.CREATED

    def _note(self, entry: BatchEntry, outcomes: list[Outcome]) -> None:
        """Note in the sessions' records what is not plain."""
        for outcome in outcomes:
            if outcome.user_id is not None and outcome.session_id is not None:
                key = SessionKey(outcome.user_id, outcome.session_id)
                entry.sessions[key].outcomes.append(outcome.members())
