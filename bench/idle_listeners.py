"""`python -m bench.idle_listeners [COUNT]`: what listeners cost one worker while nothing happens.

Each follows a session of its own, on SQLite. Then others write to a session that nobody follows,
and at last some of the sessions get a message, which their listeners must hear.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import httpx
import psutil

from bench.serving import PORT, URL, USER, create, served

_QUIET_SECONDS = 20
_WRITES_PER_SECOND = 20
_HEARD_SESSIONS = 100
_AT_ONCE = 50
_KIBIBYTE = 1024


class Listener:
    """One connection that follows one session."""

    def __init__(self, session_id: str) -> None:
        self.session_id = session_id
        self.writer: asyncio.StreamWriter
        self._reader: asyncio.StreamReader

    async def connect(self) -> None:
        """Connect, and return once the service has said that it listens."""
        self._reader, self.writer = await asyncio.open_connection("127.0.0.1", PORT)
        self.writer.write(
            f"GET /api/chat/sessions/{self.session_id}/events HTTP/1.1\r\n"
            f"Host: 127.0.0.1\r\nX-User-Id: bench\r\n\r\n".encode()
        )
        await self.hear("ready")

    async def hear(self, name: str) -> float:
        """When the next event of this name has come."""
        await self._reader.readuntil(f"event: {name}\n".encode())
        return time.perf_counter()


async def measure(count: int) -> None:
    """Measure, and print a line for each figure."""
    with tempfile.TemporaryDirectory(prefix="chatfold-bench-") as folder:
        environment = {"CHATFOLD_STORE": f"sqlite:///{Path(folder) / 'chatfold.db'}"}
        async with served("app.main:serving_app", environment) as client:
            await _measure(client, _server(), count)


async def _measure(client: httpx.AsyncClient, server: psutil.Process, count: int) -> None:
    listeners = [Listener(f"s{number}") for number in range(count)]
    for start in range(0, count, _AT_ONCE):
        some = listeners[start : start + _AT_ONCE]
        await asyncio.gather(*(create(client, one.session_id) for one in some))
    await create(client, "other")
    await asyncio.sleep(1)  # the writer's chores
    before_bytes = server.memory_info().rss
    for start in range(0, count, _AT_ONCE):
        await asyncio.gather(*(one.connect() for one in listeners[start : start + _AT_ONCE]))
    after_bytes = server.memory_info().rss
    print(f"listeners on one worker       {count:>9,}")
    print(f"memory before                 {before_bytes / _KIBIBYTE:>9,.0f} KiB")
    print(f"memory with them              {after_bytes / _KIBIBYTE:>9,.0f} KiB")
    of_one_bytes = (after_bytes - before_bytes) / count
    print(f"memory of one                 {of_one_bytes / _KIBIBYTE:>9.1f} KiB")
    print(f"core while all is quiet       {await _core_share(server):>9.1%}")
    writing = asyncio.create_task(_write(client))
    print(f"core at {_WRITES_PER_SECOND} writes/s elsewhere  {await _core_share(server):>9.1%}")
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    delays = sorted(await _delays(client, listeners[:_HEARD_SESSIONS]))
    print(f"from an append to its event   {statistics.median(delays) * 1000:>9.0f} ms (median)")
    print(f"                              {delays[-1] * 1000:>9.0f} ms (the slowest)")
    for one in listeners:
        one.writer.close()


async def _core_share(server: psutil.Process) -> float:
    """What the service takes of a core for a while."""
    started_at, used = time.perf_counter(), sum(server.cpu_times()[:2])
    await asyncio.sleep(_QUIET_SECONDS)
    return (sum(server.cpu_times()[:2]) - used) / (time.perf_counter() - started_at)


async def _write(client: httpx.AsyncClient) -> None:
    while True:
        await _append(client, "other")
        await asyncio.sleep(1 / _WRITES_PER_SECOND)


async def _delays(client: httpx.AsyncClient, listeners: Sequence[Listener]) -> list[float]:
    """How long each takes to hear of an append to its session, from its acknowledgement on."""
    delays: list[float] = []
    for one in listeners:
        hearing = asyncio.create_task(one.hear("message"))
        await _append(client, one.session_id)
        appended_at = time.perf_counter()
        delays.append(max(0.0, await asyncio.wait_for(hearing, timeout=10) - appended_at))
    return delays


async def _append(client: httpx.AsyncClient, session_id: str) -> None:
    path = f"/api/chat/sessions/{session_id}/messages"
    (await client.post(path, json={"content": "x"}, headers=USER)).raise_for_status()


def _server() -> psutil.Process:
    """The process that serves: the only child of this one."""
    (server,) = psutil.Process().children()
    return server


if __name__ == "__main__":
    print(f"The service is at {URL}.")
    asyncio.run(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 1000))
