"""Rollback: undoes what a run stored, told by its ledger; what users have changed since stays."""

from collections import Counter
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from time import monotonic

from pydantic_core import from_json

from app.clock import Clock, SystemClock
from app.domain.identity import SessionKey, derived_generation
from app.domain.session import SessionHeader
from app.errors import RunStateError, SessionNotFoundError
from app.progress import Progress, SilentProgress
from app.store.port import HEADER_ONLY, MESSAGE_PAGE_LIMIT, MessageWindow, SessionStore
from migrations.finish import restore_source
from migrations.ledger import (
    BatchEntry,
    BatchState,
    RunLedger,
    RunState,
    SessionRecord,
    list_runs,
)
from migrations.report import RollbackReport, SessionState
from migrations.retelling import retold_generation, with_header_of
from migrations.rollback_documents import UndoingDocuments
from migrations.spool import spool_path
from migrations.undone import Undone

_TRIES = 5
_EXAMPLE_LIMIT = 1000


@dataclass(slots=True)
class _Done:
    """What the run did with one session in all its batches together."""

    generation: str = ""
    is_created: bool = False
    is_sure: bool = False
    """Whether a batch that is done says so; one that is only begun may not have got so far."""
    before: SessionHeader | None = None
    message_count: int = 0
    changes: int = 0
    """That the session was created with."""
    message_ids: set[str] = field(default_factory=set[str])
    """Those that it may have appended."""

    def add(self, record: SessionRecord) -> None:
        """Add what one batch did."""
        if not record.generation or record.state in _NOTHING_DONE:
            return
        self.generation = record.generation
        self.is_sure = self.is_sure or record.state is not None
        self.message_ids.update(record.message_ids)
        if record.before is not None:
            self.before = record.header_before
            return
        self.changes = max(self.changes, record.changes)
        if record.state is not None or not record.is_continued:
            self.message_count += record.message_count
        self.is_created = self.is_created or record.state != SessionState.COMPLETED

    @property
    def is_nothing(self) -> bool:
        """Whether it stored nothing."""
        return not self.is_created and self.before is None


_NOTHING_DONE = {SessionState.UNCHANGED, SessionState.REFUSED}
_Outcome = tuple[Undone, str | None]
"""What became of a session, and why it was left alone."""


async def roll_back(
    ledger: RunLedger,
    store: SessionStore,
    *,
    clock: Clock | None = None,
    progress: Progress | None = None,
    location: str | None = None,
    is_dry: bool = False,
    takes_over: bool = False,
) -> RollbackReport:
    """Make the store what it was before the run; a rollback that was cut short goes on.

    A finished run gets its source back; `location` says where that is, if the ledger cannot.

    A session that is restored has the revision that it had, under a generation of its own: clients
    that have seen the run's messages must not take their copy for the present one.

    Raises:
        RunStateError: the run is rolled back already, or its source cannot be given back.
        RunBusyError: another process is at work on it.
        StoreError: the store failed; the rollback may be repeated.
    """
    began_at_seconds = monotonic()
    clock = clock or SystemClock()
    progress = progress or SilentProgress()
    if ledger.record.state is RunState.ROLLED_BACK:
        raise RunStateError(f"Run {ledger.run_id} is rolled back already.")
    if not is_dry:
        await ledger.take(takes_over=takes_over)
    is_source_back = await restore_source(ledger, location, is_dry=is_dry)
    if not is_dry:
        await ledger.change(state=RunState.ROLLING_BACK)
        spool_path(ledger.run_id).unlink(missing_ok=True)
    undoing = _Undoing(store, ledger, is_dry=is_dry)
    numbers: list[int] = []
    of_documents: list[int] = []
    async for entry in ledger.batches():
        (of_documents if entry.documents else numbers).append(entry.number)
    progress.begin("undoing", len(numbers) + len(of_documents))
    async for done, entry in _entries(ledger, reversed(numbers)):
        await undoing.undo(entry)
        progress.advance(done, sum(undoing.sessions.values()))
    documents = UndoingDocuments(store, ledger, frozenset(undoing.left_keys), is_dry=is_dry)
    async for done, entry in _entries(ledger, of_documents):
        await documents.undo(entry)
        progress.advance(len(numbers) + done, sum(undoing.sessions.values()))
    if not is_dry:
        await ledger.change(state=RunState.ROLLED_BACK, holder=None, ended_at=clock.now())
    return RollbackReport(
        run_id=ledger.run_id,
        job=ledger.record.job,
        source=ledger.record.source,
        seconds=monotonic() - began_at_seconds,
        is_dry=is_dry,
        is_source_back=is_source_back,
        sessions={str(state): undoing.sessions[state] for state in Undone},
        left=[*undoing.left, *documents.left],
        documents={str(state): documents.documents[state] for state in Undone}
        if of_documents
        else {},
    )


async def _entries(
    ledger: RunLedger, numbers: Iterable[int]
) -> AsyncIterator[tuple[int, BatchEntry]]:
    for done, number in enumerate(numbers, start=1):
        entry = await ledger.batch(number)
        if entry is not None:
            yield done, entry


class _Undoing:
    """Undoes one batch after the other, the last one first."""

    def __init__(self, store: SessionStore, ledger: RunLedger, *, is_dry: bool) -> None:
        self.sessions: Counter[Undone] = Counter()
        self.left: list[dict[str, str]] = []
        self.left_keys: set[SessionKey] = set()
        self._store = store
        self._ledger = ledger
        self._is_dry = is_dry
        self._of_long_sessions: dict[SessionKey, _Done] = {}
        self._later_runs: list[str] | None = None

    async def undo(self, entry: BatchEntry) -> None:
        """Undo a batch; what it says of sessions that began in earlier ones is kept for those."""
        for key, record in entry.sessions.items():
            done = self._of_long_sessions.pop(key, _Done())
            done.add(record)
            if record.is_continued:
                self._of_long_sessions[key] = done
                continue
            if record.undone is not None:
                self._count(key, Undone(record.undone), record.left)
                continue
            undone, why = await self._undo_session(key, done)
            self._count(key, undone, why)
            entry.sessions[key] = record.model_copy(update={"undone": str(undone), "left": why})
        if not self._is_dry:
            entry.record = entry.record.model_copy(update={"state": BatchState.ROLLED_BACK})
            await self._ledger.write(entry)

    def _count(self, key: SessionKey, undone: Undone, why: str | None) -> None:
        self.sessions[undone] += 1
        if undone is Undone.LEFT:
            self.left_keys.add(key)
        if undone is Undone.LEFT and len(self.left) < _EXAMPLE_LIMIT:
            named = {"user_id": key.user_id, "session_id": key.session_id}
            self.left.append({**named, "why": why or ""})

    async def _undo_session(self, key: SessionKey, done: _Done) -> _Outcome:
        if done.is_nothing:
            return Undone.UNTOUCHED, None
        for _ in range(_TRIES):
            undone = await self._try_to_undo(key, done)
            if undone is not None:
                return undone
        return Undone.LEFT, "It is being written to all the time."

    async def _try_to_undo(self, key: SessionKey, done: _Done) -> _Outcome | None:
        """What became of the session; None where it has changed while it was looked at."""
        never_stored = Undone.REMOVED if done.is_sure else Undone.UNTOUCHED
        try:
            header = (await self._store.read(key, HEADER_ONLY)).header()
        except SessionNotFoundError:
            # Without a marker it was never stored, or this rollback removed it and was killed then.
            is_deleted = bool(await self._store.find_deleted([key]))
            return (Undone.GONE if is_deleted else never_stored), None
        return await self._undo_present(key, header, done)

    async def _undo_present(
        self, key: SessionKey, header: SessionHeader, done: _Done
    ) -> _Outcome | None:
        if header.generation == restored_generation(self._ledger.run_id, key):
            return Undone.RESTORED, None  # by this rollback, before it was killed
        if header.generation not in await self._generations(key, done.generation, header):
            if not done.is_sure:
                return Undone.UNTOUCHED, None
            retold = {retold_generation(run_id, key) for run_id in self._later_runs or ()}
            is_retold = header.generation in retold
            anew = "It was deleted, and made anew since."
            return Undone.LEFT, "A later run has changed it since." if is_retold else anew
        why = await self._why_left(key, header, done)
        if why is not None:
            return Undone.LEFT, why
        if done.before is None:
            undone = Undone.REMOVED
            is_undone = self._is_dry or await self._store.take_back(key, header.version)
        elif header.revision > done.before.revision:
            undone = Undone.RESTORED
            is_undone = await self._restore(key, header, done.before)
        else:  # killed before anything was changed
            undone, is_undone = Undone.UNTOUCHED, True
        return (undone, None) if is_undone else None

    async def _generations(
        self, key: SessionKey, generation: str, header: SessionHeader
    ) -> set[str]:
        """Those under which the session may be what the run has left: rollbacks give new ones."""
        known = {generation, retold_generation(self._ledger.run_id, key)}
        if header.generation in known:
            return known
        if self._later_runs is None:
            runs = await list_runs(self._store)
            self._later_runs = [one.run_id for one in runs if one.run_id != self._ledger.run_id]
        return known | {restored_generation(run_id, key) for run_id in self._later_runs}

    async def _why_left(self, key: SessionKey, header: SessionHeader, done: _Done) -> str | None:
        """Why the session must be left alone; None where only the run has written to it."""
        changes = done.changes if done.before is None else done.before.changes
        if header.changes != changes:
            return "Its user has changed it since."
        sure_count = done.message_count if done.before is None else done.before.next_seq
        if not await self._are_all_known(key, header, sure_count, done.message_ids):
            return "Its user has written to it since."
        return None

    async def _restore(self, key: SessionKey, header: SessionHeader, before: SessionHeader) -> bool:
        """Give the session back what it was; False where it has changed meanwhile."""
        image = await self._store.read_image(key)
        if image.header.version != header.version:
            return False
        before = before.model_copy(update={"generation": header.generation})
        generation = restored_generation(self._ledger.run_id, key)
        earlier = with_header_of(image, before).before(before, generation=generation)
        return self._is_dry or await self._store.take_back(key, header.version, earlier)

    async def _are_all_known(
        self, key: SessionKey, header: SessionHeader, sure_count: int, message_ids: set[str]
    ) -> bool:
        """Whether all messages but the first so many are among these."""
        if header.next_seq < sure_count:
            return False
        for start in range(sure_count, header.next_seq, MESSAGE_PAGE_LIMIT):
            if not message_ids:
                return False
            window = MessageWindow(offset=start, limit=MESSAGE_PAGE_LIMIT)
            page = await self._store.list_messages(key, window)
            if any(from_json(one)["id"] not in message_ids for one in page.messages_json):
                return False
        return True


def restored_generation(run_id: str, key: SessionKey) -> str:
    """What the rollback of this run gives the session, also when it has to begin again."""
    return derived_generation("restored-session", run_id, *key)
