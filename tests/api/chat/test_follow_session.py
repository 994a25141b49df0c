"""Who follows a session hears of everything that is committed to it, once and in order."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.domain.following import Bookmark, SessionChanges
from app.domain.identity import SessionKey
from app.errors import StoreUnavailableError
from app.main import create_app
from app.service.live import LiveService
from app.store.memory import MemoryStore
from tests.api.conftest import SETTINGS
from tests.api.listening import bookmark_of, listening
from tests.api.requests import MESSAGES, SESSION, SESSIONS, append, make_session, problem
from tests.api.serving import serving
from tests.fake_clock import FakeClock

EVENTS = f"{SESSION}/events"
NO_ID = ["0123456789abcdef", "0123456789abcdef-1", "0123456789abcdef.1", "x.0.0", "-", "é"]


class BreakingStore(MemoryStore):
    """A store that breaks, or brings back what it had, when a test wants it."""

    is_broken = False

    async def find_bookmarks(self, keys: Sequence[SessionKey]) -> dict[SessionKey, Bookmark]:
        if self.is_broken:
            raise StoreUnavailableError("Gone.")
        return await super().find_bookmarks(keys)

    async def read_changes(self, key: SessionKey, after: Bookmark) -> SessionChanges:
        if self.is_broken:
            raise StoreUnavailableError("Gone.")
        return await super().read_changes(key, after)


@asynccontextmanager
async def ada_of(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Ada's client of an application that is served."""
    async with (
        serving(app) as port,
        httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", headers={"X-User-Id": "ada"}
        ) as client,
    ):
        yield client


@pytest.fixture
async def ada(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with ada_of(app) as client:
        yield client


async def read(client: httpx.AsyncClient) -> dict[str, Any]:
    session: dict[str, Any] = (await client.get(SESSION)).json()
    return session


async def test_what_is_committed_is_heard_as_a_read_shows_it(ada: httpx.AsyncClient) -> None:
    await make_session(ada)
    await append(ada, "before")
    before = await read(ada)

    async with listening(ada, EVENTS) as listener:
        ready = await listener.heard("ready")
        await append(ada, "a", "b")
        appended = [await listener.heard("message"), await listener.heard("message")]
        after_append = await read(ada)
        await ada.patch(f"{MESSAGES}/ma", json={"content": "edited"})
        edited = await listener.heard("message_edited")
        after_edit = await read(ada)
        await ada.put(SESSION, json={"session_name": "named"})
        changed = await listener.heard("session")
        after_change = await read(ada)
        await ada.delete(f"{MESSAGES}/mb")
        deleted = await listener.heard("message_deleted")
        after = await read(ada)

    assert ready.id == bookmark_of(before)
    assert ready.data == {name: before[name] for name in ("generation", "next_seq", "changes")}
    assert [event.data for event in appended] == after_append["messages"][1:]
    assert edited.data == after_edit["messages"][1]
    assert changed.data == {name: after_change[name] for name in changed.data}
    assert changed.data.keys() == after_change.keys() - {"messages"}
    assert deleted.data == after["messages"][2]
    assert deleted.data["deleted_at"] is not None
    assert [event.id for event in (appended[-1], edited, changed, deleted)] == [
        bookmark_of(session) for session in (after_append, after_edit, after_change, after)
    ]


async def test_nothing_lies_between_a_whole_read_and_the_events(ada: httpx.AsyncClient) -> None:
    await make_session(ada)
    await append(ada, "seen")
    session = await read(ada)
    await append(ada, "between")
    await ada.patch(f"{MESSAGES}/mseen", json={"content": "edited"})

    async with listening(ada, EVENTS, since=bookmark_of(session)) as listener:
        ready = await listener.heard("ready")
        first = await listener.heard("message")
        second = await listener.heard("message_edited")
        await append(ada, "after")
        third = await listener.heard("message")

    assert ready.id == bookmark_of(session)
    assert [event.data["content"] for event in (first, second, third)] == [
        *("between", "edited", "after")
    ]


async def test_a_listener_goes_on_after_the_last_event_it_has_heard(ada: httpx.AsyncClient) -> None:
    await make_session(ada)
    start = bookmark_of(await read(ada))
    await append(ada, "a", "b", "c")
    async with listening(ada, EVENTS, since=start) as listener:
        await listener.heard("ready")
        heard = await listener.heard("message")

    # A browser repeats the address, and adds the header.
    async with listening(ada, EVENTS, since=start, last_event_id=heard.id) as listener:
        await listener.heard("ready")
        rest = [await listener.heard("message"), await listener.heard("message")]

    assert [event.data["content"] for event in (heard, *rest)] == ["a", "b", "c"]


async def test_an_edit_after_an_edit_is_no_change_of_the_header(ada: httpx.AsyncClient) -> None:
    await make_session(ada)
    await append(ada, "a")
    await ada.put(SESSION, json={"session_name": "named"})

    async with listening(ada, EVENTS) as listener:
        await listener.heard("ready")
        for content in ("edited", "edited again"):
            await ada.patch(f"{MESSAGES}/ma", json={"content": content})
        await append(ada, "last")
        heard = [await listener.heard("message_edited", "message")]
        while heard[-1].name != "message":
            heard.append(await listener.heard("message_edited", "message"))
        await ada.put(SESSION, json={"session_name": "named anew"})
        changed = await listener.heard("session")

    assert heard[-2].data["content"] == "edited again"
    assert changed.data["session_name"] == "named anew"


async def test_another_life_of_the_session_is_a_gap_and_goes_on(ada: httpx.AsyncClient) -> None:
    await make_session(ada)
    await append(ada, "a")
    before = bookmark_of(await read(ada))
    await ada.delete(SESSION)
    await make_session(ada)

    async with listening(ada, EVENTS, last_event_id=before) as listener:
        await listener.heard("ready")
        gap = await listener.heard("gap")
        now = await read(ada)
        await append(ada, "b")
        message = await listener.heard("message")

    assert gap.id == bookmark_of(now)
    assert gap.data == {name: now[name] for name in ("generation", "next_seq", "changes")}
    assert message.data["content"] == "b"


async def test_the_end_of_a_session_is_the_end_of_its_events(ada: httpx.AsyncClient) -> None:
    await make_session(ada)

    async with listening(ada, EVENTS) as listener:
        await listener.heard("ready")
        await ada.delete(SESSION)
        rest = await listener.rest()
        again = await ada.get(EVENTS)

    assert [(event.name, event.id) for event in rest] == [("deleted", None)]
    assert problem(again) == (404, "session_not_found", [])


async def test_what_happens_elsewhere_is_not_heard(ada: httpx.AsyncClient) -> None:
    await make_session(ada)
    await make_session(ada, "other")
    await ada.post(SESSIONS, json={"id": "s"}, headers={"X-User-Id": "bob"})

    async with listening(ada, EVENTS) as listener:
        await listener.heard("ready")
        await append(ada, "x", path=f"{SESSIONS}/other/messages")
        await ada.post(MESSAGES, json={"content": "x"}, headers={"X-User-Id": "bob"})
        await append(ada, "mine")
        heard = await listener.heard("message")

    assert heard.data["content"] == "mine"


async def test_a_session_of_another_user_is_not_found_before_anything_is_told(
    ada: httpx.AsyncClient,
) -> None:
    await make_session(ada)

    foreign = await ada.get(EVENTS, headers={"X-User-Id": "bob"})
    absent = await ada.get(f"{SESSIONS}/absent/events")

    assert problem(foreign) == problem(absent) == (404, "session_not_found", [])


@pytest.mark.parametrize("text", NO_ID)
async def test_what_is_no_id_of_an_event_is_refused(ada: httpx.AsyncClient, text: str) -> None:
    await make_session(ada)

    since = await ada.get(EVENTS, params={"since": text})
    header = await ada.get(EVENTS, headers=[(b"Last-Event-ID", text.encode())])

    assert problem(since) == (422, "invalid_input", ["since"])
    assert problem(header) == (422, "invalid_input", ["Last-Event-ID"])


async def test_a_store_that_fails_is_an_error_and_the_end_and_nothing_is_missed(
    clock: FakeClock,
) -> None:
    store = BreakingStore()
    async with ada_of(create_app(SETTINGS, store, clock)) as ada:
        await make_session(ada)
        async with listening(ada, EVENTS) as listener:
            ready = await listener.heard("ready")
            store.is_broken = True
            error, *rest = await listener.rest()
        refused = await ada.get(EVENTS)
        store.is_broken = False
        await append(ada, "meanwhile")

        async with listening(ada, EVENTS, last_event_id=ready.id) as listener:
            await listener.heard("ready")
            heard = await listener.heard("message")

    assert (error.name, error.id, rest) == ("error", None, [])
    assert (error.data["status"], error.data["code"]) == (503, "store_unavailable")
    assert error.data["instance"] == EVENTS
    assert problem(refused) == (503, "store_unavailable", [])
    assert heard.data["content"] == "meanwhile"


async def test_a_service_that_ends_lets_its_listeners_go(
    ada: httpx.AsyncClient, app: FastAPI
) -> None:
    await make_session(ada)

    async with listening(ada, EVENTS) as listener:
        await listener.heard("ready")
        app.state.live.end()
        rest = await listener.rest()

    assert rest == []


async def test_who_hangs_up_is_forgotten(ada: httpx.AsyncClient, app: FastAPI) -> None:
    await make_session(ada)
    live: LiveService = app.state.live

    for _ in range(2):
        async with listening(ada, EVENTS) as first, listening(ada, EVENTS) as second:
            await first.heard("ready")
            await second.heard("ready")
            following = live.listener_count
        async with asyncio.timeout(20):
            while live.listener_count:  # noqa: ASYNC110 - a server notices, and sets no event
                await asyncio.sleep(0.002)
        assert following == 2
