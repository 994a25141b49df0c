"""The figures of the served store: each route beside its limit, in turn, in one batch."""

import asyncio
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

_HERE = Path(__file__).parent
_PORT = 8765
_URL = f"http://127.0.0.1:{_PORT}"
_USER = {"X-User-Id": "bench"}
_TEXT = "a word or two, " * 33
_CONNECTIONS = 16
_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Figure:
    """A rate beside the rate it is measured against, both in requests per second."""

    name: str
    rate: float
    limit: float
    wanted: float

    @property
    def ratio(self) -> float:
        """The share of the limit that is reached."""
        return self.rate / self.limit


async def measure(seconds: int) -> list[Figure]:
    """Serve a new store on one core, load it from the other, and compare."""
    if shutil.which("wrk") is None:
        sys.exit("The benchmark loads the service with wrk: install it first.")
    async with _served() as client:
        await _fill(client)
        return [
            await _whole_read(client, seconds),
            *await _append(client, seconds),
            await _list(client, seconds),
        ]


async def _whole_read(client: httpx.AsyncClient, seconds: int) -> Figure:
    await _remember(client, "/api/chat/sessions/whole")
    rate, limit = await _paired(
        lambda: _load("/api/chat/sessions/whole", seconds), lambda: _load("/limit/answer", seconds)
    )
    return Figure("whole read of 200 messages ÷ the same bytes from memory", rate, limit, 0.85)


async def _append(client: httpx.AsyncClient, seconds: int) -> list[Figure]:
    rate, limit = await _paired(
        lambda: _load_append("/api/chat/sessions/writer-", _CONNECTIONS, seconds),
        lambda: _load_append("/limit/append", 0, seconds),
    )
    at_100_000, at_10 = await _paired(
        lambda: _load_append("/api/chat/sessions/long-", 1, seconds),
        lambda: _load_append("/api/chat/sessions/short-", 2000, seconds),
    )
    await _check_concurrent_appends(client)
    return [
        Figure("durable append ÷ validating the same body", rate, limit, 0.65),
        Figure("append at 100,000 messages ÷ append at 10", at_100_000, at_10, 0.95),
    ]


async def _list(client: httpx.AsyncClient, seconds: int) -> Figure:
    lister = {"X-User-Id": "lister"}
    await _remember(client, "/api/chat/sessions?limit=50", lister)
    rate, limit = await _paired(
        lambda: _load("/api/chat/sessions?limit=50", seconds, user="lister"),
        lambda: _load("/limit/answer", seconds),
    )
    return Figure("list of 50 of 10,000 sessions ÷ the same bytes from memory", rate, limit, 0.7)


async def _check_concurrent_appends(client: httpx.AsyncClient) -> None:
    """Fifty at once to one session: all are there, each at the place it was told."""
    session = (await client.post("/api/chat/sessions", json={}, headers=_USER)).json()["id"]
    path = f"/api/chat/sessions/{session}"
    answers = await asyncio.gather(
        *(
            client.post(f"{path}/messages", json={"id": str(n), "content": _TEXT}, headers=_USER)
            for n in range(50)
        )
    )
    told = {message["id"]: message["seq"] for a in answers for message in a.json()["messages"]}
    stored = (await client.get(path, headers=_USER)).json()["messages"]
    assert {message["id"]: message["seq"] for message in stored} == told
    assert sorted(told.values()) == list(range(50))
    print("50 concurrent appends to one session: 50 there, each at its acknowledged seq")


async def _fill(client: httpx.AsyncClient) -> None:
    async def create(session_id: str, user: str = "bench") -> None:
        body = {"id": session_id, "session_name": f"The chat {session_id}"}
        answer = await client.post("/api/chat/sessions", json=body, headers={"X-User-Id": user})
        answer.raise_for_status()

    async def fill(session_id: str, count: int) -> None:
        await create(session_id)
        for start in range(0, count, 1000):
            body = [{"content": _TEXT} for _ in range(min(1000, count - start))]
            path = f"/api/chat/sessions/{session_id}/messages"
            (await client.post(path, json=body, headers=_USER)).raise_for_status()

    await fill("whole", 200)
    await fill("long-0", 100_000)
    for number in range(_CONNECTIONS):
        await create(f"writer-{number}")
    for number in range(2000):
        await fill(f"short-{number}", 10)
    for start in range(0, 10_000, 50):
        await asyncio.gather(*(create(f"s{n}", "lister") for n in range(start, start + 50)))


async def _remember(
    client: httpx.AsyncClient, path: str, headers: dict[str, str] | None = None
) -> None:
    answer = await client.get(path, headers=headers or _USER)
    answer.raise_for_status()
    (await client.put("/limit/answer", content=answer.content)).raise_for_status()


async def _paired(ours: Callable[[], float], theirs: Callable[[], float]) -> tuple[float, float]:
    """The medians of both, run in turn, so that a slow minute of the machine hits both."""
    pairs = [
        (await asyncio.to_thread(ours), await asyncio.to_thread(theirs)) for _ in range(_ROUNDS)
    ]
    return statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs)


def _load(path: str, seconds: int, *, user: str = "bench") -> float:
    return _run_wrk(["-H", f"X-User-Id: {user}", _URL + path], seconds)


def _load_append(path: str, sessions: int, seconds: int) -> float:
    script = ["-s", str(_HERE / "append.lua"), _URL, "--", path, str(sessions)]
    return _run_wrk(script, seconds)


def _run_wrk(arguments: list[str], seconds: int) -> float:
    with _on_core(1):
        loading = subprocess.Popen(  # noqa: S603 - our own arguments
            ["wrk", "-t1", f"-c{_CONNECTIONS}", f"-d{seconds}s", *arguments],  # noqa: S607 - on PATH
            stdout=subprocess.PIPE,
            text=True,
        )
    output, _ = loading.communicate()
    assert loading.returncode == 0, output
    assert "Non-2xx" not in output, output
    found = re.search(r"Requests/sec:\s+([0-9.]+)", output)
    assert found is not None, output
    return float(found[1])


@asynccontextmanager
async def _served() -> AsyncGenerator[httpx.AsyncClient]:
    with tempfile.TemporaryDirectory() as folder:
        with _on_core(0):
            server = subprocess.Popen(  # noqa: S603, ASYNC220 - ours; nothing else runs yet
                [
                    *(sys.executable, "-m", "uvicorn", "--factory", "bench.served:app"),
                    *("--port", str(_PORT), "--log-level", "warning", "--no-access-log"),
                ],
                env={**os.environ, "CHATFOLD_STORE": f"sqlite:///{folder}/bench.db"},
            )
        try:
            async with httpx.AsyncClient(base_url=_URL, timeout=60) as client:
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
def _on_core(core: int) -> Generator[None]:
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
