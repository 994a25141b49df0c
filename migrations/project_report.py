"""ProjectFigures: what a run did with projects and what is in them, and which sessions failed."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from shlex import quote
from typing import NamedTuple

from app.domain.artifact import KIND as ARTIFACT
from app.domain.artifact import VERSION_KIND
from app.domain.project import KIND as PROJECT
from app.domain.project_context import KIND as CONTEXT_ENTRY
from migrations.ledger_documents import DocumentState
from migrations.outcomes import Outcome, OutcomeKind

_FAILED_LIMIT = 1000
LEFT_LIMIT = 1000
_SHOWN_FAILED = 20

DOCUMENT_WORDS: Mapping[str, str] = {
    PROJECT: "projects",
    CONTEXT_ENTRY: "failures",
    ARTIFACT: "artifacts",
    VERSION_KIND: "versions of artifacts",
}
"""What the kinds of documents are for people."""


class LeftDocument(NamedTuple):
    """A document that is not what the source says, and stays so."""

    user_id: str
    session_id: str
    kind: str
    id: str
    state: str
    """Of `DocumentState`."""


class FailedSession(NamedTuple):
    """A session of which something was rejected."""

    user_id: str | None
    """None where the record that was rejected names none."""
    session_id: str


@dataclass(frozen=True, slots=True)
class ProjectFigures:
    """What became of projects, or what would."""

    documents: Mapping[str, Mapping[str, int]]
    """By kind and `DocumentState`."""
    failed_sessions: Sequence[Mapping[str, str | None]]
    """The first of those of which something was rejected; `--session ID` retries one alone."""
    failed_session_count: int
    left: Sequence[Mapping[str, str]]
    """The first of the documents that are left as they are, with their `DocumentState`."""

    def lines(self) -> Iterator[str]:
        """For people."""
        for kind, states in self.documents.items():
            told = ", ".join(f"{count:,} {state}" for state, count in states.items())
            yield f"{DOCUMENT_WORDS[kind]}: {told}"
        if self.failed_session_count:
            yield f"sessions that failed, in whole or in part: {self.failed_session_count:,}"
            for one in self.failed_sessions[:_SHOWN_FAILED]:
                user = "" if one["user_id"] is None else f" of {one['user_id']!r}"
                retry = f"--session {quote(one['session_id'] or '')}"
                yield f"    {one['session_id']!r}{user}: {retry} retries it alone"
            if self.failed_session_count > _SHOWN_FAILED:
                yield f"    and {self.failed_session_count - _SHOWN_FAILED:,} more (--json)"
        for one in self.left[:_SHOWN_FAILED]:
            of_session = f"session {one['session_id']!r} of {one['user_id']!r}"
            yield f"left as it is, {one['state']}: {one['kind']} {one['id']!r} of {of_session}"
        if len(self.left) > _SHOWN_FAILED:
            yield f"    and {len(self.left) - _SHOWN_FAILED:,} more (--json)"


class FailedSessions:
    """Gathers the sessions of which something is rejected."""

    def __init__(self) -> None:
        self._found: dict[str, FailedSession] = {}

    def note(self, outcome: Outcome) -> None:
        """Look at what became of a record."""
        if outcome.kind == OutcomeKind.REJECTED and outcome.session_id is not None:
            self.add(FailedSession(outcome.user_id, outcome.session_id))

    def add(self, session: FailedSession) -> None:
        """Count a session once, and remember whose it is."""
        known = self._found.get(session.session_id)
        if known is None or known.user_id is None:
            self._found[session.session_id] = session

    def add_all(self, session_ids: Iterable[str | None]) -> None:
        """Count those of records that belong to nobody, where they name a session."""
        for session_id in session_ids:
            if session_id is not None:
                self.add(FailedSession(None, session_id))

    def figures(self, documents: Mapping[str, int], left: Iterable[LeftDocument]) -> ProjectFigures:
        """With the counts of documents, by kind and state as the ledger has them."""
        shown = list(self._found.values())[:_FAILED_LIMIT]
        return ProjectFigures(
            documents=document_counts(documents),
            failed_sessions=[one._asdict() for one in shown],
            failed_session_count=len(self._found),
            left=[one._asdict() for one in islice(left, LEFT_LIMIT)],
        )


def is_to_be_written(name: str) -> bool:
    """Whether documents that are counted under this kind and state are stored by a run."""
    return DocumentState(name.partition(".")[2]).is_written


def document_counts(documents: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """Every kind and state, zeros included."""
    return {
        kind: {str(state): documents.get(f"{kind}.{state}", 0) for state in DocumentState}
        for kind in DOCUMENT_WORDS
    }
