"""Ten times the data: the same memory, everything there, and proved by the other code."""

import gzip
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

_ROOT = Path(__file__).resolve().parents[2]
_START = datetime(2025, 1, 1, tzinfo=UTC)
_TEXT = "words enough to be like a message of someone who has something to say, " * 4
_SESSION_MESSAGES = 20


def _write_source(path: Path, count: int) -> None:
    """Messages of sessions of twenty, so scattered that no two of a session are neighbours."""
    stride = 7919  # a prime that no count here is a multiple of
    with gzip.open(path, "wt", compresslevel=1, encoding="utf-8") as file:
        for number in range(count):
            place = number * stride % count
            session = place // _SESSION_MESSAGES
            document = {
                "id": f"m{place}",
                "session_id": f"s{session}",
                "user_id": f"u{session % 97}",
                "content": f"{place}: {_TEXT}",
                "message_type": "user" if place % 2 else "assistant",
                "metadata": {"place": place},
                "created_at": (_START + timedelta(seconds=place)).isoformat(),
            }
            file.write(json.dumps(document) + "\n")


# A process counts the peak of the one that started it, so a small one stands between it and the
# tests; it says the peak on standard error.
_BETWEEN = """
import os, subprocess, sys
process = subprocess.Popen(sys.argv[1:])
_, status, usage = os.wait4(process.pid, 0)
print(usage.ru_maxrss, file=sys.stderr)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def _migrate(command: str, source: Path, store: Path) -> tuple[dict[str, Any], int]:
    """The report of a command run in a process of its own, and its peak memory in KiB."""
    done = subprocess.run(  # noqa: S603 - our own arguments
        [
            *(sys.executable, "-c", _BETWEEN),
            *(sys.executable, "-m", "migrations", "group-messages", command, str(source)),
            *("--store", f"sqlite:///{store}", "--json"),
        ],
        cwd=_ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
    )
    report: dict[str, Any] = json.loads(done.stdout)
    return report, int(done.stderr.splitlines()[-1])


@pytest.mark.timeout(3000)
def test_ten_times_the_data_folds_in_the_same_memory(tmp_path: Path, scale: int) -> None:
    small, large = 4_000 * scale, 40_000 * scale
    peaks: dict[int, int] = {}

    for count in (small, large):
        source, store = tmp_path / f"{count}.jsonl.gz", tmp_path / f"{count}.db"
        _write_source(source, count)
        report, peaks[count] = _migrate("run", source, store)
        assert report["records"]["folded"] == count
        assert report["sessions"]["created"] == count // _SESSION_MESSAGES

    proof, _ = _migrate("verify", tmp_path / f"{large}.jsonl.gz", tmp_path / f"{large}.db")
    assert proof["differences"] == {}
    assert proof["sessions_equal"] == large // _SESSION_MESSAGES
    sys.stderr.write(f"peak memory in KiB by messages: {peaks}\n")
    # A small source does not fill the buffers; then only their known size is a limit.
    assert peaks[large] < (1.2 * peaks[small] if scale > 1 else 300 * 1024)
