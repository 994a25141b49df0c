"""Chunks are the same whoever decoded them, and the other processes end whatever happens."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from app.domain.folding import Reason
from app.errors import MigrationError
from app.formats.message_documents import MessageDocuments
from app.formats.port import RawRecord
from migrations.batches import batched_messages
from migrations.decoding import Chunk, Decoder, decoded_chunks
from tests.migrations.sources import document

ROOT = Path(__file__).resolve().parents[2]
LINES = 40_000
MANY_LINES = 2_000_000


def lines(count: int = LINES) -> Iterator[RawRecord]:
    """Two sessions in turn; every thousandth line is none."""
    text = "x" * 200
    for position in range(1, count + 1):
        made = document(f"m{position}", text, session_id=f"s{position % 2}")
        yield RawRecord(position, b"{" if position % 1000 == 0 else json.dumps(made).encode())


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    """The processes that are started during the test."""
    processes: list[subprocess.Popen[bytes]] = []

    class NotedProcess(subprocess.Popen[bytes]):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            processes.append(self)

    monkeypatch.setattr(subprocess, "Popen", NotedProcess)
    return processes


def is_anothers(chunk: Chunk) -> bool:
    """Whether another process has decoded it: those get larger chunks."""
    return sum(len(one.raw or b"") for one in chunk.raw_records) > 1024 * 1024


def positions(chunks: list[Chunk]) -> list[int]:
    """Of all records in the order of their chunks, each chunk sorted."""
    found: list[int] = []
    for chunk in chunks:
        placed = [
            message.position
            for batch in chunk.decoded.batches
            for message in batched_messages(batch.records)
        ]
        found.extend(sorted([*placed, *(fault.position for fault in chunk.decoded.faults)]))
    return found


def messages_by_position(chunks: list[Chunk]) -> dict[int, object]:
    return {
        message.position: (batch.session_id, batch.user_id, message)
        for chunk in chunks
        for batch in chunk.decoded.batches
        for message in batched_messages(batch.records)
    }


@pytest.mark.parametrize("workers", [2, 3, 4])
def test_several_processes_give_what_one_gives(
    started: list[subprocess.Popen[bytes]], workers: int
) -> None:
    decoder = Decoder(MessageDocuments())
    chunks: list[Chunk] = []
    read = 0

    def until_others_have_decoded() -> Iterator[RawRecord]:
        nonlocal read
        for record in lines(MANY_LINES):
            if record.position % 1000 == 1 and sum(map(is_anothers, chunks)) >= workers:
                return
            read = record.position
            yield record

    source = until_others_have_decoded()
    with closing(decoded_chunks(decoder, source, workers=workers, alone_bytes=0)) as shared:
        chunks.extend(shared)

    assert len(started) == workers - 1
    assert read < MANY_LINES
    assert positions(chunks) == list(range(1, read + 1))
    assert [one.position for chunk in chunks for one in chunk.raw_records] == positions(chunks)
    faults = [fault for chunk in chunks for fault in chunk.decoded.faults]
    assert [fault.position for fault in faults] == list(range(1000, read + 1, 1000))
    assert {fault.reason for fault in faults} == {Reason.MALFORMED_JSON}
    alone = list(decoded_chunks(decoder, lines(read), workers=1, alone_bytes=0))
    assert len(started) == workers - 1
    assert messages_by_position(chunks) == messages_by_position(alone)


def test_what_waits_for_a_slow_process_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    read = 0

    def noted() -> Iterator[RawRecord]:
        nonlocal read
        for record in lines(8000):
            read += 1
            yield record

    monkeypatch.setattr("migrations.decoding._OWN_BYTES", 1)
    monkeypatch.setattr("migrations.decoding._GIVEN_BYTES", 1)
    decoder = Decoder(MessageDocuments())
    with closing(decoded_chunks(decoder, noted(), workers=3, alone_bytes=0)) as chunks:
        for given, _ in enumerate(chunks, start=1):
            assert read - given <= 64


def test_a_small_source_needs_no_second_process(started: list[subprocess.Popen[bytes]]) -> None:
    chunks = list(decoded_chunks(Decoder(MessageDocuments()), lines(3000)))

    assert positions(chunks) == list(range(1, 3001))
    assert started == []


def test_whoever_stops_early_stops_the_second_process(
    started: list[subprocess.Popen[bytes]],
) -> None:
    with closing(decoded_chunks(Decoder(MessageDocuments()), lines(), alone_bytes=0)) as chunks:
        next(chunks)
        next(chunks)
        assert [process.poll() for process in started] == [None]

    assert [process.returncode for process in started] == [-signal.SIGKILL]


def test_the_death_of_the_second_process_is_told(started: list[subprocess.Popen[bytes]]) -> None:
    with closing(decoded_chunks(Decoder(MessageDocuments()), lines(), alone_bytes=0)) as chunks:
        next(chunks)
        next(chunks)

        started[0].kill()

        with pytest.raises(MigrationError, match="process that decodes has ended"):
            list(chunks)


def test_the_second_process_does_not_outlive_a_kill() -> None:
    script = (
        "import sys; from tests.migrations.test_decoding import *\n"
        "chunks = decoded_chunks(Decoder(MessageDocuments()), lines(), alone_bytes=0)\n"
        "next(chunks); next(chunks); print('begun', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(  # noqa: S603 - our own script
        [sys.executable, "-c", script],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"begun\n"

        process.kill()

        # Both write to it, so that it ends with the later of the two; and neither has complained.
        assert process.stderr.read() == b""
