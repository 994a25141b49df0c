"""The old session routes still answer, on projects, and tell on every answer where to go."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from app.domain.identity import SessionKey
from app.domain.message import MessageType
from app.domain.session import Origin
from app.store.port import SessionStore
from tests.api.auth.credentials import settings
from tests.api.requests import problem
from tests.api.serving import client_of
from tests.api.v1.requests import PROJECTS, make_conversation, make_project, say
from tests.factories import make_message, make_new_session
from tests.fake_clock import START, FakeClock

SESSIONS = "/api/v1/sessions"
MEMBERS = {
    *("id", "project_id", "workspace_id", "title", "status", "skill_id", "total_tokens_used"),
    *("message_count", "created_at", "updated_at", "completed_at"),
}


async def make_session(client: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    answer = await client.post(SESSIONS, json={"workspace_id": "w", **body})
    assert answer.status_code == 201, answer.text
    session: dict[str, Any] = answer.json()
    return session


async def test_a_session_is_a_project_with_a_conversation_of_its_id(
    ada: httpx.AsyncClient,
) -> None:
    session = await make_session(ada, title="My Task", skill_id="ppt", unknown=1)

    assert set(session) == MEMBERS
    assert (session["title"], session["workspace_id"]) == ("My Task", "w")
    assert (session["status"], session["skill_id"]) == ("pending", "ppt")
    project = (await ada.get(f"{PROJECTS}/{session['project_id']}")).json()
    assert (project["title"], project["workspace_id"]) == ("My Task", "w")
    assert (project["status"], project["settings"]) == ("draft", {"skill_id": "ppt"})
    listed = await ada.get(f"{PROJECTS}/{session['project_id']}/conversations")
    assert [one["id"] for one in listed.json()["items"]] == [session["id"]]
    assert (await ada.get(f"{SESSIONS}/{session['id']}")).json() == session


async def test_what_an_old_body_left_out_is_as_it_was(ada: httpx.AsyncClient) -> None:
    assert (await make_session(ada))["title"] == "New Chat"
    assert problem(await ada.post(SESSIONS, json={"title": "x"}))[2] == ["/workspace_id"]
    assert problem(await ada.get(SESSIONS))[0] == 422


async def test_sessions_of_a_workspace_are_listed_by_offset(
    ada: httpx.AsyncClient, clock: FakeClock
) -> None:
    for number in range(4):
        session = await make_session(ada, title=str(number))
        if number % 2:
            path = f"{PROJECTS}/{session['project_id']}"
            await ada.patch(path, json={"status": "in_progress"})
        clock.advance(1)
    await make_session(ada, workspace_id="other")
    conversation = await make_conversation(ada, await make_project(ada), title="new")

    async def listed(**parameters: Any) -> tuple[list[str], int]:
        answer = await ada.get(SESSIONS, params={"workspace_id": "w", **parameters})
        body = answer.json()
        assert answer.status_code == 200
        assert set(body) == {"items", "total", "limit", "offset"}
        return [one["title"] for one in body["items"]], body["total"]

    assert await listed() == (["new", "3", "2", "1", "0"], 5)
    assert await listed(limit=2, offset=1) == (["3", "2"], 5)
    assert await listed(status="active") == (["3", "1"], 2)
    assert await listed(status="pending", limit=1) == (["new"], 3)
    assert await listed(workspace_id="none") == ([], 0)
    await say(ada, conversation, "hello")
    one = (await ada.get(SESSIONS, params={"workspace_id": "w", "limit": 1})).json()["items"][0]
    assert (one["id"], one["message_count"]) == (conversation.rsplit("/", 1)[-1], 1)


@pytest.mark.parametrize(
    ("steps", "status"),
    [
        ([], "pending"),
        (["in_progress"], "active"),
        (["in_progress", "completed"], "completed"),
        (["archived"], "archived"),
    ],
)
async def test_the_status_is_that_of_the_project(
    ada: httpx.AsyncClient, steps: list[str], status: str
) -> None:
    session = await make_session(ada)
    for step in steps:
        await ada.patch(f"{PROJECTS}/{session['project_id']}", json={"status": step})

    assert (await ada.get(f"{SESSIONS}/{session['id']}")).json()["status"] == status


async def test_messages_are_those_of_the_conversation_as_they_were_shown(
    ada: httpx.AsyncClient, store: SessionStore
) -> None:
    calls = [{"id": "c1", "name": "search", "status": "error", "error": "no network"}]
    kept = {"chatfold:source": {"tool_calls": calls, "tokens_used": 7}}
    messages = [
        make_message("m0", "hello"),
        make_message("m1", "done", message_type=MessageType.ASSISTANT, metadata=kept),
        make_message("m2", "gone"),
        make_message("m3", "so", metadata={"thinking": "hm", "citations": [1]}),
    ]
    key = SessionKey("ada", "old-1")
    origin = Origin(format="session-documents", source_id="old-1")
    await store.insert(make_new_session(key, messages=messages, workspace_id="w", origin=origin))
    await store.delete_message(key, "m2", START)

    answer = await ada.get(f"{SESSIONS}/old-1/messages")
    first = await ada.get(f"{SESSIONS}/old-1/messages", params={"limit": 2})

    items = answer.json()["items"]
    assert answer.json()["total"] == 3
    assert [one["content"] for one in items] == ["hello", "done", "so"]
    assert items[0] == {
        "id": "m0",
        "session_id": "old-1",
        "role": "user",
        "content": "hello",
        "thinking": None,
        "tool_calls": None,
        "citations": None,
        "tokens_used": 0,
        "created_at": "2026-01-02T03:04:05.678Z",
    }
    assert (items[1]["tool_calls"], items[1]["tokens_used"]) == (calls, 7)
    assert (items[2]["thinking"], items[2]["citations"]) == ("hm", [1])
    assert first.json()["items"] == items[:2]


async def test_a_long_session_is_read_whole(ada: httpx.AsyncClient) -> None:
    session = await make_session(ada)
    path = f"/api/chat/sessions/{session['id']}/messages"
    for batch in range(3):
        body = [{"content": f"{batch}"} for _ in range(400)]
        assert (await ada.post(path, json=body)).status_code == 201

    answer = (await ada.get(f"{SESSIONS}/{session['id']}/messages")).json()

    assert (len(answer["items"]), answer["total"]) == (1200, 1200)
    assert [one["content"] for one in answer["items"]] == ["0"] * 400 + ["1"] * 400 + ["2"] * 400


async def test_a_session_without_a_project_still_answers(
    ada: httpx.AsyncClient, store: SessionStore
) -> None:
    await store.insert(make_new_session(SessionKey("ada", "s"), workspace_id="w"))

    session = (await ada.get(f"{SESSIONS}/s")).json()
    listed = (await ada.get(SESSIONS, params={"workspace_id": "w"})).json()["items"]

    assert (session["status"], session["project_id"], session["title"]) == (
        *("active", None),
        "New Chat",
    )
    assert listed == [session]


async def test_a_retry_with_a_key_makes_one_session(ada: httpx.AsyncClient) -> None:
    body = {"workspace_id": "w", "title": "T"}
    keyed = {"Idempotency-Key": "k"}

    answers = [await ada.post(SESSIONS, json=body, headers=keyed) for _ in range(3)]

    assert len({answer.content for answer in answers}) == 1
    assert (await ada.get(SESSIONS, params={"workspace_id": "w"})).json()["total"] == 1
    assert len((await ada.get(PROJECTS)).json()["items"]) == 1


async def test_sessions_of_others_are_not_there(
    ada: httpx.AsyncClient, bob: httpx.AsyncClient
) -> None:
    session = await make_session(ada)

    for path in ("", "/messages"):
        answer = await bob.get(f"{SESSIONS}/{session['id']}{path}")
        assert problem(answer) == (404, "session_not_found", [])
    assert (await bob.get(SESSIONS, params={"workspace_id": "w"})).json()["total"] == 0


# --- the end ------------------------------------------------------------------------------------


async def all_calls(client: httpx.AsyncClient, session_id: str) -> list[httpx.Response]:
    return [
        await client.post(SESSIONS, json={"workspace_id": "w"}),
        await client.post(SESSIONS, json={}),
        await client.get(SESSIONS, params={"workspace_id": "w"}),
        await client.get(f"{SESSIONS}/{session_id}"),
        await client.get(f"{SESSIONS}/{session_id}/messages"),
        await client.get(f"{SESSIONS}/unknown"),
    ]


async def test_every_answer_warns_errors_included(ada: httpx.AsyncClient) -> None:
    session = await make_session(ada)

    answers = await all_calls(ada, session["id"])

    assert [answer.status_code for answer in answers] == [201, 422, 200, 200, 200, 404]
    conversations = f"{PROJECTS}/{session['project_id']}/conversations"
    for answer in answers:
        assert answer.headers.get_list("deprecation") == ["@1795132800"]
        assert answer.headers.get_list("sunset") == ["Wed, 30 Jun 2027 00:00:00 GMT"]
        assert answer.headers.get_list("warning") == [
            '299 - "The session API is deprecated; use /api/v1/projects."'
        ]
    links = [answer.headers["link"] for answer in answers]
    assert links[0].startswith(f"<{PROJECTS}/")
    assert links[1:] == [
        *(f'<{PROJECTS}>; rel="successor-version"',) * 2,
        f'<{conversations}/{session["id"]}>; rel="successor-version"',
        f'<{conversations}/{session["id"]}/messages>; rel="successor-version"',
        f'<{PROJECTS}>; rel="successor-version"',
    ]
    for answer in (answers[3], answers[4]):
        assert (await ada.get(answer.links["successor-version"]["url"])).status_code == 200


async def test_after_the_sunset_the_routes_are_gone_with_a_pointer(
    store: SessionStore, clock: FakeClock
) -> None:
    ending = settings(sessions_deprecated_at="2026-01-01", sessions_sunset="2026-06-01")
    async with client_of(ending, store, clock) as client:
        client.headers["X-User-Id"] = "ada"
        session = await make_session(client)
        clock.set_to(datetime(2026, 6, 1, tzinfo=UTC))

        answers = await all_calls(client, session["id"])

        for answer in answers:
            assert problem(answer) == (410, "endpoint_sunset", [])
        assert {answer.json()["successor"] for answer in answers} == {PROJECTS}
        assert (await client.get(f"{PROJECTS}/{session['project_id']}")).status_code == 200
        assert (await client.get(PROJECTS)).json()["items"][0]["id"] == session["project_id"]


async def test_new_routes_warn_of_nothing(ada: httpx.AsyncClient) -> None:
    answer = await ada.get(await make_project(ada))

    assert "deprecation" not in answer.headers
    assert "warning" not in answer.headers
