"""A measured process: what it says it took, and how much memory it had at most."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def run_measured(arguments: Sequence[str]) -> tuple[float, int]:
    """Seconds as the process says, and the KiB that it, or its largest child, had at most."""
    process = subprocess.Popen(  # noqa: S603 - our own arguments
        [sys.executable, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with process.stdout:
        said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit("A measured process failed.")
    return float(said), usage.ru_maxrss // (1024 if sys.platform == "darwin" else 1)
