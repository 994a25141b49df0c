"""Law 4: one request brings the whole; then only what is new; and nothing where nothing is."""

from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

import httpx
import pytest

from tests.fake_clock import FakeClock

SESSIONS = "/api/chat/sessions"
SESSION = "/api/chat/sessions/s"
MESSAGES = "/api/chat/sessions/s/messages"


class Copy:
    """What a reader has of a session, brought up to date by what each read brings."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.etag: str | None = None
        self.header: dict[str, Any] = {}
        self.messages: dict[int, dict[str, Any]] = {}

    async def update(self) -> int:
        """Ask for what is new; returns how many messages came."""
        before = self.header.get("generation")
        parameters = {} if self.etag is None else {"since": self.etag}
        answer = await self.client.get(SESSION, params=parameters)
        self.header = answer.json()
        news = self.header.pop("messages")
        if self.header["generation"] != before:
            self.messages.clear()
        self.messages.update({message["seq"]: message for message in news})
        self.etag = answer.headers["etag"]
        return len(news)

    def document(self) -> dict[str, Any]:
        return {**self.header, "messages": [self.messages[seq] for seq in sorted(self.messages)]}


async def change(client: httpx.AsyncClient, random: Random, number: int, places: int) -> int:
    """One of the many things a writer can do; returns how many places there are after it."""
    message = f"{MESSAGES}/m{random.randrange(places)}"
    match random.randrange(6):
        case 0 | 1:
            await client.post(MESSAGES, json={"id": f"m{places}", "content": f"text {number}"})
            return places + 1
        case 2:
            batch = [{"id": f"m{places + n}", "content": f"batch {number}"} for n in range(40)]
            await client.post(MESSAGES, json=batch)
            return places + 40
        case 3:
            await client.patch(message, json={"content": f"edit {number}"})
        case 4:
            await client.delete(message)
        case _:
            await client.patch(
                SESSION,
                json={"session_name": f"name {number}"},
                headers={"Content-Type": "application/merge-patch+json"},
            )
    return places


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_replayed_news_rebuild_the_whole_at_every_step(
    ada: httpx.AsyncClient, clock: FakeClock, seed: int
) -> None:
    random = Random(seed)  # noqa: S311 - the same changes in every run
    await ada.post(SESSIONS, json={"id": "s"})
    await ada.post(MESSAGES, json={"id": "m0", "content": "x"})
    places = 1
    often, seldom = Copy(ada), Copy(ada)

    for number in range(60):
        clock.advance(random.uniform(-5, 5))
        places = await change(ada, random, number, places)
        await often.update()
        if number % 13 == 0:
            await seldom.update()
            assert seldom.document() == (await ada.get(SESSION)).json()
        assert often.document() == (await ada.get(SESSION)).json()

    await seldom.update()
    assert seldom.document() == often.document()
    assert await often.update() == 0


async def test_appends_alone_are_followed_by_after_seq(ada: httpx.AsyncClient) -> None:
    await ada.post(SESSIONS, json={"id": "s"})
    copy: list[dict[str, Any]] = []

    for size in (1, 3, 100, 1, 64, 28):
        batch = [{"id": f"m{len(copy) + n}", "content": "x"} for n in range(size)]
        await ada.post(MESSAGES, json=batch)
        news = (await ada.get(SESSION, params={"after_seq": len(copy) - 1})).json()["messages"]
        assert len(news) == size
        copy += news

    assert copy == (await ada.get(SESSION)).json()["messages"]
    assert (await ada.get(SESSION, params={"after_seq": 196})).json()["messages"] == []


async def test_an_unchanged_session_is_a_304_and_every_change_is_not(
    ada: httpx.AsyncClient,
) -> None:
    await ada.post(SESSIONS, json={"id": "s"})
    changes: list[Callable[[], Awaitable[httpx.Response]]] = [
        lambda: ada.post(MESSAGES, json=[{"id": "m", "content": "x"}, {"id": "n", "content": "y"}]),
        lambda: ada.patch(f"{MESSAGES}/m", json={"content": "edited"}),
        lambda: ada.delete(f"{MESSAGES}/n"),
        lambda: ada.put(SESSION, json={"is_pinned": True}),
        lambda: ada.put(SESSION, json={"context": {"a": 1}}),
    ]
    seen = (await ada.get(SESSION)).headers["etag"]

    for make_change in changes:
        for parameters in ({}, {"messages": "none"}, {"after_seq": "0"}, {"since": seen}):
            same = await ada.get(SESSION, params=parameters, headers={"If-None-Match": seen})
            assert (same.status_code, same.content) == (304, b"")
            assert same.headers["etag"] == seen

        assert (await make_change()).is_success

        other = await ada.get(SESSION, headers={"If-None-Match": seen})
        assert other.status_code == 200
        assert other.headers["etag"] != seen
        seen = other.headers["etag"]


async def test_what_changes_nothing_leaves_the_304(ada: httpx.AsyncClient) -> None:
    await ada.post(SESSIONS, json={"id": "s", "session_name": "named"})
    await ada.post(MESSAGES, json={"id": "m", "content": "x"})
    seen = (await ada.get(SESSION)).headers["etag"]

    await ada.post(MESSAGES, json={"id": "m", "content": "x"})
    await ada.patch(f"{MESSAGES}/m", json={"content": "x"})
    await ada.put(SESSION, json={"session_name": "named"})

    assert (await ada.get(SESSION, headers={"If-None-Match": seen})).status_code == 304


async def test_an_id_used_again_matches_nothing_of_before(ada: httpx.AsyncClient) -> None:
    await ada.post(SESSIONS, json={"id": "s"})
    await ada.post(MESSAGES, json={"id": "old", "content": "x"})
    copy = Copy(ada)
    await copy.update()
    seen = copy.etag
    assert seen is not None

    await ada.delete(SESSION)
    await ada.post(SESSIONS, json={"id": "s"})
    await ada.post(MESSAGES, json={"id": "new", "content": "y"})

    assert (await ada.get(SESSION, headers={"If-None-Match": seen})).status_code == 200
    assert await copy.update() == 1
    assert copy.document() == (await ada.get(SESSION)).json()
    assert [message["id"] for message in copy.document()["messages"]] == ["new"]


async def test_two_thousand_messages_come_in_one_answer(ada: httpx.AsyncClient) -> None:
    await ada.post(SESSIONS, json={"id": "s"})
    for half in range(2):
        batch = [{"id": f"m{half}-{n}", "content": f"text {n}"} for n in range(1000)]
        await ada.post(MESSAGES, json=batch)

    answer = await ada.get(SESSION)

    assert len(answer.json()["messages"]) == 2000
    assert "link" not in answer.headers
