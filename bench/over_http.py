"""The figures of the served store: each route beside its limit, in turn, in one batch."""

import asyncio
import tempfile
from pathlib import Path

import httpx

from bench.figures import Figure
from bench.loading import CONNECTIONS, in_turn, load, load_append, require_wrk, write_texts
from bench.serving import USER, create, fill, served

_TEXT = "a word or two, " * 33


async def measure(seconds: int) -> list[Figure]:
    """Serve a new store on one core, load it from the other, and compare."""
    require_wrk()
    with tempfile.TemporaryDirectory() as folder:
        texts = write_texts(Path(folder) / "texts", [_TEXT])
        environment = {"CHATFOLD_STORE": f"sqlite:///{folder}/bench.db"}
        async with served("bench.served:app", environment) as client:
            await _fill(client)
            return [
                await _whole_read(client, seconds),
                *await _append(client, texts, seconds),
                await _list(client, seconds),
            ]


async def _whole_read(client: httpx.AsyncClient, seconds: int) -> Figure:
    await _remember(client, "/api/chat/sessions/whole")
    rate, limit = await in_turn(
        lambda: load("/api/chat/sessions/whole", seconds), lambda: load("/limit/answer", seconds)
    )
    return Figure("whole read of 200 messages ÷ the same bytes from memory", rate, limit, 0.85)


async def _append(client: httpx.AsyncClient, texts: Path, seconds: int) -> list[Figure]:
    def append(sessions: str, count: int) -> float:
        return load_append(f"/api/chat/sessions/{sessions}-", texts, seconds, sessions=count)

    rate, limit = await in_turn(
        lambda: append("writer", CONNECTIONS), lambda: load_append("/limit/append", texts, seconds)
    )
    at_100_000, at_10 = await in_turn(lambda: append("long", 1), lambda: append("short", 2000))
    await _check_concurrent_appends(client)
    return [
        Figure("durable append ÷ validating the same body", rate, limit, 0.65),
        Figure("append at 100,000 messages ÷ append at 10", at_100_000, at_10, 0.95),
    ]


async def _list(client: httpx.AsyncClient, seconds: int) -> Figure:
    lister = {"X-User-Id": "lister"}
    await _remember(client, "/api/chat/sessions?limit=50", lister)
    rate, limit = await in_turn(
        lambda: load("/api/chat/sessions?limit=50", seconds, user="lister"),
        lambda: load("/limit/answer", seconds),
    )
    return Figure("list of 50 of 10,000 sessions ÷ the same bytes from memory", rate, limit, 0.7)


async def _check_concurrent_appends(client: httpx.AsyncClient) -> None:
    """Fifty at once to one session: all are there, each at the place it was told."""
    session = (await client.post("/api/chat/sessions", json={}, headers=USER)).json()["id"]
    path = f"/api/chat/sessions/{session}"
    answers = await asyncio.gather(
        *(
            client.post(f"{path}/messages", json={"id": str(n), "content": _TEXT}, headers=USER)
            for n in range(50)
        )
    )
    told = {message["id"]: message["seq"] for a in answers for message in a.json()["messages"]}
    stored = (await client.get(path, headers=USER)).json()["messages"]
    assert {message["id"]: message["seq"] for message in stored} == told
    assert sorted(told.values()) == list(range(50))
    print("50 concurrent appends to one session: 50 there, each at its acknowledged seq")


async def _fill(client: httpx.AsyncClient) -> None:
    await fill(client, "whole", 200, [_TEXT])
    await fill(client, "long-0", 100_000, [_TEXT])
    for number in range(CONNECTIONS):
        await create(client, f"writer-{number}")
    for number in range(2000):
        await fill(client, f"short-{number}", 10, [_TEXT])
    for start in range(0, 10_000, 50):
        await asyncio.gather(*(create(client, f"s{n}", "lister") for n in range(start, start + 50)))


async def _remember(
    client: httpx.AsyncClient, path: str, headers: dict[str, str] | None = None
) -> None:
    answer = await client.get(path, headers=headers or USER)
    answer.raise_for_status()
    (await client.put("/limit/answer", content=answer.content)).raise_for_status()
