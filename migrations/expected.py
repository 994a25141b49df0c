"""What message documents must become, told by SQL from the raw source; knows nothing of the fold.

`verify` rests on this. It shares no code with the folding: it decodes with the standard library,
and the rules (whose a record is, which of two with one id stays, in which order) are queries below.
A mistake in either of the two therefore shows as a difference.
"""

import asyncio
import gzip
import hashlib
import json
import sys
import zlib
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from io import BufferedReader
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, NoReturn, cast

from app.errors import SourceError
from app.progress import Progress
from migrations.scratch import Scratch

KEPT_NAME = "chatfold:source"
"""The name in a message's metadata below which stands what no field of a message can hold."""

_TICK_RECORDS = 2000
_ID_LIMIT_BYTES = 1024
_LINE_LIMIT_BYTES = 64 * 1024 * 1024
_SOURCE_DEPTH_LIMIT = 201
_STORED_DEPTH_LIMIT = 64
_INTEGER_LIMIT_BITS = 4096
_PLAIN_CHARACTERS = 1000  # no integer in a text this short can be too long
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_INSTANT = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
_LAST_INSTANT = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
_TYPES = ("user", "assistant", "system")
_FIELDS = ("id", "session_id", "user_id", "content", "message_type", "metadata", "created_at")

_TABLES = """
CREATE TABLE record (
    line INTEGER PRIMARY KEY,
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

_EXPECTED = """
SELECT user_id, session_id, line, instant, id, content, message_type, metadata
FROM (
    SELECT *, row_number() OVER (
        PARTITION BY user_id, session_id, identity ORDER BY instant, line
    ) AS nth
    FROM record WHERE user_id IS NOT NULL
)
WHERE nth = 1 ORDER BY user_id, session_id, instant, id, line
"""


class ExpectedMessage(NamedTuple):
    """A message as the store must have it."""

    line: int
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
    """Everything that a source of message documents must become."""

    def __init__(self, *, message_limit_bytes: int) -> None:
        self.records_read = 0
        self.session_count = 0
        self._message_limit_bytes = message_limit_bytes
        self._scratch = Scratch(_TABLES)

    def close(self) -> None:
        """Forget everything."""
        self._scratch.close()

    async def load(self, path: Path, progress: Progress) -> None:
        """Read a source to its end; `-` is standard input.

        Raises:
            SourceError: it cannot be read.
        """
        try:
            with _opened(path) as (stored, size_bytes):
                progress.begin("reading", size_bytes)
                is_gzip = stored.peek(2)[:2] == b"\x1f\x8b"
                plain = cast("BinaryIO", gzip.GzipFile(fileobj=stored) if is_gzip else stored)
                for rows in self._batches(plain):
                    self._scratch.insert(
                        "INSERT INTO record VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows
                    )
                    done = stored.tell() if size_bytes is not None else 0
                    progress.advance(done, self.records_read)
                    await asyncio.sleep(0)
        except (OSError, EOFError, zlib.error) as error:
            raise SourceError(f"The source cannot be read: {error}") from error
        self._scratch.execute(_GIVE_USERS)
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
                        line, _instant_text(instant), message_id or None, content, kind, metadata
                    )
                    for _, _, line, instant, message_id, content, kind, metadata in messages
                ),
            )

    def _batches(self, source: BinaryIO) -> Iterator[list[tuple[Any, ...]]]:
        rows: list[tuple[Any, ...]] = []
        number = 0
        while line := source.readline(_LINE_LIMIT_BYTES + 1):
            number += 1
            if len(line) > _LINE_LIMIT_BYTES and not line.endswith(b"\n"):
                while line and not line.endswith(b"\n"):
                    line = source.readline(_LINE_LIMIT_BYTES)
                self.records_read += 1
                continue
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            if not line.strip():
                continue
            self.records_read += 1
            row = _row(number, line)
            if row is not None and not self._is_too_large(row, line):
                rows.append(row)
            if self.records_read % _TICK_RECORDS == 0:
                yield rows
                rows = []
        yield rows

    def _is_too_large(self, row: tuple[Any, ...], line: bytes) -> bool:
        if len(line) * 4 < self._message_limit_bytes:
            return False
        *_, message_id, _, content, message_type, metadata = row
        stored = _canonical(
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


@contextmanager
def _opened(path: Path) -> Generator[tuple[BufferedReader, int | None]]:
    """The source as it is stored, and its size where that is known."""
    if path == Path("-"):
        with open(sys.stdin.fileno(), "rb", closefd=False) as standard_input:
            yield standard_input, None
    else:
        with path.open("rb") as file:
            yield file, path.stat().st_size or None  # a pipe has none


def _row(number: int, line: bytes) -> tuple[Any, ...] | None:
    """What the record says, or None where it cannot be placed."""
    try:
        document = json.loads(line.decode(), parse_constant=_refuse)
        if not isinstance(document, dict):
            return None
        document = cast("dict[str, Any]", document)
        if b"\\u" in line:
            _canonical(document).encode()  # fails on half of a surrogate pair
        if _depth(document, line) > _SOURCE_DEPTH_LIMIT:
            return None
        session_id = _id(document, "session_id")
        user_id = _id(document, "user_id")
        message_id = _id(document, "id")
        instant = _instant(document.get("created_at"))
    except (ValueError, OverflowError, RecursionError):
        return None
    content = "" if document.get("content") is None else document["content"]
    if not session_id or not isinstance(content, str):
        return None
    message_type, metadata = _type_and_metadata(document)
    identity = "=" + message_id
    if not message_id:
        said = _canonical([instant, content, message_type, metadata]).encode()
        identity = "#" + hashlib.sha256(said).hexdigest()
    return (
        *(number, session_id, user_id or None, instant),
        *(message_id, identity, content, message_type, metadata),
    )


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _id(document: dict[str, Any], name: str) -> str:
    value = document.get(name)
    if value is None:
        return ""
    if type(value) is int:
        value = str(value)
    if not isinstance(value, str) or "\0" in value or len(value.encode()) > _ID_LIMIT_BYTES:
        raise ValueError(name)
    return value


def _instant(value: Any) -> int:
    if isinstance(value, str):
        date, separator, time = value[:10], value[10:11], value[11:]
        if date[4:5] != "-" or date[7:8] != "-" or separator not in ("", " ", "T", "t"):
            raise ValueError(value)
        moment = datetime.fromisoformat(f"{date}T{time}" if separator else date)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        instant = (moment - _EPOCH) // timedelta(microseconds=1)
    elif type(value) in (int, float):
        digits = abs(value)
        if digits >= 10**17:
            raise ValueError(value)
        factor = 1_000_000 if digits < 10**11 else 1000 if digits < 10**14 else 1
        instant = round(value * factor)
    else:
        raise ValueError(value)
    if not _FIRST_INSTANT <= instant <= _LAST_INSTANT:
        raise ValueError(value)
    return instant


def _instant_text(instant: int) -> str:
    moment = _EPOCH + timedelta(microseconds=instant // 1000 * 1000)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _type_and_metadata(document: dict[str, Any]) -> tuple[str, str | None]:
    kept = {name: document[name] for name in document if name not in _FIELDS}
    message_type = document.get("message_type")
    if message_type not in _TYPES:
        kept["message_type"] = message_type
        message_type = "system"
    metadata = document.get("metadata")
    if isinstance(metadata, str):
        metadata = _decoded(metadata)
    if document.get("metadata") is None:
        metadata = {}
    if not isinstance(metadata, dict):
        kept["metadata"] = document["metadata"]
        metadata = {}
    metadata = cast("dict[str, Any]", metadata)
    if KEPT_NAME in metadata:
        kept["metadata"] = {KEPT_NAME: metadata[KEPT_NAME]}
    if kept:
        metadata = {**metadata, KEPT_NAME: kept}
    text = _canonical(metadata)
    is_plain = (
        len(text) < _PLAIN_CHARACTERS
        and text.count("{") + text.count("[") <= _STORED_DEPTH_LIMIT
        and "Infinity" not in text
        and "\\u0000" not in text
    )
    return message_type, text if is_plain or _is_storable(metadata, 0) else None


def _decoded(text: str) -> Any:
    """What JSON in a text says; the text itself where it is none."""
    try:
        value = json.loads(text, parse_constant=_refuse)
        _canonical(value).encode()
    except (ValueError, RecursionError):
        return text
    return text if _depth(value, b"") > _SOURCE_DEPTH_LIMIT else value


def _is_storable(value: Any, level: int) -> bool:
    if isinstance(value, dict):
        names = cast("dict[str, Any]", value)
        return (
            level < _STORED_DEPTH_LIMIT
            and not any("\0" in name for name in names)
            and all(_is_storable(one, level + 1) for one in names.values())
        )
    if isinstance(value, list):
        items = cast("Sequence[Any]", value)
        return level < _STORED_DEPTH_LIMIT and all(_is_storable(one, level + 1) for one in items)
    if isinstance(value, float):
        return abs(value) != float("inf")
    return type(value) is not int or value.bit_length() <= _INTEGER_LIMIT_BITS


def _depth(value: Any, line: bytes) -> int:
    if line and line.count(b"[") + line.count(b"{") <= _SOURCE_DEPTH_LIMIT:
        return 0  # at most so deep, and that is deep enough
    if isinstance(value, dict):
        inner: Iterable[Any] = cast("dict[str, Any]", value).values()
    elif isinstance(value, list):
        inner = cast("Sequence[Any]", value)
    else:
        return 0
    return 1 + max((_depth(one, b"") for one in inner), default=0)


def _canonical(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
