"""Loading: what `wrk` reaches on a route, and two or more of such loads in turn."""

import asyncio
import re
import secrets
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.serving import URL, on_core

CONNECTIONS = 16
_HERE = Path(__file__).parent
_ROUNDS = 3


def require_wrk() -> None:
    """End with a sentence where the program is not installed."""
    if shutil.which("wrk") is None:
        sys.exit("The benchmark loads the service with wrk: install it first.")


async def in_turn(*loads: Callable[[], float]) -> list[float]:
    """The median of each, run in turn, so that a slow minute of the machine hits all."""
    rounds = [[await asyncio.to_thread(load) for load in loads] for _ in range(_ROUNDS)]
    return [statistics.median(rates) for rates in zip(*rounds, strict=True)]


def load(path: str, seconds: int, *, user: str = "bench") -> float:
    """Requests per second of reading a path."""
    return _run_wrk(["-H", f"X-User-Id: {user}", URL + path], seconds)


def load_append(
    path: str, texts: Path, seconds: int, *, sessions: int = 0, has_ids: bool = False
) -> float:
    """Requests per second of appending; `append.lua` says what `path` and `sessions` are.

    `texts` is a file of messages, one a line; with `has_ids` each gets an id of the client.
    """
    ids = [secrets.token_hex(8)] if has_ids else []
    script = ["-s", str(_HERE / "append.lua"), URL, "--", path, str(sessions), str(texts), *ids]
    return _run_wrk(script, seconds)


def write_texts(path: Path, texts: Sequence[str]) -> Path:
    """The file that `load_append` takes."""
    path.write_text("\n".join(texts) + "\n", encoding="utf-8")
    return path


def _run_wrk(arguments: list[str], seconds: int) -> float:
    with on_core(1):
        loading = subprocess.Popen(  # noqa: S603 - our own arguments
            ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", *arguments],  # noqa: S607 - on PATH
            stdout=subprocess.PIPE,
            text=True,
        )
    output, _ = loading.communicate()
    assert loading.returncode == 0, output
    assert "Non-2xx" not in output, output
    found = re.search(r"Requests/sec:\s+([0-9.]+)", output)
    assert found is not None, output
    return float(found[1])
