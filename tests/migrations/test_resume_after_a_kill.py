"""A run that was killed or interrupted at any write leaves a store on which a second completes."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from app.store.sqlite.store import SQLiteStore
from tests.migrations.sources import at, contents_of, document, fold, verified, write_source

ROOT = Path(__file__).resolve().parents[2]

# Three batches of short sessions, and one session that is folded in parts of 1,500.
SHORT = [
    document(
        f"m{number % 50}",
        f"text {number}",
        created_at=at(number % 50),
        session_id=f"s{number // 50:03}",
    )
    for number in range(4500)
]
LONG = [
    document(
        f"m{number}", f"text {number}", created_at=1_704_110_400_000 + number, session_id="long"
    )
    for number in range(4000)
]


def dying_fold(path: Path, file: Path, signal_name: str, write: int, moment: str) -> int:
    arguments = [str(path), str(file), signal_name, str(write), moment, "1500"]
    command = [sys.executable, "-m", "tests.migrations.dying_process", *arguments]
    return subprocess.run(command, cwd=ROOT, check=False, capture_output=True).returncode  # noqa: S603 - our own process


@pytest.mark.parametrize(
    ("write", "moment"),
    [
        (1, "before"),
        (1, "during"),
        (1, "after"),
        (2, "during"),
        (3, "after"),
        (4, "during"),
        (5, "after"),
    ],
)
async def test_a_second_run_completes_what_a_kill_left(
    tmp_path: Path, write: int, moment: str
) -> None:
    path = write_source(tmp_path / "source.jsonl", [*SHORT, *LONG])
    file = tmp_path / "chatfold.db"
    ended = dying_fold(path, file, "SIGKILL", write, moment)
    assert ended == -signal.SIGKILL
    store = await SQLiteStore.open(file)
    sessions_before = len(await store.list_keys())

    report = await fold(path, store)

    assert sessions_before < 92
    assert sum(report.sessions.values()) == 91
    assert report.sessions["refused"] == 0
    assert report.records.folded == 8500
    proof = await verified(path, store)
    assert (proof.examples, proof.sessions_equal) == ([], 91)
    assert await contents_of(store, "long") == [f"text {number}" for number in range(4000)]
    await store.aclose()


@pytest.mark.parametrize(("write", "moment"), [(1, "during"), (2, "after"), (4, "during")])
async def test_an_interrupted_run_ends_between_batches_and_can_be_completed(
    tmp_path: Path, write: int, moment: str
) -> None:
    path = write_source(tmp_path / "source.jsonl", [*SHORT, *LONG])
    file = tmp_path / "chatfold.db"
    ended = dying_fold(path, file, "SIGINT", write, moment)
    assert ended == -signal.SIGINT  # Python's own end after a KeyboardInterrupt
    store = await SQLiteStore.open(file)
    sessions_before = len(await store.list_keys())

    report = await fold(path, store)

    assert 0 < sessions_before <= 91
    assert report.sessions["created"] == 91
    assert report.messages_added == 8500
    proof = await verified(path, store)
    assert (proof.examples, proof.sessions_equal) == ([], 91)
    await store.aclose()
