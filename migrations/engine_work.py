"""EngineWork: a process at work on an order, and what it has told last."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from app.domain.migration import WorkEnd, WorkEvent, WorkOutcome, WorkProgress
from app.errors import AppError, EngineRefusalError, MigrationError
from migrations.engine_process import Task
from migrations.told_errors import error_of

_LINE_LIMIT_BYTES = 64 * 1024 * 1024
"""Reports are one line, with up to a thousand examples."""
_PATIENCE_SECONDS = 20.0
"""How long a process that was told to stop may take for the batch that it has begun."""

_STARTING: WorkEvent = WorkProgress("starting", 0, None, 0)


class EngineWork:
    """Only the newest progress is kept, so that those who listen slowly take no memory."""

    def __init__(self, task: Task, process: asyncio.subprocess.Process) -> None:
        self.task = task
        self.run_id = "" if task.is_dry else task.run_id
        """That it works on; of a new run once it is known."""
        self.failure: AppError | None = None
        """What made it fail, once it has."""
        self._first = self._newest = _STARTING
        self._process = process
        self._input = cast("asyncio.StreamWriter", process.stdin)
        self._output = cast("asyncio.StreamReader", process.stdout)
        self._count = 0
        self._changed = asyncio.Condition()
        self._listening = asyncio.create_task(self._listen())

    @classmethod
    async def begin(cls, task: Task) -> "EngineWork":
        """Start a process, and tell it what to do."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "migrations.engine_process"),
            stdin=asyncio.subprocess.PIPE,  # not in the arguments, which anyone may list
            stdout=asyncio.subprocess.PIPE,
            limit=_LINE_LIMIT_BYTES,
            start_new_session=True,  # Ctrl-C is for the service, which then stops the work
            cwd=Path.cwd(),
        )
        work = cls(task, process)
        with suppress(BrokenPipeError, ConnectionResetError):
            work._input.write(json.dumps(task._asdict()).encode() + b"\n")
            await work._input.drain()
        return work

    @property
    def process_id(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def is_over(self) -> bool:
        """Whether it has told its end."""
        return isinstance(self._newest, WorkEnd)

    async def first(self) -> WorkEvent:
        """What it tells first: that it has begun, or that it cannot."""
        async with self._changed:
            while self._count == 0:
                await self._changed.wait()
        return self._first

    async def end(self) -> WorkEnd:
        """How it ended, once it has."""
        await self.ended()
        return cast("WorkEnd", self._newest)

    async def events(self) -> AsyncGenerator[WorkEvent]:
        """The newest progress whenever there is another one, and the end."""
        seen = 0
        while True:
            async with self._changed:
                while self._count == seen:
                    await self._changed.wait()
            seen, event = self._count, self._newest
            yield event
            if isinstance(event, WorkEnd):  # it may have come while the one before was on its way
                return

    async def stop(self) -> None:
        """Tell it to end between batches, and wait until it has."""
        self._input.close()
        try:
            await asyncio.wait_for(self.ended(), _PATIENCE_SECONDS)
        except TimeoutError:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            await self.ended()

    async def ended(self) -> None:
        """Wait until the process is gone, and not only its work done."""
        await asyncio.shield(self._listening)

    async def _listen(self) -> None:
        async for line in self._output:
            said = json.loads(line)
            if "error" in said:
                self.failure = error_of(said["error"])
                reason, code = said["error"]["reason"], said["error"]["code"]
                await self._tell(WorkEnd(WorkOutcome.FAILED, reason=reason, code=code))
            else:
                await self._tell(_event(said))
        self._input.close()
        await self._process.wait()
        if not self.is_over:
            reason = "The process of the migration has ended before it was done; the log says why."
            self.failure = EngineRefusalError(reason)
            await self._tell(WorkEnd(WorkOutcome.FAILED, reason=reason, code=MigrationError.code))

    async def _tell(self, event: WorkEvent) -> None:
        async with self._changed:
            self._newest = event
            if self._count == 0:
                self._first = event
            self._count += 1
            self._changed.notify_all()


def _event(line: dict[str, Any]) -> WorkEvent:
    if "phase" in line:
        return WorkProgress(**line)
    if "report" in line:
        return WorkEnd(WorkOutcome.DONE, report=line["report"])
    return WorkEnd(WorkOutcome.STOPPED)
