"""What a source must become, told by SQL from its raw records; knows nothing of the fold.

`verify` rests on this. It shares no code with the folding: it reads and decodes by ways of its own,
and the rules (whose a record is, which of two with one id stays, in which order) are queries below.
A mistake in either of the two therefore shows as a difference.
"""

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from itertools import groupby, islice
from operator import itemgetter
from typing import Any, NamedTuple, Protocol

from app.domain.limits import StoreLimits
from app.domain.source_options import SourceOptions
from app.progress import Progress
from migrations.expected_record import Row, ToldRow, canonical, instant_text
from migrations.expected_source import OpenSource
from migrations.scratch import Scratch

_TICK_RECORDS = 2000
_FRAME_CHARACTERS = 2048  # of a message, beside its content and metadata
_BYTES_OF_CHARACTER = 6  # at most: one that JSON must escape
_NOTHING: tuple[None, Iterator[Any]] = (None, iter(()))

_TABLES = """
CREATE TABLE record (
    position INTEGER PRIMARY KEY,
    session_id TEXT NOT NULL,
    user_id TEXT,
    place INTEGER NOT NULL,         -- what orders messages, before their ids
    instant INTEGER NOT NULL,       -- microseconds since 1970
    id TEXT NOT NULL,               -- empty where there is none
    identity TEXT NOT NULL,         -- what two records of one message share
    content TEXT NOT NULL,
    message_type TEXT NOT NULL,
    metadata TEXT                   -- NULL: whatever is kept of it is kept as text
) STRICT;
CREATE TABLE told (                 -- what the source says of sessions themselves
    position INTEGER NOT NULL,
    session_id TEXT NOT NULL,
    user_id TEXT,
    fields TEXT NOT NULL,
    size_bytes INTEGER NOT NULL
) STRICT;
CREATE TABLE first_told (           -- of each session, what counts
    user_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    fields TEXT NOT NULL,
    PRIMARY KEY (user_id, session_id)
) STRICT, WITHOUT ROWID;
CREATE VIEW named AS
    SELECT session_id, user_id FROM record UNION ALL SELECT session_id, user_id FROM told;
"""

_FIND_OWNERS = """
CREATE TABLE sole_owner AS
    SELECT session_id, min(user_id) AS user_id FROM named WHERE user_id IS NOT NULL
    GROUP BY session_id HAVING count(DISTINCT user_id) = 1;
CREATE UNIQUE INDEX sole_owner_by_session ON sole_owner (session_id);
"""

_GIVE_TO_DEFAULT_USER = """
INSERT INTO sole_owner SELECT DISTINCT session_id, ? FROM named
    WHERE session_id NOT IN (SELECT session_id FROM named WHERE user_id IS NOT NULL)
"""

_GIVE_USERS = """
UPDATE {table} SET user_id = sole_owner.user_id FROM sole_owner
    WHERE {table}.user_id IS NULL AND {table}.session_id = sole_owner.session_id
"""

# Of what is told of a session the first counts, unless no header can hold it.
_FIND_FIRST_TOLD = """
INSERT INTO first_told SELECT user_id, session_id, fields FROM (
    SELECT *, row_number() OVER (PARTITION BY user_id, session_id ORDER BY position) AS nth
    FROM told WHERE user_id IS NOT NULL AND fields ->> 'artifact' IS NULL
)
WHERE nth = 1
    AND size_bytes + 2 * (length(user_id) + length(session_id)) <= ?
"""

_TOLD = "SELECT user_id, session_id, fields FROM first_told ORDER BY user_id, session_id"

_FORGET_PARTS = """
DELETE FROM record WHERE (user_id, session_id) NOT IN (SELECT user_id, session_id FROM first_told)
"""

_ARTIFACTS = """
SELECT fields ->> 'artifact' FROM told
    WHERE session_id = ? AND user_id = ? AND fields ->> 'artifact' IS NOT NULL ORDER BY position
"""

_KEYS = """
SELECT user_id, session_id FROM record WHERE user_id IS NOT NULL
UNION SELECT user_id, session_id FROM first_told
    WHERE fields ->> 'created_at' IS NOT NULL OR fields ->> 'updated_at' IS NOT NULL
ORDER BY 1, 2
"""

_EXPECTED = """
SELECT user_id, session_id, position, instant, id, content, message_type, metadata
FROM (
    SELECT *, row_number() OVER (
        PARTITION BY user_id, session_id, identity ORDER BY place, position
    ) AS nth
    FROM record WHERE user_id IS NOT NULL
)
WHERE nth = 1 ORDER BY user_id, session_id, place, id, position
"""


class ExpectedMessage(NamedTuple):
    """A message as the store must have it."""

    position: int
    """In the source."""
    created_at: str
    id: str | None
    """None: the source has none, so that any may have been made."""
    content: str
    message_type: str
    metadata: str | None
    """JSON with sorted names; None: some text below our name."""


class ExpectedSession(NamedTuple):
    """A session as the store must have it; to be read before the next one is asked for."""

    user_id: str
    session_id: str
    messages: Iterator[ExpectedMessage]
    told: Mapping[str, Any] | None
    """What the source says of the session itself, by the names of the store."""


class ExpectedReader(Protocol):
    """Tells what the records of one kind of source must become."""

    needs_session: bool
    """Whether messages become nothing where the source does not tell of their session."""

    def opened(self, location: str, options: SourceOptions) -> AbstractContextManager[OpenSource]:
        """The source at its beginning.

        Raises:
            SourceError: it cannot be read.
        """
        ...

    def rows(
        self, position: int, raw: bytes | None, *, is_bson: bool
    ) -> Iterator[Row | ToldRow | None]:
        """What a raw record says; None for each record of it that cannot be placed."""
        ...

    def place(self, position: int, word: str) -> str:
        """Where a record is, in people's words."""
        ...


class ExpectedSessions:
    """Everything that a source must become, or the part that is wanted."""

    def __init__(self, reader: ExpectedReader, options: SourceOptions, limits: StoreLimits) -> None:
        self.source_name = ""
        self.record_word = "record"
        """What a record of the source is called."""
        self.records_read = 0
        self.session_count = 0
        self._options = options
        self._reader = reader
        self._limits = limits
        self._scratch = Scratch(_TABLES)

    def close(self) -> None:
        """Forget everything."""
        self._scratch.close()

    async def load(self, location: str, progress: Progress) -> None:
        """Read a source to its end.

        Raises:
            SourceError: it cannot be read.
        """
        with self._reader.opened(location, self._options) as source:
            self.source_name, self.record_word = source.name, source.word
            progress.begin("reading", source.size_bytes)
            for rows, told in self._batches(source):
                self._scratch.insert(
                    "INSERT INTO record VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows
                )
                self._scratch.insert("INSERT INTO told VALUES (?, ?, ?, ?, ?)", told)
                progress.advance(source.bytes_read(), self.records_read)
                await asyncio.sleep(0)
        self._scratch.execute(_FIND_OWNERS)
        if self._options.default_user is not None:
            self._scratch.execute(_GIVE_TO_DEFAULT_USER, [self._options.default_user])
        for table in ("record", "told"):
            self._scratch.execute(_GIVE_USERS.format(table=table))
            if self._options.user is not None:
                forget = f"DELETE FROM {table} WHERE user_id IS NOT ?"  # noqa: S608 - two names
                self._scratch.execute(forget, [self._options.user])
        self._scratch.execute(_FIND_FIRST_TOLD, [self._limits.header_bytes])
        if self._reader.needs_session:
            self._scratch.execute("CREATE INDEX told_by_session ON told (session_id, user_id)")
            self._scratch.execute(_FORGET_PARTS)
        (self.session_count,) = next(self._scratch.execute(f"SELECT count(*) FROM ({_KEYS})"))  # noqa: S608 - ours

    def place(self, position: int) -> str:
        """Where a record is, in people's words."""
        return self._reader.place(position, self.record_word)

    def sessions(self) -> Iterator[ExpectedSession]:
        """By user and id."""
        messages = groupby(self._scratch.execute(_EXPECTED), key=itemgetter(0, 1))
        told = groupby(self._scratch.execute(_TOLD), key=itemgetter(0, 1))
        of_messages, of_told = next(messages, _NOTHING), next(told, _NOTHING)
        for user_id, session_id in self._scratch.execute(_KEYS):
            key = (user_id, session_id)
            while of_told[0] is not None and of_told[0] < key:  # one without a date
                of_told = next(told, _NOTHING)
            fields = next(iter(of_told[1]))[2] if of_told[0] == key else None
            rows = of_messages[1] if of_messages[0] == key else iter(())
            if of_messages[0] == key or fields is not None:
                yield ExpectedSession(
                    user_id, session_id, map(_message, rows), fields and json.loads(fields)
                )
            if of_messages[0] == key:
                of_messages = next(messages, _NOTHING)

    def artifacts(self, session: ExpectedSession) -> list[Any]:
        """What the source says of the artifacts of a session, in its order."""
        key = [session.session_id, session.user_id]
        return [json.loads(artifact) for (artifact,) in self._scratch.execute(_ARTIFACTS, key)]

    def _batches(self, source: OpenSource) -> Iterator[tuple[list[Row], list[ToldRow]]]:
        rows: list[Row] = []
        told: list[ToldRow] = []
        read_before = 0
        for position, raw in islice(source.records, self._options.limit):
            for row in self._reader.rows(position, raw, is_bson=source.is_bson):
                self.records_read += 1
                if row is None or self._options.session not in {None, row.session_id}:
                    continue
                if isinstance(row, ToldRow):
                    told.append(row)
                elif not self._is_too_large(row):
                    rows.append(row)
            if self.records_read - read_before >= _TICK_RECORDS:
                yield rows, told
                rows, told, read_before = [], [], self.records_read
        yield rows, told

    def _is_too_large(self, row: Row) -> bool:
        characters = len(row.content) + len(row.metadata or "") + _FRAME_CHARACTERS
        if characters * _BYTES_OF_CHARACTER < self._limits.message_bytes:
            return False
        stored = canonical(
            {
                "id": row.id or "x" * 36,
                "content": row.content,
                "message_type": row.message_type,
                "user_id": None,
                "metadata": {} if row.metadata is None else json.loads(row.metadata),
                "created_at": "2000-01-01T00:00:00.000Z",
                "parent_id": None,
                "edited_at": None,
                "deleted_at": None,
            }
        )
        return len(stored.encode()) > self._limits.message_bytes


def _message(row: tuple[Any, ...]) -> ExpectedMessage:
    _, _, position, instant, message_id, content, kind, metadata = row
    return ExpectedMessage(
        position, instant_text(instant), message_id or None, content, kind, metadata
    )
