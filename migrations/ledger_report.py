"""LedgerReport: all that the ledger knows of one run, counted in bounded memory."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from app.domain.folding import Reason
from app.domain.identity import SessionKey
from app.domain.instants import instant_text
from app.domain.owned_document import DocumentKey
from app.store.port import SessionStore
from migrations.histogram import Histogram, HistogramBuilder
from migrations.ledger import (
    BatchEntry,
    BatchState,
    Counts,
    RunRecord,
    SessionRecord,
    find_run,
)
from migrations.ledger_documents import DocumentRecord, left_document
from migrations.outcomes import Outcome, OutcomeKind
from migrations.project_report import DOCUMENT_WORDS, document_counts
from migrations.report import SessionState, told_of_left, told_of_retold
from migrations.scratch import Scratch

_EXAMPLE_LIMIT = 3
_USERS_TABLE = """
CREATE TABLE user (id TEXT PRIMARY KEY, session_count INTEGER NOT NULL) STRICT, WITHOUT ROWID
"""
_COUNT_SESSIONS = """
INSERT INTO user VALUES (?, ?)
    ON CONFLICT DO UPDATE SET session_count = session_count + excluded.session_count
"""
_COUNT_USERS = "SELECT session_count, count(*) FROM user GROUP BY session_count"


@dataclass(frozen=True, slots=True)
class CodeFigures:
    """How many records have one code, and a few of them."""

    code: str
    """Of a `Reason`; of a `Finding` where they were folded."""
    kind: str
    """Of `OutcomeKind`."""
    count: int
    examples: Sequence[Outcome]


@dataclass(frozen=True, slots=True)
class RollbackFigures:
    """What a rollback made of the sessions of the run."""

    sessions: Mapping[str, int]
    """By `Undone`."""
    left: Sequence[Mapping[str, str]]
    """A few of those that were left alone, and why."""


@dataclass(frozen=True, slots=True)
class LedgerReport:
    """One run, from its ledger; what erased users had in it is only counted."""

    run_id: str
    job: str
    format: str
    source: str
    options: Mapping[str, Any]
    code_version: str
    state: str
    began_at: str
    ended_at: str | None
    seconds: float
    estimated_seconds: float | None
    estimate_off: float | None
    """0.1: the estimate was a tenth longer than what it took."""
    records_read: int | None
    """None as long as the source has not been read to its end."""
    folded: int
    skipped: int
    rejected: int
    late: int
    retold: int
    """Headers of sessions folded before that follow the source again."""
    blank_lines: int
    outside: int
    messages_added: int
    reasons: Sequence[CodeFigures]
    findings: Sequence[CodeFigures]
    sessions: Mapping[str, int]
    """By `SessionState`."""
    users: int
    sessions_per_user: Histogram
    messages_per_session: Histogram
    verified_at: str | None
    finish: Mapping[str, Any] | None
    rollback: RollbackFigures | None
    documents: Mapping[str, Mapping[str, int]] = field(default_factory=dict[str, Mapping[str, int]])
    """Projects and what is in them, by kind and `DocumentState`; of jobs that make such."""

    @property
    def has_findings(self) -> bool:
        """Whether someone should look: a record was rejected, or a session could not be undone."""
        return self.rejected > 0 or bool(self.rollback and self.rollback.left)

    @property
    def estimate_told(self) -> str | None:
        """How good the estimate was, in words."""
        if self.estimated_seconds is None or self.estimate_off is None:
            return None
        return f"{self.estimated_seconds:,.1f} s, {self.estimate_off:+.0%}"

    def to_text(self) -> str:
        """For people."""
        return "\n".join([*self._lines(), ""])

    def _lines(self) -> Iterator[str]:
        yield f"{self.job} run {self.run_id} of {self.source}: {self.state}"
        ended = "" if self.ended_at is None else f", ended {self.ended_at}"
        estimate = "" if self.estimate_told is None else f" (estimated: {self.estimate_told})"
        yield f"began {self.began_at}{ended}, {self.seconds:,.1f} s{estimate}"
        read = "" if self.records_read is None else f"read: {self.records_read:,} = "
        yield (
            f"records {read}{self.folded:,} folded + {self.skipped:,} skipped"
            f" + {self.rejected:,} rejected (blank lines: {self.blank_lines:,})"
        )
        if self.outside:
            yield f"records of sessions that were not asked for: {self.outside:,}"
        yield f"messages added: {self.messages_added:,}, {self.late:,} of them late"
        if self.retold:
            yield told_of_retold(self.retold)
        yield f"sessions: {_listed(self.sessions)}"
        for kind, states in self.documents.items():
            yield f"{DOCUMENT_WORDS[kind]}: {_listed(states)}"
        yield f"users: {self.users:,}"
        yield _told("sessions per user", self.sessions_per_user)
        yield _told("messages per session", self.messages_per_session)
        for figures in (*self.reasons, *self.findings):
            yield f"{figures.kind}, {figures.code}: {figures.count:,}"
            for example in figures.examples:
                yield ": ".join(filter(None, [f"    {example.place}", told_of(example)]))
        yield f"verified: {self.verified_at or 'no'}"
        if self.finish is not None:
            yield f"finish: {self.finish['manner']}, {self.finish['stage']}"
        if self.rollback is not None:
            yield f"rolled back: {_listed(self.rollback.sessions)}"
            for left in self.rollback.left:
                yield f"    left alone: {told_of_left(left)}"


def told_of(example: Outcome) -> str:
    """Which record it is, beside its place."""
    named = [
        f"{label} {value!r}"
        for label, value in (
            ("session", example.session_id),
            ("user", example.user_id),
            ("message", example.message_id),
        )
        if value is not None
    ]
    if example.kept_place is not None:
        named.append(f"kept is {example.kept_place}")
    if example.detail is not None:
        named.append(example.detail)
    return ", ".join(named)


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {code}" for code, count in counts.items())


def _told(what: str, histogram: Histogram) -> str:
    return f"{what}: {histogram.mean:,.1f} on average, {histogram.largest:,} at most"


async def ledger_report(store: SessionStore, run_id: str) -> LedgerReport:
    """What the ledger of a run says, however far it is.

    Raises:
        UnknownRunError: there is no such run.
    """
    ledger = await find_run(store, run_id)
    with closing(_Counting()) as counting:
        async for entry in ledger.batches():
            counting.take_in(entry)
        return counting.report(ledger.record)


class _Counting:
    """Counts one batch after the other."""

    def __init__(self) -> None:
        self._counts = Counts()
        self._examples: dict[str, list[Outcome]] = {}
        self._undone: Counter[str] = Counter()
        self._left: list[dict[str, str]] = []
        self._messages = HistogramBuilder()
        self._users = Scratch(_USERS_TABLE)
        self._newest: dict[SessionKey, int] = {}
        """Messages of the last batch's sessions; further ones may follow in the next batch."""

    def close(self) -> None:
        """Remove what is on the disk."""
        self._users.close()

    def take_in(self, entry: BatchEntry) -> None:
        """Add a batch; one that is only begun has not happened yet."""
        if entry.record.state is BatchState.BEGUN:
            return
        self._counts = self._counts.plus(entry.record.counts)
        for members in entry.record.faults:
            self._keep(Outcome.of_members(members))
        newest: dict[SessionKey, int] = {}
        users: Counter[str] = Counter()
        for key, session in entry.sessions.items():
            for members in session.outcomes:
                self._keep(Outcome.of_members(members, key))
            self._note_undone(key, session)
            if session.state is None or session.state == SessionState.REFUSED:
                continue
            if not session.is_continued:
                users[key.user_id] += 1
            before = self._newest.pop(key, 0)
            newest[key] = before + session.message_count
        for document_key, document in entry.documents.items():
            self._note_left(document_key, document)
        self._close_sessions()
        self._newest = newest
        self._users.insert(_COUNT_SESSIONS, users.items())

    def _close_sessions(self) -> None:
        for count in self._newest.values():
            self._messages.add(count)
        self._newest = {}

    def _keep(self, outcome: Outcome) -> None:
        kept = self._examples.setdefault(outcome.code, [])
        if len(kept) < _EXAMPLE_LIMIT:
            kept.append(outcome)

    def _note_undone(self, key: SessionKey, session: SessionRecord) -> None:
        if session.undone is None:
            return
        self._undone[session.undone] += 1
        if session.left is not None and len(self._left) < _EXAMPLE_LIMIT:
            named = {"user_id": key.user_id, "session_id": key.session_id}
            self._left.append({**named, "why": session.left})

    def _note_left(self, key: DocumentKey, document: DocumentRecord) -> None:
        if document.left is not None and len(self._left) < _EXAMPLE_LIMIT:
            self._left.append(left_document(key, document))

    def report(self, run: RunRecord) -> LedgerReport:
        """What was counted, of this run."""
        self._close_sessions()
        users = HistogramBuilder()
        for session_count, times in self._users.execute(_COUNT_USERS):
            users.add(session_count, times)
        per_user = users.histogram()
        counts = self._counts
        reasons = [self._figures(code, count) for code, count in sorted(counts.reasons.items())]
        by_kind = Counter[str]()
        for figures in reasons:
            by_kind[figures.kind] += figures.count
        estimated = run.estimated_seconds
        return LedgerReport(
            run_id=run.run_id,
            job=run.job,
            format=run.format,
            source=run.source,
            options={name: value for name, value in run.options.items() if value},
            code_version=run.code_version,
            state=run.state,
            began_at=instant_text(run.began_at),
            ended_at=None if run.ended_at is None else instant_text(run.ended_at),
            seconds=run.seconds,
            estimated_seconds=estimated,
            estimate_off=None if estimated is None else estimated / max(run.seconds, 0.001) - 1,
            records_read=run.records_read,
            folded=counts.folded,
            skipped=by_kind[OutcomeKind.SKIPPED],
            rejected=by_kind[OutcomeKind.REJECTED],
            late=counts.late,
            retold=counts.retold,
            blank_lines=run.blank_lines,
            outside=run.outside,
            messages_added=counts.messages_added,
            reasons=reasons,
            findings=[
                self._figures(code, count, OutcomeKind.FOLDED)
                for code, count in sorted(counts.findings.items())
            ],
            sessions={str(state): counts.sessions.get(state, 0) for state in SessionState},
            users=per_user.count,
            sessions_per_user=per_user,
            messages_per_session=self._messages.histogram(),
            verified_at=None if run.verified_at is None else instant_text(run.verified_at),
            finish=run.finish,
            rollback=RollbackFigures(dict(self._undone), self._left) if self._undone else None,
            documents=document_counts(counts.documents) if counts.documents else {},
        )

    def _figures(self, code: str, count: int, kind: OutcomeKind | None = None) -> CodeFigures:
        if kind is None:
            kind = OutcomeKind.SKIPPED if Reason(code).is_skip else OutcomeKind.REJECTED
        return CodeFigures(code, kind, count, self._examples.get(code, []))
