"""Law 1: an append answered 2xx survives `kill -9` of any process."""

import asyncio
import json
import os
import signal

import httpx
import pytest

from tests.laws.writing import (
    MESSAGES,
    SESSIONS,
    WRITERS,
    Writing,
    client_of,
    create,
    document_of,
    kill_while_writing,
)
from tests.serving import Server, serving
from tests.store_kind import Place


@pytest.mark.parametrize("workers", [1, 2])
async def test_what_was_acknowledged_is_there_after_every_process_was_killed(
    place: Place, workers: int
) -> None:
    writing = Writing()
    async with serving(place, workers=workers) as server:
        await create(server)
        await kill_while_writing(server, writing, enough=200)
    assert len(writing.seqs) >= 200
    assert writing.unacknowledged

    async with serving(place, workers=workers) as server:
        writing.assert_all_there_once(await document_of(server))
        async with client_of(server) as client:
            for text in [*writing.unacknowledged, *list(writing.seqs)[-20:]]:
                before = writing.seqs.get(text)
                await writing.append(client, text)
                assert before in (None, writing.seqs[text])
        assert not writing.unacknowledged
        retried = await document_of(server)
        writing.assert_all_there_once(retried)
        assert len(retried["messages"]) == len(writing.seqs)


async def test_writers_lose_nothing_where_a_worker_is_killed_and_replaced(place: Place) -> None:
    writing = Writing()

    async def write(server: Server, name: str) -> None:
        client = client_of(server)
        for number in range(30):
            while True:
                try:
                    await writing.append(client, f"{name}-{number}")
                    break
                except httpx.TransportError:
                    await client.aclose()  # it may hold connections to the killed worker
                    client = client_of(server)
            if len(writing.seqs) >= 40:
                writing.acknowledged_enough.set()
        await client.aclose()

    async with serving(place, workers=2) as server:
        await create(server)
        writers = [
            asyncio.create_task(write(server, f"{'id' if n % 2 else 'key'}{n}"))
            for n in range(WRITERS)
        ]
        await asyncio.wait_for(writing.acknowledged_enough.wait(), timeout=60)
        victim = server.worker_pids()[-1]
        os.kill(victim, signal.SIGKILL)
        await asyncio.gather(*writers)
        document = await document_of(server)

    writing.assert_all_there_once(document)
    assert len(document["messages"]) == WRITERS * 30


async def test_edits_deletions_and_headers_survive_too(place: Place) -> None:
    async with serving(place) as server, client_of(server) as client:
        await create(server)
        batch = [{"id": f"m{n}", "content": f"text {n}"} for n in range(200)]
        steps = [
            await client.post(MESSAGES, json=batch),
            await client.patch(f"{MESSAGES}/m7", json={"content": "edited"}),
            await client.delete(f"{MESSAGES}/m8"),
            await client.put(f"{SESSIONS}/s", json={"session_name": "named", "tags": ["t"]}),
            await client.post(SESSIONS, json={"id": "gone"}),
            await client.delete(f"{SESSIONS}/gone"),
        ]
        assert [step.status_code for step in steps] == [201, 200, 204, 200, 201, 204]
        before = (await client.get(f"{SESSIONS}/s")).content
        await server.kill()

    async with serving(place) as server, client_of(server) as client:
        after = (await client.get(f"{SESSIONS}/s")).content
        history = (await client.get(f"{MESSAGES}/m7/history")).json()["items"]
        found = (await client.get("/api/chat/search", params={"q": "edited"})).json()["items"]
        gone = await client.get(f"{SESSIONS}/gone")

    assert after == before
    assert json.loads(after)["revision"] == 5
    assert [past["content"] for past in history] == ["text 7"]
    assert [hit["message_id"] for hit in found] == ["m7"]
    assert gone.status_code == 404
