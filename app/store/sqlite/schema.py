"""The file's layout: its tables, its version, and what a file must be for us to open it.

A session is one small row that every append moves, its free JSON beside it, and its messages
clustered by (session, seq). Bodies are JSON bytes ready to send; older ones are joined into runs,
which leave the message's row behind as its identity. Dates are the 24 characters of the wire, whose
order is time's.
"""

import os

import apsw

from app.errors import StoreVersionError
from app.store.sqlite.statements import find_row, pragma, run

APPLICATION_ID = 0x43484644  # "CHFD", so that `file` and we know whose file this is
SCHEMA_VERSION = 3
"""1 had no ledgers, 2 no documents beside the sessions."""
SQLITE_FLOOR = (3, 51, 3)
"""The first release without the WAL-reset bug (sqlite.org/wal.html#walresetbug)."""

_TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE session (
    session_key INTEGER PRIMARY KEY AUTOINCREMENT,  -- never used again: leftovers stay nobody's
    user_id TEXT NOT NULL,
    id TEXT NOT NULL,
    generation TEXT NOT NULL,
    revision INTEGER NOT NULL,
    changes INTEGER NOT NULL,
    next_seq INTEGER NOT NULL,
    message_count INTEGER NOT NULL,
    sealed_seq INTEGER NOT NULL,        -- bodies of places below it are in runs
    indexed_seq INTEGER NOT NULL,       -- places below it are in the search index
    is_name_indexed INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL,        -- of all bodies; says whether a read is a small one
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    last_message_at TEXT,               -- of the living message with the highest place
    newest_message_at TEXT,             -- of any message there ever was: a bound
    status TEXT NOT NULL,
    project_id TEXT,
    is_pinned INTEGER NOT NULL,
    folded_name TEXT NOT NULL,          -- case-folded, for the list's filter
    tags TEXT NOT NULL,                 -- a JSON array
    lasting TEXT NOT NULL,              -- JSON members that appends leave alone and lists show
    creation_digest BLOB
) STRICT;
CREATE UNIQUE INDEX session_by_key ON session (user_id, id);
CREATE INDEX session_by_owner ON session (id, user_id);
CREATE INDEX session_by_activity ON session (user_id, updated_at, id);
CREATE INDEX session_by_creation ON session (user_id, created_at, id);

CREATE TABLE session_details (
    session_key INTEGER PRIMARY KEY,
    details TEXT NOT NULL               -- JSON members that lists do not show
) STRICT;

CREATE TABLE message (
    session_key INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    id TEXT NOT NULL,
    digest BLOB NOT NULL,
    appended_revision INTEGER NOT NULL,
    changed_revision INTEGER,
    created_at TEXT NOT NULL,
    is_deleted INTEGER NOT NULL,
    body BLOB,                          -- NULL once it is part of a run
    PRIMARY KEY (session_key, seq)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX message_by_id ON message (session_key, id);
CREATE INDEX message_changed ON message (session_key, changed_revision)
    WHERE changed_revision IS NOT NULL;

CREATE TABLE run (
    session_key INTEGER NOT NULL,
    first_seq INTEGER NOT NULL,
    lengths BLOB NOT NULL,              -- of the bodies, 32 bits each, little-endian
    body BLOB NOT NULL,                 -- the bodies, joined by commas
    PRIMARY KEY (session_key, first_seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE past_text (
    session_key INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    edit_number INTEGER NOT NULL,
    past TEXT NOT NULL,
    PRIMARY KEY (session_key, seq, edit_number)
) STRICT, WITHOUT ROWID;

CREATE TABLE deletion_marker (
    mark BLOB PRIMARY KEY,              -- a keyed hash of what was deleted
    marked_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE remains (session_key INTEGER PRIMARY KEY) STRICT;

CREATE TABLE search_pending (
    user_id TEXT NOT NULL,
    session_key INTEGER NOT NULL,
    PRIMARY KEY (user_id, session_key)
) STRICT, WITHOUT ROWID;
CREATE TABLE search_entry (
    entry INTEGER PRIMARY KEY AUTOINCREMENT,
    session_key INTEGER NOT NULL,
    seq INTEGER NOT NULL,               -- -1: the session's name
    created_at TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX search_entry_by_place ON search_entry (session_key, seq);
-- The terms come from us, separated by blanks; this tokenizer splits there and changes nothing.
CREATE VIRTUAL TABLE search_index USING fts5 (
    owner, terms, content = '', contentless_delete = 1, tokenize = 'ascii'
);
"""

_LEDGER_TABLES = """
CREATE TABLE ledger_entry (
    run_id TEXT NOT NULL,
    number INTEGER NOT NULL,            -- 0 is the run itself
    revision INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (run_id, number)
) STRICT;
CREATE INDEX ledger_run ON ledger_entry (run_id) WHERE number = 0;

CREATE TABLE ledger_part (
    run_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    user_id TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (run_id, number, user_id)
) STRICT;
CREATE INDEX ledger_part_by_user ON ledger_part (user_id);
"""

_DOCUMENT_TABLES = """
CREATE TABLE document (
    user_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    generation TEXT NOT NULL,
    revision INTEGER NOT NULL,
    group_name TEXT NOT NULL,
    list_order TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (user_id, kind, id)
) STRICT;
CREATE INDEX document_by_kind ON document (user_id, kind, list_order, id);
CREATE INDEX document_by_group ON document (user_id, kind, group_name, list_order, id);
"""


def check_library() -> None:
    """Pass if the SQLite library below us can be trusted with a store.

    Raises:
        StoreVersionError: it is too old, or was built without FTS5.
    """
    version = apsw.sqlite_lib_version()
    if tuple(int(part) for part in version.split(".")) < SQLITE_FLOOR:
        floor = ".".join(map(str, SQLITE_FLOOR))
        raise StoreVersionError(
            f"The SQLite library is {version}; at least {floor} is needed, since older ones can"
            " damage a file that several processes write."
        )
    if "ENABLE_FTS5" not in apsw.compile_options:
        raise StoreVersionError("The SQLite library was built without FTS5, which search needs.")


def prepare(
    connection: apsw.Connection, *, terms_version: int, new_secret: bytes | None = None
) -> None:
    """Make the tables in an empty file, or those that an older Chatfold's file lacks.

    To be called in a write transaction. A file that is made, or that holds nothing yet, gets
    `new_secret` for its deletion markers; without it, a file that is made gets a random one. A file
    whose index was made by other rules for terms is marked for indexing anew.

    Raises:
        StoreVersionError: the file is something else, or a newer Chatfold has written it.
    """
    application_id = pragma(connection, "application_id")
    version = pragma(connection, "user_version")
    if application_id == 0 and version == 0 and not _has_tables(connection):
        run(connection, _TABLES + _LEDGER_TABLES + _DOCUMENT_TABLES)
        secret = new_secret or os.urandom(32)
        run(connection, "INSERT INTO meta VALUES ('marker_secret', ?)", (secret,))
        run(connection, "INSERT INTO meta VALUES ('terms_version', ?)", (terms_version,))
        pragma(connection, "application_id", APPLICATION_ID)
        pragma(connection, "user_version", SCHEMA_VERSION)
        return
    if application_id != APPLICATION_ID:
        raise StoreVersionError("The file is a SQLite database, but not one of Chatfold's.")
    if not isinstance(version, int) or version > SCHEMA_VERSION:
        raise StoreVersionError(
            f"The file has schema version {version} and this Chatfold knows {SCHEMA_VERSION}:"
            " a newer Chatfold has written it, and only a newer one can open it."
        )
    if version < SCHEMA_VERSION:
        if version == 1:
            run(connection, _LEDGER_TABLES)
        run(connection, _DOCUMENT_TABLES)
        pragma(connection, "user_version", SCHEMA_VERSION)
    if new_secret is not None and not _holds_anything(connection):
        run(connection, "UPDATE meta SET value = ? WHERE name = 'marker_secret'", (new_secret,))
    if meta(connection, "terms_version") != terms_version:
        run(connection, "INSERT INTO search_index (search_index) VALUES ('delete-all')")
        run(connection, "DELETE FROM search_entry")
        run(connection, "UPDATE session SET indexed_seq = 0, is_name_indexed = 0")
        run(
            connection,
            "INSERT OR IGNORE INTO search_pending SELECT user_id, session_key FROM session",
        )
        run(connection, "UPDATE meta SET value = ? WHERE name = 'terms_version'", (terms_version,))


def meta(connection: apsw.Connection, name: str) -> object:
    """A value that the file keeps about itself."""
    row = find_row(connection, "SELECT value FROM meta WHERE name = ?", (name,))
    return row[0] if row else None


def _has_tables(connection: apsw.Connection) -> bool:
    return find_row(connection, "SELECT 1 FROM sqlite_schema LIMIT 1") is not None


def _holds_anything(connection: apsw.Connection) -> bool:
    statement = "SELECT 1 FROM session UNION ALL SELECT 1 FROM deletion_marker LIMIT 1"
    return find_row(connection, statement) is not None
