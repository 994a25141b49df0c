"""Headers: inserting sessions, changing and listing them, and their JSON."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import apsw
from pydantic_core import from_json

from app.domain.encoded import EncodedSession, EncodedSummary
from app.domain.identity import Version
from app.domain.instants import INSTANT_BYTES, instant_text
from app.domain.message import DIGEST_BYTES
from app.domain.page import Page, Position
from app.domain.session import NewSession, SessionHeader
from app.errors import CorruptDocumentError
from app.store.port import ListFilter, ListOrder
from app.store.sqlite import bodies
from app.store.sqlite.session_row import SessionRow
from app.store.sqlite.statements import Value, get_row, rows, run


@dataclass(frozen=True, slots=True)
class PreparedSession:
    """A new session with all that can be made of it before the transaction."""

    session: NewSession
    header: SessionHeader
    details: str
    message_ids: str
    """A JSON array."""
    digests: bytes
    """Of all messages, one after the other."""
    dates: bytes
    """The same."""
    newest_message_at: str | None
    size_bytes: int
    """Of all messages."""
    runs: Sequence[bodies.PreparedRuns]


_INSERT_IDENTITIES = f"""
    INSERT INTO message
    SELECT ?1, key, value, substr(?3, 1 + {DIGEST_BYTES} * key, {DIGEST_BYTES}), 1, NULL,
        CAST(substr(?4, 1 + {INSTANT_BYTES} * key, {INSTANT_BYTES}) AS TEXT), 0, NULL
    FROM json_each(?2)"""

# JSON in SQL: the dates and numbers in it need no escaping, and SQLite joins faster than we do.
_SUMMARY = """
    '{' || lasting || ',"message_count":' || message_count || ',"next_seq":' || next_seq
    || ',"last_message_at":' || coalesce('"' || last_message_at || '"', 'null')
    || ',"updated_at":"' || updated_at || '","revision":' || revision || ',"changes":' || changes
"""


def read_header_json(connection: apsw.Connection, session_key: int) -> bytes:
    """The header as one JSON object."""
    row = get_row(
        connection,
        f"SELECT CAST({_SUMMARY} || ',' || details || '}}' AS BLOB)"
        " FROM session JOIN session_details USING (session_key) WHERE session_key = ?",
        (session_key,),
    )
    if row[0] is None:
        raise CorruptDocumentError("session header")
    return bytes(row[0])


def read_header(connection: apsw.Connection, row: SessionRow) -> SessionHeader:
    """The header as a model."""
    header_json = read_header_json(connection, row.session_key)
    return EncodedSession(row.version, header_json, None).header()


def creation_digest(connection: apsw.Connection, row: SessionRow) -> bytes | None:
    """What a repeated creation must match."""
    statement = "SELECT creation_digest FROM session WHERE session_key = ?"
    digest: bytes | None = get_row(connection, statement, (row.session_key,))[0]
    return digest


def insert(connection: apsw.Connection, prepared: PreparedSession) -> None:
    """Store a session with its messages; the key must be free."""
    session_key = insert_header(
        connection,
        prepared.header,
        prepared.session.creation_digest,
        prepared.details,
        newest_message_at=prepared.newest_message_at,
        size_bytes=prepared.size_bytes,
    )
    # One statement for all of them, which SQLite works through without Python: another thread can
    # meanwhile prepare the next sessions.
    identities = (prepared.message_ids, prepared.digests, prepared.dates)
    run(connection, _INSERT_IDENTITIES, (session_key, *identities))
    bodies.insert_runs(connection, session_key, prepared.runs)


def insert_header(
    connection: apsw.Connection,
    header: SessionHeader,
    creation_digest: bytes | None,
    details: str,
    *,
    newest_message_at: str | None,
    size_bytes: int,
) -> int:
    """Store the header of a session whose messages will all be in runs; returns its key in here."""
    run(
        connection,
        "INSERT INTO session VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, ?, ?, ?, ?, ?,"
        " ?, ?, ?, ?, ?, ?, ?)",
        (
            *header.key,
            header.generation,
            header.revision,
            header.changes,
            header.next_seq,
            header.message_count,
            header.next_seq,
            size_bytes,
            instant_text(header.created_at),
            instant_text(header.updated_at),
            None if header.last_message_at is None else instant_text(header.last_message_at),
            newest_message_at,
            *_filter_columns(header),
            header.lasting_json().decode(),
            creation_digest,
        ),
    )
    session_key = connection.last_insert_rowid()
    run(connection, "INSERT INTO session_details VALUES (?, ?)", (session_key, details))
    if header.next_seq or header.session_name is not None:
        mark_search_pending(connection, header.user_id, session_key)
    return session_key


def put_header(connection: apsw.Connection, row: SessionRow, header: SessionHeader) -> None:
    """Store a changed header; its name will be indexed anew."""
    run(
        connection,
        "UPDATE session SET revision = ?, changes = ?, updated_at = ?, status = ?, project_id = ?,"
        " is_pinned = ?, folded_name = ?, tags = ?, lasting = ?, is_name_indexed = 0"
        " WHERE session_key = ?",
        (
            header.revision,
            header.changes,
            instant_text(header.updated_at),
            *_filter_columns(header),
            header.lasting_json().decode(),
            row.session_key,
        ),
    )
    run(
        connection,
        "UPDATE session_details SET details = ? WHERE session_key = ?",
        (header.details_json().decode(), row.session_key),
    )
    mark_search_pending(connection, header.user_id, row.session_key)


def count_change(
    connection: apsw.Connection, row: SessionRow, at: str, *, fewer_messages: int, growth: int
) -> Version:
    """Raise the revision for an edit or a deletion of a message, and keep the counters true."""
    run(
        connection,
        "UPDATE session SET revision = revision + 1, changes = changes + 1,"
        " updated_at = max(updated_at, ?), size_bytes = size_bytes + ?,"
        " message_count = message_count - ? WHERE session_key = ?",
        (at, growth, fewer_messages, row.session_key),
    )
    return Version(row.generation, row.revision + 1)


def mark_search_pending(connection: apsw.Connection, user_id: str, session_key: int) -> None:
    """Note that the session has something that the search index does not know yet."""
    run(connection, "INSERT OR IGNORE INTO search_pending VALUES (?, ?)", (user_id, session_key))


def list_page(
    connection: apsw.Connection,
    user_id: str,
    order: ListOrder,
    wanted: ListFilter,
    limit: int,
    after: Position | None,
) -> Page[EncodedSummary]:
    """A page of summaries; reads one index and the rows on the page, or more where it filters."""
    column, direction, comes_after = (
        ("updated_at", "DESC", "<") if order is ListOrder.ACTIVITY else ("created_at", "ASC", ">")
    )
    conditions = ["user_id = ?"]
    values: list[Value] = [user_id]
    if after is not None:
        conditions.append(f"({column}, id) {comes_after} (?, ?)")
        values.extend(after)
    for condition, value in _conditions(wanted):
        conditions.append(condition)
        values.append(value)
    found = [
        summary
        for (summary,) in rows(
            connection,
            f"SELECT CAST({_SUMMARY} || '}}' AS BLOB) FROM session"
            f" WHERE {' AND '.join(conditions)}"
            f" ORDER BY {column} {direction}, id {direction} LIMIT ?",
            (*values, limit + 1),
        )
    ]
    if len(found) <= limit:
        return Page(tuple(found), None)
    # Taken from the JSON, since two more columns would cost more than all the rest of a page.
    last = from_json(found[limit - 1])
    return Page(tuple(found[:limit]), (last[column], last["id"]))


def _conditions(wanted: ListFilter) -> Iterable[tuple[str, Value]]:
    if wanted.status is not None:
        yield "status = ?", wanted.status.value
    if wanted.is_active is not None:
        yield "(status = 'active') = ?", int(wanted.is_active)
    if wanted.project_id is not None:
        yield "project_id = ?", wanted.project_id
    if wanted.workspace_id is not None:
        yield "('{' || lasting || '}') ->> 'workspace_id' = ?", wanted.workspace_id
    if wanted.is_pinned is not None:
        yield "is_pinned = ?", int(wanted.is_pinned)
    if wanted.tag is not None:
        yield "EXISTS (SELECT 1 FROM json_each(tags) WHERE value = ?)", wanted.tag
    if wanted.name_contains is not None:
        yield "instr(folded_name, ?) > 0", wanted.name_contains.casefold()


def _filter_columns(header: SessionHeader) -> tuple[Value, ...]:
    return (
        header.status.value,
        header.project_id,
        int(header.is_pinned),
        (header.session_name or "").casefold(),
        json.dumps(header.tags),
    )
