"""Storing: folded sessions go to the store in batches, noted in the ledger before and after."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pydantic_core import from_json

from app.domain.folding import Reason, Refusal, SourceMessage, SourceRecord, folded_session
from app.domain.identity import SessionKey, new_generation
from app.domain.message import EncodedMessage, unplaced_part
from app.domain.session import NewSession, SessionHeader
from app.errors import MessageIdConflictError, SessionNotFoundError
from app.progress import Progress
from app.store.port import MESSAGE_PAGE_LIMIT, MessageWindow, SessionStore
from migrations.folds import Part
from migrations.job import Job
from migrations.ledger import (
    BatchEntry,
    BatchRecord,
    BatchState,
    Counts,
    Place,
    RunLedger,
    SessionRecord,
)
from migrations.outcomes import Outcome, Tally
from migrations.report import SessionState
from migrations.retelling import retell, retold_generation, retold_header
from migrations.spool import PART_RECORDS, SpooledFault
from migrations.targets import look_at_target
from migrations.throttle import Throttle

BATCH_MESSAGES = 2000
BATCH_BYTES = 4 * 1024 * 1024
"""What goes to the store in one call: whole sessions, together about this much of the source."""

_Pair = tuple[EncodedMessage, SourceMessage]
"""A message with the record that it comes from."""


@dataclass(slots=True)
class Resumed:
    """Where a run goes on: after the batches that its ledger calls done."""

    number: int = 1
    """Of the next batch."""
    place: Place = field(default_factory=Place)
    counts: Counts = field(default_factory=Counts)
    begun: dict[int, BatchEntry] = field(default_factory=dict[int, BatchEntry])
    """Batches from that number on which are begun; the next one is while one is being stored."""
    newest: tuple[SessionKey, SessionRecord] | None = None
    """The session that was stored last, which may have further parts."""


@dataclass(slots=True)
class _Item:
    """A part of a session on its way."""

    key: SessionKey
    part: Part
    is_later: bool
    """Whether an earlier part of the session has gone before."""


@dataclass(slots=True)
class _Batch:
    """What goes to the store together."""

    message_limit: int
    items: list[_Item] = field(default_factory=list[_Item])
    faults: list[SpooledFault] = field(default_factory=list[SpooledFault])
    refusals: list[tuple[SessionKey, Refusal]] = field(
        default_factory=list[tuple[SessionKey, Refusal]]
    )
    message_count: int = 0
    size_bytes: int = 0

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
class _Account:
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


@dataclass(slots=True)
class _Completion:
    """A session that was there already, and what it lacks."""

    item: _Item
    header: SessionHeader | None = None
    """As it was before this run; None where nothing may be stored."""
    refusal: Reason | None = None
    todo: list[_Pair] = field(default_factory=list[_Pair])
    is_retold: bool = False
    """Whether the source says something else of the session than its header."""
    is_own: bool = False
    """Whether this run has created the session."""


class Storing:
    """Brings folded sessions to the store; one batch is being stored while the next is folded."""

    def __init__(
        self,
        job: Job,
        store: SessionStore,
        ledger: RunLedger,
        tally: Tally,
        progress: Progress,
        throttle: Throttle,
        resumed: Resumed,
    ) -> None:
        self.counts = resumed.counts
        self._format = job.format
        self._store = store
        self._ledger = ledger
        self._tally = tally
        self._progress = progress
        self._throttle = throttle
        self._place = resumed.place
        self._number = resumed.number
        self._begun = resumed.begun
        self._newest = resumed.newest
        self._batch = _Batch(self._throttle.batch_messages(BATCH_MESSAGES))
        self._under_way: asyncio.Task[None] | None = None

    async def take_fault(self, fault: SpooledFault) -> None:
        """Take a record that will be folded into no session."""
        self._batch.faults.append(fault)
        self._place = self._place.model_copy(update={"faults": self._place.faults + 1})
        if self._batch.is_full:
            await self._close()

    async def take(self, key: SessionKey, part: Part, number: int, *, is_later: bool) -> None:
        """Take a session's part of that number; `is_later` where an earlier one held messages."""
        if is_later:
            await self._close()  # a later part can only be appended to what is stored
        batch = self._batch
        batch.refusals.extend((key, refusal) for refusal in part.refusals)
        if not part.is_empty:
            batch.items.append(_Item(key, part, is_later))
            batch.message_count += len(part.messages)
            batch.size_bytes += sum(record.size_bytes for record in part.all_records)
        sessions = self._place.sessions + (number == 0)
        self._place = self._place.model_copy(update={"sessions": sessions, "parts": number + 1})
        if is_later or batch.is_full:
            await self._close()
        elif self._under_way is not None:
            await asyncio.sleep(0)  # lets the store go on with what it has been given

    async def finish(self) -> None:
        """Return once everything taken so far is stored."""
        await self._close()
        await self._wait()

    async def finish_what_has_begun(self) -> None:
        """Return once nothing is under way; what was only taken is forgotten."""
        await self._wait()

    async def _close(self) -> None:
        if self._batch.is_empty:
            return
        batch, self._batch = self._batch, _Batch(self._throttle.batch_messages(BATCH_MESSAGES))
        entry = self._entry(batch)
        noting = asyncio.create_task(self._ledger.write(entry))
        try:
            await self._wait()
        except BaseException:
            await asyncio.gather(noting, return_exceptions=True)
            raise
        self._under_way = asyncio.create_task(self._store_batch(batch, entry, noting, self._place))
        await asyncio.sleep(0)  # lets the store begin before we go on with folding

    def _entry(self, batch: _Batch) -> BatchEntry:
        """The entry of a batch that is about to be stored."""
        begun = self._begun.pop(self._number, None)
        known = begun.sessions if begun is not None else {}
        sessions = dict(known)
        for item in batch.items:
            if item.key not in known:
                sessions[item.key] = SessionRecord(
                    session_id=item.key.session_id,
                    generation="" if item.is_later else new_generation(),
                    message_count=len(item.part.messages),
                    is_continued=item.is_later,
                )
        entry = BatchEntry(
            number=self._number,
            record=BatchRecord(state=BatchState.BEGUN),
            sessions=sessions,
            revision=begun.revision if begun is not None else 0,
        )
        self._number += 1
        return entry

    async def _wait(self) -> None:
        if self._under_way is not None:
            # Shielded, so that an interruption of ours waits for the batch instead of tearing it.
            await asyncio.shield(self._under_way)
            self._under_way = None

    async def _store_batch(
        self, batch: _Batch, entry: BatchEntry, noting: asyncio.Task[None], place: Place
    ) -> None:
        await noting
        await self._throttle.take(batch.message_count)
        outcomes: list[Outcome] = []
        account = _Account(Tally(outcomes.append, self._tally.place), outcomes)
        for fault in batch.faults:
            account.tally.refuse_unplaced(fault)
        for key, refusal in batch.refusals:
            account.tally.refuse(key, refusal)
        await self._insert(batch, entry, account)
        self._write_outcomes(entry, account)
        counts = account.counts()
        faults = [
            outcome.without_ids().members() for outcome in outcomes if outcome.user_id is None
        ]
        entry.record = BatchRecord(state=BatchState.DONE, place=place, counts=counts, faults=faults)
        await self._ledger.write(entry)
        self.counts = self.counts.plus(counts)
        self._tally.take_in(counts, account.outcomes)
        self._progress.advance(self._tally.done, self._tally.done)

    async def _insert(self, batch: _Batch, entry: BatchEntry, account: _Account) -> None:
        first = [item for item in batch.items if not item.is_later]
        new = [self._new_session(item, entry.sessions[item.key]) for item in first]
        are_stored = await self._store.insert_absent(new) if new else []
        completions: list[_Completion] = []
        for item, is_stored in zip(first, are_stored, strict=True):
            if is_stored:
                self._count_created(item, entry, account)
            else:
                completions.append(await self._look(item, entry))
        completions += [await self._look(item, entry) for item in batch.items if item.is_later]
        if self._note_what_is_there(completions, entry):
            await self._ledger.write(entry)
        for completion in completions:
            await self._complete(completion, entry, account)

    def _new_session(self, item: _Item, record: SessionRecord) -> NewSession:
        return folded_session(
            item.key,
            self._format.name,
            item.part.messages,
            item.part.session,
            generation=record.generation,
            run_id=self._ledger.run_id,
        )

    def _count_created(self, item: _Item, entry: BatchEntry, account: _Account) -> None:
        account.tally.count_folded(item.key, item.part.all_records)
        account.messages_added += len(item.part.messages)
        self._settle(item, entry, account, SessionState.CREATED)

    def _settle(
        self,
        item: _Item,
        entry: BatchEntry,
        account: _Account,
        state: SessionState,
        refused: Sequence[SourceRecord] = (),
    ) -> None:
        """Note what has become of a part."""
        record = entry.sessions[item.key]
        gone = {one.position for one in refused}
        folded = [one.position for one in item.part.all_records if one.position not in gone]
        members: dict[str, object] = {"state": state, "folded": folded}
        if state is SessionState.CREATED:
            members["message_ids"] = []
        else:
            members["message_count"] = sum(one.position not in gone for one in item.part.records)
            if state is SessionState.REFUSED and record.before is None:
                members["generation"] = ""
        entry.sessions[item.key] = record.model_copy(update=members)
        if not item.is_later:
            account.sessions[state] += 1
        elif state is SessionState.COMPLETED and self._newest_state is SessionState.UNCHANGED:
            account.sessions[SessionState.UNCHANGED] -= 1
            account.sessions[state] += 1
        if not item.is_later or state is not SessionState.UNCHANGED:
            self._newest = item.key, entry.sessions[item.key]

    @property
    def _newest_state(self) -> SessionState | None:
        return None if self._newest is None else SessionState(self._newest[1].state or "")

    async def _look(self, item: _Item, entry: BatchEntry) -> _Completion:
        """What a session that is there already lacks, if it is one of ours."""
        target, header = await look_at_target(self._store, self._format, item.key)
        todo = list(zip(item.part.messages, item.part.records, strict=True))
        if header is None:  # what is free now was there a moment ago, or had a deletion marker
            return _Completion(item, refusal=Reason.DELETED_BY_USER, todo=todo)
        if target.refusal is not None:
            return _Completion(item, refusal=target.refusal, todo=todo)
        record = entry.sessions[item.key]
        if not item.is_later and record.before is None and header.generation == record.generation:
            # A session is inserted whole: this run did it, in a process that was killed then.
            return _Completion(item, header, is_own=True)
        if item.is_later and self._has_created(item.key, header.generation):
            return _Completion(item, header, todo=todo, is_own=True)
        before = record.header_before
        retold = retold_generation(self._ledger.run_id, item.key)
        if before is not None and header.generation in {before.generation, retold}:
            # What this run has begun, it does again from the same beginning, and counts it so.
            ids = set(record.message_ids)
            todo = [pair for pair in todo if pair[0].id in ids]
            return _Completion(item, before, todo=todo, is_retold=_is_retold(item, before))
        todo = await self._unknown(header, todo)
        return _Completion(item, header, todo=todo, is_retold=_is_retold(item, header))

    def _has_created(self, key: SessionKey, generation: str) -> bool:
        if self._newest is None:
            return False
        newest_key, record = self._newest
        return (
            newest_key == key
            and record.generation == generation
            and record.state == SessionState.CREATED
        )

    def _note_what_is_there(self, completions: list[_Completion], entry: BatchEntry) -> bool:
        """Note of sessions that will be appended to how they are; says whether there are any."""
        is_noted = False
        for completion in completions:
            if completion.header is None or not (completion.todo or completion.is_retold):
                continue
            is_noted = True
            record = entry.sessions[completion.item.key]
            ids = {*record.message_ids, *(message.id for message, _ in completion.todo)}
            members: dict[str, object] = {
                "generation": completion.header.generation,
                "message_ids": sorted(ids),
            }
            if not completion.is_own:
                is_known = record.generation == completion.header.generation
                before = record.before if is_known else None
                members["before"] = before or completion.header.model_dump(mode="json")
                members["message_count"] = 0
            entry.sessions[completion.item.key] = record.model_copy(update=members)
        return is_noted

    async def _complete(
        self, completion: _Completion, entry: BatchEntry, account: _Account
    ) -> None:
        """Add to an existing session what it lacks."""
        item, header, todo = completion.item, completion.header, completion.todo
        refused: list[SourceRecord] = []
        added = 0
        is_retold = False
        if header is not None:
            to_append = {record.position for _, record in todo}
            known = [one for one in item.part.all_records if one.position not in to_append]
            account.tally.count_folded(item.key, known)
            try:
                if completion.is_retold and item.part.session is not None:
                    fields, run_id = item.part.session.fields, self._ledger.run_id
                    is_retold = await retell(self._store, item.key, fields, run_id)
                while todo:
                    some_added, todo, conflicting = await self._append_some(header, todo, account)
                    added += some_added
                    refused += conflicting
            except SessionNotFoundError:
                completion.refusal = Reason.DELETED_BY_USER
        if completion.refusal is not None:
            for _, record in todo:
                account.tally.refuse(item.key, Refusal(record, completion.refusal, None))
                refused.append(record)
            if item.part.session is not None and header is None:
                told = item.part.session
                account.tally.refuse(item.key, Refusal(told, completion.refusal, None))
                refused.append(told)
            state = SessionState.REFUSED
        elif completion.is_own:
            added = added or len(item.part.messages)
            state = SessionState.CREATED
        else:
            account.late += added
            account.retold += is_retold
            state = SessionState.COMPLETED if added or is_retold else SessionState.UNCHANGED
        account.messages_added += added
        self._settle(item, entry, account, state, refused)

    async def _unknown(self, header: SessionHeader, todo: list[_Pair]) -> list[_Pair]:
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
        return [pair for pair in todo if pair[0].unplaced_json not in stored]

    async def _append_some(
        self, header: SessionHeader, todo: list[_Pair], account: _Account
    ) -> tuple[int, list[_Pair], list[SourceMessage]]:
        """Append as many as one batch takes, or find out that one cannot be.

        Returns how many were not there, what is left, and what was refused.
        """
        count = self._batch_length([message for message, _ in todo])
        messages = [message for message, _ in todo[:count]]
        at = datetime.fromisoformat(messages[-1].created_at)
        try:
            appended = await self._store.append(header.key, messages, at=at)
        except MessageIdConflictError as conflict:
            _, record = todo[conflict.index]
            account.tally.refuse(header.key, Refusal(record, Reason.CONFLICTING_ID, None))
            return 0, todo[: conflict.index] + todo[conflict.index + 1 :], [record]
        account.tally.count_folded(header.key, [record for _, record in todo[:count]])
        places = [from_json(message)["seq"] for message in appended.messages_json]
        return sum(place >= header.next_seq for place in places), todo[count:], []

    def _batch_length(self, messages: Sequence[EncodedMessage]) -> int:
        """How many of the next messages one append may take."""
        limits = self._store.limits
        size_bytes = 0
        for count, message in enumerate(messages[: limits.batch_messages]):
            size_bytes += len(message.unplaced_json)
            if count and size_bytes > limits.batch_bytes:
                return count
        return min(len(messages), limits.batch_messages)

    def _write_outcomes(self, entry: BatchEntry, account: _Account) -> None:
        """Note in the sessions' records what is not plain; also of sessions that keep nothing."""
        for outcome in account.outcomes:
            if outcome.user_id is None or outcome.session_id is None:
                continue
            key = SessionKey(outcome.user_id, outcome.session_id)
            record = entry.sessions.get(key)
            if record is None:
                record = SessionRecord(session_id=key.session_id, generation="")
                entry.sessions[key] = record
            record.outcomes.append(outcome.members())


def _is_retold(item: _Item, header: SessionHeader) -> bool:
    told = item.part.session
    return told is not None and retold_header(header, told.fields) is not None
