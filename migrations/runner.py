"""Runner: source → fold → store, in bounded memory; run again, it only adds what is missing."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from time import monotonic

from app.domain.folding import Reason, Refusal, SourceMessage, folded_session
from app.domain.identity import SessionKey, new_generation
from app.domain.message import EncodedMessage, unplaced_part
from app.domain.session import NewSession, SessionHeader
from app.errors import MessageIdConflictError, SessionNotFoundError
from app.formats.port import Source
from app.progress import Progress, SilentProgress
from app.store.port import HEADER_ONLY, MESSAGE_PAGE_LIMIT, MessageWindow, SessionStore
from migrations.collecting import seldom_collected
from migrations.folds import Part, folded_sessions, read_source
from migrations.job import Job
from migrations.outcomes import Observer, Tally, ignore
from migrations.report import RunReport, SessionState, record_counts, session_counts
from migrations.spool import PART_RECORDS, Spool
from migrations.targets import look_at_target

BATCH_MESSAGES = 2000
BATCH_BYTES = 4 * 1024 * 1024
"""What goes to the store in one call: whole sessions, together about this much of the source."""

_Pair = tuple[EncodedMessage, SourceMessage]
"""A message with the record that it comes from."""


async def run(
    job: Job,
    source: Source,
    store: SessionStore,
    *,
    progress: Progress | None = None,
    observer: Observer = ignore,
    part_records: int = PART_RECORDS,
) -> RunReport:
    """Fold a source into a store.

    Sessions that an earlier run of the job stored are completed where messages are missing, and
    left alone otherwise, whatever their users have done to them since. An interruption, even a
    kill, leaves whole sessions, or beginnings of those longer than `part_records`.

    Raises:
        SourceError: the source cannot be read; nothing was stored.
        StoreError: the store failed; what is stored is whole, and the run may be repeated.
    """
    began_at_seconds = monotonic()
    progress = progress or SilentProgress()
    tally = Tally(observer)
    with closing(Spool(part_records=part_records)) as spool, seldom_collected():
        with source:
            await read_source(job, source, spool, tally, progress)
        storing = _Storing(job, store, tally, progress)
        for fault in spool.faults():
            tally.refuse_unplaced(fault)
        progress.begin("folding", tally.read - tally.rejected)
        sessions = folded_sessions(
            spool,
            message_limit_bytes=store.limits.message_bytes,
            part_records=part_records,
        )
        try:
            for key, parts in sessions:
                is_later = False
                for part in parts:
                    for refusal in part.refusals:
                        tally.refuse(key, refusal)
                    if part.is_empty:
                        continue
                    if is_later:
                        await storing.add_to_stored(key, part)
                    else:
                        await storing.add_session(key, part)
                    is_later = True
            await storing.finish()
        except asyncio.CancelledError:
            await storing.finish_what_has_begun()
            raise
    tally.check_balance()
    return RunReport(
        job=job.name,
        source=source.name,
        seconds=monotonic() - began_at_seconds,
        records=record_counts(tally, source.blank_lines),
        sessions=session_counts(storing.sessions),
        messages_added=storing.messages_added,
    )


class _Storing:
    """Brings folded sessions to the store; one batch is being stored while the next is folded."""

    def __init__(self, job: Job, store: SessionStore, tally: Tally, progress: Progress) -> None:
        self.sessions: Counter[SessionState] = Counter()
        self.messages_added = 0
        self._format = job.format
        self._store = store
        self._tally = tally
        self._progress = progress
        self._batch: list[tuple[NewSession, Part]] = []
        self._batched_messages = 0
        self._batched_bytes = 0
        self._under_way: asyncio.Task[None] | None = None
        self._newest_state: SessionState | None = None  # of the session that was stored last

    async def add_session(self, key: SessionKey, part: Part) -> None:
        """Take a session's first part, which is all there is of nearly all sessions."""
        session = folded_session(
            key, self._format.name, part.messages, part.session, generation=new_generation()
        )
        self._batch.append((session, part))
        self._batched_messages += len(part.messages)
        self._batched_bytes += sum(record.size_bytes for record in part.records)
        if self._batched_messages >= BATCH_MESSAGES or self._batched_bytes >= BATCH_BYTES:
            await self._store_batch()

    async def add_to_stored(self, key: SessionKey, part: Part) -> None:
        """Take a later part of the session whose first part was taken last."""
        await self.finish()
        state = await self._complete(key, part)
        if state is SessionState.COMPLETED and self._newest_state is SessionState.UNCHANGED:
            self.sessions[SessionState.UNCHANGED] -= 1
            self._count(state)

    async def finish(self) -> None:
        """Return once everything taken so far is stored."""
        await self._store_batch()
        await self._wait()

    async def finish_what_has_begun(self) -> None:
        """Return once nothing is under way; what was only taken is forgotten."""
        await self._wait()

    async def _store_batch(self) -> None:
        await self._wait()
        if self._batch:
            self._under_way = asyncio.create_task(self._insert(self._batch))
            self._batch = []
            self._batched_messages = 0
            self._batched_bytes = 0
            await asyncio.sleep(0)  # lets the store begin before we go on with folding

    async def _wait(self) -> None:
        if self._under_way is not None:
            # Shielded, so that an interruption of ours waits for the batch instead of tearing it.
            await asyncio.shield(self._under_way)
            self._under_way = None

    async def _insert(self, batch: Sequence[tuple[NewSession, Part]]) -> None:
        are_stored = await self._store.insert_absent([session for session, _ in batch])
        for (session, part), is_stored in zip(batch, are_stored, strict=True):
            if is_stored:
                self._tally.count_folded(session.key, part.all_records)
                self.messages_added += len(part.messages)
                self._count(SessionState.CREATED)
            else:
                self._count(await self._complete(session.key, part))
        done = self._tally.folded + self._tally.skipped
        self._progress.advance(done, done)

    async def _complete(self, key: SessionKey, part: Part) -> SessionState:
        """Add to an existing session what it lacks, if it is one of ours."""
        target, header = await look_at_target(self._store, self._format, key)
        refusal = target.refusal
        if header is None:  # what is free now was there a moment ago, or had a deletion marker
            refusal = Reason.DELETED_BY_USER
        todo = list(zip(part.messages, part.records, strict=True))
        told = () if part.session is None else (part.session,)
        try:
            if header is not None and refusal is None:
                self._tally.count_folded(key, told)
                told = ()
                todo = await self._without_known(header, todo)
                if not todo:
                    return SessionState.UNCHANGED
                while todo:
                    todo = await self._append_some(key, todo)
                header_after = (await self._store.read(key, HEADER_ONLY)).header()
                added = header_after.next_seq - header.next_seq
                self.messages_added += added
                return SessionState.COMPLETED if added else SessionState.UNCHANGED
        except SessionNotFoundError:
            refusal = Reason.DELETED_BY_USER
        for record in (*told, *(record for _, record in todo)):
            self._tally.refuse(key, Refusal(record, refusal or Reason.DELETED_BY_USER, None))
        return SessionState.REFUSED

    async def _without_known(self, header: SessionHeader, todo: list[_Pair]) -> list[_Pair]:
        """The pairs less those that the session has as they are.

        An append finds out the same, and knows edited and deleted messages too, but takes far
        longer; this is what a repeated run does nearly all the time.
        """
        if header.next_seq > PART_RECORDS:
            return todo
        stored: set[bytes] = set()
        for start in range(0, header.next_seq, MESSAGE_PAGE_LIMIT):
            window = MessageWindow(offset=start, limit=MESSAGE_PAGE_LIMIT)
            page = await self._store.list_messages(header.key, window)
            stored.update(unplaced_part(one) for one in page.messages_json)
        unknown: list[_Pair] = []
        known: list[SourceMessage] = []
        for message, record in todo:
            if message.unplaced_json in stored:
                known.append(record)
            else:
                unknown.append((message, record))
        self._tally.count_folded(header.key, known)
        return unknown

    async def _append_some(self, key: SessionKey, todo: list[_Pair]) -> list[_Pair]:
        """Append as many as one batch takes, or find out that one cannot be; returns the rest."""
        count = self._batch_length([message for message, _ in todo])
        messages = [message for message, _ in todo[:count]]
        at = datetime.fromisoformat(messages[-1].created_at)
        try:
            await self._store.append(key, messages, at=at)
        except MessageIdConflictError as conflict:
            _, record = todo[conflict.index]
            self._tally.refuse(key, Refusal(record, Reason.CONFLICTING_ID, None))
            return todo[: conflict.index] + todo[conflict.index + 1 :]
        self._tally.count_folded(key, [record for _, record in todo[:count]])
        return todo[count:]

    def _batch_length(self, messages: Sequence[EncodedMessage]) -> int:
        """How many of the next messages one append may take."""
        limits = self._store.limits
        size_bytes = 0
        for count, message in enumerate(messages[: limits.batch_messages]):
            size_bytes += len(message.unplaced_json)
            if count and size_bytes > limits.batch_bytes:
                return count
        return min(len(messages), limits.batch_messages)

    def _count(self, state: SessionState) -> None:
        self.sessions[state] += 1
        self._newest_state = state
