"""`/api/chat-sessions` answers as it did before sessions were in projects, and says where to go."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from app.store.memory import MemoryStore
from tests.api.auth.credentials import settings
from tests.api.projects.requests import make_session, say
from tests.api.requests import problem
from tests.api.serving import client_of
from tests.fake_clock import FakeClock

FLAT = "/api/chat-sessions"
GARDEN = "/api/projects/garden/sessions"
SUNSET = datetime(2027, 6, 30, tzinfo=UTC)


def link_of(answer: httpx.Response) -> str:
    """The one successor that an answer names."""
    (link,) = answer.headers.get_list("link")
    path, _, relation = link.partition("; ")
    assert relation == 'rel="successor-version"'
    return path.strip("<>")


async def flat_id(client: httpx.AsyncClient, **body: Any) -> str:
    answer = await client.post(FLAT, json=body)
    assert answer.status_code == 200, answer.text
    created: str = answer.json()["id"]
    return created


async def test_bodies_are_those_of_the_nested_routes(ada: httpx.AsyncClient) -> None:
    nested = await make_session(ada, title="Beans", description="When?", metadata={"a": 1})
    await say(ada, nested, "one", "two")
    flat = f"{FLAT}/{nested.rpartition('/')[2]}"

    for tail in ("", "/messages", "/messages?limit=1&offset=1", "/full"):
        answers = [await ada.get(flat + tail), await ada.get(nested + tail)]
        assert answers[0].status_code == 200
        assert answers[0].json() == answers[1].json()
        assert link_of(answers[0]) == (nested + tail).partition("?")[0]
    for query in ("", "?include_inactive=true"):
        flat_list = await ada.get(FLAT + query)
        assert flat_list.json() == (await ada.get(GARDEN + query)).json()


async def test_writes_are_those_of_the_nested_routes(ada: httpx.AsyncClient) -> None:
    session_id = await flat_id(ada, project_id="garden", title="Beans", description="When?")
    flat, nested = f"{FLAT}/{session_id}", f"{GARDEN}/{session_id}"

    said = await ada.post(f"{flat}/messages", json={"role": "user", "content": "one"})
    updated = await ada.put(flat, json={"title": "Peas", "description": "Now", "is_active": False})
    stored = (await ada.get(nested)).json()
    full = (await ada.get(f"{nested}/full")).json()
    refused = await ada.delete(flat)
    deleted = await ada.delete(f"{flat}?force=true")
    gone = await ada.get(flat)

    assert updated.json() == stored
    assert (stored["title"], stored["description"], stored["is_active"]) == ("Peas", "Now", False)
    assert full["messages"] == [said.json()]
    assert problem(refused) == (400, "session_not_empty", [])
    assert deleted.json() == {"message": "Session deleted successfully"}
    assert problem(gone) == (404, "session_not_found", [])
    assert [link_of(answer) for answer in (said, updated, refused, deleted)] == [
        *(f"{nested}/messages", nested, nested, nested)
    ]


async def test_a_creation_names_its_project_and_a_retry_stores_nothing(
    ada: httpx.AsyncClient,
) -> None:
    body = {"title": "Beans", "project_id": "a garden/1"}

    answers = [
        await ada.post(FLAT, json=body, headers={"Idempotency-Key": "once"}) for _ in range(2)
    ]

    assert answers[0].json() == answers[1].json()
    assert answers[0].json()["project_id"] == "a garden/1"
    assert link_of(answers[0]) == "/api/projects/a%20garden%2F1/sessions"
    assert len((await ada.get("/api/projects/a%20garden%2F1/sessions")).json()) == 1


async def test_a_session_in_no_project_is_served_and_has_no_nested_route(
    ada: httpx.AsyncClient,
) -> None:
    session_id = await flat_id(ada, title="Alone")
    flat = f"{FLAT}/{session_id}"
    said = await ada.post(f"{flat}/messages", json={"role": "user", "content": "one"})
    updated = await ada.put(flat, json={"description": "Still alone"})

    read = await ada.get(flat)
    full = await ada.get(f"{flat}/full")

    assert read.json() == updated.json() == full.json()["session"]
    assert (read.json()["project_id"], read.json()["message_count"]) == (None, 1)
    assert full.json()["messages"] == [said.json()] == (await ada.get(f"{flat}/messages")).json()
    assert [link_of(answer) for answer in (read, full, said)] == [
        f"/api/chat/sessions/{session_id}",
        f"/api/chat/sessions/{session_id}",
        f"/api/chat/sessions/{session_id}/messages",
    ]
    assert (await ada.get(link_of(full))).json()["id"] == session_id
    assert full.headers["link-template"] == (
        '"/api/projects/{project_id}/sessions/{session_id}/full"; rel="successor-version"'
    )
    assert (await ada.delete(f"{flat}?force=true")).status_code == 200


async def test_the_list_has_the_sessions_of_all_projects_or_of_one(
    ada: httpx.AsyncClient,
) -> None:
    alone = await flat_id(ada)
    beans = await flat_id(ada, project_id="garden")
    soup = await flat_id(ada, project_id="kitchen")
    await ada.put(f"{FLAT}/{soup}", json={"is_active": False})

    every = await ada.get(FLAT, params={"include_inactive": True})
    active = await ada.get(FLAT)
    garden = await ada.get(FLAT, params={"project_id": "garden"})
    unknown = await ada.get(FLAT, params={"project_id": "unknown"})

    assert {(one["id"], one["project_id"]) for one in every.json()} == {
        *((alone, None), (beans, "garden"), (soup, "kitchen"))
    }
    assert {one["id"] for one in active.json()} == {alone, beans}
    assert [one["id"] for one in garden.json()] == [beans]
    assert problem(unknown) == (404, "project_not_found", [])
    assert [link_of(answer) for answer in (every, garden)] == ["/api/chat/sessions", GARDEN]


async def test_every_answer_announces_the_end_errors_included(ada: httpx.AsyncClient) -> None:
    answers = [
        await ada.get(FLAT),
        await ada.get(f"{FLAT}/absent"),
        await ada.post(FLAT, json={"title": 7}),
        await ada.post(FLAT, json={"project_id": " "}),
        await ada.post(FLAT, content="{"),
    ]

    assert [answer.status_code for answer in answers] == [200, 404, 422, 400, 415]
    for answer in answers:
        assert answer.headers.get_list("deprecation") == ["@1795132800"]
        assert answer.headers.get_list("sunset") == ["Wed, 30 Jun 2027 00:00:00 GMT"]
        assert link_of(answer).startswith("/api/chat/sessions")


async def test_after_the_sunset_the_addresses_are_gone_with_a_pointer(
    ada: httpx.AsyncClient, clock: FakeClock
) -> None:
    session_id = await flat_id(ada, project_id="garden")
    clock.set_to(SUNSET)

    gone = await ada.get(f"{FLAT}/{session_id}")
    nested = await ada.get(f"{GARDEN}/{session_id}")

    assert problem(gone) == (410, "endpoint_sunset", [])
    assert gone.json()["successor"] == "/api/projects/{project_id}/sessions"
    assert link_of(gone) == f"/api/chat/sessions/{session_id}"
    assert gone.headers["link-template"] == (
        '"/api/projects/{project_id}/sessions/{session_id}"; rel="successor-version"'
    )
    assert nested.status_code == 200
    assert "deprecation" not in nested.headers


async def test_the_dates_are_its_own(clock: FakeClock) -> None:
    dated = settings(flat_deprecated_at="2020-01-01", flat_sunset="2020-01-02")

    async with client_of(dated, MemoryStore(), clock) as client:
        flat = await client.get(f"{FLAT}?user_id=ada")
        legacy = await client.get("/api/chat/history?user_id=ada")

    assert (flat.status_code, legacy.status_code) == (410, 200)
    assert flat.headers["deprecation"] == "@1577836800"


@pytest.mark.parametrize("tail", ["", "/messages", "/full"])
async def test_a_session_of_another_user_is_not_found_and_its_project_not_told(
    ada: httpx.AsyncClient, bob: httpx.AsyncClient, tail: str
) -> None:
    session_id = await flat_id(ada, project_id="garden")

    answer = await bob.get(f"{FLAT}/{session_id}{tail}")

    assert problem(answer) == (404, "session_not_found", [])
    assert "garden" not in str(answer.headers)


async def test_its_callers_are_counted(ada: httpx.AsyncClient) -> None:
    await ada.get(f"{FLAT}/absent", headers={"User-Agent": "OldPhone/3.1"})

    figures = (await ada.get("/metrics")).text

    endpoint = "/api/chat-sessions/{session_id}"
    line = f'chatfold_deprecated_calls_total{{client="OldPhone",endpoint="{endpoint}"}} 1.0'
    assert line in figures.splitlines()
