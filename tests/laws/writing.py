"""Writers that append to a served session until it is killed, and know what was answered."""

import asyncio
from collections import Counter
from typing import Any

import httpx

from tests.serving import Server

SESSIONS = "/api/chat/sessions"
MESSAGES = "/api/chat/sessions/s/messages"
WRITERS = 8


class Writing:
    """Writers that append one message after the other, and remember what was acknowledged.

    The text identifies a message: half of the writers leave its id to an `Idempotency-Key`.
    """

    def __init__(self) -> None:
        self.seqs: dict[str, int] = {}
        self.unacknowledged: set[str] = set()
        self.acknowledged_enough = asyncio.Event()
        self.is_over = False

    async def append(self, client: httpx.AsyncClient, text: str) -> None:
        """Append a message; `httpx.TransportError` leaves it unacknowledged."""
        self.unacknowledged.add(text)
        headers = {"Idempotency-Key": text} if text.startswith("key") else {}
        body = {"content": text} if headers else {"id": f"id of {text}", "content": text}
        answer = await client.post(MESSAGES, json=body, headers=headers)
        assert answer.status_code == 201, answer.text
        (message,) = answer.json()["messages"]
        assert message["content"] == text
        self.seqs[text] = message["seq"]
        self.unacknowledged.discard(text)

    async def write(self, server: Server, name: str, *, enough: int) -> None:
        """Append until the server is gone."""
        number = len(self.seqs)
        async with client_of(server) as client:
            while not self.is_over:
                number += 1
                try:
                    await self.append(client, f"{name}-{number}")
                except httpx.TransportError:
                    return
                if len(self.seqs) >= enough:
                    self.acknowledged_enough.set()

    def assert_all_there_once(self, document: dict[str, Any]) -> None:
        """Each acknowledged message is there once, at its place; no place is empty."""
        messages = document["messages"]
        assert [message["seq"] for message in messages] == list(range(len(messages)))
        assert document["message_count"] == len(messages)
        times = Counter(message["content"] for message in messages)
        assert set(times.values()) == {1}
        stored = {message["content"]: message["seq"] for message in messages}
        assert {text: stored.get(text) for text in self.seqs} == self.seqs
        assert set(stored) <= set(self.seqs) | self.unacknowledged


def client_of(server: Server) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=server.url, headers={"X-User-Id": "ada"}, timeout=30)


async def document_of(server: Server) -> dict[str, Any]:
    async with client_of(server) as client:
        found: dict[str, Any] = (await client.get(f"{SESSIONS}/s")).raise_for_status().json()
        return found


async def create(server: Server) -> None:
    async with client_of(server) as client:
        (await client.post(SESSIONS, json={"id": "s"})).raise_for_status()


async def kill_while_writing(server: Server, writing: Writing, *, enough: int) -> None:
    writers = [
        asyncio.create_task(writing.write(server, f"{'id' if n % 2 else 'key'}{n}", enough=enough))
        for n in range(WRITERS)
    ]
    await asyncio.wait_for(writing.acknowledged_enough.wait(), timeout=60)
    await server.kill()
    await asyncio.gather(*writers)
