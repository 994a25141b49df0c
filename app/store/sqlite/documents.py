"""Documents beside sessions: a row each, found by key and listed by owner, kind and group."""

import apsw

from app.domain.identity import Version
from app.domain.owned_document import DocumentKey, OwnedDocument
from app.domain.page import Page, Position
from app.store.sqlite.statements import Row, Value, find_row, rows, run

_DOCUMENT = (
    "SELECT user_id, kind, id, generation, revision, group_name, list_order, body FROM document"
)
_BY_KEY = "(user_id, kind, id) = (?, ?, ?)"


def put(connection: apsw.Connection, document: OwnedDocument, replaces: Version | None) -> bool:
    """Store a document if the stored one is of that version, or is this very one."""
    existing = find(connection, document.key)
    if existing == document:
        return True
    if replaces != (existing and existing.version):
        return False
    run(
        connection,
        "INSERT OR REPLACE INTO document VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (*document.key, *document.version, document.group, document.order, document.body),
    )
    return True


def find(connection: apsw.Connection, key: DocumentKey) -> OwnedDocument | None:
    """A document, or None."""
    row = find_row(connection, f"{_DOCUMENT} WHERE {_BY_KEY}", key)
    return None if row is None else _document(row)


def list_page(
    connection: apsw.Connection,
    user_id: str,
    kind: str,
    group: str | None,
    limit: int,
    after: Position | None,
) -> Page[OwnedDocument]:
    """Some of a user's documents of a kind, in falling order."""
    conditions, values = ["(user_id, kind) = (?, ?)"], list[Value]([user_id, kind])
    if group is not None:
        conditions.append("group_name = ?")
        values.append(group)
    if after is not None:
        conditions.append("(list_order, id) < (?, ?)")
        values.extend(after)
    found = rows(
        connection,
        f"{_DOCUMENT} WHERE {' AND '.join(conditions)} ORDER BY list_order DESC, id DESC LIMIT ?",
        (*values, limit + 1),
    )
    documents = [_document(row) for row in found]
    items = tuple(documents[:limit])
    return Page(items, items[-1].position if len(documents) > limit else None)


def remove(connection: apsw.Connection, key: DocumentKey, version: Version) -> bool:
    """Remove a document of that version; says whether there was one."""
    run(
        connection,
        f"DELETE FROM document WHERE {_BY_KEY} AND (generation, revision) = (?, ?)",
        (*key, *version),
    )
    return connection.changes() > 0


def list_keys(
    connection: apsw.Connection, after: DocumentKey | None, limit: int
) -> list[DocumentKey]:
    """The next keys of all users, in order."""
    found = rows(
        connection,
        "SELECT user_id, kind, id FROM document WHERE (user_id, kind, id) > (?, ?, ?)"
        " ORDER BY user_id, kind, id LIMIT ?",
        (*(after or ("", "", "")), limit),
    )
    return [DocumentKey(*row) for row in found]


def forget_user(connection: apsw.Connection, user_id: str) -> int:
    """Remove a user's; returns how many there were."""
    run(connection, "DELETE FROM document WHERE user_id = ?", (user_id,))
    return connection.changes()


def _document(row: Row) -> OwnedDocument:
    user_id, kind, id_, generation, revision, group, order, body = row
    key = DocumentKey(user_id, kind, id_)
    document = OwnedDocument(key, Version(generation, revision), group, order, body)
    document.check_sound()
    return document
