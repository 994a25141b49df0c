"""Following: how far sessions are, what has happened since, and when it is time to look again."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

import apsw

from app.domain.following import (
    Bookmark,
    Gap,
    PlaceHistory,
    SessionChanges,
)
from app.domain.identity import SessionKey
from app.store.sqlite import bodies
from app.store.sqlite.headers import read_header_json
from app.store.sqlite.reader import Reader
from app.store.sqlite.session_row import get_session
from app.store.sqlite.statements import find_row, get_row, pragma, rows

LOOK_SECONDS = 0.1
"""How often the file is asked whether anyone has written to it, which takes some microseconds."""

_HISTORIES = """
    SELECT seq, appended_revision, changed_revision, is_deleted FROM message
    WHERE session_key = ?1 AND seq >= ?2
    UNION ALL
    SELECT seq, appended_revision, changed_revision, is_deleted FROM message
    WHERE session_key = ?1 AND changed_revision > ?3 AND seq < ?2"""


def find_bookmarks(
    connection: apsw.Connection, keys: Sequence[SessionKey]
) -> dict[SessionKey, Bookmark]:
    """How far each session is."""
    statement = "SELECT generation, next_seq, changes FROM session WHERE user_id = ? AND id = ?"
    found = ((key, find_row(connection, statement, key)) for key in keys)
    return {key: Bookmark(*row) for key, row in found if row is not None}


def read_changes(connection: apsw.Connection, key: SessionKey, after: Bookmark) -> SessionChanges:
    """What has happened in a session since a reader came so far."""
    row = get_session(connection, key)
    (changes,) = get_row(
        connection, "SELECT changes FROM session WHERE session_key = ?", (row.session_key,)
    )
    latest = Bookmark(row.generation, row.next_seq, changes)
    gap = Gap(after, latest, row.version)
    if not gap.can_be_told:
        return SessionChanges(latest, None)
    found = rows(connection, _HISTORIES, (row.session_key, after.next_seq, gap.known_revision))
    return gap.told(
        [
            PlaceHistory(seq, appended, changed, bool(gone))
            for seq, appended, changed, gone in found
        ],
        header_json=lambda: read_header_json(connection, row.session_key),
        message_json=lambda seq: bodies.read_one(connection, row, seq),
    )


async def commits(reader: Reader) -> AsyncGenerator[None]:
    """Yields after commits of other connections, those of this process's writer included."""
    last_version: object = None
    while True:
        # https://www.sqlite.org/pragma.html#pragma_data_version: only of one and the same
        # connection can two be compared.
        version = reader.run_inline(_data_version, is_one_statement=True)
        if version != last_version:
            last_version = version
            yield
        await asyncio.sleep(LOOK_SECONDS)


def _data_version(connection: apsw.Connection) -> object:
    return pragma(connection, "data_version")
