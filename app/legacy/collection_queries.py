"""Collection queries: which documents of a live collection may tell of a session, or of a user.

They may find too much, since the format decides what a document says; never too little.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from app.domain.source_options import AS_IT_IS, SourceOptions
from app.formats.collection_source import CollectionSource, forms_of, is_plain
from app.formats.message_documents import MessageDocuments
from app.formats.port import RawRecord
from app.formats.session_documents import SessionDocuments, split_options
from app.formats.session_fields import SESSION_NAMES
from app.legacy.legacy_format import LegacyFormat

_IDS_IN_A_QUERY = 1000

_Condition = dict[str, Any]


class CollectionQueries(Protocol):
    """Finds documents in a source that is open."""

    def of_sessions(
        self, source: CollectionSource, session_ids: Sequence[str]
    ) -> Iterator[RawRecord]:
        """Those of sessions, whole."""
        ...

    def of_user(self, source: CollectionSource, user_id: str) -> Iterator[RawRecord]:
        """Those of all sessions in which a user may have something; perhaps not all of each."""
        ...

    def of_all(self, source: CollectionSource) -> Iterator[RawRecord]:
        """All documents."""
        ...


class MessageQueries:
    """A message names its session and its user, each in one field."""

    def __init__(self, options: SourceOptions) -> None:
        self._default_user = options.default_user

    def of_sessions(
        self, source: CollectionSource, session_ids: Sequence[str]
    ) -> Iterator[RawRecord]:
        """See the port."""
        for session_id in session_ids:
            yield from source.wanted(SourceOptions(session=session_id))

    def of_user(self, source: CollectionSource, user_id: str) -> Iterator[RawRecord]:
        """See the port."""
        return source.wanted(SourceOptions(user=user_id, default_user=self._default_user))

    def of_all(self, source: CollectionSource) -> Iterator[RawRecord]:
        """See the port."""
        return source.wanted(AS_IT_IS)


class SessionQueries:
    """A session's id may be in one of several fields; its user in its own, or in its messages."""

    def __init__(self, options: SourceOptions) -> None:
        _, of_sessions = split_options(options.fields)
        self._id_names = _names_of("id", of_sessions)
        self._user_names = _names_of("user_id", of_sessions)

    def of_sessions(
        self, source: CollectionSource, session_ids: Sequence[str]
    ) -> Iterator[RawRecord]:
        """See the port."""
        return source.matching(self._conditions_of_ids(session_ids))

    def of_user(self, source: CollectionSource, user_id: str) -> Iterator[RawRecord]:
        """See the port; documents that name nobody are always among them."""
        if not all(map(is_plain, self._user_names)):
            return self.of_all(source)
        users = [*forms_of(user_id), None, ""]
        return source.matching([{"$or": [{name: {"$in": users}} for name in self._user_names]}])

    def of_all(self, source: CollectionSource) -> Iterator[RawRecord]:
        """See the port."""
        return source.matching([{}])

    def _conditions_of_ids(self, session_ids: Sequence[str]) -> Iterator[_Condition]:
        if not all(map(is_plain, self._id_names)):
            yield {}
            return
        for start in range(0, len(session_ids), _IDS_IN_A_QUERY):
            some = session_ids[start : start + _IDS_IN_A_QUERY]
            forms = [form for session_id in some for form in forms_of(session_id)]
            yield {"$or": [{name: {"$in": forms}} for name in self._id_names]}


def queries_of(source_format: LegacyFormat) -> CollectionQueries | None:
    """How a collection of this format is asked; None where no collection has it."""
    if source_format.name == MessageDocuments.name:
        return MessageQueries(source_format.options)
    if source_format.name == SessionDocuments.name:
        return SessionQueries(source_format.options)
    return None


def _names_of(field: str, theirs: dict[str, str]) -> Sequence[str]:
    return (theirs[field],) if field in theirs else SESSION_NAMES[field]
