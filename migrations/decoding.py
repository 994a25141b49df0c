"""Decoding: chunks of raw records become batches of records, in this process and in one beside it.

Decoding is most of a fold's work and holds Python's lock, so that only a second process makes use
of a second core. Chunks come back in the order of the source, whoever decoded them.
"""

import marshal
import os
import subprocess
import sys
from collections.abc import Generator, Iterable, Iterator
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import NamedTuple

from app.domain.folding import Reason, SourceMessage
from app.domain.source_options import AS_IT_IS, SourceOptions
from app.domain.source_session import SourceSession, source_session
from app.errors import MigrationError
from app.formats.port import FaultyRecord, Format, Notation, RawRecord, Record
from migrations.batches import Batch, ToldSession
from migrations.collecting import seldom_collected

ALONE_BYTES = 4 * 1024 * 1024
"""So much is decoded before a second process is started, which a small source is not worth."""

_OWN_BYTES = 128 * 1024
_GIVEN_BYTES = 2 * 1024 * 1024
_AFTER_LIMIT = 64  # how many chunks may wait for those that the helper has not decoded


class Fault(NamedTuple):
    """A record that cannot be placed, without what it says."""

    position: int
    reason: Reason
    detail: str


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
                faults.append(Fault(record.position, record.reason, record.detail))
            elif self._is_outside(record.session_id, record.user_id):
                outside += 1
            else:
                told = source_session(
                    record.position, record.fields, record.findings, len(record.raw)
                )
                sessions.append(ToldSession(record.session_id, record.user_id, told))
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


def decoded_chunks(
    decoder: Decoder, source: Iterable[RawRecord], *, alone_bytes: int = ALONE_BYTES
) -> Generator[Chunk]:
    """The whole source, in its order; close the iterator when it is not read to its end.

    Raises:
        SourceError: the source cannot be read on.
        MigrationError: the second process has ended by itself.
    """
    raw_records = iter(source)
    helper: _Helper | None = None
    given: list[RawRecord] = []  # what the helper decodes now
    before: list[Chunk] = []  # decoded already, and in the source between that and `following`
    following: list[
        RawRecord
    ] = []  # what the helper gets next: taken ahead, so that it need not wait
    after: list[Chunk] = []  # decoded already, and in the source after `following`
    try:
        while True:
            if helper is not None and helper.has_answered(waits=len(after) >= _AFTER_LIMIT):
                answered = Chunk(given, helper.answer())
                given = following or _taken(raw_records, _GIVEN_BYTES)
                if given:
                    helper.give(given)
                yield answered
                yield from before
                before, after = after, []
                following = _taken(raw_records, _GIVEN_BYTES)
            elif own := _taken(raw_records, _OWN_BYTES):
                chunk = Chunk(own, decoder.decoded(own))
                if given:
                    after.append(chunk)
                else:
                    yield chunk
                alone_bytes -= _OWN_BYTES
                if helper is None and alone_bytes <= 0:
                    helper = _Helper(decoder)
            else:
                break
        if helper is not None and given:
            last = Chunk(following, decoder.decoded(following))
            yield Chunk(given, helper.answer())
            yield from (*before, last, *after)
    finally:
        if helper is not None:
            helper.close()


def _taken(raw_records: Iterator[RawRecord], limit_bytes: int) -> list[RawRecord]:
    taken: list[RawRecord] = []
    for one in raw_records:
        taken.append(one)
        limit_bytes -= len(one.raw or b"")
        if limit_bytes <= 0:
            break
    return taken


class _Helper:
    """The second process, which decodes one chunk at a time and answers in between.

    It ends when its connection does, which even a kill of this process closes.
    """

    def __init__(self, decoder: Decoder) -> None:
        self._connection, theirs = Pipe()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - ourselves
                [sys.executable, "-m", __name__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,  # an interruption from the terminal is ours to handle
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            )
        self._connection.send(tuple(decoder))

    def close(self) -> None:
        """End it; whatever it is doing is not wanted any more."""
        self._connection.close()
        self._process.kill()
        self._process.wait()

    def has_answered(self, *, waits: bool) -> bool:
        """Whether it is done with what it was given, or, at first, with its own start."""
        return self._connection.poll(None if waits else 0)

    def give(self, raw_records: list[RawRecord]) -> None:
        """Let it decode these, once its last answer is taken."""
        try:
            self._connection.send_bytes(marshal.dumps(list(map(tuple, raw_records))))
        except OSError as error:
            raise MigrationError("The process that decodes has ended.") from error

    def answer(self) -> Decoded:
        """What it was given last, decoded; waits for it."""
        try:
            answer = marshal.loads(self._connection.recv_bytes())  # noqa: S302 - our own
        except (EOFError, OSError) as error:
            raise MigrationError("The process that decodes has ended.") from error
        faults, batches, sessions, outside = answer
        return Decoded(
            [Fault(position, Reason(reason), detail) for position, reason, detail in faults],
            list(map(Batch._make, batches)),
            [
                ToldSession(session_id, user_id, SourceSession._make(session))
                for session_id, user_id, session in sessions
            ],
            outside,
        )


def _serve(connection: Connection) -> None:
    decoder = Decoder(*connection.recv())
    raw_records: Iterable[RawRecord] = ()
    while True:
        faults, batches, sessions, outside = decoder.decoded(raw_records)
        answer = (
            [(position, str(reason), detail) for position, reason, detail in faults],
            list(map(tuple, batches)),
            [(session_id, user_id, tuple(session)) for session_id, user_id, session in sessions],
            outside,
        )
        connection.send_bytes(marshal.dumps(answer))
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
