"""Storing: folded sessions go to the store in batches, noted in the ledger before and after."""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from app.domain.folding import SourceRecord, folded_session
from app.domain.identity import SessionKey, new_generation
from app.domain.session import NewSession
from app.progress import Progress
from app.store.port import SessionStore
from migrations.completing import Completing, Completion, Newest, note_what_is_there
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
from migrations.spool import SpooledFault
from migrations.stored_batches import BATCH_MESSAGES, Account, Batch, Item
from migrations.throttle import Throttle

_AT_ONCE = 2
"""Batches that are being stored: while the ledger notes one, the store has the next already."""


@dataclass(slots=True)
class Resumed:
    """Where a run goes on: after the batches that its ledger calls done."""

    number: int = 1
    """Of the next batch."""
    place: Place = field(default_factory=Place)
    counts: Counts = field(default_factory=Counts)
    begun: dict[int, BatchEntry] = field(default_factory=dict[int, BatchEntry])
    """Batches from that number on which are begun; several are, so that the store never waits."""
    newest: Newest | None = None


class Storing:
    """Brings folded sessions to the store; some are being stored while the next are folded.

    What becomes of a batch is told and noted only after those before it, as if there were but one.
    """

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
        self._completing = Completing(store, job.format, ledger.run_id)
        self._batch = Batch(self._throttle.batch_messages(BATCH_MESSAGES))
        self._under_way: deque[asyncio.Task[None]] = deque()

    @property
    def place(self) -> Place:
        """How much of the source has been taken."""
        return self._place

    @property
    def next_number(self) -> int:
        """Of the batch that comes next."""
        return self._number

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
            batch.items.append(Item(key, part, is_later))
            batch.message_count += len(part.messages)
            batch.size_bytes += sum(record.size_bytes for record in part.all_records)
        sessions = self._place.sessions + (number == 0)
        self._place = self._place.model_copy(update={"sessions": sessions, "parts": number + 1})
        if is_later or batch.is_full:
            await self._close()
        elif self._under_way:
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
        batch, self._batch = self._batch, Batch(self._throttle.batch_messages(BATCH_MESSAGES))
        entry = self._entry(batch)
        noting = asyncio.create_task(self._ledger.write(entry))
        try:
            await self._wait(until=_AT_ONCE - 1)
        except BaseException:
            await asyncio.gather(noting, return_exceptions=True)
            raise
        before = self._under_way[-1] if self._under_way else None
        storing = self._store_batch(batch, entry, noting, self._place, before)
        self._under_way.append(asyncio.create_task(storing))
        await asyncio.sleep(0)  # lets the store begin before we go on with folding

    def _entry(self, batch: Batch) -> BatchEntry:
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

    async def _wait(self, until: int = 0) -> None:
        """Return once no more than so many batches are under way.

        When one has failed, none is: what comes after it fails with it.
        """
        while len(self._under_way) > until:
            first = self._under_way[0]
            # Not `await first`, which an interruption of ours would tear instead of waiting for it.
            await asyncio.wait({first})
            if failure := first.exception():
                await asyncio.wait(self._under_way)
                for one in self._under_way:
                    one.exception()  # has been seen, or asyncio would complain of it
                self._under_way.clear()
                raise failure
            self._under_way.popleft()

    async def _store_batch(
        self,
        batch: Batch,
        entry: BatchEntry,
        noting: asyncio.Task[None],
        place: Place,
        before: asyncio.Task[None] | None,
    ) -> None:
        await noting
        await self._throttle.take(batch.message_count)
        outcomes: list[Outcome] = []
        account = Account(Tally(outcomes.append, self._tally.place), outcomes)
        for fault in batch.faults:
            account.tally.refuse_unplaced(fault)
        for key, refusal in batch.refusals:
            account.tally.refuse(key, refusal)
        are_stored = await self._insert(batch, entry)
        if before is not None:
            await before
        await self._note(batch, are_stored, entry, account)
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

    async def _insert(self, batch: Batch, entry: BatchEntry) -> list[bool]:
        """Store what is new; says of each session that begins here whether it was."""
        new = [self._new_session(item, entry.sessions[item.key]) for item in batch.beginnings]
        return await self._store.insert_absent(new) if new else []

    async def _note(
        self, batch: Batch, are_stored: Sequence[bool], entry: BatchEntry, account: Account
    ) -> None:
        """Note what has become of every part, and complete those sessions that were there."""
        completions: list[Completion] = []
        for item, is_stored in zip(batch.beginnings, are_stored, strict=True):
            if is_stored:
                self._count_created(item, entry, account)
            else:
                completions.append(await self._look(item, entry))
        completions += [await self._look(item, entry) for item in batch.items if item.is_later]
        if note_what_is_there(completions, entry):
            await self._ledger.write(entry)
        for completion in completions:
            state, refused = await self._completing.complete(completion, account)
            self._settle(completion.item, entry, account, state, refused)

    async def _look(self, item: Item, entry: BatchEntry) -> Completion:
        return await self._completing.look(item, entry.sessions[item.key], self._newest)

    def _new_session(self, item: Item, record: SessionRecord) -> NewSession:
        return folded_session(
            item.key,
            self._format.name,
            item.part.messages,
            item.part.session,
            generation=record.generation,
            run_id=self._ledger.run_id,
        )

    def _count_created(self, item: Item, entry: BatchEntry, account: Account) -> None:
        account.tally.count_folded(item.key, item.part.all_records)
        account.messages_added += len(item.part.messages)
        self._settle(item, entry, account, SessionState.CREATED)

    def _settle(
        self,
        item: Item,
        entry: BatchEntry,
        account: Account,
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

    def _write_outcomes(self, entry: BatchEntry, account: Account) -> None:
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
