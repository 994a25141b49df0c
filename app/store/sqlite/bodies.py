"""Where the bodies of messages are: the newest in rows of their own, older ones joined into runs.

A row per message makes an append cheap, a run makes a whole read cheap: 64 messages are one BLOB,
sent as it is. Sealing moves the oldest rows of a tail into a run; it happens in every 64th append,
costs the same however long the session is, and leaves each message's row as its identity.
"""

import sys
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, cast

import apsw

from app.domain.free_json import encode_json
from app.errors import CorruptDocumentError
from app.store.sqlite.session_row import SessionRow
from app.store.sqlite.statements import rows, run

RUN_MESSAGES = 64
_Run = tuple[int, bytes, bytes]
"""First place, lengths, joined bodies."""

_RUN_LIMIT_BYTES = 1024 * 1024  # a larger message makes a run of its own
_TOGETHER_BYTES = 64 * 1024 * 1024  # SQLite takes no value of a gigabyte


class PreparedRuns(NamedTuple):
    """Some runs, one after the other, with all that can be made of them before the transaction."""

    layout: str
    """A JSON array: of each its first place, its lengths in hexadecimal, and where it is."""
    joined: bytes

    @classmethod
    def of(cls, runs: Sequence[tuple[int, str, bytes]]) -> "PreparedRuns":
        """Runs by their first places and lengths."""
        begin = 1  # as SQL counts
        layout: list[tuple[int, str, int, int]] = []
        for first_seq, lengths, joined in runs:
            layout.append((first_seq, lengths, begin, len(joined)))
            begin += len(joined)
        return cls(encode_json(layout).decode(), b"".join(joined for _, _, joined in runs))


def read_joined(connection: apsw.Connection, row: SessionRow, start: int) -> bytes:
    """The bodies of the places from `start` to the end, joined by commas.

    Raises:
        CorruptDocumentError: a place has no body, or one that is none.
    """
    parts: list[bytes] = []
    seq = start
    for first_seq, lengths, body in _runs_from(connection, row, start):
        sizes = _sizes(lengths, body)
        if first_seq > seq:
            raise CorruptDocumentError("run of messages")
        skipped = seq - first_seq
        if skipped < len(sizes):
            # The bodies before ours, each with its comma.
            parts.append(body[sum(sizes[:skipped]) + skipped :] if skipped else body)
            seq = first_seq + len(sizes)
    tail = [body for (body,) in rows(connection, _TAIL_FROM, (row.session_key, seq))]
    if seq + len(tail) != row.next_seq and start < row.next_seq:
        raise CorruptDocumentError("list of messages")
    for body in tail:
        if not body.startswith(b'{"seq":') or not body.endswith(b"}"):
            raise CorruptDocumentError("message")
    parts.extend(tail)
    return b",".join(parts)


def read_range(connection: apsw.Connection, row: SessionRow, start: int, stop: int) -> list[bytes]:
    """The bodies of the places from `start` to before `stop`, one by one.

    Raises:
        CorruptDocumentError: a place has no body.
    """
    if start >= stop:
        return []
    bodies: list[bytes] = []
    for first_seq, lengths, body in _runs_from(connection, row, start):
        if first_seq >= stop:
            break
        bodies.extend(
            _split(_sizes(lengths, body), body)[max(0, start - first_seq) : stop - first_seq]
        )
    tail = rows(connection, _TAIL_RANGE, (row.session_key, max(start, row.sealed_seq), stop))
    bodies.extend(body for (body,) in tail)
    if len(bodies) != stop - start:
        raise CorruptDocumentError("list of messages")
    return bodies


def read_one(connection: apsw.Connection, row: SessionRow, seq: int) -> bytes:
    """The body of one place."""
    return read_range(connection, row, seq, seq + 1)[0]


def replace_one(connection: apsw.Connection, row: SessionRow, seq: int, body: bytes) -> int:
    """Put another body in a place that has one; returns by how many bytes the session grows."""
    if seq >= row.sealed_seq:
        before = read_one(connection, row, seq)
        run(
            connection,
            "UPDATE message SET body = ? WHERE session_key = ? AND seq = ?",
            (body, row.session_key, seq),
        )
        return len(body) - len(before)
    first_seq, lengths, joined = next(_runs_from(connection, row, seq), (0, b"", b""))
    bodies = _split(_sizes(lengths, joined), joined)
    if not first_seq <= seq < first_seq + len(bodies):
        raise CorruptDocumentError("run of messages")
    growth = len(body) - len(bodies[seq - first_seq])
    bodies[seq - first_seq] = body
    run(
        connection,
        "UPDATE run SET lengths = ?, body = ? WHERE session_key = ? AND first_seq = ?",
        (_packed(map(len, bodies)), b",".join(bodies), row.session_key, first_seq),
    )
    return growth


def seal(connection: apsw.Connection, session_key: int, sealed_seq: int) -> int:
    """Move the next `RUN_MESSAGES` of a tail into runs; returns the new `sealed_seq`."""
    place = (session_key, sealed_seq, sealed_seq + RUN_MESSAGES)
    bodies = [body for (body,) in rows(connection, _TAIL_RANGE, place)]
    if len(bodies) != RUN_MESSAGES:
        raise CorruptDocumentError("list of messages")
    insert_runs(connection, session_key, prepared_runs(bodies, first_seq=sealed_seq))
    run(
        connection,
        "UPDATE message SET body = NULL WHERE session_key = ? AND seq >= ? AND seq < ?",
        place,
    )
    return sealed_seq + RUN_MESSAGES


def prepared_runs(bodies: Sequence[bytes], *, first_seq: int = 0) -> list[PreparedRuns]:
    """Bodies as runs from a place on, as many together as one statement takes."""
    prepared: list[PreparedRuns] = []
    together: list[tuple[int, str, bytes]] = []
    size_bytes = 0
    for some in _runs(bodies):
        joined = b",".join(some)
        size_bytes += len(joined)
        if size_bytes > _TOGETHER_BYTES and together:
            prepared.append(PreparedRuns.of(together))
            together, size_bytes = [], len(joined)
        together.append((first_seq, _packed(map(len, some)).hex(), joined))
        first_seq += len(some)
    return [*prepared, PreparedRuns.of(together)]


def _runs(bodies: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    """The bodies that make a run together."""
    start = size_bytes = 0
    for place, body in enumerate(bodies):
        is_full = place - start == RUN_MESSAGES or size_bytes + len(body) > _RUN_LIMIT_BYTES
        if is_full and place > start:
            yield bodies[start:place]
            start, size_bytes = place, 0
        size_bytes += len(body)
    if start < len(bodies):
        yield bodies[start:]


def insert_runs(
    connection: apsw.Connection, session_key: int, prepared: Iterable[PreparedRuns]
) -> None:
    """Store runs."""
    for together in prepared:
        run(connection, _INSERT_RUNS, (session_key, *together))


# One statement for many, which SQLite works through without Python: another thread can go on.
_INSERT_RUNS = """
    INSERT INTO run
    SELECT ?1, value ->> 0, unhex(value ->> 1), substr(?3, value ->> 2, value ->> 3)
    FROM json_each(?2)"""

# The run that holds a place is the last one that begins at or before it.
_RUNS_FROM = """
    SELECT first_seq, lengths, body FROM run WHERE session_key = ?1 AND first_seq >= coalesce(
        (SELECT max(first_seq) FROM run WHERE session_key = ?1 AND first_seq <= ?2), 0
    ) ORDER BY first_seq"""

_TAIL_FROM = """
    SELECT body FROM message WHERE session_key = ? AND seq >= ? AND body IS NOT NULL ORDER BY seq"""

_TAIL_RANGE = """
    SELECT body FROM message WHERE session_key = ? AND seq >= ? AND seq < ? AND body IS NOT NULL
    ORDER BY seq"""


def _runs_from(connection: apsw.Connection, row: SessionRow, start: int) -> Iterator[_Run]:
    """The runs that hold places from `start` on."""
    if start < row.sealed_seq:
        yield from cast("Iterator[_Run]", rows(connection, _RUNS_FROM, (row.session_key, start)))


def _split(sizes: Sequence[int], joined: bytes) -> list[bytes]:
    bodies: list[bytes] = []
    offset = 0
    for size in sizes:
        bodies.append(joined[offset : offset + size])
        offset += size + 1
    return bodies


def _sizes(lengths: bytes, joined: bytes) -> Sequence[int]:
    sizes = array("I")
    try:
        sizes.frombytes(lengths)
    except ValueError:
        raise CorruptDocumentError("run of messages") from None
    if sys.byteorder == "big":
        sizes.byteswap()
    is_whole = sum(sizes) + max(len(sizes) - 1, 0) == len(joined)
    if not is_whole or not joined.startswith(b'{"seq":') or not joined.endswith(b"}"):
        raise CorruptDocumentError("run of messages")
    return sizes


def _packed(lengths: Iterable[int]) -> bytes:
    sizes = array("I", lengths)
    if sys.byteorder == "big":
        sizes.byteswap()
    return sizes.tobytes()
