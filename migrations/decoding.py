"""Decoding: chunks of raw records become batches of records, in this process and others beside it.

Decoding is most of a fold's work and holds Python's lock, so that only another process makes use
of another core. Chunks come back in the order of the source, whoever decoded them.
"""

import marshal
import os
import subprocess
import sys
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import NamedTuple, cast

from app.domain.folding import Reason, SourceMessage
from app.domain.source_options import AS_IT_IS, SourceOptions
from app.domain.source_session import SourceSession, artifact_of_session, source_session
from app.errors import MigrationError
from app.formats.port import FaultyRecord, Format, Notation, RawRecord, Record, SessionRecord
from migrations.batches import WITHOUT_REFERENCES, Batch, ToldSession
from migrations.collecting import seldom_collected

ALONE_BYTES = 4 * 1024 * 1024
"""So much is decoded before other processes are started, which a small source is not worth."""

_OWN_BYTES = 128 * 1024
_GIVEN_BYTES = 2 * 1024 * 1024
_LINE_LIMIT = 64  # how many chunks may wait for one that another process has not decoded yet


class Fault(NamedTuple):
    """A record that cannot be placed, without what it says."""

    position: int
    reason: Reason
    detail: str
    session_id: str | None = None


class Decoded(NamedTuple):
    """What some raw records are."""

    faults: list[Fault]
    batches: list[Batch]
    sessions: list[ToldSession]
    outside: int
    """How many records belong to no session that is wanted."""

    @property
    def record_count(self) -> int:
        """How many records that may be wanted they are; a raw one may hold several."""
        return (
            len(self.faults)
            + len(self.sessions)
            + sum(batch.record_count for batch in self.batches)
        )


class Chunk(NamedTuple):
    """Some raw records of a source, and what they are."""

    raw_records: list[RawRecord]
    decoded: Decoded


class Decoder(NamedTuple):
    """Turns raw records into what a fold needs of them, in whatever process."""

    format: Format
    notation: Notation = Notation.JSON
    options: SourceOptions = AS_IT_IS

    def decoded(self, raw_records: Iterable[RawRecord]) -> Decoded:
        """What they are, in the order in which they came."""
        grouped: dict[tuple[str, str | None], list[SourceMessage]] = {}
        faults: list[Fault] = []
        sessions: list[ToldSession] = []
        outside = 0
        for record in self.format.records(raw_records, self.notation):
            if isinstance(record, Record):
                key = (record.session_id, record.user_id)
                if key in grouped:
                    grouped[key].append(record.message)
                else:
                    grouped[key] = [record.message]
            elif isinstance(record, FaultyRecord):
                if record.session_id is not None and self._is_outside(record.session_id, None):
                    outside += 1
                else:
                    faults.append(Fault(*record[:3], record.session_id))
            elif self._is_outside(record.session_id, record.user_id):
                outside += 1
            else:
                sessions.append(ToldSession(record.session_id, record.user_id, _told(record)))
        if self.options.is_subset:
            outside += self._leave_out(grouped)
        batches = [Batch.of(*key, messages) for key, messages in grouped.items()]
        return Decoded(faults, batches, sessions, outside)

    def _is_outside(self, session_id: str, user_id: str | None) -> bool:
        options = self.options
        is_anothers = options.user is not None and user_id not in {None, options.user}
        return is_anothers or options.session not in {None, session_id}

    def _leave_out(self, grouped: dict[tuple[str, str | None], list[SourceMessage]]) -> int:
        """Empty what is not wanted, and say how much it was.

        Another user of a wanted session is remembered without messages: whose a record without a
        user is, must not depend on what is wanted.
        """
        outside = 0
        for (session_id, user_id), messages in list(grouped.items()):
            if self._is_outside(session_id, user_id):
                outside += len(messages)
                messages.clear()
                if self.options.session not in {None, session_id}:
                    del grouped[session_id, user_id]
        return outside


def _told(record: SessionRecord) -> SourceSession:
    """What a record says of a session, or of an artifact of it."""
    said = record.findings, len(record.raw)
    if record.artifact_json:
        return artifact_of_session(record.position, record.artifact_json, *said)
    return source_session(record.position, record.fields, *said)


@dataclass(slots=True)
class _Place:
    """A place in the line of chunks, whose order is that of the source."""

    raw_records: list[RawRecord]
    decoded: Decoded | None = None
    """None as long as it is not."""


def decoded_chunks(
    decoder: Decoder,
    source: Iterable[RawRecord],
    *,
    workers: int = 2,
    alone_bytes: int = ALONE_BYTES,
) -> Generator[Chunk]:
    """The whole source, in its order; close the iterator when it is not read to its end.

    So many processes decode, this one included. It also reads, and has what is decoded by whoever
    iterates, so that at some number of them the others wait for it.

    Raises:
        SourceError: the source cannot be read on.
        MigrationError: another process has ended by itself.
    """
    line = _Line(decoder, iter(source))
    try:
        while line.is_full or line.decode_some():
            yield from line.decoded()  # of a full line the first is not, and its helper is busy
            alone_bytes -= _OWN_BYTES
            if not line.helpers and alone_bytes <= 0:
                line.helpers += [_Helper(decoder) for _ in range(workers - 1)]
            line.hand_on(waits=line.is_full)
        line.decode_ahead()
        yield from line.decoded()
        while line.places:
            line.hand_on(waits=True)
            yield from line.decoded()
    finally:
        for helper in line.helpers:
            helper.close()


class _Line:
    """The chunks that are on their way, in the order of the source."""

    def __init__(self, decoder: Decoder, raw_records: Iterator[RawRecord]) -> None:
        self.places: deque[_Place] = deque()
        self.helpers: list[_Helper] = []
        self._decoder = decoder
        self._raw_records = raw_records
        self._ahead: _Place | None = None  # for the next free helper, so that it need not wait

    @property
    def is_full(self) -> bool:
        """Whether no more should be decoded before the first is."""
        return len(self.places) >= _LINE_LIMIT

    def decode_some(self) -> bool:
        """Decode a chunk in this process; False at the end of the source."""
        place = self._taken(_OWN_BYTES)
        if place is not None:
            place.decoded = self._decoder.decoded(place.raw_records)
        return place is not None

    def decode_ahead(self) -> None:
        """Decode in this process what no other has been given yet."""
        if self._ahead is not None:
            self._ahead.decoded = self._decoder.decoded(self._ahead.raw_records)
            self._ahead = None

    def hand_on(self, *, waits: bool) -> None:
        """Take what others have decoded, and give them more; with `waits` one has, in the end."""
        busy = [helper for helper in self.helpers if helper.is_busy]
        ready = wait([helper.connection for helper in busy], None if waits else 0)
        for helper in busy:
            if helper.connection in ready:
                helper.finish()
        for helper in self.helpers:
            if helper.is_busy:
                continue
            if place := self._ahead or self._taken(_GIVEN_BYTES):
                helper.give(place)
            self._ahead = self._taken(_GIVEN_BYTES)

    def decoded(self) -> Iterator[Chunk]:
        """The first ones, as far as they are decoded; they leave the line."""
        while self.places and self.places[0].decoded is not None:
            first = self.places.popleft()
            yield Chunk(first.raw_records, cast("Decoded", first.decoded))

    def _taken(self, limit_bytes: int) -> _Place | None:
        """A place at the end of the line; None if that is full, or at the end of the source."""
        taken = [] if self.is_full else _taken(self._raw_records, limit_bytes)
        if not taken:
            return None
        self.places.append(_Place(taken))
        return self.places[-1]


def _taken(raw_records: Iterator[RawRecord], limit_bytes: int) -> list[RawRecord]:
    taken: list[RawRecord] = []
    for one in raw_records:
        taken.append(one)
        limit_bytes -= len(one.raw or b"")
        if limit_bytes <= 0:
            break
    return taken


class _Helper:
    """Another process, which decodes one chunk at a time and answers in between.

    It ends when its connection does, which even a kill of this process closes.
    """

    def __init__(self, decoder: Decoder) -> None:
        self.is_busy = True
        """Whether it owes an answer; the first one says that it has started."""
        self.connection, theirs = Pipe()
        self._place: _Place | None = None
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - ourselves
                [sys.executable, "-m", __name__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,  # an interruption from the terminal is ours to handle
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            )
        self.connection.send(tuple(decoder))

    def close(self) -> None:
        """End it; whatever it is doing is not wanted any more."""
        self.connection.close()
        self._process.kill()
        self._process.wait()

    def give(self, place: _Place) -> None:
        """Let it decode what is at this place, once its last answer is taken."""
        try:
            self.connection.send_bytes(
                marshal.dumps(list(map(tuple, place.raw_records)), WITHOUT_REFERENCES)
            )
        except OSError as error:
            raise MigrationError("A process that decodes has ended.") from error
        self._place = place
        self.is_busy = True

    def finish(self) -> None:
        """Take its answer; waits for it."""
        try:
            answer = marshal.loads(self.connection.recv_bytes())  # noqa: S302 - our own
        except (EOFError, OSError) as error:
            raise MigrationError("A process that decodes has ended.") from error
        self.is_busy = False
        if self._place is None:
            return
        faults, batches, sessions, outside = answer
        self._place.decoded = Decoded(
            [Fault(position, Reason(reason), *others) for position, reason, *others in faults],
            list(map(Batch._make, batches)),
            [
                ToldSession(session_id, user_id, SourceSession._make(session))
                for session_id, user_id, session in sessions
            ],
            outside,
        )
        self._place = None


def _serve(connection: Connection) -> None:
    decoder = Decoder(*connection.recv())
    raw_records: Iterable[RawRecord] = ()
    while True:
        faults, batches, sessions, outside = decoder.decoded(raw_records)
        answer = (
            [(position, str(reason), *others) for position, reason, *others in faults],
            list(map(tuple, batches)),
            [(session_id, user_id, tuple(session)) for session_id, user_id, session in sessions],
            outside,
        )
        connection.send_bytes(marshal.dumps(answer, WITHOUT_REFERENCES))
        raw_records = map(
            RawRecord._make,
            marshal.loads(connection.recv_bytes()),  # noqa: S302 - our own
        )


if __name__ == "__main__":
    with (
        seldom_collected(),
        suppress(EOFError, OSError),
    ):  # the other process has what it wanted, or is gone
        _serve(Connection(int(sys.argv[1])))
