"""The figures of the fold: its rate beside a bare loop's, and its memory at ten times the data.

Every measured run is a process of its own. The corpus is used where it lies beside the repository,
else messages of our own.
"""

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from bench.figures import FoldFigure
from bench.measured_process import ROOT, run_measured

CORPORA = ROOT.parent / "shared" / "data"
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
from app.store.factory import open_store
from migrations.jobs.group_messages import GROUP_MESSAGES
from migrations.runner import run

async def fold(source, url):
    store = await open_store(url)
    began_at = time.perf_counter()
    await run(GROUP_MESSAGES, GROUP_MESSAGES.open(str(source)), store)
    seconds = time.perf_counter() - began_at
    await store.aclose()
    return seconds

print(asyncio.run(fold(Path(sys.argv[1]), sys.argv[2])))
"""


def measure() -> list[FoldFigure]:
    """Fold and compare; takes about a minute."""
    with tempfile.TemporaryDirectory(prefix="chatfold-bench-") as name:
        folder = Path(name)
        source = source_of("ubuntu-irc", folder)
        return [rate(source, "bench.bare_fold", lambda: _new_store(folder)), _memory(folder)]


def rate(
    source: Path, bare: str, new_store: Callable[[], AbstractContextManager[str]]
) -> FoldFigure:
    """A fold beside a bare loop, in turn; each gets the URL of a store of its own."""

    def seconds(*arguments: str) -> float:
        with new_store() as url:
            return run_measured([*arguments, str(source), url])[0]

    pairs = [(seconds("-c", _FOLD), seconds("-m", bare)) for _ in range(_ROUNDS)]
    ours = statistics.median(fold for fold, _ in pairs)
    theirs = statistics.median(bare for _, bare in pairs)
    name = f"fold of {source.name} ÷ a bare loop that decodes and inserts it"
    return FoldFigure(name, ours, theirs, "s", theirs / ours, "≥ 0.50")


def source_of(corpus: str, folder: Path) -> Path:
    """The messages of a corpus, or as many of our own where it does not lie beside us."""
    source = CORPORA / f"{corpus}.messages.jsonl.gz"
    if not source.exists():
        source = folder / "messages.jsonl"
        _write(source, _MESSAGES, copies=1)
    return source


def _memory(folder: Path) -> FoldFigure:
    small, large = folder / "small.jsonl", folder / "large.jsonl"
    _write(small, _MEMORY_MESSAGES, copies=1)
    _write(large, _MEMORY_MESSAGES, copies=10)
    at_ten_times, at_once = (_peak_mebibytes(source, folder) for source in (large, small))
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
        [sys.executable, "-c", _WRITE, str(source), str(count), str(copies)], cwd=ROOT, check=True
    )


def _peak_mebibytes(source: Path, folder: Path) -> float:
    with _new_store(folder) as url:
        return run_measured(["-c", _FOLD, str(source), url])[1] / 1024


@contextmanager
def _new_store(folder: Path) -> Generator[str]:
    with tempfile.TemporaryDirectory(dir=folder) as fresh:
        yield f"sqlite:///{fresh}/chatfold.db"
