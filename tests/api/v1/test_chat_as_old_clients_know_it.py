"""The old route of talking in a session still streams, and tells on every answer where to go."""

from typing import Any

import httpx
import pytest

from tests.api.auth.credentials import settings
from tests.api.event_streams import events_of, text_of
from tests.api.requests import make_session, problem
from tests.api.serving import client_of
from tests.assistant.upstream import Upstream
from tests.fake_clock import FakeClock

SESSIONS = "/api/v1/sessions"


def announced(answer: httpx.Response) -> tuple[bool, bool, str]:
    """Whether an answer has a date and a warning, and where it leads."""
    headers = answer.headers
    return "deprecation" in headers and "sunset" in headers, "warning" in headers, headers["link"]


@pytest.mark.parametrize("member", ["message", "content"])
async def test_an_old_client_hears_the_reply_and_is_led_to_its_project(
    asking: httpx.AsyncClient, member: str
) -> None:
    session = (await asking.post(SESSIONS, json={"workspace_id": "w"})).json()

    answer = await asking.post(
        f"{SESSIONS}/{session['id']}/chat", json={member: "When?", "stream": True}
    )

    start, *_, end = events_of(answer.text)
    assert start.data["session_id"] == session["id"]
    assert text_of(events_of(answer.text)) == "Because 😀"
    assert (end.name, end.data["status"]) == ("message_end", "complete")
    successor = f'</api/v1/projects/{session["project_id"]}/chat>; rel="successor-version"'
    assert announced(answer) == (True, True, successor)
    items = (await asking.get(f"{SESSIONS}/{session['id']}/messages")).json()["items"]
    assert [(one["role"], one["content"]) for one in items] == [
        ("user", "When?"),
        ("assistant", "Because 😀"),
    ]


async def test_a_session_without_a_project_is_answered_and_gone_on_with(
    asking: httpx.AsyncClient, server: Upstream
) -> None:
    await make_session(asking)
    path = f"{SESSIONS}/s/chat"

    first = await asking.post(path, json={"content": "When?"}, headers={"Idempotency-Key": "k"})
    again = await asking.post(path, json={"content": "When?"}, headers={"Idempotency-Key": "k"})
    reply_id = events_of(first.text)[0].data["message_id"]
    joined = await asking.post(
        path, json={"content": "When?"}, headers={"Last-Event-ID": f"{reply_id}.7"}
    )

    assert text_of(events_of(again.text)) == "Because 😀"
    assert text_of(events_of(joined.text)) == " 😀"
    assert announced(joined)[2] == '</api/v1/projects>; rel="successor-version"'
    assert len(server.exchanges) == 1


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("none", {"content": "x"}, (404, "session_not_found", [])),
        ("s", {"contents": "x"}, (422, "invalid_input", ["/message"])),
        ("s", {"content": "x"}, (501, "assistant_missing", [])),
    ],
)
async def test_problems_are_announced_as_well(
    ada: httpx.AsyncClient, path: str, body: Any, expected: Any
) -> None:
    await make_session(ada)

    answer = await ada.post(f"{SESSIONS}/{path}/chat", json=body)

    assert problem(answer) == expected
    assert announced(answer)[:2] == (True, True)


async def test_after_the_sunset_it_is_gone_and_stores_nothing(store: Any, clock: FakeClock) -> None:
    ending = settings(sessions_deprecated_at="2025-01-01", sessions_sunset="2026-01-01")
    async with client_of(ending, store, clock) as client:
        client.headers["X-User-Id"] = "ada"
        await make_session(client)

        answer = await client.post(f"{SESSIONS}/s/chat", json={"content": "x"})

        assert problem(answer)[:2] == (410, "endpoint_sunset")
        assert answer.json()["successor"] == "/api/v1/projects"
        assert (await client.get("/api/chat/sessions/s")).json()["messages"] == []
