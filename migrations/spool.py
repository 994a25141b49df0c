"""Spool: records on their way from the order of a source to the order of sessions, on disk.

Batches of one session that come close together share a row: a source that is grouped already, as
most are, costs a row per session, and one that is shuffled costs at worst a row per record.
"""

import marshal
import os
from collections.abc import Iterable, Iterator
from contextlib import closing
from getpass import getuser
from itertools import chain, groupby
from operator import itemgetter
from pathlib import Path
from tempfile import gettempdir
from typing import NamedTuple, TypeVar, cast

from app.domain.folding import Finding, Reason, SourceMessage, SourceRecord
from app.domain.identity import SessionKey
from app.domain.source_options import AS_IT_IS, SourceOptions
from app.domain.source_session import SourceSession
from app.errors import MigrationError
from migrations.batches import WITHOUT_REFERENCES, Batch, ToldSession, batched_messages
from migrations.scratch import Scratch

PART_RECORDS = 50_000
PART_BYTES = 64 * 1024 * 1024
"""What may be in memory of one session at a time; a longer one is sorted on disk."""

_BUFFER_RECORDS = 20_000
_BUFFER_BYTES = 16 * 1024 * 1024

_TABLES = """
CREATE TABLE batch (
    session_id TEXT NOT NULL,
    user_id TEXT,
    is_user_inferred INTEGER NOT NULL DEFAULT 0,
    record_count INTEGER NOT NULL,
    records BLOB NOT NULL               -- of several batches
) STRICT;
CREATE TABLE session (                  -- what the source says of sessions themselves
    session_id TEXT NOT NULL,
    user_id TEXT,
    is_user_inferred INTEGER NOT NULL DEFAULT 0,
    position INTEGER NOT NULL,
    record BLOB NOT NULL
) STRICT;
CREATE TABLE fault (                    -- records that belong to no session, or to nobody
    position INTEGER NOT NULL,
    reason TEXT NOT NULL,
    detail TEXT,
    session_id TEXT,
    message_id TEXT
) STRICT;
CREATE TABLE total (                    -- once the source has been read to its end
    read INTEGER NOT NULL,
    outside INTEGER NOT NULL,
    blank_lines INTEGER NOT NULL
) STRICT;
CREATE TABLE owner (
    session_id TEXT PRIMARY KEY,
    user_id TEXT,
    user_count INTEGER NOT NULL,
    is_inferred INTEGER NOT NULL DEFAULT 1
) STRICT, WITHOUT ROWID;
"""

_SORTING_TABLE = """
CREATE TABLE record (
    order_key INTEGER NOT NULL, id TEXT NOT NULL, position INTEGER NOT NULL, record BLOB NOT NULL
) STRICT
"""

# Only of sessions that have records without a user: nobody asks for the others.
_FIND_OWNERS = """
CREATE INDEX batch_by_session ON batch (session_id, user_id);
CREATE INDEX session_by_session ON session (session_id, user_id);
CREATE VIEW named AS
    SELECT session_id, user_id FROM batch UNION ALL SELECT session_id, user_id FROM session;
INSERT INTO owner (session_id, user_id, user_count)
    SELECT session_id, min(user_id), count(DISTINCT user_id) FROM named
    WHERE session_id IN (SELECT session_id FROM named WHERE user_id IS NULL) GROUP BY session_id;
"""

_GIVE_TO_DEFAULT_USER = """
UPDATE owner SET user_id = ?, user_count = 1, is_inferred = 0 WHERE user_count = 0
"""

_GIVE_TO_OWNERS = """
UPDATE {table} SET user_id = owner.user_id, is_user_inferred = owner.is_inferred FROM owner
    WHERE {table}.user_id IS NULL AND {table}.session_id = owner.session_id
    AND owner.user_count = 1
"""


_COUNT = (
    "SELECT (SELECT coalesce(sum(record_count), 0) FROM batch) + (SELECT count(*) FROM session)"
)

# Of sessions in which this user has nothing; nobody else's record can become this user's.
_FORGET_NOBODYS = """
DELETE FROM {table} WHERE user_id IS NULL AND session_id NOT IN (
    SELECT session_id FROM batch WHERE user_id = ?
    UNION SELECT session_id FROM session WHERE user_id = ?
)
"""

_FORGET_OTHERS = "DELETE FROM {table} WHERE user_id != ?"

_Record = TypeVar("_Record", SourceMessage, SourceSession)


class SpooledFault(NamedTuple):
    """A record that cannot be placed, or whose user is not known."""

    position: int
    reason: Reason
    detail: str | None
    session_id: str | None = None
    message_id: str | None = None


class Totals(NamedTuple):
    """How many records a source has."""

    read: int
    outside: int
    """Of sessions that were not asked for; not among those read."""
    blank_lines: int


class OwnerlessRecord(NamedTuple):
    """A record that belongs to a session, but to none of its users for sure."""

    session_id: str
    user_count: int
    """How many users the session's other records name."""
    record: SourceRecord


class SpooledSession(NamedTuple):
    """The records of one session; to be read before the next session is asked for."""

    key: SessionKey
    told: Iterator[SourceSession]
    """Those of the session itself, the first of the source first."""
    records: Iterator[SourceMessage]
    """Those of its messages, in order."""


_NONE_TOLD: tuple[None, Iterator[SourceSession]] = (None, iter(()))


class Spool:
    """Takes records in any order and gives them back by session."""

    def __init__(
        self,
        path: Path | None = None,
        *,
        buffer_records: int = _BUFFER_RECORDS,
        part_records: int = PART_RECORDS,
    ) -> None:
        self._buffer_limit_records = buffer_records
        self._part_limit_records = part_records
        self._buffer: dict[tuple[str, str | None], list[Batch]] = {}
        self._buffered_records = 0
        self._buffered_bytes = 0
        self._has_ownerless = False
        self._scratch = Scratch(_TABLES, path)
        self._has_told = self._scratch.is_whole
        self._path = path
        self.totals: Totals | None = None
        """Of the source, once it has been read to its end."""
        if self._scratch.is_whole:
            (row,) = self._scratch.execute("SELECT read, outside, blank_lines FROM total")
            self.totals = Totals(*row)

    def close(self) -> None:
        """Let go of everything; what has a path and is whole stays for the next process."""
        self._scratch.close()
        if self._path is not None and not self._scratch.is_whole:
            self._path.unlink()

    def keep(self, totals: Totals) -> None:
        """Note that all of the source is here, and let another process go on from that."""
        self.totals = totals
        if self._path is not None:
            self._scratch.insert("INSERT INTO total VALUES (?, ?, ?)", [totals])
            self._scratch.keep()

    def discard(self) -> None:
        """Keep nothing: nobody will go on."""
        self._scratch.is_whole = False

    def add(self, batch: Batch) -> None:
        """Take some records."""
        key = (batch.session_id, batch.user_id)
        if key in self._buffer:
            self._buffer[key].append(batch)
        else:
            self._buffer[key] = [batch]
        self._buffered_records += batch.record_count
        self._buffered_bytes += batch.size_bytes
        if (
            self._buffered_records >= self._buffer_limit_records
            or self._buffered_bytes >= _BUFFER_BYTES
        ):
            self._write_buffer()

    def tell(self, told: ToldSession) -> None:
        """Take a record of a session itself."""
        session = told.session
        self._scratch.insert(
            "INSERT INTO session (session_id, user_id, position, record) VALUES (?, ?, ?, ?)",
            [(told.session_id, told.user_id, session.position, marshal.dumps(tuple(session)))],
        )
        self._has_told = True
        self._has_ownerless = self._has_ownerless or told.user_id is None

    def refuse(self, fault: SpooledFault) -> None:
        """Take a record that will be folded into no session."""
        self._scratch.insert("INSERT INTO fault VALUES (?, ?, ?, ?, ?)", [fault])

    def faults(self, *, after_count: int = 0) -> Iterator[SpooledFault]:
        """What was refused, by position, but for so many of the first."""
        rows = self._scratch.execute(
            "SELECT position, reason, detail, session_id, message_id FROM fault"
            " ORDER BY position, rowid LIMIT -1 OFFSET ?",
            [after_count],
        )
        for position, reason, *others in rows:
            yield SpooledFault(position, Reason(reason), *others)

    def assign_users(self, options: SourceOptions = AS_IT_IS) -> int:
        """Give records without a user to their session's one user; once, after the last `add`.

        Returns how many records belong to no session that is wanted; they are forgotten.
        """
        self._write_buffer()
        if self._has_ownerless:
            self._scratch.execute(_FIND_OWNERS)
            if options.default_user is not None:
                self._scratch.execute(_GIVE_TO_DEFAULT_USER, [options.default_user])
            for table in ("batch", "session"):
                self._scratch.execute(_GIVE_TO_OWNERS.format(table=table))
        return 0 if options.user is None else self._keep_only(options.user)

    def _keep_only(self, user_id: str) -> int:
        (before,) = next(self._scratch.execute(_COUNT))
        for table in ("batch", "session"):
            self._scratch.execute(_FORGET_NOBODYS.format(table=table), [user_id, user_id])
        for table in ("batch", "session"):
            self._scratch.execute(_FORGET_OTHERS.format(table=table), [user_id])
        (after,) = next(self._scratch.execute(_COUNT))
        return cast("int", before - after)

    def ownerless(self) -> Iterator[OwnerlessRecord]:
        """What could not be assigned, in no particular order."""
        for session_id, user_count, record in self._scratch.execute(
            "SELECT session_id, user_count, record FROM session JOIN owner USING (session_id)"
            " WHERE session.user_id IS NULL"
        ):
            yield OwnerlessRecord(session_id, user_count, _told(record))
        for session_id, user_count, records in self._scratch.execute(
            "SELECT session_id, user_count, records FROM batch JOIN owner USING (session_id)"
            " WHERE batch.user_id IS NULL"
        ):
            for message in _decoded(records):
                yield OwnerlessRecord(session_id, user_count, message)

    def sessions(self) -> Iterator[SpooledSession]:
        """Everything that has a user, session by session."""
        # Sorted, not read by an index: rows of a scattered source would be read from all over it.
        rows = self._scratch.execute(
            "SELECT session_id, user_id, is_user_inferred, records FROM batch"
            " WHERE user_id IS NOT NULL ORDER BY session_id, user_id"
        )
        all_told = self._all_told()
        key_told, told = next(all_told, _NONE_TOLD)
        for (session_id, user_id), batches in groupby(rows, key=itemgetter(0, 1)):
            key = SessionKey(user_id, session_id)
            while key_told is not None and _place(key_told) < _place(key):
                yield SpooledSession(key_told, told, iter(()))
                key_told, told = next(all_told, _NONE_TOLD)
            if key_told == key:
                yield SpooledSession(key, told, self._in_order(batches))
                key_told, told = next(all_told, _NONE_TOLD)
            else:
                yield SpooledSession(key, iter(()), self._in_order(batches))
        while key_told is not None:
            yield SpooledSession(key_told, told, iter(()))
            key_told, told = next(all_told, _NONE_TOLD)

    def _all_told(self) -> Iterator[tuple[SessionKey, Iterator[SourceSession]]]:
        """What the source says of sessions themselves, in the order of `sessions`."""
        if not self._has_told:
            return
        rows = self._scratch.execute(
            "SELECT session_id, user_id, is_user_inferred, record FROM session"
            " WHERE user_id IS NOT NULL ORDER BY session_id, user_id, position"
        )
        for (session_id, user_id), group in groupby(rows, key=itemgetter(0, 1)):
            yield (
                SessionKey(user_id, session_id),
                (
                    _with_inferred_user(_told(record)) if is_user_inferred else _told(record)
                    for _, _, is_user_inferred, record in group
                ),
            )

    def _in_order(self, batches: Iterator[tuple[str, str, int, bytes]]) -> Iterator[SourceMessage]:
        in_memory: list[SourceMessage] = []
        size_bytes = 0
        for _, _, is_user_inferred, encoded in batches:
            decoded = _decoded(encoded)
            in_memory.extend(map(_with_inferred_user, decoded) if is_user_inferred else decoded)
            size_bytes += len(encoded)
            if len(in_memory) > self._part_limit_records or size_bytes > PART_BYTES:
                rest = (
                    _with_inferred_user(message) if is_user_inferred else message
                    for _, _, is_user_inferred, encoded in batches
                    for message in _decoded(encoded)
                )
                return _sorted_on_disk(in_memory, rest)
        in_memory.sort()
        return iter(in_memory)

    def _write_buffer(self) -> None:
        self._scratch.insert(
            "INSERT INTO batch (session_id, user_id, record_count, records) VALUES (?, ?, ?, ?)",
            (
                (
                    *key,
                    sum(batch.record_count for batch in batches),
                    marshal.dumps([batch.records for batch in batches], WITHOUT_REFERENCES),
                )
                for key, batches in self._buffer.items()
            ),
        )
        self._has_ownerless = self._has_ownerless or any(
            user_id is None for _, user_id in self._buffer
        )
        self._buffer = {}
        self._buffered_records = 0
        self._buffered_bytes = 0


def spool_path(run_id: str) -> Path:
    """Where the records of a run wait for a process that goes on with it.

    Raises:
        MigrationError: the folder there is somebody else's.
    """
    folder = Path(gettempdir()) / f"chatfold-{getuser()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_mode & 0o077 or not os.access(folder, os.W_OK):
        raise MigrationError(f"{folder} must be a folder that nobody else can look into.")
    return folder / f"{run_id}.spool"


def _sorted_on_disk(
    first: list[SourceMessage], rest: Iterable[SourceMessage]
) -> Iterator[SourceMessage]:
    """The records of a session that is too long for the memory."""
    with closing(Scratch(_SORTING_TABLE)) as scratch:
        for records in (first, rest):
            scratch.insert(
                "INSERT INTO record VALUES (?, ?, ?, ?)",
                (
                    (*record[:3], marshal.dumps(tuple(record), WITHOUT_REFERENCES))
                    for record in records
                ),
            )
            first.clear()
        for (encoded,) in scratch.execute(
            "SELECT record FROM record ORDER BY order_key, id, position"
        ):
            yield SourceMessage._make(marshal.loads(encoded))  # noqa: S302 - written above


def _decoded(batches: bytes) -> Iterator[SourceMessage]:
    # What we have written ourselves, into a file that nobody else sees.
    return chain.from_iterable(map(batched_messages, marshal.loads(batches)))  # noqa: S302


def _told(encoded: bytes) -> SourceSession:
    return SourceSession._make(marshal.loads(encoded))  # noqa: S302 - written by us, as above


def _with_inferred_user(record: _Record) -> _Record:
    return record._replace(findings=int(record.findings | Finding.USER_INFERRED))


def _place(key: SessionKey) -> tuple[str, str]:
    """In the order of `Spool.sessions`."""
    return key.session_id, key.user_id
