"""One piece of work in a process of its own, told in JSON lines: for a service that must go on.

An order comes on standard input as one line of JSON; standard output gets a line for each progress,
and one for the end: `{"report": …}`, `{"error": …}` or `{"stopped": true}`. Where standard input
ends, the service is gone or wants no more, and the work ends as at Ctrl-C: between batches.
"""

import asyncio
import json
import os
import signal
import sys
from functools import partial
from pathlib import Path
from threading import Thread
from typing import IO, Any, NamedTuple

from app.clock import SystemClock
from app.domain.source_options import SourceOptions
from app.errors import AppError
from app.progress import LinesProgress, Progress
from migrations import plan as planning
from migrations import runner
from migrations import verify as verification
from migrations.command_work import opened, reading, thrown_away
from migrations.commands import JOBS
from migrations.finish import finish
from migrations.finish_record import FinishManner
from migrations.job import Job
from migrations.ledger import find_run
from migrations.ledger_report import ledger_report
from migrations.proof import proven
from migrations.report import Report, to_json
from migrations.rollback import roll_back
from migrations.runner import Manner
from migrations.space import free_bytes_at
from migrations.throttle import Throttle
from migrations.told_errors import told


class Task(NamedTuple):
    """What the process is to do, on its way to it."""

    kind: str
    """`plan`, `run`, `verify`, `rollback`, `finish` or `report`."""
    store_url: str
    job: str = ""
    source: str = ""
    options: dict[str, Any] = {}  # noqa: RUF012 - never changed
    max_rate: float | None = None
    run_id: str = ""
    manner: str = ""
    """Of `FinishManner`."""
    backup_folder: str | None = None
    is_dry: bool = False
    takes_over: bool = False

    def told_job(self) -> Job:
        """The job with the operator's options."""
        (job,) = (one for one in JOBS if one.name == self.job)
        return job.told(SourceOptions(**self.options))


async def _work(task: Task, progress: Progress) -> Report:
    match task.kind:
        case "plan":
            return await _plan(task, progress)
        case "verify":
            return await _verify(task, progress)
        case "run":
            return await _run(task, progress)
        case "rollback":
            return await _roll_back(task, progress)
        case "finish":
            return await _finish(task, progress)
        case _:
            async with reading(task.store_url) as store:
                return await ledger_report(store, task.run_id)


async def _plan(task: Task, progress: Progress) -> Report:
    job = task.told_job()
    async with reading(task.store_url) as store, thrown_away() as scratch:
        return await planning.plan(
            job,
            job.open(task.source),
            store,
            scratch,
            free_bytes=free_bytes_at(task.store_url),
            progress=progress,
        )


async def _verify(task: Task, progress: Progress) -> Report:
    job = task.told_job()
    async with reading(task.store_url) as store:
        verify = partial(
            verification.verify,
            *(job.name, job.format.name, task.source, store),
            options=job.options,
            progress=progress,
        )
        return await proven(store, job, task.source, SystemClock(), verify)


async def _run(task: Task, progress: Progress) -> Report:
    job = task.told_job()
    async with opened(task.store_url) as store:
        manner = Manner(Throttle(task.max_rate), takes_over=task.takes_over)
        done = await runner.run(job, job.open(task.source), store, progress=progress, manner=manner)
        return await ledger_report(store, done.run_id)


async def _roll_back(task: Task, progress: Progress) -> Report:
    async with opened(task.store_url) as store:
        done = await roll_back(
            await find_run(store, task.run_id),
            store,
            progress=progress,
            location=task.source or None,
            is_dry=task.is_dry,
            takes_over=task.takes_over,
        )
        return done if task.is_dry else await ledger_report(store, task.run_id)


async def _finish(task: Task, progress: Progress) -> Report:
    async with opened(task.store_url) as store:
        done = await finish(
            await find_run(store, task.run_id),
            task.told_job(),
            task.source,
            FinishManner(task.manner),
            backup_folder=None if task.backup_folder is None else Path(task.backup_folder),
            is_dry=task.is_dry,
            takes_over=task.takes_over,
            progress=progress,
        )
        return done if task.is_dry else await ledger_report(store, task.run_id)


def _end_with(stream: IO[str]) -> None:
    """Interrupt the work when there will be no more input."""
    stream.read()
    os.kill(os.getpid(), signal.SIGINT)


def main() -> None:
    """Do what standard input says."""
    line = sys.stdin.readline()
    if not line:
        return
    task = Task(**json.loads(line))
    # A service that a shell has started in the background is deaf to it, and hands that down.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        Thread(target=_end_with, args=(sys.stdin,), daemon=True).start()
        report = asyncio.run(_work(task, LinesProgress(sys.stdout)))
    except KeyboardInterrupt:
        end = json.dumps({"stopped": True})
    except AppError as error:
        end = json.dumps({"error": told(error)})
    else:
        end = f'{{"report": {to_json(report)}}}'
    print(end, flush=True)  # noqa: T201 - the service reads it
    # At once: the interpreter would wait for the thread that reads, and may be interrupted by it.
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
