"""More records need no more memory: what cannot be kept is on disk."""

import gc
import tracemalloc
from collections.abc import Iterator
from contextlib import closing

import pytest

from app.domain.folding import SourceMessage, source_message
from app.domain.message import MessageType
from migrations.batches import Batch
from migrations.folds import folded_sessions
from migrations.spool import Spool

TEXT = "x" * 200


def records(count: int, arrangement: str) -> Iterator[tuple[str, SourceMessage]]:
    """Sessions with messages, as a format yields them (the decoder keeps texts of its own)."""
    for number in range(count):
        # 7919 is a prime, so that every session's records lie far apart.
        place = number if arrangement == "grouped" else number * 7919 % count
        session_id = "long" if arrangement == "one long session" else f"s{place // 20}"
        yield (
            session_id,
            source_message(
                place, f"m{place}", number + 1, f"{place}{TEXT}", MessageType.USER, {}, 0, 300
            ),
        )


def peak_bytes(count: int, arrangement: str) -> int:
    """What folding so many records needs at most, with small buffers."""
    gc.collect()  # what other tests have left would be let go in the middle
    tracemalloc.start()
    folded = 0
    with closing(Spool(buffer_records=500, part_records=500)) as spool:
        for session_id, message in records(count, arrangement):
            spool.add(Batch.of(session_id, "ada", [message]))
        spool.assign_users()
        for session in folded_sessions(spool, message_limit_bytes=8_000_000, part_records=500):
            for part in session.parts:
                folded += len(part.messages)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert folded == count
    return peak


@pytest.mark.parametrize("arrangement", ["grouped", "scattered"])
def test_memory_does_not_grow_with_the_source(arrangement: str) -> None:
    peak_bytes(1000, arrangement)  # fills the caches that last

    small = peak_bytes(6000, arrangement)
    large = peak_bytes(30_000, arrangement)

    assert large < 1.2 * small


def test_a_long_session_costs_its_ids_and_not_its_texts() -> None:
    peak_bytes(1000, "one long session")  # fills the caches that last

    small = peak_bytes(1000, "one long session")
    large = peak_bytes(10_000, "one long session")

    assert large - small < 9000 * (len(TEXT) + 100)
