"""The page of a session leads to that of its project, for whoever the session belongs to."""

import httpx
import pytest

from app.store.memory import MemoryStore
from tests.api.auth.credentials import settings
from tests.api.requests import problem
from tests.api.serving import client_of
from tests.fake_clock import FakeClock


async def make_session(client: httpx.AsyncClient, **body: object) -> None:
    answer = await client.post("/api/chat/sessions", json=body)
    assert answer.status_code == 201, answer.text


@pytest.mark.parametrize(
    ("project_id", "place"),
    [
        ("garden", "/project/garden"),
        ("my garden/ä", "/project/my%20garden%2F%C3%A4"),
        ("..", "/project/~Li4"),
        ("//evil.test", "/project/%2F%2Fevil.test"),
    ],
)
async def test_a_session_leads_to_its_project(
    ada: httpx.AsyncClient, project_id: str, place: str
) -> None:
    await make_session(ada, id="s1", project_id=project_id)

    answer = await ada.get("/execution/s1")

    assert (answer.status_code, answer.headers["location"], answer.content) == (307, place, b"")
    assert answer.headers["cache-control"] == "private, no-cache"
    assert "X-User-Id" in answer.headers["vary"]
    assert answer.headers["deprecation"] == "@1795132800"
    assert answer.headers["link"] == '</api/v1/projects>; rel="successor-version"'


async def test_a_session_that_has_moved_leads_to_where_it_is_now(ada: httpx.AsyncClient) -> None:
    await make_session(ada, id="s1", project_id="garden")
    moved = await ada.put("/api/chat/sessions/s1", json={"project_id": "kitchen"})

    answer = await ada.get("/execution/s1")

    assert moved.status_code == 200
    assert answer.headers["location"] == "/project/kitchen"


async def test_a_session_without_a_project_leads_nowhere(ada: httpx.AsyncClient) -> None:
    await make_session(ada, id="s1")

    answer = await ada.get("/execution/s1")

    assert problem(answer) == (404, "session_without_project", [])
    assert "in no project" in answer.json()["detail"]
    assert "location" not in answer.headers
    assert "deprecation" in answer.headers


async def test_what_is_unknown_or_anothers_leads_nowhere(
    ada: httpx.AsyncClient, bob: httpx.AsyncClient
) -> None:
    await make_session(ada, id="s1", project_id="garden")

    for answer in (await ada.get("/execution/s2"), await bob.get("/execution/s1")):
        assert problem(answer) == (404, "session_not_found", [])


async def test_the_session_tells_whose_it_is_where_nobody_says_who_asks(
    ada: httpx.AsyncClient, bob: httpx.AsyncClient, anyone: httpx.AsyncClient
) -> None:
    await make_session(ada, id="s1", project_id="garden")
    of_one = await anyone.get("/execution/s1")
    await make_session(bob, id="s1", project_id="kitchen")

    of_two = await anyone.get("/execution/s1")

    assert of_one.headers["location"] == "/project/garden"
    assert problem(of_two) == (400, "user_required", ["user_id"])
    assert (await bob.get("/execution/s1")).headers["location"] == "/project/kitchen"


async def test_the_page_ends_at_the_sunset(clock: FakeClock) -> None:
    ended = settings(legacy_deprecated_at="2020-01-01", legacy_sunset="2021-01-01")

    async with client_of(ended, MemoryStore(), clock) as client:
        answer = await client.get("/execution/s1?user_id=ada")

    assert problem(answer) == (410, "endpoint_sunset", [])
    assert "/api/v1/projects" in answer.json()["detail"]
