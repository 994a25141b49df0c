"""The limit of a fold: `python -m bench.bare_fold SOURCE STORE`.

It decodes a source and inserts finished rows. No order, no checks, no identity, no sessions: only
what no fold can do without.
"""

import gzip
import hashlib
import sys
import time
from pathlib import Path

import apsw
from pydantic_core import from_json

from app.store.factory import sqlite_path

_ROWS_PER_COMMIT = 2000


def main(source: Path, file: Path) -> float:
    """Insert every message of the source as a finished row; returns the seconds that it took."""
    began_at = time.perf_counter()
    connection = apsw.Connection(str(file))
    connection.execute("PRAGMA journal_mode = wal; PRAGMA synchronous = full")
    connection.execute(
        "CREATE TABLE message (session TEXT, seq INTEGER, id TEXT, digest BLOB, created_at TEXT,"
        " body BLOB, PRIMARY KEY (session, seq)) WITHOUT ROWID;"
        "CREATE UNIQUE INDEX message_by_id ON message (session, id)"
    )
    rows: list[tuple[str, int, str, bytes, str, bytes]] = []
    places: dict[str, int] = {}
    with gzip.open(source) as lines:
        for line in lines:
            document = from_json(line)
            session = document["session_id"]
            seq = places[session] = places.get(session, -1) + 1
            digest = hashlib.blake2b(document["content"].encode(), digest_size=16).digest()
            rows.append((session, seq, document["id"], digest, document["created_at"], line))
            if len(rows) == _ROWS_PER_COMMIT:
                _insert(connection, rows)
    _insert(connection, rows)
    connection.close()
    return time.perf_counter() - began_at


def _insert(
    connection: apsw.Connection, rows: list[tuple[str, int, str, bytes, str, bytes]]
) -> None:
    with connection:
        connection.executemany("INSERT INTO message VALUES (?, ?, ?, ?, ?, ?)", rows)
    rows.clear()


if __name__ == "__main__":
    print(main(Path(sys.argv[1]), sqlite_path(sys.argv[2])))
