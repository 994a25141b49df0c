"""The search index: what the idle writer puts in, and how a search reads index and pending as one.

An append only notes that its session has something new. Places from `indexed_seq` on are pending: a
search looks at their texts itself, with the same rules, so that it is exact at any time.
"""

import logging
from datetime import datetime
from hashlib import blake2b

import apsw
from pydantic_core import from_json

from app.domain.instants import instant_text
from app.domain.message import ChatMessage
from app.domain.page import Position
from app.domain.search import Phrase, SearchHit, SearchHits, SearchQuery, terms_of
from app.errors import CorruptDocumentError
from app.store.sqlite import bodies
from app.store.sqlite.session_row import SESSION_ROW, SessionRow
from app.store.sqlite.statements import find_row, get_row, rows, run

_log = logging.getLogger(__name__)

_PENDING = "SELECT user_id, session_key FROM search_pending"
_INDEXED_SESSION = (
    f"SELECT {SESSION_ROW}, is_name_indexed, created_at, lasting FROM session WHERE session_key = ?"
)

NAME_SEQ = -1
"""The place that stands for a session's name."""

_Place = tuple[str, str, int, int]
"""created_at, session id, seq, session_key."""

_SLICE_MESSAGES = 64
_MERGE_PAGES = 256
_CHANGES_OF_A_MERGE = 2
"""Fewer say that nothing was left to merge (sqlite.org/fts5.html, "The 'merge' Command")."""


class Indexer:
    """Indexes what is pending, for one process; passes over sessions that it found damaged."""

    def __init__(self) -> None:
        self._damaged: set[int] = set()

    def index_slice(self, connection: apsw.Connection) -> bool:
        """A chore: index some of what is pending; False where nothing is left to do."""
        for user_id, session_key in rows(connection, _PENDING):
            if session_key in self._damaged:
                continue
            try:
                _index_some_of(connection, user_id, session_key)
            except CorruptDocumentError as error:
                # Whoever reads or searches it hears of it; the others are not to wait for it.
                self._damaged.add(session_key)
                _log.exception("a session cannot be indexed", exc_info=error)
            return True
        return False


def _index_some_of(connection: apsw.Connection, user_id: str, session_key: int) -> None:
    *numbers, is_name_indexed, created_at, lasting = get_row(
        connection, _INDEXED_SESSION, (session_key,)
    )
    row = SessionRow(*numbers)
    stop = min(row.indexed_seq + _SLICE_MESSAGES, row.next_seq)
    stored = bodies.read_range(connection, row, row.indexed_seq, stop)
    messages = [ChatMessage.from_json(body) for body in stored]
    if not is_name_indexed:
        name = _name_in(lasting)
        remove_place(connection, session_key, NAME_SEQ)
        if name is not None:
            add_place(connection, user_id, session_key, NAME_SEQ, created_at, name)
    for message in messages:
        if not message.is_deleted:
            date = instant_text(message.created_at)
            add_place(connection, user_id, session_key, message.seq, date, message.content)
    run(
        connection,
        "UPDATE session SET indexed_seq = ?, is_name_indexed = 1 WHERE session_key = ?",
        (stop, session_key),
    )
    if stop == row.next_seq:
        run(
            connection,
            "DELETE FROM search_pending WHERE user_id = ? AND session_key = ?",
            (user_id, session_key),
        )


def add_place(
    connection: apsw.Connection,
    user_id: str,
    session_key: int,
    seq: int,
    created_at: str,
    text: str,
) -> None:
    """Index one text."""
    run(
        connection,
        "INSERT INTO search_entry VALUES (NULL, ?, ?, ?)",
        (session_key, seq, created_at),
    )
    run(
        connection,
        "INSERT INTO search_index (rowid, owner, terms) VALUES (?, ?, ?)",
        (connection.last_insert_rowid(), _owner(user_id), " ".join(terms_of(text))),
    )


def remove_place(connection: apsw.Connection, session_key: int, seq: int) -> None:
    """Take one text out of the index, where it is in."""
    statement = "DELETE FROM search_entry WHERE session_key = ? AND seq = ? RETURNING entry"
    row = find_row(connection, statement, (session_key, seq))
    if row is not None:
        run(connection, "DELETE FROM search_index WHERE rowid = ?", row)


def replace_place(
    connection: apsw.Connection, user_id: str, row: SessionRow, message: ChatMessage
) -> None:
    """Index an edited message anew; one that is still pending will be met with its new text."""
    if message.seq < row.indexed_seq:
        remove_place(connection, row.session_key, message.seq)
        date = instant_text(message.created_at)
        add_place(connection, user_id, row.session_key, message.seq, date, message.content)


def merge_slice(connection: apsw.Connection, *, is_first: bool) -> bool:
    """Rewrite some of the index without what was removed from it; True while there is more."""
    changes_before = connection.total_changes()
    run(
        connection,
        "INSERT INTO search_index (search_index, rank) VALUES ('merge', ?)",
        (-_MERGE_PAGES if is_first else _MERGE_PAGES,),
    )
    return connection.total_changes() - changes_before >= _CHANGES_OF_A_MERGE


def search(
    connection: apsw.Connection,
    user_id: str,
    query: SearchQuery,
    limit: int,
    after: Position | None,
) -> SearchHits:
    """The hits of the index and of what is pending, as one list, newest first."""
    places = _indexed(connection, user_id, query, limit, after)
    places += [
        place
        for place in _pending(connection, user_id, query)
        if after is None or place[:3] < after
    ]
    places.sort(reverse=True)
    hits = tuple(_hit(connection, place) for place in places[:limit])
    return SearchHits(hits, places[limit - 1][:3] if len(places) > limit else None)


def _indexed(
    connection: apsw.Connection,
    user_id: str,
    query: SearchQuery,
    limit: int,
    after: Position | None,
) -> list[_Place]:
    # Contentless entries of deleted sessions may still be there; the join leaves them out.
    found = rows(
        connection,
        "SELECT e.created_at, s.id, e.seq, s.session_key FROM search_index"
        " JOIN search_entry AS e ON e.entry = search_index.rowid"
        " JOIN session AS s ON s.session_key = e.session_key"
        " WHERE search_index MATCH ?1 AND s.user_id = ?2 AND (e.seq >= 0 OR s.is_name_indexed)"
        " AND (?3 IS NULL OR (e.created_at, s.id, e.seq) < (?3, ?4, ?5))"
        " ORDER BY 1 DESC, 2 DESC, 3 DESC LIMIT ?6",
        (
            f"owner : {_owner(user_id)} AND terms : ({_match(query.phrases)})",
            user_id,
            *(after or (None, None, None)),
            limit + 1,
        ),
    )
    return [(created_at, session_id, seq, key) for created_at, session_id, seq, key in found]


def _pending(connection: apsw.Connection, user_id: str, query: SearchQuery) -> list[_Place]:
    places: list[_Place] = []
    for found in rows(
        connection,
        f"SELECT {SESSION_ROW}, s.id, created_at, is_name_indexed, lasting"
        " FROM search_pending AS p JOIN session AS s USING (session_key) WHERE p.user_id = ?",
        (user_id,),
    ):
        row = SessionRow(*found[:7])
        session_id, created_at, is_name_indexed, lasting = found[7:]
        if not is_name_indexed:
            name = _name_in(lasting)
            if name is not None and query.matches(name):
                places.append((created_at, session_id, NAME_SEQ, row.session_key))
        for body in bodies.read_range(connection, row, row.indexed_seq, row.next_seq):
            message = ChatMessage.from_json(body)
            if not message.is_deleted and query.matches(message.content):
                date = instant_text(message.created_at)
                places.append((date, session_id, message.seq, row.session_key))
    return places


def _hit(connection: apsw.Connection, place: _Place) -> SearchHit:
    created_at, session_id, seq, session_key = place
    statement = f"SELECT {SESSION_ROW}, lasting FROM session WHERE session_key = ?"
    *numbers, lasting = get_row(connection, statement, (session_key,))
    name = _name_in(lasting)
    if seq == NAME_SEQ:
        text, message_id, message_type = name or "", None, None
    else:
        body = bodies.read_one(connection, SessionRow(*numbers), seq)
        message = ChatMessage.from_json(body)
        text, message_id, message_type = message.content, message.id, message.message_type
    return SearchHit(
        session_id=session_id,
        session_name=name,
        seq=None if seq == NAME_SEQ else seq,
        message_id=message_id,
        message_type=message_type,
        text=text,
        created_at=datetime.fromisoformat(created_at),
    )


def _name_in(lasting: str) -> str | None:
    name: str | None = from_json("{" + lasting + "}")["session_name"]
    return name


def _match(phrases: tuple[Phrase, ...]) -> str:
    """FTS5's query language; terms hold no quotes, being letters and digits."""
    return " AND ".join(
        f'"{" ".join(phrase.terms)}"{" *" if phrase.is_prefix else ""}' for phrase in phrases
    )


def _owner(user_id: str) -> str:
    """The user as a term; a collision costs time and no more, since results are joined by user."""
    return "u" + blake2b(user_id.encode(), digest_size=8).hexdigest()
