"""Spool: records on their way from the order of a source to the order of sessions, on disk.

Batches of one session that come close together share a row: a source that is grouped already, as
most are, costs a row per session, and one that is shuffled costs at worst a row per record.
"""

import marshal
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import chain, groupby
from operator import itemgetter
from typing import NamedTuple

from app.domain.folding import Finding, SourceMessage
from app.domain.identity import SessionKey
from migrations.batches import Batch, batched_messages
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
    records BLOB NOT NULL               -- of several batches
) STRICT;
CREATE TABLE owner (
    session_id TEXT PRIMARY KEY,
    user_id TEXT,
    user_count INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
"""

_SORTING_TABLE = """
CREATE TABLE record (
    instant INTEGER NOT NULL, id TEXT NOT NULL, position INTEGER NOT NULL, record BLOB NOT NULL
) STRICT
"""

# Only of sessions that have records without a user: nobody asks for the others.
_FIND_OWNERS = """
CREATE INDEX batch_by_session ON batch (session_id, user_id);
INSERT INTO owner
    SELECT session_id, min(user_id), count(DISTINCT user_id) FROM batch
    WHERE session_id IN (SELECT session_id FROM batch WHERE user_id IS NULL) GROUP BY session_id;
UPDATE batch SET user_id = owner.user_id, is_user_inferred = 1 FROM owner
    WHERE batch.user_id IS NULL AND batch.session_id = owner.session_id AND owner.user_count = 1;
"""


class OwnerlessRecord(NamedTuple):
    """A record that belongs to a session, but to none of its users for sure."""

    session_id: str
    user_count: int
    """How many users the session's other records name."""
    message: SourceMessage


class SpooledSession(NamedTuple):
    """The records of one session in order; to be read before the next session is asked for."""

    key: SessionKey
    records: Iterator[SourceMessage]


class Spool:
    """Takes records in any order and gives them back by session."""

    def __init__(
        self, *, buffer_records: int = _BUFFER_RECORDS, part_records: int = PART_RECORDS
    ) -> None:
        self._buffer_limit_records = buffer_records
        self._part_limit_records = part_records
        self._buffer: dict[tuple[str, str | None], list[bytes]] = {}
        self._buffered_records = 0
        self._buffered_bytes = 0
        self._has_ownerless = False
        self._scratch = Scratch(_TABLES)

    def close(self) -> None:
        """Remove everything."""
        self._scratch.close()

    def add(self, batch: Batch) -> None:
        """Take some records."""
        key = (batch.session_id, batch.user_id)
        if key in self._buffer:
            self._buffer[key].append(batch.records)
        else:
            self._buffer[key] = [batch.records]
        self._buffered_records += batch.record_count
        self._buffered_bytes += batch.size_bytes
        if (
            self._buffered_records >= self._buffer_limit_records
            or self._buffered_bytes >= _BUFFER_BYTES
        ):
            self._write_buffer()

    def assign_users(self) -> None:
        """Give records without a user to their session's one user; once, after the last `add`."""
        self._write_buffer()
        if self._has_ownerless:
            self._scratch.execute(_FIND_OWNERS)

    def ownerless(self) -> Iterator[OwnerlessRecord]:
        """What could not be assigned, in no particular order."""
        for session_id, user_count, records in self._scratch.execute(
            "SELECT session_id, user_count, records FROM batch JOIN owner USING (session_id)"
            " WHERE batch.user_id IS NULL"
        ):
            for message in _decoded(records):
                yield OwnerlessRecord(session_id, user_count, message)

    def sessions(self) -> Iterator[SpooledSession]:
        """Everything that has a user, session by session."""
        rows = self._scratch.execute(
            "SELECT session_id, user_id, is_user_inferred, records FROM batch"
            " WHERE user_id IS NOT NULL ORDER BY session_id, user_id"
        )
        for (session_id, user_id), batches in groupby(rows, key=itemgetter(0, 1)):
            yield SpooledSession(SessionKey(user_id, session_id), self._in_order(batches))

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
            "INSERT INTO batch (session_id, user_id, records) VALUES (?, ?, ?)",
            ((*key, marshal.dumps(batches)) for key, batches in self._buffer.items()),
        )
        self._has_ownerless = self._has_ownerless or any(
            user_id is None for _, user_id in self._buffer
        )
        self._buffer = {}
        self._buffered_records = 0
        self._buffered_bytes = 0


def _sorted_on_disk(
    first: list[SourceMessage], rest: Iterable[SourceMessage]
) -> Iterator[SourceMessage]:
    """The records of a session that is too long for the memory."""
    with closing(Scratch(_SORTING_TABLE)) as scratch:
        for records in (first, rest):
            scratch.insert(
                "INSERT INTO record VALUES (?, ?, ?, ?)",
                ((*record[:3], marshal.dumps(tuple(record))) for record in records),
            )
            first.clear()
        for (encoded,) in scratch.execute(
            "SELECT record FROM record ORDER BY instant, id, position"
        ):
            yield SourceMessage._make(marshal.loads(encoded))  # noqa: S302 - written above


def _decoded(batches: bytes) -> Iterator[SourceMessage]:
    # What we have written ourselves, into a file that nobody else sees.
    return chain.from_iterable(map(batched_messages, marshal.loads(batches)))  # noqa: S302


def _with_inferred_user(message: SourceMessage) -> SourceMessage:
    return message._replace(findings=int(message.findings | Finding.USER_INFERRED))
