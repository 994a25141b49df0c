"""Decoding: chunks of lines become batches of records, in this process and in one beside it.

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
from app.errors import MigrationError
from app.formats.port import FaultyRecord, Format, Line
from migrations.batches import Batch
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


class Chunk(NamedTuple):
    """Some lines of a source, and what they are."""

    lines: list[Line]
    faults: list[Fault]
    batches: list[Batch]


def decoded_chunks(
    source_format: Format, source: Iterable[Line], *, alone_bytes: int = ALONE_BYTES
) -> Generator[Chunk]:
    """The whole source, in its order; close the iterator when it is not read to its end.

    Raises:
        SourceError: the source cannot be read on.
        MigrationError: the second process has ended by itself.
    """
    lines = iter(source)
    helper: _Helper | None = None
    given: list[Line] = []  # what the helper decodes now
    before: list[Chunk] = []  # decoded already, and in the source between that and `following`
    following: list[Line] = []  # what the helper gets next: taken ahead, so that it need not wait
    after: list[Chunk] = []  # decoded already, and in the source after `following`
    try:
        while True:
            if helper is not None and helper.has_answered(waits=len(after) >= _AFTER_LIMIT):
                answered = Chunk(given, *helper.answer())
                given = following or _taken(lines, _GIVEN_BYTES)
                if given:
                    helper.give(given)
                yield answered
                yield from before
                before, after = after, []
                following = _taken(lines, _GIVEN_BYTES)
            elif own := _taken(lines, _OWN_BYTES):
                chunk = Chunk(own, *_decoded(source_format, own))
                if given:
                    after.append(chunk)
                else:
                    yield chunk
                alone_bytes -= _OWN_BYTES
                if helper is None and alone_bytes <= 0:
                    helper = _Helper(source_format)
            else:
                break
        if helper is not None and given:
            last = Chunk(following, *_decoded(source_format, following))
            yield Chunk(given, *helper.answer())
            yield from (*before, last, *after)
    finally:
        if helper is not None:
            helper.close()


def _taken(lines: Iterator[Line], limit_bytes: int) -> list[Line]:
    taken: list[Line] = []
    for line in lines:
        taken.append(line)
        limit_bytes -= len(line.raw or b"")
        if limit_bytes <= 0:
            break
    return taken


def _decoded(source_format: Format, lines: Iterable[Line]) -> tuple[list[Fault], list[Batch]]:
    grouped: dict[tuple[str, str | None], list[SourceMessage]] = {}
    faults: list[Fault] = []
    for record in source_format.records(lines):
        if isinstance(record, FaultyRecord):
            faults.append(Fault(record.position, record.reason, record.detail))
            continue
        key = (record.session_id, record.user_id)
        if key in grouped:
            grouped[key].append(record.message)
        else:
            grouped[key] = [record.message]
    return faults, [Batch.of(*key, messages) for key, messages in grouped.items()]


class _Helper:
    """The second process, which decodes one chunk at a time and answers in between.

    It ends when its connection does, which even a kill of this process closes.
    """

    def __init__(self, source_format: Format) -> None:
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
        self._connection.send(source_format)

    def close(self) -> None:
        """End it; whatever it is doing is not wanted any more."""
        self._connection.close()
        self._process.kill()
        self._process.wait()

    def has_answered(self, *, waits: bool) -> bool:
        """Whether it is done with what it was given, or, at first, with its own start."""
        return self._connection.poll(None if waits else 0)

    def give(self, lines: list[Line]) -> None:
        """Let it decode these, once its last answer is taken."""
        try:
            self._connection.send_bytes(marshal.dumps(list(map(tuple, lines))))
        except OSError as error:
            raise MigrationError("The process that decodes has ended.") from error

    def answer(self) -> tuple[list[Fault], list[Batch]]:
        """What it was given last, decoded; waits for it."""
        try:
            faults, batches = marshal.loads(self._connection.recv_bytes())  # noqa: S302 - our own
        except (EOFError, OSError) as error:
            raise MigrationError("The process that decodes has ended.") from error
        return (
            [Fault(position, Reason(reason), detail) for position, reason, detail in faults],
            list(map(Batch._make, batches)),
        )


def _serve(connection: Connection) -> None:
    source_format: Format = connection.recv()
    lines: Iterable[Line] = ()
    while True:
        faults, batches = _decoded(source_format, lines)
        plain_faults = [(position, str(reason), detail) for position, reason, detail in faults]
        connection.send_bytes(marshal.dumps((plain_faults, list(map(tuple, batches)))))
        lines = map(Line._make, marshal.loads(connection.recv_bytes()))  # noqa: S302 - our own


if __name__ == "__main__":
    with (
        seldom_collected(),
        suppress(EOFError, OSError),
    ):  # the other process has what it wanted, or is gone
        _serve(Connection(int(sys.argv[1])))
