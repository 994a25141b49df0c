"""The service under load: one process on one core, until the measuring is done."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager

import httpx

PORT = 8765
URL = f"http://127.0.0.1:{PORT}"
USER = {"X-User-Id": "bench"}

_BATCH_MESSAGES = 1000


@asynccontextmanager
async def served(factory: str, environment: Mapping[str, str]) -> AsyncGenerator[httpx.AsyncClient]:
    """Serve what a factory makes; the other core stays free for whoever loads it."""
    with on_core(0):
        server = subprocess.Popen(  # noqa: S603, ASYNC220 - ours; nothing else runs yet
            [
                *(sys.executable, "-m", "uvicorn", "--factory", factory),
                *("--port", str(PORT), "--log-level", "warning", "--no-access-log"),
            ],
            env={**os.environ, **environment},
        )
    try:
        async with httpx.AsyncClient(base_url=URL, timeout=60) as client:
            await _until_ready(client)
            yield client
    finally:
        server.terminate()
        server.wait(timeout=30)


async def _until_ready(client: httpx.AsyncClient) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            if (await client.get("/readyz")).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            await asyncio.sleep(0.05)
    sys.exit("The service did not start.")


@contextmanager
def on_core(core: int) -> Generator[None]:
    """Processes started inside stay on one core, where the system lets us choose."""
    if not hasattr(os, "sched_setaffinity") or len(os.sched_getaffinity(0)) == 1:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


async def create(client: httpx.AsyncClient, session_id: str, user: str = "bench") -> None:
    """An empty session."""
    body = {"id": session_id, "session_name": f"The chat {session_id}"}
    answer = await client.post("/api/chat/sessions", json=body, headers={"X-User-Id": user})
    answer.raise_for_status()


async def fill(
    client: httpx.AsyncClient, session_id: str, count: int, texts: Sequence[str]
) -> None:
    """A session of so many messages, which say one text after the other."""
    await create(client, session_id)
    path = f"/api/chat/sessions/{session_id}/messages"
    for start in range(0, count, _BATCH_MESSAGES):
        places = range(start, min(start + _BATCH_MESSAGES, count))
        body = [{"content": texts[place % len(texts)]} for place in places]
        (await client.post(path, json=body, headers=USER)).raise_for_status()
