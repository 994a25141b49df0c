"""Progress: who is told how far a job is; silent by default, a bar in a terminal, or JSON lines."""

import json
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from enum import StrEnum
from types import TracebackType
from typing import IO, Protocol, Self

import rich.progress
from rich.console import Console

_THROTTLE_SECONDS = 1.0


class ProgressKind(StrEnum):
    """How a command tells its progress."""

    AUTO = "auto"
    """A bar where standard error is a terminal."""
    JSON = "json"
    NONE = "none"


class Progress(Protocol):
    """Is told about one phase after the other."""

    def begin(self, phase: str, total: int | None) -> None:
        """A phase begins; `total` is in a measure of its own, None where it is not known."""
        ...

    def advance(self, done: int, records: int) -> None:
        """So much of the total is done, and so many records of this phase; called often."""
        ...


class SilentProgress:
    """Tells nobody."""

    def begin(self, phase: str, total: int | None) -> None:
        """Nothing happens."""

    def advance(self, done: int, records: int) -> None:
        """Nothing happens."""


class TerminalProgress:
    """A bar with rate and remaining time; redrawn by Rich a few times a second.

    `records` is what this job calls them.
    """

    def __init__(self, console: Console, *, records: str = "records") -> None:
        self._bars = rich.progress.Progress(
            rich.progress.TextColumn("{task.description:<10}"),
            rich.progress.BarColumn(),
            rich.progress.TaskProgressColumn(),
            rich.progress.TextColumn("{task.fields[records]:>11,} " + records),
            rich.progress.TextColumn("{task.fields[rate]:>9,.0f}/s"),
            rich.progress.TimeElapsedColumn(),
            rich.progress.TextColumn("left"),
            rich.progress.TimeRemainingColumn(),
            console=console,
        )
        self._task: rich.progress.TaskID | None = None
        self._began_at_seconds = 0.0

    def __enter__(self) -> Self:
        """Take the terminal's last lines."""
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave the bars as they are, finished where nothing went wrong."""
        if error is None:
            self._finish()
        self._bars.stop()

    def begin(self, phase: str, total: int | None) -> None:
        """A new bar below those that are done."""
        self._finish()
        self._began_at_seconds = time.monotonic()
        self._task = self._bars.add_task(phase, total=total, records=0, rate=0.0)

    def advance(self, done: int, records: int) -> None:
        """Move the bar."""
        if self._task is not None:
            seconds = time.monotonic() - self._began_at_seconds
            self._bars.update(
                self._task, completed=done, records=records, rate=records / max(seconds, 0.001)
            )

    def _finish(self) -> None:
        if self._task is not None:
            task = self._bars.tasks[self._task]
            total = task.completed if task.total is None else task.total
            self._bars.update(self._task, total=max(total, 1), completed=max(total, 1))


class LinesProgress:
    """One JSON object per line, at most one a second: for whoever watches from a program."""

    def __init__(self, out: IO[str], seconds: Callable[[], float] = time.monotonic) -> None:
        self._out = out
        self._seconds = seconds
        self._phase = ""
        self._total: int | None = None
        self._began_at_seconds = 0.0
        self._told_at_seconds = 0.0

    def begin(self, phase: str, total: int | None) -> None:
        """A line for the beginning."""
        self._phase = phase
        self._total = total
        self._began_at_seconds = self._seconds()
        self._tell(0, 0)

    def advance(self, done: int, records: int) -> None:
        """A line, if the last one is old enough."""
        if self._seconds() - self._told_at_seconds >= _THROTTLE_SECONDS:
            self._tell(done, records)

    def _tell(self, done: int, records: int) -> None:
        self._told_at_seconds = self._seconds()
        elapsed_seconds = self._told_at_seconds - self._began_at_seconds
        remaining_seconds = (
            elapsed_seconds * (self._total - done) / done if self._total and done else None
        )
        line = {
            "phase": self._phase,
            "done": done,
            "total": self._total,
            "records": records,
            "records_per_second": round(records / elapsed_seconds) if elapsed_seconds else None,
            "remaining_seconds": remaining_seconds and round(remaining_seconds, 1),
        }
        print(json.dumps(line), file=self._out, flush=True)


@contextmanager
def told_on_stderr(kind: ProgressKind, *, records: str = "records") -> Generator[Progress]:
    """Progress on standard error, where reports never go; `records` is what this job calls them."""
    if kind is ProgressKind.JSON:
        yield LinesProgress(sys.stderr)
    elif kind is ProgressKind.AUTO and sys.stderr.isatty():
        with TerminalProgress(Console(stderr=True), records=records) as progress:
            yield progress
    else:
        yield SilentProgress()
