"""However many processes decode, a run stores the same."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.store.memory import MemoryStore
from migrations.decoding import _Helper, _Line, _Place
from migrations.jobs.group_messages import GROUP_MESSAGES
from migrations.report import RecordCounts
from migrations.runner import Manner, run
from tests.migrations.sources import at, document, write_source
from tests.migrations.test_rollback import exported

RECORDS = 16_000
CHUNK_BYTES = 32 * 1024


def records() -> Iterator[dict[str, Any] | bytes]:
    """Sessions in turn, with damaged lines, repeated and conflicting ids, and users to infer."""
    for number in range(RECORDS):
        made = document(
            f"m{number % 15_000}",
            f"text {number // 15_500} " + "x" * 200,
            session_id=f"s{number % 40}",
            user_id=None if number % 1013 == 0 else f"user {number % 40}",
            created_at=at(number % 60),
        )
        yield b"{" if number % 997 == 0 else json.dumps(made).encode()


async def stored(path: Path, workers: int) -> tuple[RecordCounts, list[dict[str, Any]]]:
    store = MemoryStore()
    job = GROUP_MESSAGES
    report = await run(job, job.open(str(path)), store, manner=Manner(workers=workers))
    return report.records, [one | {"origin": None} for one in await exported(store)]


@pytest.mark.parametrize("workers", [2, 3])
async def test_several_processes_store_what_one_stores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    given: list[_Place] = []
    hand_on, give = _Line.hand_on, _Helper.give

    def hand_on_and_wait(line: _Line, *, waits: bool) -> None:
        hand_on(line, waits=waits or any(helper.is_busy for helper in line.helpers))

    def give_and_note(helper: _Helper, place: _Place) -> None:
        given.append(place)
        give(helper, place)

    # So that the others come to something, in a source as small as this.
    monkeypatch.setattr(_Line, "hand_on", hand_on_and_wait)
    monkeypatch.setattr(_Helper, "give", give_and_note)
    monkeypatch.setattr("migrations.decoding._GIVEN_BYTES", CHUNK_BYTES)
    path = write_source(tmp_path / "source.jsonl", records())

    counts, sessions = await stored(path, workers)

    counts_alone, sessions_alone = await stored(path, 1)
    assert len(given) > 10
    assert len(sessions) == 40
    assert sessions == sessions_alone
    assert (counts.reasons, counts.findings) == (counts_alone.reasons, counts_alone.findings)
    assert counts.read == counts.folded + counts.skipped + counts.rejected == RECORDS
    assert set(counts.reasons) == {"malformed_json", "exact_duplicate", "conflicting_id"}
