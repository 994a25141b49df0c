"""SessionRow: the numbers of a session that reads and writes start from, and how it is found."""

from dataclasses import dataclass

import apsw

from app.domain.identity import SessionKey, Version
from app.errors import SessionNotFoundError
from app.store.sqlite.statements import find_row

SESSION_ROW = "session_key, generation, revision, next_seq, sealed_seq, indexed_seq, size_bytes"
"""The columns of a `SessionRow`, in its order."""

_VERSION_BY_KEY = "SELECT generation, revision FROM session WHERE user_id = ? AND id = ?"
_BY_KEY = f"SELECT {SESSION_ROW} FROM session WHERE user_id = ? AND id = ?"


@dataclass(frozen=True, slots=True)
class SessionRow:
    """The numbers of a session that writes need."""

    session_key: int
    generation: str
    revision: int
    next_seq: int
    sealed_seq: int
    indexed_seq: int
    size_bytes: int

    @property
    def version(self) -> Version:
        """The session's state."""
        return Version(self.generation, self.revision)


def find_version(connection: apsw.Connection, key: SessionKey) -> Version | None:
    """The session's version, or None where it is absent."""
    row = find_row(connection, _VERSION_BY_KEY, key)
    return Version(*row) if row else None


def find_session(connection: apsw.Connection, key: SessionKey) -> SessionRow | None:
    """The session's row, or None where it is absent."""
    row = find_row(connection, _BY_KEY, key)
    return SessionRow(*row) if row else None


def get_session(connection: apsw.Connection, key: SessionKey) -> SessionRow:
    """The session's row.

    Raises:
        SessionNotFoundError: it is absent.
    """
    row = find_session(connection, key)
    if row is None:
        raise SessionNotFoundError(key.session_id)
    return row
