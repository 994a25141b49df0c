"""SourceIndex: the records of a source by session and user, in a private file on disk."""

import marshal
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any, cast

import apsw

from app.domain.folding import SourceMessage
from app.domain.identity import SessionKey
from app.domain.limits import StoreLimits
from app.domain.session import NewSession
from app.domain.source_session import SourceSession, source_session
from app.formats.port import FaultyRecord, Record, SessionRecord
from app.legacy.port import LegacySummary
from app.legacy.served_session import served_session

_PRIVATE = ""
"""To SQLite a temporary file that nobody else sees, and that vanishes with its connection."""

_AT_ONCE_RECORDS = 10_000
_CACHE_KIBIBYTES = 16 * 1024

_TABLES = """
CREATE TABLE record (
    session_id TEXT NOT NULL,
    user_id TEXT,                       -- NULL where the records do not say it
    is_told INTEGER NOT NULL,           -- of the session itself, and not of its messages
    records BLOB NOT NULL
) STRICT;
CREATE TABLE session (
    user_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    summary BLOB NOT NULL,
    newest_message_at TEXT NOT NULL,
    PRIMARY KEY (user_id, session_id)
) STRICT, WITHOUT ROWID;
"""

_INDEXES = """
CREATE INDEX record_by_session ON record (session_id, user_id);
CREATE INDEX session_by_id ON session (session_id);
"""

_NAMED_USERS = """
SELECT DISTINCT user_id FROM record WHERE session_id = ? AND user_id IS NOT NULL LIMIT 2
"""

_NOBODYS_SESSIONS = """
SELECT session_id FROM record GROUP BY session_id HAVING count(user_id) = 0
"""

_Rows = Iterator[tuple[Any, ...]]
_Group = tuple[str, str | None, bool]


class SourceIndex:
    """Filled once, then only asked; for one thread at a time."""

    def __init__(
        self, format_name: str, limits: StoreLimits, *, default_user: str | None = None
    ) -> None:
        self._format_name = format_name
        self._default_user = default_user
        self._limits = limits
        # Of any type: the driver's stubs leave what is bound to statements partly unknown.
        self._connection: Any = apsw.Connection(_PRIVATE)
        for name, value in (
            ("journal_mode", "off"),
            ("synchronous", "off"),
            ("temp_store", "file"),
            ("cache_size", -_CACHE_KIBIBYTES),
        ):
            self._connection.pragma(name, value)
        self._execute(_TABLES)

    def close(self) -> None:
        """Remove everything."""
        self._connection.close()

    def fill(self, records: Iterable[Record | SessionRecord | FaultyRecord]) -> None:
        """Take all records of the source; those that can be placed nowhere are left out."""
        rest = iter(records)
        with self._connection:
            while some := list(islice(rest, _AT_ONCE_RECORDS)):
                self._add(some)
            self._execute(_INDEXES)
            for session_id, user_id in self._execute(
                "SELECT DISTINCT session_id, user_id FROM record WHERE user_id IS NOT NULL"
            ):
                self._add_session(SessionKey(user_id, session_id))
            if self._default_user is not None:
                for (session_id,) in list(self._execute(_NOBODYS_SESSIONS)):
                    self._add_session(SessionKey(self._default_user, session_id))

    def find(self, key: SessionKey) -> NewSession | None:
        """The session, or None where the source has none of this key."""
        messages: list[SourceMessage] = []
        told: list[SourceSession] = []
        for is_told, records in self._records_of(key):
            decoded = marshal.loads(records)  # noqa: S302 - what we have written ourselves
            if is_told:
                told.extend(map(SourceSession._make, decoded))
            else:
                messages.extend(map(SourceMessage._make, decoded))
        return served_session(key, self._format_name, messages, told, self._limits)

    def list_of(self, user_id: str) -> list[LegacySummary]:
        """All sessions of the user, in no order."""
        rows = self._execute(
            "SELECT summary, newest_message_at FROM session WHERE user_id = ?", [user_id]
        )
        return [LegacySummary.of_encoded(summary, newest) for summary, newest in rows]

    def find_owners(self, session_id: str) -> list[str]:
        """All users who have a session with this id."""
        rows = self._execute("SELECT user_id FROM session WHERE session_id = ?", [session_id])
        return [user_id for (user_id,) in rows]

    def list_keys(self, after: SessionKey | None, limit: int) -> list[SessionKey]:
        """The next keys in (user, id) order by code point."""
        rows = self._execute(
            "SELECT user_id, session_id FROM session WHERE (user_id, session_id) > (?, ?)"
            " ORDER BY user_id, session_id LIMIT ?",
            [*(after or ("", "")), limit],
        )
        return [SessionKey(*row) for row in rows]

    def _add(self, records: Iterable[Record | SessionRecord | FaultyRecord]) -> None:
        grouped: dict[_Group, list[tuple[Any, ...]]] = {}
        for record in records:
            if isinstance(record, FaultyRecord):
                continue
            if isinstance(record, Record):
                said: tuple[Any, ...] = tuple(record.message)
            else:
                size_bytes = len(record.raw)
                said = tuple(
                    source_session(record.position, record.fields, record.findings, size_bytes)
                )
            group = record.session_id, record.user_id, isinstance(record, SessionRecord)
            grouped.setdefault(group, []).append(said)
        self._connection.executemany(
            "INSERT INTO record VALUES (?, ?, ?, ?)",
            ((*group, marshal.dumps(some)) for group, some in grouped.items()),
        )

    def _add_session(self, key: SessionKey) -> None:
        session = self.find(key)
        if session is not None:
            one = LegacySummary.of(session)
            self._execute(
                "INSERT INTO session VALUES (?, ?, ?, ?)",
                [*key, one.encoded, one.newest_message_at],
            )

    def _records_of(self, key: SessionKey) -> _Rows:
        """Those that name the session's user, and those without a user if nobody else is named."""
        user_id, session_id = key
        statement = "SELECT is_told, records FROM record WHERE session_id = ? AND user_id "
        named = self._execute(statement + "= ?", [session_id, user_id])
        users = [one for (one,) in self._execute(_NAMED_USERS, [session_id])]
        if not users and self._default_user is not None:
            users = [self._default_user]
        if users != [user_id]:
            return named
        return chain(named, self._execute(statement + "IS NULL", [session_id]))

    def _execute(self, statements: str, values: Sequence[Any] = ()) -> _Rows:
        return cast("_Rows", self._connection.execute(statements, values))
