"""Rows of messages: appending, editing, deleting, and which ones a read selects."""

from collections.abc import Sequence

import apsw
from pydantic import ValidationError

from app.domain.encoded import EncodedSession
from app.domain.identity import SessionKey, Version
from app.domain.message import ChatMessage, EncodedMessage, PastText, placed_json
from app.domain.session import Precondition
from app.errors import (
    CorruptDocumentError,
    MessageIdConflictError,
    MessageNotFoundError,
    ParentNotFoundError,
)
from app.store.port import Appended, MessagePage, MessageWindow, ReadSelection
from app.store.sqlite import bodies
from app.store.sqlite.headers import mark_search_pending, read_header_json
from app.store.sqlite.session_row import SessionRow, get_session
from app.store.sqlite.statements import Value, find_row, get_row, rows, run, run_many

_APPENDED_AT = "SELECT appended_revision FROM message WHERE session_key = ? AND seq = ?"


def append(
    connection: apsw.Connection,
    key: SessionKey,
    messages: Sequence[EncodedMessage],
    at: str,
    precondition: Precondition | None,
) -> Appended:
    """Append the unknown ones of the messages; see the port."""
    row = get_session(connection, key)
    stored: list[bytes] = []
    fresh_rows: list[tuple[Value, ...]] = []
    fresh: dict[str, tuple[bytes, bytes]] = {}  # id → digest and body of what this batch adds
    for index, message in enumerate(messages):
        known = None if message.is_id_fresh else _known(connection, row, message.id, fresh)
        if known is not None:
            digest, body = known
            if digest != message.digest:
                raise MessageIdConflictError(message.id, index)
            stored.append(body)
            continue
        parent_id = message.parent_id
        if parent_id is not None and not (
            parent_id in fresh or find_seq(connection, row, parent_id) is not None
        ):
            raise ParentNotFoundError(parent_id, index)
        seq = row.next_seq + len(fresh_rows)
        body = placed_json(seq, message.unplaced_json)
        fresh[message.id] = (message.digest, body)
        stored.append(body)
        fresh_rows.append(
            (
                row.session_key,
                seq,
                message.id,
                message.digest,
                row.revision + 1,
                message.created_at,
                body,
            )
        )
    if not fresh_rows:
        return Appended(tuple(stored), row.version)
    if precondition is not None:
        precondition.check(key.session_id, row.version)
    run_many(connection, "INSERT INTO message VALUES (?, ?, ?, ?, ?, NULL, ?, 0, ?)", fresh_rows)
    next_seq = row.next_seq + len(fresh_rows)
    sealed_seq = row.sealed_seq
    while next_seq - sealed_seq >= 2 * bodies.RUN_MESSAGES:
        sealed_seq = bodies.seal(connection, row.session_key, sealed_seq)
    run(
        connection,
        "UPDATE session SET revision = revision + 1, next_seq = ?, sealed_seq = ?,"
        " message_count = message_count + ?, size_bytes = size_bytes + ?, last_message_at = ?,"
        " newest_message_at = max(coalesce(newest_message_at, ''), ?),"
        " updated_at = max(updated_at, ?) WHERE session_key = ?",
        (
            next_seq,
            sealed_seq,
            len(fresh_rows),
            sum(len(body) for _, body in fresh.values()),
            fresh_rows[-1][5],
            max(message.created_at for message in messages),
            at,
            row.session_key,
        ),
    )
    mark_search_pending(connection, key.user_id, row.session_key)
    return Appended(tuple(stored), Version(row.generation, row.revision + 1))


def read_session(
    connection: apsw.Connection, row: SessionRow, selection: ReadSelection
) -> EncodedSession:
    """The header and the selected messages."""
    header_json = read_header_json(connection, row.session_key)
    if not selection.with_messages:
        return EncodedSession(row.version, header_json, None)
    start = _place_after(selection.after_seq, row)
    changed: list[bytes] = []
    since = selection.since
    if since and since.generation == row.generation and since.revision <= row.revision:
        appended_from = _first_appended_after(connection, row, since.revision)
        changed = [
            bodies.read_one(connection, row, seq)
            for seq in _changed_after(connection, row, since.revision)
            if start <= seq < appended_from
        ]
        start = max(start, appended_from)
    appended = bodies.read_joined(connection, row, start)
    if changed:
        appended = b",".join([*changed, appended] if appended else changed)
    return EncodedSession(row.version, header_json, appended)


def read_page(connection: apsw.Connection, row: SessionRow, window: MessageWindow) -> MessagePage:
    """The places that a window shows."""
    if window.before_seq is not None:
        stop = max(0, min(window.before_seq, row.next_seq))
        start = max(0, stop - window.limit)
    else:
        start = min(window.offset or 0, row.next_seq)
        if window.after_seq is not None:
            start = _place_after(window.after_seq, row)
        stop = min(start + window.limit, row.next_seq)
    found = bodies.read_range(connection, row, start, stop)
    return MessagePage(tuple(found), row.next_seq, row.version)


def find_seq(connection: apsw.Connection, row: SessionRow, message_id: str) -> int | None:
    """The place of the message with this id."""
    statement = "SELECT seq FROM message WHERE session_key = ? AND id = ?"
    found = find_row(connection, statement, (row.session_key, message_id))
    return found[0] if found else None


def get_message(
    connection: apsw.Connection, key: SessionKey, row: SessionRow, message_id: str
) -> ChatMessage:
    """The message with this id, or its tombstone.

    Raises:
        MessageNotFoundError: the session has none.
    """
    return ChatMessage.from_json(read_body(connection, key, row, message_id))


def read_body(
    connection: apsw.Connection, key: SessionKey, row: SessionRow, message_id: str
) -> bytes:
    """The same as it is stored."""
    seq = find_seq(connection, row, message_id)
    if seq is None:
        raise MessageNotFoundError(key.session_id, message_id)
    return bodies.read_one(connection, row, seq)


def put_edited(
    connection: apsw.Connection, row: SessionRow, past: PastText | None, seq: int, body: bytes
) -> int:
    """Store an edited message and, where it is kept, what it said before; the growth in bytes."""
    if past is not None:
        run(
            connection,
            "INSERT INTO past_text SELECT ?1, ?2, 1 + coalesce(max(edit_number), 0), ?3"
            " FROM past_text WHERE session_key = ?1 AND seq = ?2",
            (row.session_key, seq, past.model_dump_json()),
        )
    return _put_changed(connection, row, seq, body, is_deleted=False)


def put_tombstone(connection: apsw.Connection, row: SessionRow, seq: int, body: bytes) -> int:
    """Store a tombstone and forget what was said before; returns the growth in bytes."""
    run(
        connection,
        "DELETE FROM past_text WHERE session_key = ? AND seq = ?",
        (row.session_key, seq),
    )
    growth = _put_changed(connection, row, seq, body, is_deleted=True)
    run(
        connection,
        "UPDATE session SET last_message_at = (SELECT created_at FROM message"
        " WHERE session_key = ?1 AND is_deleted = 0 ORDER BY seq DESC LIMIT 1)"
        " WHERE session_key = ?1",
        (row.session_key,),
    )
    return growth


def list_past_texts(connection: apsw.Connection, row: SessionRow, seq: int) -> list[PastText]:
    """What the message at a place said before each edit, oldest first."""
    return [
        decoded_past_text(past)
        for (past,) in rows(
            connection,
            "SELECT past FROM past_text WHERE session_key = ? AND seq = ? ORDER BY edit_number",
            (row.session_key, seq),
        )
    ]


def decoded_past_text(stored: str) -> PastText:
    """A past text as a model.

    Raises:
        CorruptDocumentError: it cannot be decoded.
    """
    try:
        return PastText.model_validate_json(stored)
    except ValidationError as error:
        raise CorruptDocumentError("past text") from error


def _place_after(seq: int | None, row: SessionRow) -> int:
    """The first place after `seq`, within the session: SQLite's integers end, Python's do not."""
    return 0 if seq is None else min(max(0, seq + 1), row.next_seq)


def _known(
    connection: apsw.Connection,
    row: SessionRow,
    message_id: str,
    fresh: dict[str, tuple[bytes, bytes]],
) -> tuple[bytes, bytes] | None:
    """Digest and body of a message that the session or this batch has."""
    if message_id in fresh:
        return fresh[message_id]
    statement = "SELECT seq, digest FROM message WHERE session_key = ? AND id = ?"
    found = find_row(connection, statement, (row.session_key, message_id))
    if found is None:
        return None
    seq, digest = found
    return digest, bodies.read_one(connection, row, seq)


def _put_changed(
    connection: apsw.Connection, row: SessionRow, seq: int, body: bytes, *, is_deleted: bool
) -> int:
    growth = bodies.replace_one(connection, row, seq, body)
    run(
        connection,
        "UPDATE message SET changed_revision = ?, is_deleted = ? WHERE session_key = ? AND seq = ?",
        (row.revision + 1, is_deleted, row.session_key, seq),
    )
    return growth


def _first_appended_after(connection: apsw.Connection, row: SessionRow, revision: int) -> int:
    """The first place appended after a revision: by bisection, since they rise together."""
    low, high = 0, row.next_seq
    while low < high:
        middle = (low + high) // 2
        (appended_revision,) = get_row(connection, _APPENDED_AT, (row.session_key, middle))
        if appended_revision > revision:
            high = middle
        else:
            low = middle + 1
    return low


def _changed_after(connection: apsw.Connection, row: SessionRow, revision: int) -> list[int]:
    return sorted(
        seq
        for (seq,) in rows(
            connection,
            "SELECT seq FROM message WHERE session_key = ? AND changed_revision > ?",
            (row.session_key, revision),
        )
    )
