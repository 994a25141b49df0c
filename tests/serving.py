"""The real service in processes of its own: started on a free port, asked until ready, killed."""

import asyncio
import os
import re
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import httpx

from tests.store_kind import Place

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 30
_POLL_SECONDS = 0.02


class Server(NamedTuple):
    """A running service; its processes are one group, whose id is that of the first."""

    process: asyncio.subprocess.Process
    url: str
    log: Path

    async def kill(self) -> None:
        """`kill -9` every process of the service at once: nothing can be finished or flushed."""
        os.killpg(self.process.pid, signal.SIGKILL)
        await self.process.wait()

    def worker_pids(self) -> list[int]:
        """The processes that answer, in the order of their starts; the log names each."""
        said = self.log.read_text(encoding="utf-8")
        return [int(pid) for pid in re.findall(r"Started server process \[(\d+)\]", said)]


@asynccontextmanager
async def serving(
    place: Place, *, workers: int = 1, settings: Mapping[str, str] | None = None
) -> AsyncIterator[Server]:
    """Serve the store at this place; whatever is left of the service at the end is killed.

    `settings` are further variables of its environment.
    """
    path = place.folder / "server.log"
    with path.open("ab") as log:
        start = log.tell()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "app", "--port", "0", "--workers", str(workers)),
            env=_environment() | place.environment | dict(settings or {}),
            cwd=ROOT,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        url = await _ready(process, path, start)
        yield Server(process, url, path)
    finally:
        if process.returncode is None:
            await Server(process, "", path).kill()


def _environment() -> dict[str, str]:
    """This process's environment without settings of ours."""
    return {name: value for name, value in os.environ.items() if not name.startswith("CHATFOLD_")}


async def _ready(process: asyncio.subprocess.Process, log: Path, start: int) -> str:
    """The URL, once the service says over HTTP that it can work."""
    deadline = time.monotonic() + START_SECONDS
    async with httpx.AsyncClient() as client:
        while time.monotonic() < deadline and process.returncode is None:
            said = log.read_bytes()[start:].decode()
            found = re.search(r"on (http://[^\s\"]+:\d+)", said)
            if found and await _is_ready(client, found[1]):
                return found[1]
            await asyncio.sleep(_POLL_SECONDS)
    raise AssertionError(f"the service did not start: {said}")


async def _is_ready(client: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(url + "/readyz")).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
