"""Ledger: what a run writes down beside the sessions, so that it can go on, be told, and be undone.

Entry 0 is the run; each batch has an entry of its own, begun before the batch is stored and done
after it. What an entry says of sessions lies in parts by user, which go when the user is erased.
"""

import socket
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from enum import StrEnum
from importlib.metadata import version
from typing import Any, Self

import psutil
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from app.clock import Clock
from app.domain.free_json import encode_json
from app.domain.identity import SessionKey
from app.domain.instants import Instant
from app.domain.ledger import LedgerEntry
from app.domain.owned_document import DocumentKey
from app.domain.session import SessionHeader
from app.errors import CorruptDocumentError, RunBusyError, RunTakenOverError, UnknownRunError
from app.store.port import SessionStore
from migrations.ledger_documents import DocumentRecord

_PAGE = 20
_ABOUT_RUN = 0
"""The number of the entry that is about the run itself."""


class RunState(StrEnum):
    """How far a run is."""

    RUNNING = "running"
    """Or its process has ended in the middle; the same command goes on from there."""
    DONE = "done"
    FINISHED = "finished"
    """What was folded has left the source."""
    ROLLING_BACK = "rolling_back"
    ROLLED_BACK = "rolled_back"


class BatchState(StrEnum):
    """How far a batch is."""

    BEGUN = "begun"
    """All, some or none of it is stored."""
    DONE = "done"
    ROLLED_BACK = "rolled_back"


class _Written(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Holder(_Written):
    """The process that works on a run."""

    host: str
    process_id: int
    began_at_seconds: float
    """Tells the process from a later one with its number."""

    @classmethod
    def of_this_process(cls) -> Self:
        """This process."""
        this = psutil.Process()
        return cls(
            host=socket.gethostname(), process_id=this.pid, began_at_seconds=this.create_time()
        )

    @property
    def may_live(self) -> bool:
        """Whether it may still be at work; of a process of another machine nobody knows."""
        if self.host != socket.gethostname():
            return True
        try:
            return psutil.Process(self.process_id).create_time() == self.began_at_seconds
        except psutil.NoSuchProcess:
            return False


class Place(_Written):
    """How much of a source has been dealt with, in the order in which a run goes through it."""

    faults: int = 0
    """Records that cannot be placed, or whose user is not known."""
    sessions: int = 0
    """Of which at least one part is."""
    parts: int = 0
    """Of the last of these sessions."""
    projects: int = 0
    """Sessions, all of whose documents are stored."""
    documents: int = 0
    """Of the next of them."""


class Counts(_Written):
    """What became of records and sessions."""

    folded: int = 0
    late: int = 0
    """Of the folded ones, those that came to a session which was folded before."""
    messages_added: int = 0
    retold: int = 0
    """Sessions that were folded before, and whose header the source says otherwise by now."""
    reasons: dict[str, int] = Field(default_factory=dict[str, int])
    findings: dict[str, int] = Field(default_factory=dict[str, int])
    sessions: dict[str, int] = Field(default_factory=dict[str, int])
    """By `SessionState`."""
    documents: dict[str, int] = Field(default_factory=dict[str, int])
    """By kind and `DocumentState`: `project.created`."""

    def plus(self, more: Self) -> Self:
        """Both together."""
        return type(self)(
            folded=self.folded + more.folded,
            late=self.late + more.late,
            messages_added=self.messages_added + more.messages_added,
            retold=self.retold + more.retold,
            reasons=_sum(self.reasons, more.reasons),
            findings=_sum(self.findings, more.findings),
            sessions=_sum(self.sessions, more.sessions),
            documents=_sum(self.documents, more.documents),
        )


def _sum(some: dict[str, int], more: dict[str, int]) -> dict[str, int]:
    """What both count; a later part may take back what a session was counted as."""
    return {name: some.get(name, 0) + more.get(name, 0) for name in {**some, **more}}


class RunRecord(_Written):
    """What the ledger says of a run; nothing in it is about a person."""

    run_id: str
    job: str
    format: str
    source: str
    """As it may be shown."""
    options: dict[str, Any]
    """Those that say what is folded; a run goes on only under the same."""
    part_records: int
    """How many records of one session are a part; places in the ledger count parts."""
    fingerprint: str | None
    """Of the source when the run began; None where nothing can tell whether it is the same."""
    code_version: str
    state: RunState = RunState.RUNNING
    holder: Holder | None = None
    began_at: Instant
    ended_at: Instant | None = None
    seconds: float = 0.0
    """All time at work, whatever number of processes it took."""
    estimated_seconds: float | None = None
    records_read: int | None = None
    """None until the source has been read to its end."""
    blank_lines: int = 0
    outside: int = 0
    """Records of sessions that were not asked for."""
    verified_fingerprint: str | None = None
    """Of the source when a verify of this run has passed."""
    verified_at: Instant | None = None
    keeps_source: bool = False
    """Whether nothing finishes its source, which stays as it is."""
    finish: dict[str, Any] | None = None
    """What was done with the source, and where its backup is."""

    @property
    def is_held(self) -> bool:
        """Whether a process is at work on it, or may be."""
        return self.holder is not None and self.holder.may_live


class SessionRecord(_Written):
    """What a batch does with a session; belongs to its user."""

    session_id: str
    generation: str
    """That it is created with, or has; empty where nothing of it is stored."""
    before: dict[str, Any] | None = None
    """The header as it was; None for a session that the run creates."""
    message_ids: list[str] = Field(default_factory=list[str])
    """Those that may have been appended to a session that was there; of one that the run itself
    created, only until the batch is done."""
    message_count: int = 0
    """How many messages it is created with, or gets in a later part of one that was created; of one
    that was there, how many of its messages the batch has folded, those it had already included."""
    changes: int = 0
    """How many changes the session has that it is created with, as one that was imported may."""
    state: str | None = None
    """Of `SessionState`; None as long as the batch is only begun."""
    folded: list[int] = Field(default_factory=list[int])
    """Positions of records that are messages of it now."""
    outcomes: list[list[Any]] = Field(default_factory=list[list[Any]])
    """Every outcome that is not plain, without the session's key; see `Outcome`."""
    is_continued: bool = False
    """Whether an earlier batch has dealt with the beginning of it."""
    undone: str | None = None
    """Of `Undone`: what a rollback has made of it."""
    left: str | None = None
    """Why a rollback has left it alone."""

    @property
    def header_before(self) -> SessionHeader | None:
        """The header that it had, where it was there."""
        return None if self.before is None else SessionHeader.model_validate(self.before)


class BatchRecord(_Written):
    """What the ledger says of a batch; what it says of sessions is in the parts."""

    state: BatchState
    place: Place = Field(default_factory=Place)
    """Once it is done."""
    counts: Counts = Field(default_factory=Counts)
    faults: list[list[Any]] = Field(default_factory=list[list[Any]])
    """Outcomes of records that belong to no session, or to nobody, without the ids they name."""


@dataclass(slots=True)
class BatchEntry:
    """An entry about a batch, decoded."""

    number: int
    record: BatchRecord
    sessions: dict[SessionKey, SessionRecord]
    revision: int = 0
    """Of the stored entry; 0: there is none yet."""
    documents: dict[DocumentKey, DocumentRecord] = field(
        default_factory=dict[DocumentKey, DocumentRecord]
    )
    """In the order in which they are stored."""


class RunLedger:
    """The ledger of one run, which one process at a time writes."""

    def __init__(self, store: SessionStore, entry: LedgerEntry, record: RunRecord) -> None:
        self.record = record
        self._store = store
        self._revision = entry.revision

    @property
    def run_id(self) -> str:
        """Of the run."""
        return self.record.run_id

    @property
    def store(self) -> SessionStore:
        """Where the ledger is, and the sessions that it tells of."""
        return self._store

    async def change(self, **members: Any) -> None:
        """Set members of the run's record.

        Raises:
            RunTakenOverError: another process has written since.
        """
        changed = RunRecord.model_validate(self.record.model_dump() | members)
        entry = _run_entry(changed, self._revision + 1)
        if not await self._store.put_ledger_entry(entry):
            raise RunTakenOverError(self.run_id)
        self.record, self._revision = changed, entry.revision

    async def take(self, *, takes_over: bool = False) -> None:
        """Make this process the one that works on the run.

        Raises:
            RunBusyError: another one does, and is not to be taken over.
        """
        holder = self.record.holder
        this = Holder.of_this_process()
        if not takes_over and holder is not None and holder != this and holder.may_live:
            raise RunBusyError(self.run_id, holder.host, holder.process_id)
        await self.change(holder=this)

    async def write(self, batch: BatchEntry) -> None:
        """Write a batch down, as it is now.

        Raises:
            RunTakenOverError: another process has written it.
        """
        parts: dict[str, list[dict[str, Any]]] = {}
        for key, session in batch.sessions.items():
            parts.setdefault(key.user_id, []).append(session.model_dump(exclude_defaults=True))
        for document_key, document in batch.documents.items():
            said = document.model_dump(exclude_defaults=True)
            parts.setdefault(document_key.user_id, []).append(said)
        entry = LedgerEntry(
            run_id=self.run_id,
            number=batch.number,
            revision=batch.revision + 1,
            body=batch.record.model_dump_json(exclude_defaults=True).encode(),
            parts={user_id: _packed(part) for user_id, part in parts.items()},
        )
        if not await self._store.put_ledger_entry(entry):
            raise RunTakenOverError(self.run_id)
        batch.revision = entry.revision

    async def batch(self, number: int) -> BatchEntry | None:
        """The batch of a number; None where there is none."""
        entry = await self._store.read_ledger_entry(self.run_id, number)
        return None if entry is None else _batch(entry)

    async def batches(self, *, after: int = _ABOUT_RUN) -> AsyncIterator[BatchEntry]:
        """All batches after a number, in order."""
        while entries := await self._store.list_ledger_entries(
            self.run_id, after=after, limit=_PAGE
        ):
            for entry in entries:
                yield _batch(entry)
            after = entries[-1].number


async def new_run(store: SessionStore, clock: Clock, suffix: str, **members: Any) -> RunLedger:
    """A ledger of a run that begins now; `suffix` tells runs of one second apart."""
    now = clock.now()
    record = RunRecord(
        run_id=f"{now:%Y%m%d-%H%M%S}-{suffix}",
        code_version=version("chatfold"),
        began_at=now,
        holder=Holder.of_this_process(),
        **members,
    )
    entry = _run_entry(record, 1)
    if not await store.put_ledger_entry(entry):
        raise RunTakenOverError(record.run_id)
    return RunLedger(store, entry, record)


async def find_run(store: SessionStore, run_id: str) -> RunLedger:
    """The ledger of a run.

    Raises:
        UnknownRunError: there is none.
    """
    entry = await store.read_ledger_entry(run_id, _ABOUT_RUN)
    if entry is None:
        raise UnknownRunError(run_id)
    return RunLedger(store, entry, _run_record(entry))


async def list_runs(store: SessionStore) -> list[RunLedger]:
    """The ledgers of all runs, the oldest first."""
    entries = await store.list_ledger_runs()
    ledgers = [RunLedger(store, entry, _run_record(entry)) for entry in entries]
    return sorted(ledgers, key=lambda ledger: (ledger.record.began_at, ledger.run_id))


def _run_entry(record: RunRecord, revision: int) -> LedgerEntry:
    body = record.model_dump_json().encode()
    return LedgerEntry(record.run_id, _ABOUT_RUN, revision, body, {})


def _run_record(entry: LedgerEntry) -> RunRecord:
    try:
        return RunRecord.model_validate_json(entry.body)
    except ValidationError as error:
        raise CorruptDocumentError("ledger entry") from error


def _batch(entry: LedgerEntry) -> BatchEntry:
    try:
        record = BatchRecord.model_validate_json(entry.body)
        batch = BatchEntry(entry.number, record, {}, entry.revision)
        for user_id, part in entry.parts.items():
            for one in _unpacked(part):
                if "kind" in one:
                    document = DocumentRecord.model_validate(one)
                    batch.documents[DocumentKey(user_id, document.kind, document.id)] = document
                else:
                    session = SessionRecord.model_validate(one)
                    batch.sessions[SessionKey(user_id, session.session_id)] = session
    except (ValueError, TypeError, zlib.error) as error:
        raise CorruptDocumentError("ledger entry") from error
    return batch


def _packed(part: list[dict[str, Any]]) -> bytes:
    return zlib.compress(encode_json(part), level=1)


def _unpacked(part: bytes) -> Any:
    return from_json(zlib.decompress(part))
