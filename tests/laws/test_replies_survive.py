"""A reply outlives its listener, and what was written out of it outlives its process."""

import asyncio
import os
import signal
from datetime import datetime

import httpx

from app.main import create_app
from tests.api.event_streams import Event, events_of, text_of
from tests.assistant.upstream import Gate, upstream
from tests.fake_clock import FakeClock
from tests.laws.conftest import SETTINGS, client_of
from tests.serving import Server, serving
from tests.store_kind import Place

SESSION = "/api/chat/sessions/s"
DEADLINE_SECONDS = 20


def settings_of(url: str) -> dict[str, str]:
    return {
        "CHATFOLD_ASSISTANT_URL": url,
        "CHATFOLD_ASSISTANT_MODEL": "model-1",
        "CHATFOLD_ASSISTANT_API_KEY": "sk-of-nobody-0123",
        "CHATFOLD_LOG_LEVEL": "debug",
    }


def client_to(server: Server) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=server.url, headers={"X-User-Id": "ada"}, timeout=20)


async def heard_until(client: httpx.AsyncClient, text: str) -> list[Event]:
    """Ask, listen until so much has come, and hang up."""
    heard = ""
    async with client.stream("POST", f"{SESSION}/reply", json={"content": "Why?"}) as answer:
        async for piece in answer.aiter_text():
            heard += piece
            if text_of(events_of(heard)) == text:
                break
    return events_of(heard)


async def written_out(client: httpx.AsyncClient) -> str | None:
    """What is stored of the reply; None before it has begun."""
    contents: list[str] = [one["content"] for one in (await client.get(SESSION)).json()["messages"]]
    return contents[1] if len(contents) > 1 else None


async def until_written_out(client: httpx.AsyncClient, text: str) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while await written_out(client) != text:  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.02)


async def test_a_reply_goes_on_without_its_listener_and_another_worker_tells_of_it(
    place: Place,
) -> None:
    gate = Gate()
    async with (
        upstream(gate) as assistant,
        serving(place, workers=2, settings=settings_of(assistant.url)) as server,
    ):
        async with client_to(server) as client:
            await client.post("/api/chat/sessions", json={"id": "s"})
            gate.say("one ")
            reply_id = (await heard_until(client, "one "))[0].data["message_id"]
        joining = [asyncio.create_task(join(server, f"{reply_id}.2")) for _ in range(6)]
        gate.say("two")
        gate.end()
        heard = await asyncio.gather(*joining)

    assert [text_of(events) for events in heard] == ["e two"] * 6
    assert [events[-1].name for events in heard] == ["message_end"] * 6
    assert "sk-of-nobody" not in server.log.read_text(encoding="utf-8")


async def join(server: Server, last_event_id: str) -> list[Event]:
    """Go on listening, by a connection of one's own, so by either of the workers."""
    async with client_to(server) as client:
        headers = {"Last-Event-ID": last_event_id}
        return events_of((await client.post(f"{SESSION}/reply", headers=headers)).text)


async def test_of_a_killed_service_what_was_written_out_is_there_and_marked(
    place: Place, clock: FakeClock
) -> None:
    gate = Gate()
    async with (
        upstream(gate) as assistant,
        serving(place, settings=settings_of(assistant.url)) as server,
    ):
        async with client_to(server) as client:
            await client.post("/api/chat/sessions", json={"id": "s"})
            gate.say("written out")
            reply_id = (await heard_until(client, "written out"))[0].data["message_id"]
            await until_written_out(client, "written out")
            left = (await client.get(SESSION)).json()["messages"][1]
        await server.kill()
    lease_ends = left["metadata"]["reply"]["lease_expires_at"]
    clock.set_to(datetime.fromisoformat(lease_ends))

    store = await place.open()
    async with client_of(create_app(SETTINGS, store, clock), "ada") as client:
        answer = await client.get(f"{SESSION}/replies/{reply_id}/events")
        marked = (await client.get(SESSION)).json()["messages"][1]
    await store.aclose()

    *_, end = events_of(answer.text)
    assert left["metadata"]["reply"]["status"] == "streaming"
    assert text_of(events_of(answer.text)) == "written out"
    assert (end.name, end.data["code"], end.data["reason"], end.data["length"]) == (
        *("error", "reply_partial", "lease_expired"),
        11,
    )
    assert marked["content"] == "written out"
    assert marked["metadata"]["reply"]["status"] == "partial"


async def test_a_service_that_is_told_to_end_writes_out_what_came(place: Place) -> None:
    gate = Gate()
    async with upstream(gate) as assistant:
        async with serving(place, settings=settings_of(assistant.url)) as server:
            async with client_to(server) as client:
                await client.post("/api/chat/sessions", json={"id": "s"})
                gate.say("so far")
                listening = asyncio.create_task(
                    client.post(f"{SESSION}/reply", json={"content": "Why?"})
                )
                async with client_to(server) as other:
                    await until_written_out(other, "so far")
                os.kill(server.process.pid, signal.SIGTERM)
                *_, end = events_of((await listening).text)
            await asyncio.wait_for(server.process.wait(), DEADLINE_SECONDS)
        async with serving(place) as server, client_to(server) as client:
            reply = (await client.get(SESSION)).json()["messages"][1]

    assert (end.name, end.data["reason"], end.data["length"]) == ("error", "interrupted", 6)
    assert reply["content"] == "so far"
    assert reply["metadata"]["reply"]["status"] == "partial"
