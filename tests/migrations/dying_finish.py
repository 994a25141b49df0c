"""Finishes and restores that are killed at each of their steps, in copies of one folder.

Arguments: the folder, which has `base/chatfold.db` and the source, the manner, what is done,
`finish` or `restore`, and the source, `source.jsonl` or `tree`. It makes the folders `step-1`,
`step-2`, …, one for each step at which a child of this process has been killed.
"""

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, NamedTuple

from app.domain.ledger import LedgerEntry
from app.store.sqlite.store import SQLiteStore
from migrations.finish import finish, restore_source
from migrations.finish_record import FinishManner
from migrations.jobs.group_messages import GROUP_MESSAGES
from migrations.jobs.nest_sessions import NEST_SESSIONS
from migrations.ledger import list_runs

STEPS = {f"os.{name}" for name in ("rename", "remove", "utime", "chmod", "chown", "mkdir", "rmdir")}
JOBS = {"source.jsonl": GROUP_MESSAGES, "tree": NEST_SESSIONS}


class Countdown:
    """Kills this process at its n-th step."""

    def __init__(self, folder: Path, steps_left: int) -> None:
        self.is_counting = True
        self._folder = str(folder)
        self._steps_left = steps_left

    def step(self) -> None:
        self._steps_left -= self.is_counting
        if self._steps_left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        """A step is whatever changes a file but those of the store, before it is done."""
        is_change = event in STEPS or (event == "open" and arguments[2] & os.O_CREAT)
        path = str(arguments[0]) if is_change else ""
        if path.startswith(self._folder) and "chatfold.db" not in path:
            self.step()


class DyingStore(SQLiteStore):
    """Each of its writes to the ledger is two steps: before it and after it."""

    countdown: Countdown

    async def put_ledger_entry(self, entry: LedgerEntry, *, replaces: int | None = None) -> bool:
        self.countdown.step()
        is_put = await super().put_ledger_entry(entry, replaces=replaces)
        self.countdown.step()
        return is_put


class Task(NamedTuple):
    """What is done, and with which source."""

    manner: FinishManner
    what: str
    source: str


async def act(folder: Path, task: Task, countdown: Countdown) -> None:
    store = await DyingStore.open(folder / "chatfold.db")
    assert isinstance(store, DyingStore)
    store.countdown = countdown
    (ledger,) = await list_runs(store)
    countdown.is_counting = task.what == "finish"
    source, backups = str(folder / task.source), folder / "backups"
    await finish(ledger, JOBS[task.source], source, task.manner, backup_folder=backups)
    countdown.is_counting = True
    if task.what == "restore":
        await restore_source(ledger)
    await store.aclose()


def in_child(work: Coroutine[Any, Any, None]) -> int:
    """How a child of this process ends that does the work."""
    child = os.fork()
    if child == 0:
        asyncio.run(work)
        os._exit(0)
    work.close()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def die_at(folder: Path, task: Task, steps: int) -> int:
    countdown = Countdown(folder, steps)

    async def work() -> None:
        sys.addaudithook(countdown.hear)
        await act(folder, task, countdown)

    return in_child(work())


def main() -> None:
    base = Path(sys.argv[1]) / "base"
    task = Task(FinishManner(sys.argv[2]), sys.argv[3], sys.argv[4])
    number = 0
    ended = -signal.SIGKILL
    while ended == -signal.SIGKILL:
        number += 1
        folder = base.with_name(f"step-{number}")
        shutil.copytree(base, folder, symlinks=True)
        ended = die_at(folder, task, number)
    assert ended == 0
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
