"""Live queries: which documents of a live source may tell of a session, or of a user.

They may find too much, since the format decides what a document says; never too little.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

from app.domain.source_options import AS_IT_IS, SourceOptions
from app.formats.message_documents import MessageDocuments
from app.formats.port import LiveSource, RawRecord
from app.formats.session_documents import SessionDocuments, split_options
from app.formats.session_fields import SESSION_NAMES
from app.legacy.legacy_format import LegacyFormat


class LiveQueries(Protocol):
    """Finds documents in a source that is open."""

    def of_sessions(self, source: LiveSource, session_ids: Sequence[str]) -> Iterator[RawRecord]:
        """Those of sessions, whole."""
        ...

    def of_user(self, source: LiveSource, user_id: str) -> Iterator[RawRecord]:
        """Those of all sessions in which a user may have something; perhaps not all of each."""
        ...


class MessageQueries:
    """A message names its session and its user, each in one field."""

    def __init__(self, options: SourceOptions) -> None:
        self._default_user = options.default_user

    def of_sessions(self, source: LiveSource, session_ids: Sequence[str]) -> Iterator[RawRecord]:
        """See the port."""
        for session_id in session_ids:
            yield from source.wanted(SourceOptions(session=session_id))

    def of_user(self, source: LiveSource, user_id: str) -> Iterator[RawRecord]:
        """See the port."""
        return source.wanted(SourceOptions(user=user_id, default_user=self._default_user))


class SessionQueries:
    """A session's id may be in one of several fields; its user in its own, or in its messages."""

    def __init__(self, options: SourceOptions) -> None:
        _, of_sessions = split_options(options.fields)
        self._id_names = _names_of("id", of_sessions)
        self._user_names = _names_of("user_id", of_sessions)

    def of_sessions(self, source: LiveSource, session_ids: Sequence[str]) -> Iterator[RawRecord]:
        """See the port."""
        return source.holding(self._id_names, session_ids)

    def of_user(self, source: LiveSource, user_id: str) -> Iterator[RawRecord]:
        """See the port; documents that name nobody are always among them."""
        return source.holding(self._user_names, [user_id], or_nobody=True)


def all_of(source: LiveSource) -> Iterator[RawRecord]:
    """All documents."""
    return source.wanted(AS_IT_IS)


def queries_of(source_format: LegacyFormat) -> LiveQueries | None:
    """How a live source of this format is asked; None where there can be none."""
    if source_format.name == MessageDocuments.name:
        return MessageQueries(source_format.options)
    if source_format.name == SessionDocuments.name:
        return SessionQueries(source_format.options)
    return None


def _names_of(field: str, theirs: dict[str, str]) -> Sequence[str]:
    return (theirs[field],) if field in theirs else SESSION_NAMES[field]
