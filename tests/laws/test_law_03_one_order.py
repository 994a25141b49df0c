"""Law 3: a place is given by the store at append; writers and clocks order nothing."""

import asyncio
from datetime import timedelta
from random import Random
from typing import Any

import httpx
from fastapi import FastAPI

from tests.fake_clock import FakeClock
from tests.laws.conftest import client_of

SESSIONS = "/api/chat/sessions"
MESSAGES = "/api/chat/sessions/s/messages"


async def document(client: httpx.AsyncClient) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get(f"{SESSIONS}/s")).json()
    return found


async def test_concurrent_writers_under_a_wild_clock_get_one_order(
    app: FastAPI, ada: httpx.AsyncClient, clock: FakeClock
) -> None:
    random = Random(3)  # noqa: S311 - the same wild clock in every run
    await ada.post(SESSIONS, json={"id": "s"})
    acknowledged: dict[str, int] = {}
    of_writer: dict[str, list[int]] = {}

    async def write(name: str) -> None:
        async with client_of(app, "ada") as client:
            for number in range(10):
                clock.advance(random.uniform(-3600, 3600))
                sent: dict[str, str] = {"id": f"{name}-{number}", "content": "x"}
                if number % 3 == 0:
                    dated = clock.now() - timedelta(days=random.randrange(10_000))
                    sent["created_at"] = dated.isoformat()
                answer = await client.post(MESSAGES, json=sent)
                assert answer.status_code == 201
                (message,) = answer.json()["messages"]
                acknowledged[message["id"]] = message["seq"]
                of_writer.setdefault(name, []).append(message["seq"])

    await asyncio.gather(*(write(f"w{n}") for n in range(50)))

    messages = (await document(ada))["messages"]
    assert [message["seq"] for message in messages] == list(range(500))
    assert {message["id"]: message["seq"] for message in messages} == acknowledged
    # Who waits for an answer before sending the next sees places in the order of sending.
    assert all(seqs == sorted(seqs) for seqs in of_writer.values())
    dates = [message["created_at"] for message in messages]
    assert dates != sorted(dates)


async def test_a_later_append_comes_later_though_its_clock_is_earlier(
    ada: httpx.AsyncClient, clock: FakeClock
) -> None:
    await ada.post(SESSIONS, json={"id": "s"})
    updated = []

    for number in range(5):
        clock.set_back(3600)
        await ada.post(MESSAGES, json={"id": f"m{number}", "content": "x"})
        updated.append((await document(ada))["updated_at"])

    found = await document(ada)
    assert [message["id"] for message in found["messages"]] == ["m0", "m1", "m2", "m3", "m4"]
    assert found["messages"][4]["created_at"] == "2026-01-01T22:04:05.678Z"
    assert found["last_message_at"] == "2026-01-01T22:04:05.678Z"
    assert set(updated) == {"2026-01-02T03:04:05.678Z"}


async def test_edits_and_deletions_move_no_message(
    ada: httpx.AsyncClient, clock: FakeClock
) -> None:
    await ada.post(SESSIONS, json={"id": "s"})
    await ada.post(MESSAGES, json=[{"id": f"m{n}", "content": "x"} for n in range(6)])

    clock.advance(60)
    await ada.patch(f"{MESSAGES}/m1", json={"content": "edited"})
    await ada.delete(f"{MESSAGES}/m5")
    await ada.delete(f"{MESSAGES}/m0")
    answer = await ada.post(MESSAGES, json={"id": "m6", "content": "x"})

    assert answer.json()["messages"][0]["seq"] == 6
    messages = (await document(ada))["messages"]
    assert [(m["id"], m["seq"]) for m in messages] == [(f"m{n}", n) for n in range(7)]


async def test_every_view_shows_the_same_order(ada: httpx.AsyncClient, clock: FakeClock) -> None:
    await ada.post(SESSIONS, json={"id": "s"})
    for number in range(7):
        clock.set_back(60)
        await ada.post(MESSAGES, json={"id": f"m{number}", "content": f"word{number}"})

    whole = [message["id"] for message in (await document(ada))["messages"]]
    paged = [
        message["id"]
        for offset in (0, 3, 6)
        for message in (await ada.get(MESSAGES, params={"offset": offset, "limit": 3})).json()[
            "items"
        ]
    ]
    exported = (await ada.get(f"{SESSIONS}/s/export?format=json")).json()["messages"]
    markdown = (await ada.get(f"{SESSIONS}/s/export?format=markdown")).text
    legacy = (await ada.get("/api/chat/history?session_id=s")).json()

    assert whole == ["m0", "m1", "m2", "m3", "m4", "m5", "m6"]
    assert paged == whole
    assert [message["id"] for message in exported] == whole
    assert [message["id"] for message in legacy] == whole
    places = [markdown.index(f"word{number}") for number in range(7)]
    assert places == sorted(places)
