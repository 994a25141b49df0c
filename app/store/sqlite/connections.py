"""How the file is opened: one way for the writer and one for readers."""

import os
from pathlib import Path

import apsw

from app.store.sqlite.statements import pragma

BUSY_TIMEOUT_MILLISECONDS = 5000
"""Only strangers (a database shell, a backup tool) can make us wait; our own writers take turns."""

_CACHE_KIBIBYTES = 16 * 1024


def open_writer(path: Path) -> apsw.Connection:
    """The connection that writes: a commit returns when its bytes are on the disk."""
    connection = apsw.Connection(
        str(path), flags=apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
    )
    _configure(connection)
    pragma(connection, "journal_mode", "wal")
    pragma(connection, "synchronous", "full")
    # What is deleted is overwritten: erasing a user must not leave their words in free pages.
    pragma(connection, "secure_delete", 1)
    return connection


def open_reader(path: Path, *, busy_timeout_milliseconds: int) -> apsw.Connection:
    """A connection that cannot write."""
    # Opened for writing, since a reader of a WAL file keeps its marks in shared memory.
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    _configure(connection)
    connection.set_busy_timeout(busy_timeout_milliseconds)
    pragma(connection, "query_only", 1)
    return connection


def make_file(path: Path) -> None:
    """Make an empty file that only its owner may read, in a folder that lasts.

    SQLite gives its log and its shared memory the permissions of the file.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))


def sync_folder(path: Path) -> None:
    """Bring the names of new files to the disk, so that they outlive a power loss."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _configure(connection: apsw.Connection) -> None:
    connection.set_busy_timeout(BUSY_TIMEOUT_MILLISECONDS)
    pragma(connection, "cache_size", -_CACHE_KIBIBYTES)
    pragma(connection, "temp_store", "memory")
    # Checkpoints are the writer's, under the lock between processes; never a side effect.
    connection.wal_autocheckpoint(0)
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)
