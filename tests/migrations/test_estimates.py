"""What a run will take is told by what does not take longer the larger it is, and what does."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from app.domain.encoded import EncodedSession
from app.domain.identity import SessionKey
from app.domain.session import NewSession
from app.progress import SilentProgress
from app.store.memory import MemoryStore
from app.store.port import WHOLE, ReadSelection
from migrations.estimate import RunEstimate
from migrations.jobs.group_messages import GROUP_MESSAGES
from migrations.plan import plan
from migrations.space import ScratchStore
from tests.migrations.sources import document, write_source

READING_SECONDS = 60.0
BATCH_RECORDS = 2000
SECONDS_PER_RECORD = 0.001


def estimated(record_count: int, *, stored_before: int = 0) -> tuple[float | None, float]:
    """What a run tells that is looked at after every 20 records, and what it takes.

    A batch is stored while the next is folded, each of which takes the same; so the end of a batch
    is known a batch later.
    """
    estimate = RunEstimate(record_count, stored_before)
    for taken in range(20, record_count - stored_before + 1, 20):
        batches = max(0, taken // BATCH_RECORDS - 1)
        seconds = READING_SECONDS + taken * SECONDS_PER_RECORD
        estimate.look(stored_before + batches * BATCH_RECORDS, seconds)
    stored = (record_count - stored_before + BATCH_RECORDS) * SECONDS_PER_RECORD
    return estimate.seconds, READING_SECONDS + stored


@pytest.mark.parametrize("record_count", [20_000, 100_000, 1_000_000])
def test_a_steady_run_takes_what_was_told(record_count: int) -> None:
    told, taken = estimated(record_count)

    assert told == pytest.approx(taken, abs=0.1)


def test_a_run_that_goes_on_tells_of_what_is_left() -> None:
    told, taken = estimated(1_000_000, stored_before=900_000)

    assert told == pytest.approx(taken, abs=0.1)


def test_a_small_run_tells_nothing() -> None:
    assert estimated(12_000)[0] is None


class Seconds:
    """A watch that only moves when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Reading(SilentProgress):
    """Reading takes a minute."""

    def __init__(self, seconds: Seconds) -> None:
        self._seconds = seconds

    def begin(self, phase: str, total: int | None) -> None:  # noqa: ARG002 - as the port has it
        if phase == "reading":
            self._seconds.now += READING_SECONDS


class Target(MemoryStore):
    """Looking at a session takes so long."""

    def __init__(self, seconds: Seconds, session_seconds: float) -> None:
        super().__init__()
        self._seconds = seconds
        self._session_seconds = session_seconds

    async def read(self, key: SessionKey, selection: ReadSelection = WHOLE) -> EncodedSession:
        self._seconds.now += self._session_seconds
        return await super().read(key, selection)


class Scratch(MemoryStore):
    """Storing a message takes a second."""

    def __init__(self, seconds: Seconds) -> None:
        super().__init__()
        self._seconds = seconds

    async def insert_absent(self, sessions: Sequence[NewSession]) -> list[bool]:
        self._seconds.now += sum(len(session.messages) for session in sessions)
        return await super().insert_absent(sessions)


@pytest.mark.parametrize(("session_seconds", "told"), [(0.5, 60 + 3000), (2.5, 60 + 7500)])
async def test_a_plan_adds_to_the_reading_the_slower_of_folding_and_storing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, session_seconds: float, told: float
) -> None:
    seconds = Seconds()
    monkeypatch.setattr("migrations.plan.monotonic", seconds)
    path = write_source(
        tmp_path / "source.jsonl", (document(session_id=f"s{n}") for n in range(3000))
    )

    report = await plan(
        GROUP_MESSAGES,
        GROUP_MESSAGES.open(str(path)),
        Target(seconds, session_seconds),
        ScratchStore(Scratch(seconds), tmp_path),
        progress=Reading(seconds),
    )

    assert report.estimated_run_seconds == pytest.approx(told)
