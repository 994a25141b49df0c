"""A run that is killed at any moments, and goes on each time, does everything once."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

from app.store.sqlite.store import SQLiteStore
from migrations.ledger import BatchState, RunState, list_runs
from tests.migrations.sources import at, document, verified, write_source

ROOT = Path(__file__).resolve().parents[2]
KILLS, MESSAGES = (20, 120_000) if os.environ.get("SOAK") else (4, 16_000)
IN_A_SESSION = 40


def run_command(source: Path, file: Path, folder: Path, *options: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - our own process
        [
            *(sys.executable, "-m", "migrations", "group-messages", "run", str(source)),
            *("--store", f"sqlite:///{file}", "--json", "--progress", "none", *options),
        ],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
    )


async def batches_done(file: Path) -> list[int]:
    store = await SQLiteStore.open(file)
    done = [
        entry.number
        for ledger in await list_runs(store)
        async for entry in ledger.batches()
        if entry.record.state is BatchState.DONE
    ]
    await store.aclose()
    return done


@pytest.mark.timeout(600)
async def test_everything_is_done_once(tmp_path: Path) -> None:
    random = Random(4)  # noqa: S311 - whichever moments, what is asserted holds
    messages = [
        document(
            f"m{number}",
            f"text {number}",
            created_at=at(number % 60),
            session_id=f"s{number % (MESSAGES // IN_A_SESSION):05}",
        )
        for number in range(MESSAGES)
    ]
    source = write_source(tmp_path / "source.jsonl", messages)
    file = tmp_path / "chatfold.db"
    began = time.monotonic()
    run_command(source, tmp_path / "unhurried.db", tmp_path).communicate()
    seconds = time.monotonic() - began
    # So slowly is stored that the last kill comes before the end, whatever else the machine does;
    # every second process lives until it stores, the others may be killed while they read.
    rate = MESSAGES / (2 * KILLS * seconds)
    for number in range(KILLS):
        process = run_command(source, file, tmp_path, "--max-rate", f"{rate:.1f}")
        shortest = (0.2 + number % 2) * seconds
        with pytest.raises(subprocess.TimeoutExpired):
            process.communicate(timeout=random.uniform(shortest, 2 * seconds))
        process.send_signal(signal.SIGKILL)
        process.communicate()
    done_before = await batches_done(file)

    out, _ = run_command(source, file, tmp_path).communicate()

    report = json.loads(out)
    assert report["records"]["folded"] == MESSAGES
    store = await SQLiteStore.open(file)
    proof = await verified(source, store)
    assert (proof.examples, proof.sessions_equal) == ([], MESSAGES // IN_A_SESSION)
    ledgers = await list_runs(store)
    assert [ledger.record.state for ledger in ledgers] == [RunState.DONE]
    # Each batch is written down twice, and once more for each kill that has met it half done:
    # the two that were being stored, and the next, which was noted already.
    repeated = 0
    created = 0
    for ledger in ledgers:
        async for entry in ledger.batches():
            repeated += entry.revision - 2
            created += entry.record.counts.sessions.get("created", 0)
    assert repeated <= 3 * KILLS
    assert done_before, "no kill has met a run that was storing"
    assert created == MESSAGES // IN_A_SESSION
    assert len(await store.list_keys(limit=MESSAGES)) == MESSAGES // IN_A_SESSION
    assert list(tmp_path.glob("chatfold-*/*")) == []
    await store.aclose()
