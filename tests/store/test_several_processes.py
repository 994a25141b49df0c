"""Several processes on one file: nothing is lost, nothing is doubled, nobody starves."""

import asyncio
import json
import os
import sys
from pathlib import Path

from app.store.sqlite.store import SQLiteStore
from app.store.sqlite.write_lock import WriteLock
from tests.factories import KEY, make_new_session

_ROOT = Path(__file__).resolve().parents[2]
_MESSAGES = 150


async def _append_in_a_process(path: Path, name: str) -> list[int]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.store.appending_process",
        str(path),
        name,
        str(_MESSAGES),
        stdout=asyncio.subprocess.PIPE,
        cwd=_ROOT,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    return [json.loads(line)["seq"] for line in output.splitlines()]


async def test_appends_of_three_processes_are_all_there_in_one_order(
    store: SQLiteStore, path: Path
) -> None:
    await store.insert(make_new_session())

    seqs = await asyncio.gather(*(_append_in_a_process(path, name) for name in "abc"))

    acknowledged = {
        f"{name}-{number}": seq
        for name, of_one in zip("abc", seqs, strict=True)
        for number, seq in enumerate(of_one)
    }
    stored = {message.id: message.seq for message in (await store.read(KEY)).messages()}
    assert stored == acknowledged
    assert sorted(stored.values()) == list(range(3 * _MESSAGES))
    version = await store.find_version(KEY)
    assert version is not None
    assert version.revision == 1 + 3 * _MESSAGES


def test_who_waits_is_not_overtaken(tmp_path: Path) -> None:
    holder = WriteLock(tmp_path / "file")
    waiter = WriteLock(tmp_path / "file")
    overtaker = WriteLock(tmp_path / "file")
    holder.acquire()
    assert not waiter.try_acquire()

    # What `acquire` does first: from here on the waiter has the turn.
    import fcntl  # noqa: PLC0415 - only here

    fcntl.flock(waiter._turn, fcntl.LOCK_EX)  # noqa: SLF001 - a wait, frozen half-way
    holder.release()

    assert not overtaker.try_acquire()
    fcntl.flock(waiter._turn, fcntl.LOCK_UN)  # noqa: SLF001 - and let go
    assert overtaker.try_acquire()
    for lock in (holder, waiter, overtaker):
        lock.close()
