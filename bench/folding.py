"""The figures of the fold: its rate beside a bare loop's, and its memory at ten times the data.

Every measured run is a process of its own. The corpus is used where it lies beside the repository,
else messages of our own.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
_CORPUS = _ROOT.parent / "shared" / "data" / "ubuntu-irc.messages.jsonl.gz"
_MESSAGES = 250_000
_MEMORY_MESSAGES = 50_000
_ROUNDS = 3
# In a process of its own too: the peak of a process counts for those that it starts.
_WRITE = """
import sys
from pathlib import Path
from bench.old_messages import write_old_messages

source, count, copies = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
write_old_messages(source, count)
text = source.read_text(encoding="utf-8")
with source.open("w", encoding="utf-8") as file:
    for copy in range(copies):
        file.write(text.replace('"garden-', f'"garden-{copy}-'))
"""
_FOLD = """
import asyncio, sys, time
from pathlib import Path
from app.formats.line_source import LineSource
from app.store.sqlite.store import SQLiteStore
from migrations.jobs.group_messages import GROUP_MESSAGES
from migrations.runner import run

async def fold(source, file):
    store = await SQLiteStore.open(file)
    began_at = time.perf_counter()
    await run(GROUP_MESSAGES, LineSource(source), store)
    seconds = time.perf_counter() - began_at
    await store.aclose()
    return seconds

print(asyncio.run(fold(Path(sys.argv[1]), Path(sys.argv[2]))))
"""


@dataclass(frozen=True, slots=True)
class FoldFigure:
    """What a fold reaches or needs beside what it is measured against."""

    name: str
    ours: float
    theirs: float
    unit: str
    ratio: float
    wanted: str


def measure() -> list[FoldFigure]:
    """Fold and compare; takes about a minute."""
    with tempfile.TemporaryDirectory(prefix="chatfold-bench-") as folder:
        return [_rate(Path(folder)), _memory(Path(folder))]


def _rate(folder: Path) -> FoldFigure:
    source = _CORPUS
    if not source.exists():
        source = folder / "messages.jsonl"
        _write(source, _MESSAGES, copies=1)
    pairs = [
        (
            _run(["-c", _FOLD, str(source)], folder)[0],
            _run(["-m", "bench.bare_fold", str(source)], folder)[0],
        )
        for _ in range(_ROUNDS)
    ]
    ours = statistics.median(fold for fold, _ in pairs)
    theirs = statistics.median(bare for _, bare in pairs)
    name = f"fold of {source.name} ÷ a bare loop that decodes and inserts it"
    return FoldFigure(name, ours, theirs, "s", theirs / ours, "≥ 0.50")


def _memory(folder: Path) -> FoldFigure:
    small, large = folder / "small.jsonl", folder / "large.jsonl"
    _write(small, _MEMORY_MESSAGES, copies=1)
    _write(large, _MEMORY_MESSAGES, copies=10)
    at_ten_times, at_once = (
        _run(["-c", _FOLD, str(source)], folder)[1] / 1024 for source in (large, small)
    )
    return FoldFigure(
        f"peak memory of folding {10 * _MEMORY_MESSAGES:,} messages ÷ {_MEMORY_MESSAGES:,}",
        at_ten_times,
        at_once,
        "MiB",
        at_ten_times / at_once,
        "≤ 1.20",
    )


def _write(source: Path, count: int, *, copies: int) -> None:
    """A source of so many messages of our own, as often, in sessions under other names."""
    subprocess.run(  # noqa: S603 - our own arguments
        [sys.executable, "-c", _WRITE, str(source), str(count), str(copies)], cwd=_ROOT, check=True
    )


def _run(arguments: list[str], folder: Path) -> tuple[float, int]:
    """Seconds as the process says, and the KiB that it, or its largest child, had at most."""
    with tempfile.TemporaryDirectory(dir=folder) as fresh:
        process = subprocess.Popen(  # noqa: S603 - our own arguments
            [sys.executable, *arguments, f"{fresh}/chatfold.db"],
            cwd=_ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        with process.stdout:
            said = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit("A measured process failed.")
        return float(said), usage.ru_maxrss // (1024 if sys.platform == "darwin" else 1)
