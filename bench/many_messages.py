"""`python -m bench.many_messages [COUNT]`: a fold of millions, its memory and its rate by tenths.

The messages lie so scattered that no two of a session are neighbours. Takes about a quarter of an
hour and twenty gigabytes of disk for ten million.
"""

import asyncio
import gzip
import json
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

from app.store.factory import open_store
from bench.markdown import table
from bench.measured_process import ROOT
from migrations.jobs.group_messages import GROUP_MESSAGES
from migrations.runner import run

MESSAGES = 10_000_000
_SESSION_MESSAGES = 20
_STRIDE = 7919
"""A prime, so that every place is met once."""

_TENTHS = 10
_START = datetime(2020, 1, 1, tzinfo=UTC)
_TEXT = "words enough to be like a message of someone who has something to say, " * 4


def main() -> None:
    """Write a source, fold it in a process of its own, and print a table."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else MESSAGES
    with tempfile.TemporaryDirectory(prefix="chatfold-bench-") as name:
        source = Path(name) / "messages.jsonl.gz"
        write_source(source, count)
        done = subprocess.run(  # noqa: S603 - our own arguments
            [sys.executable, "-m", "bench.many_messages", "fold", str(source), str(count)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            check=True,
        )
    print(report(json.loads(done.stdout)))


def write_source(path: Path, count: int) -> None:
    """Message documents, one a line."""
    assert count % _STRIDE
    with gzip.open(path, "wt", compresslevel=1, encoding="utf-8") as file:
        for number in range(count):
            place = number * _STRIDE % count
            session = place // _SESSION_MESSAGES
            created_at = (_START + timedelta(seconds=place)).isoformat()
            message_type = "user" if place % 2 else "assistant"
            file.write(
                f'{{"id":"m{place}","session_id":"s{session}","user_id":"u{session % 9973}",'
                f'"content":"{place}: {_TEXT}","message_type":"{message_type}",'
                f'"metadata":{{"place":{place}}},"created_at":"{created_at}"}}\n'
            )


class TenthsProgress:
    """Keeps when each tenth of a phase was done."""

    def __init__(self) -> None:
        self.phases: dict[str, list[float]] = {}
        self._total: int | None = None
        self._seconds: list[float] = []

    def begin(self, phase: str, total: int | None) -> None:
        """A phase begins."""
        self._total = total
        self._seconds = self.phases.setdefault(phase, [])
        self._seconds.append(time.monotonic())

    def advance(self, done: int, records: int) -> None:
        """So much is done."""
        del records
        while self._total and done * _TENTHS >= self._total * len(self._seconds):
            self._seconds.append(time.monotonic())

    def seconds(self) -> dict[str, list[float]]:
        """Phase → how long each of its tenths took."""
        return {
            phase: [later - earlier for earlier, later in pairwise(at)]
            for phase, at in self.phases.items()
        }


async def fold(source: Path, count: int) -> dict[str, object]:
    """Fold into a new store beside the source; what it took."""
    progress = TenthsProgress()
    store = await open_store(f"sqlite:///{source.parent}/chatfold.db")
    opened = GROUP_MESSAGES.open(str(source))
    report = await run(GROUP_MESSAGES, opened, store, progress=progress)
    await store.aclose()
    assert report.messages_added == count
    own, others = (
        resource.getrusage(who).ru_maxrss // 1024
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return {
        "count": count,
        "seconds": report.seconds,
        "peak_mebibytes": own,
        "peak_mebibytes_beside": others,
        "tenths": progress.seconds(),
    }


def report(measured: dict[str, object]) -> str:
    """A row for each phase, in Markdown."""
    count = int(str(measured["count"]))
    tenths = measured["tenths"]
    assert isinstance(tenths, dict)
    rows = [
        (
            phase,
            *(f"{count / _TENTHS / seconds:,.0f}" for seconds in some[:_TENTHS]),
            f"{some[0] / some[_TENTHS - 1]:.2f}",
        )
        for phase, some in tenths.items()
        if len(some) >= _TENTHS
    ]
    header = ("messages per second", *(f"tenth {n + 1}" for n in range(_TENTHS)), "last ÷ first")
    return (
        f"{count:,} messages in {float(str(measured['seconds'])):,.0f} s; at most"
        f" {measured['peak_mebibytes']} MiB, and {measured['peak_mebibytes_beside']} MiB in the"
        f" process beside it\n\n{table(header, rows)}"
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["fold"]:
        print(json.dumps(asyncio.run(fold(Path(sys.argv[2]), int(sys.argv[3])))))
    else:
        main()
