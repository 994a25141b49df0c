"""GatheredRecords: what a query has found of some sessions, by session and by the user it names."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from app.domain.folding import SourceMessage
from app.domain.identity import SessionKey
from app.domain.limits import StoreLimits
from app.domain.session import NewSession
from app.domain.source_session import SourceSession, source_session
from app.formats.port import FaultyRecord, Record, SessionRecord
from app.legacy.legacy_format import LegacyFormat
from app.legacy.served_session import served_session


@dataclass(slots=True)
class _Said:
    """All that names one user, or nobody, in one session."""

    messages: list[SourceMessage] = field(default_factory=list[SourceMessage])
    told: list[SourceSession] = field(default_factory=list[SourceSession])


class GatheredRecords:
    """Whole sessions: whose a record without a user is, all of its session says."""

    def __init__(
        self,
        source_format: LegacyFormat,
        limits: StoreLimits,
        records: Iterable[Record | SessionRecord | FaultyRecord],
    ) -> None:
        self._format = source_format
        self._limits = limits
        self._by_session: dict[str, dict[str | None, _Said]] = {}
        for record in records:
            if not isinstance(record, FaultyRecord):
                self._add(record)

    @property
    def session_ids(self) -> list[str]:
        """Of all sessions that anything was found of."""
        return list(self._by_session)

    def session_keys(self) -> Iterator[SessionKey]:
        """Those of which a session can be made."""
        for session_id in self._by_session:
            for user_id in self._users(session_id):
                key = SessionKey(user_id, session_id)
                if self.session(key) is not None:
                    yield key

    def session(self, key: SessionKey) -> NewSession | None:
        """The session, or None where the records make none."""
        users = self._users(key.session_id)
        if key.user_id not in users:
            return None
        by_user = self._by_session[key.session_id]
        parts = [by_user.get(key.user_id, _Said())]
        if len(users) == 1:
            parts.append(by_user.get(None, _Said()))
        messages = [message for part in parts for message in part.messages]
        told = [session for part in parts for session in part.told]
        return served_session(key, self._format.name, messages, told, self._limits)

    def _users(self, session_id: str) -> set[str]:
        by_user = self._by_session.get(session_id, {})
        named = {user_id for user_id in by_user if user_id is not None}
        default_user = self._format.options.default_user
        if by_user and not named and default_user is not None:
            return {default_user}
        return named

    def _add(self, record: Record | SessionRecord) -> None:
        of_session = self._by_session.setdefault(record.session_id, {})
        said = of_session.setdefault(record.user_id, _Said())
        if isinstance(record, Record):
            said.messages.append(record.message)
        else:
            size_bytes = len(record.raw)
            said.told.append(
                source_session(record.position, record.fields, record.findings, size_bytes)
            )
