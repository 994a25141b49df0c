"""Plan: what will become of each record and why, by the predicates of a run; writes nothing."""

from collections import Counter
from contextlib import closing
from time import monotonic
from typing import Any, cast

from pydantic_core import from_json

from app.domain.folding import Refusal, folded_session
from app.domain.identity import SessionKey, new_generation
from app.domain.instants import instant_text
from app.domain.message import ChatMessage, EncodedMessage, NewMessage, placed_json
from app.domain.session import NewSession
from app.formats.port import Source
from app.progress import Progress, SilentProgress
from app.store.port import SessionStore
from migrations.collecting import seldom_collected
from migrations.folds import Part, SourceSample, folded_sessions, read_source
from migrations.job import Job
from migrations.outcomes import Observer, Tally, both, ignore
from migrations.planned_project import DocumentSample, PlannedProject
from migrations.project_report import FailedSessions, LeftDocument, is_to_be_written
from migrations.report import PlanReport, Sample, SessionState, record_counts, session_counts
from migrations.retelling import retold_header
from migrations.space import ScratchStore
from migrations.spool import Spool
from migrations.targets import look_at_target

TIMED_MESSAGES = 2000
"""How many messages are stored in a scratch store to see how long it takes."""

_SHOWN_CHARACTERS = 300
_SHOWN_BYTES = 4 * (_SHOWN_CHARACTERS + 1)
_SHOWN_MESSAGES = 2


async def plan(
    job: Job,
    source: Source,
    store: SessionStore,
    scratch: ScratchStore,
    *,
    free_bytes: int | None = None,
    progress: Progress | None = None,
    observer: Observer = ignore,
) -> PlanReport:
    """Say what a run would do; `free_bytes` is what there is for the store, where that is known.

    A message whose id the store's session has already counts as folded, whatever it says: only an
    append compares contents.

    Raises:
        SourceError: the source cannot be read.
        StoreError: the store cannot.
    """
    began_at_seconds = monotonic()
    progress = progress or SilentProgress()
    failed = FailedSessions()
    tally = Tally(both(observer, failed.note) if job.makes_projects else observer)
    sample = SourceSample()
    documents: Counter[str] = Counter()
    left: list[LeftDocument] = []
    document_sample = DocumentSample()
    planning = _Planning(job, store, tally, sample)
    with closing(Spool()) as spool, seldom_collected():
        with source:
            await read_source(job, source, spool, tally, progress, sample)
        read_seconds = monotonic() - began_at_seconds
        for fault in spool.faults():
            tally.refuse_unplaced(fault)
        progress.begin("folding", tally.read - tally.rejected)
        sessions = folded_sessions(
            spool,
            message_limit_bytes=store.limits.message_bytes,
            header_limit_bytes=store.limits.header_bytes,
            makes_projects=job.makes_projects,
        )
        for key, parts in sessions:
            is_later = False
            projecting = (
                PlannedProject(job, store, key, document_sample) if job.makes_projects else None
            )
            for part in parts:
                for refusal in part.refusals:
                    tally.refuse(key, refusal)
                if not part.is_empty:
                    await planning.look_at(key, part, is_later=is_later)
                    is_later = True
                    if projecting is not None:
                        projecting.take(part)
            if projecting is not None:
                documents += await projecting.documents(left)
            done = tally.folded + tally.skipped
            progress.advance(done, done)
    tally.check_balance()
    fold_seconds = monotonic() - began_at_seconds - read_seconds
    to_make = sum(count for name, count in documents.items() if is_to_be_written(name))
    document_seconds, document_bytes = await document_sample.cost(scratch, to_make)
    store_seconds, needed_bytes = await _cost(scratch, planning.timed, planning.messages_to_add)
    return PlanReport(
        job=job.name,
        source=source.name,
        records=record_counts(tally, source.blank_lines),
        sessions=session_counts(planning.sessions),
        messages_to_add=planning.messages_to_add,
        samples=planning.samples,
        # A run folds one batch while it stores another: the slower of the two is what it takes.
        # For projects it folds once more.
        estimated_run_seconds=read_seconds
        + max(fold_seconds, store_seconds)
        + (fold_seconds + document_seconds if job.makes_projects else 0.0),
        needed_bytes=needed_bytes + document_bytes,
        free_bytes=free_bytes,
        projects=failed.figures(documents, left) if job.makes_projects else None,
    )


class _Planning:
    """Looks at folded sessions as a run would, and remembers what to tell."""

    def __init__(self, job: Job, store: SessionStore, tally: Tally, sample: SourceSample) -> None:
        self.sessions: Counter[SessionState] = Counter()
        self.messages_to_add = 0
        self.samples: list[Sample] = []
        self.timed: list[NewSession] = []
        self._timed_messages = 0
        self._format = job.format
        self._store = store
        self._tally = tally
        self._sample = sample

    async def look_at(self, key: SessionKey, part: Part, *, is_later: bool) -> None:
        """Count one part of a session."""
        target, header = await look_at_target(self._store, self._format, key)
        if target.refusal is not None:
            state = SessionState.REFUSED
            for record in part.all_records:
                self._tally.refuse(key, Refusal(record, target.refusal, None))
        else:
            self._tally.count_folded(key, part.all_records)
            missing = len(part.messages)
            state = SessionState.CREATED
            if header is not None:
                known = await self._known_ids(key)
                missing = sum(message.id not in known for message in part.messages)
                told = part.session
                is_retold = told is not None and retold_header(header, told.fields) is not None
                is_completed = missing or is_retold
                state = SessionState.COMPLETED if is_completed else SessionState.UNCHANGED
            self.messages_to_add += missing
        if not is_later:
            self.sessions[state] += 1
            self._keep_samples(key, part)

    async def _known_ids(self, key: SessionKey) -> set[str]:
        stored = await self._store.read(key)
        messages = cast("list[dict[str, Any]]", from_json(b"[%s]" % (stored.messages_json or b"")))
        return {message["id"] for message in messages}

    def _keep_samples(self, key: SessionKey, part: Part) -> None:
        is_sample = key.session_id in self._sample.records
        if not is_sample and self._timed_messages >= TIMED_MESSAGES:
            return
        session = folded_session(
            key, self._format.name, part.messages, part.session, generation=new_generation()
        )
        if self._timed_messages < TIMED_MESSAGES:
            self.timed.append(session)
            self._timed_messages += len(part.messages)
        if is_sample:
            records = self._sample.records.pop(key.session_id)
            before = [_shown(raw[:_SHOWN_BYTES].decode(errors="replace")) for raw in records]
            self.samples.append(Sample(before, _shown_session(session)))


async def _cost(
    scratch: ScratchStore, timed: list[NewSession], message_count: int
) -> tuple[float, int]:
    """About how many seconds and bytes it takes to store so many messages, told by a few."""
    if not timed:
        return 0.0, 0
    empty_bytes = scratch.size_bytes()
    began_at_seconds = monotonic()
    await scratch.store.insert_absent(timed)
    seconds = monotonic() - began_at_seconds
    ratio = message_count / max(1, sum(len(session.messages) for session in timed))
    return seconds * ratio, round((scratch.size_bytes() - empty_bytes) * ratio)


def _shown_session(session: NewSession) -> dict[str, Any]:
    return {
        "user_id": session.key.user_id,
        "id": session.key.session_id,
        "created_at": instant_text(session.created_at),
        "updated_at": instant_text(session.updated_at),
        "message_count": len(session.messages),
        "messages": [_shown_message(message) for message in session.messages[:_SHOWN_MESSAGES]],
    }


def _shown_message(new: NewMessage | EncodedMessage) -> dict[str, str]:
    message = ChatMessage.from_json(placed_json(0, new.encoded().unplaced_json))
    return {
        "id": message.id,
        "created_at": instant_text(message.created_at),
        "message_type": message.message_type,
        "content": _shown(message.content),
    }


def _shown(text: str) -> str:
    """The beginning of a text, without what could move a terminal's cursor."""
    shown = text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"
    return "".join(one if one.isprintable() else f"\\u{ord(one):04x}" for one in shown)
