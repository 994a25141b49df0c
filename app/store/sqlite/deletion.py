"""Deleting: what goes at once, what the idle writer sweeps up, the markers that stay, and erasure.

A deletion removes the session's header, and with it everything that can be read; its messages, runs
and index entries are swept up in slices, so that deleting a long session holds nobody up. A marker
is a keyed hash: it answers "was this deleted?" and can tell nobody what.
"""

from collections.abc import Sequence
from datetime import datetime

import apsw

from app.domain.identity import SessionKey
from app.domain.instants import instant_text, whole_milliseconds
from app.store.marking import Marking
from app.store.port import DeletionMark
from app.store.sqlite import search_index
from app.store.sqlite.session_row import SessionRow, find_session
from app.store.sqlite.statements import find_row, get_row, rows, run, run_many

_SLICE_ROWS = 500


class Markers:
    """Makes and reads deletion markers."""

    def __init__(self, marking: Marking) -> None:
        self._mark = marking.mark

    def add(self, connection: apsw.Connection, *parts: str, at: str) -> None:
        """Mark a session (user, id) or a whole user (user)."""
        run(
            connection,
            "INSERT OR REPLACE INTO deletion_marker VALUES (?, ?)",
            (self._mark(*parts), at),
        )

    def clear(self, connection: apsw.Connection, key: SessionKey) -> None:
        """Forget that a session was deleted: it is there again."""
        run(connection, "DELETE FROM deletion_marker WHERE mark = ?", (self._mark(*key),))

    def has(self, connection: apsw.Connection, key: SessionKey) -> bool:
        """Whether the session was deleted, or its user erased, and it was not made anew."""
        found = find_row(
            connection,
            "SELECT 1 FROM deletion_marker WHERE mark IN (?, ?)",
            (self._mark(*key), self._mark(key.user_id)),
        )
        return found is not None and find_session(connection, key) is None

    def has_user(self, connection: apsw.Connection, user_id: str) -> bool:
        """Whether the user was erased, whatever they have made since."""
        statement = "SELECT 1 FROM deletion_marker WHERE mark = ?"
        return find_row(connection, statement, (self._mark(user_id),)) is not None


def list_marks(connection: apsw.Connection, after: bytes | None, limit: int) -> list[DeletionMark]:
    """The next markers, by mark."""
    found = rows(
        connection,
        "SELECT mark, marked_at FROM deletion_marker WHERE mark > ? ORDER BY mark LIMIT ?",
        (after or b"", limit),
    )
    return [DeletionMark(mark, datetime.fromisoformat(at)) for mark, at in found]


def put_marks(connection: apsw.Connection, marks: Sequence[DeletionMark]) -> None:
    """Take over markers; of two dates the later one stays."""
    run_many(
        connection,
        "INSERT INTO deletion_marker VALUES (?, ?)"
        " ON CONFLICT DO UPDATE SET marked_at = max(marked_at, excluded.marked_at)",
        [(one.mark, instant_text(whole_milliseconds(one.at))) for one in marks],
    )


def delete_session(connection: apsw.Connection, row: SessionRow) -> None:
    """Remove a session's header; the rest is nobody's from now on and will be swept up."""
    for table in ("session", "session_details", "search_pending"):
        run(connection, f"DELETE FROM {table} WHERE session_key = ?", (row.session_key,))
    run(connection, "INSERT INTO remains VALUES (?)", (row.session_key,))


def sweep_slice(connection: apsw.Connection) -> bool:
    """A chore: remove some of what deleted sessions have left; False where nothing is left."""
    found = find_row(connection, "SELECT session_key FROM remains LIMIT 1")
    if found is None:
        return False
    (session_key,) = found
    statement = "SELECT seq FROM search_entry WHERE session_key = ? LIMIT ?"
    places = list(rows(connection, statement, (session_key, _SLICE_ROWS)))
    for (seq,) in places:
        search_index.remove_place(connection, session_key, seq)
    if places:
        return True
    for table, place in (("past_text", "seq"), ("run", "first_seq"), ("message", "seq")):
        run(
            connection,
            f"DELETE FROM {table} WHERE session_key = ?1 AND {place} IN"
            f" (SELECT {place} FROM {table} WHERE session_key = ?1 LIMIT {_SLICE_ROWS})",
            (session_key,),
        )
        if connection.changes():
            return True
    run(connection, "DELETE FROM remains WHERE session_key = ?", (session_key,))
    return True


def count_user(connection: apsw.Connection, user_id: str) -> tuple[int, int, int]:
    """How many sessions, places and past texts a user has."""
    sessions, places = get_row(
        connection,
        "SELECT count(*), coalesce(sum(next_seq), 0) FROM session WHERE user_id = ?",
        (user_id,),
    )
    (past_texts,) = get_row(
        connection,
        "SELECT count(*) FROM session JOIN past_text USING (session_key) WHERE user_id = ?",
        (user_id,),
    )
    return sessions, places, past_texts


def delete_user_sessions(connection: apsw.Connection, user_id: str) -> None:
    """Remove the headers of all sessions of a user; the rest will be swept up."""
    run(
        connection,
        "INSERT INTO remains SELECT session_key FROM session WHERE user_id = ?",
        (user_id,),
    )
    run(
        connection,
        "DELETE FROM session_details WHERE session_key IN"
        " (SELECT session_key FROM session WHERE user_id = ?)",
        (user_id,),
    )
    run(connection, "DELETE FROM search_pending WHERE user_id = ?", (user_id,))
    run(connection, "DELETE FROM session WHERE user_id = ?", (user_id,))
