"""What message documents must become, told by SQL from the raw source; knows nothing of the fold.

`verify` rests on this. It shares no code with the folding: it reads and decodes by ways of its own,
and the rules (whose a record is, which of two with one id stays, in which order) are queries below.
A mistake in either of the two therefore shows as a difference.
"""

import asyncio
import json
from collections.abc import Iterator
from itertools import groupby, islice
from operator import itemgetter
from typing import NamedTuple

from app.domain.source_options import SourceOptions
from app.progress import Progress
from migrations.expected_record import ExpectedRecords, Row, canonical, instant_text
from migrations.expected_source import OpenSource, opened
from migrations.scratch import Scratch

_TICK_RECORDS = 2000

_TABLES = """
CREATE TABLE record (
    position INTEGER PRIMARY KEY,
    session_id TEXT NOT NULL,
    user_id TEXT,
    instant INTEGER NOT NULL,       -- microseconds since 1970
    id TEXT NOT NULL,               -- empty where there is none
    identity TEXT NOT NULL,         -- what two records of one message share
    content TEXT NOT NULL,
    message_type TEXT NOT NULL,
    metadata TEXT                   -- NULL: whatever is kept of it is kept as text
) STRICT;
"""

_GIVE_USERS = """
CREATE TABLE sole_owner AS
    SELECT session_id, min(user_id) AS user_id FROM record WHERE user_id IS NOT NULL
    GROUP BY session_id HAVING count(DISTINCT user_id) = 1;
CREATE UNIQUE INDEX sole_owner_by_session ON sole_owner (session_id);
UPDATE record SET user_id = sole_owner.user_id FROM sole_owner
    WHERE record.user_id IS NULL AND record.session_id = sole_owner.session_id;
"""

_GIVE_TO_DEFAULT_USER = """
UPDATE record SET user_id = ? WHERE session_id NOT IN (
    SELECT session_id FROM record WHERE user_id IS NOT NULL
)
"""

_EXPECTED = """
SELECT user_id, session_id, position, instant, id, content, message_type, metadata
FROM (
    SELECT *, row_number() OVER (
        PARTITION BY user_id, session_id, identity ORDER BY instant, position
    ) AS nth
    FROM record WHERE user_id IS NOT NULL
)
WHERE nth = 1 ORDER BY user_id, session_id, instant, id, position
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


class ExpectedSessions:
    """Everything that a source of message documents must become, or the part that is wanted."""

    def __init__(self, options: SourceOptions, *, message_limit_bytes: int) -> None:
        self.source_name = ""
        self.record_word = "record"
        """What a record of the source is called."""
        self.records_read = 0
        self.session_count = 0
        self._options = options
        self._records = ExpectedRecords(options)
        self._message_limit_bytes = message_limit_bytes
        self._scratch = Scratch(_TABLES)

    def close(self) -> None:
        """Forget everything."""
        self._scratch.close()

    async def load(self, location: str, progress: Progress) -> None:
        """Read a source to its end.

        Raises:
            SourceError: it cannot be read.
        """
        with opened(location, self._options) as source:
            self.source_name, self.record_word = source.name, source.word
            progress.begin("reading", source.size_bytes)
            for rows in self._batches(source):
                self._scratch.insert("INSERT INTO record VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
                progress.advance(source.bytes_read(), self.records_read)
                await asyncio.sleep(0)
        self._scratch.execute(_GIVE_USERS)
        if self._options.default_user is not None:
            self._scratch.execute(_GIVE_TO_DEFAULT_USER, [self._options.default_user])
        if self._options.user is not None:
            self._scratch.execute("DELETE FROM record WHERE user_id IS NOT ?", [self._options.user])
        (self.session_count,) = next(
            self._scratch.execute(
                "SELECT count(*) FROM (SELECT DISTINCT user_id, session_id FROM record"
                " WHERE user_id IS NOT NULL)"
            )
        )

    def sessions(self) -> Iterator[ExpectedSession]:
        """By user and id."""
        rows = self._scratch.execute(_EXPECTED)
        for (user_id, session_id), messages in groupby(rows, key=itemgetter(0, 1)):
            yield ExpectedSession(
                user_id,
                session_id,
                (
                    ExpectedMessage(
                        position, instant_text(instant), message_id or None, content, kind, metadata
                    )
                    for _, _, position, instant, message_id, content, kind, metadata in messages
                ),
            )

    def _batches(self, source: OpenSource) -> Iterator[list[Row]]:
        rows: list[Row] = []
        for position, raw in islice(source.records, self._options.limit):
            self.records_read += 1
            row = raw and self._records.row(position, raw, is_bson=source.is_bson)
            if raw and row and self._is_wanted(row) and not self._is_too_large(row, raw):
                rows.append(row)
            if self.records_read % _TICK_RECORDS == 0:
                yield rows
                rows = []
        yield rows

    def _is_wanted(self, row: Row) -> bool:
        return self._options.session is None or row[1] == self._options.session

    def _is_too_large(self, row: Row, raw: bytes) -> bool:
        if len(raw) * 4 < self._message_limit_bytes:
            return False
        *_, message_id, _, content, message_type, metadata = row
        stored = canonical(
            {
                "id": message_id or "x" * 36,
                "content": content,
                "message_type": message_type,
                "user_id": None,
                "metadata": {} if metadata is None else json.loads(metadata),
                "created_at": "2000-01-01T00:00:00.000Z",
                "parent_id": None,
                "edited_at": None,
                "deleted_at": None,
            }
        )
        return len(stored.encode()) > self._message_limit_bytes
