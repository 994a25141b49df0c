"""Deleting: what goes at once, what the idle writer sweeps up, the markers that stay, and erasure.

A deletion removes the session's header, and with it everything that can be read; its messages, runs
and index entries are swept up in slices, so that deleting a long session holds nobody up. A marker
is a keyed hash: it answers "was this deleted?" and can tell nobody what.
"""

import hmac
from collections.abc import Iterable

import apsw

from app.domain.identity import SessionKey
from app.store.sqlite import search_index
from app.store.sqlite.session_row import SessionRow, find_session
from app.store.sqlite.statements import find_row, get_row, rows, run

_SLICE_ROWS = 500


class Markers:
    """Makes and reads deletion markers; `secret` is the store's own."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def add(self, connection: apsw.Connection, *parts: str, at: str) -> None:
        """Mark a session (user, id) or a whole user (user)."""
        run(
            connection,
            "INSERT OR REPLACE INTO deletion_marker VALUES (?, ?)",
            (self._mark(parts), at),
        )

    def clear(self, connection: apsw.Connection, key: SessionKey) -> None:
        """Forget that a session was deleted: its owner has made it anew."""
        run(connection, "DELETE FROM deletion_marker WHERE mark = ?", (self._mark(key),))

    def has(self, connection: apsw.Connection, key: SessionKey) -> bool:
        """Whether the session was deleted, or its user erased, and it was not made anew."""
        found = find_row(
            connection,
            "SELECT max(mark = ?1), 1 FROM deletion_marker WHERE mark IN (?1, ?2)",
            (self._mark(key), self._mark(key[:1])),
        )
        is_session_marked = found[0] if found else None
        if is_session_marked is None:
            return False
        return bool(is_session_marked) or find_session(connection, key) is None

    def _mark(self, parts: Iterable[str]) -> bytes:
        name = b"".join(b"%d:%s," % (len(part.encode()), part.encode()) for part in parts)
        return hmac.digest(self._secret, name, "sha256")[:16]


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
