"""Short words for what tests of `/api/v1` do first."""

from typing import Any

import httpx

PROJECTS = "/api/v1/projects"


async def make_project(client: httpx.AsyncClient, **body: Any) -> str:
    """Create a project and give its path."""
    wanted = {"workspace_id": "w", "intent": "grow beans", **body}
    answer = await client.post(PROJECTS, json=wanted)
    assert answer.status_code == 201, answer.text
    return str(answer.headers["location"])


async def make_conversation(client: httpx.AsyncClient, project: str, **body: Any) -> str:
    """Create a conversation and give its path."""
    answer = await client.post(f"{project}/conversations", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.headers["location"])


async def say(client: httpx.AsyncClient, conversation: str, *contents: str) -> None:
    """Append messages `m<content>` by the canonical door: a conversation is a session."""
    session_id = conversation.rsplit("/", 1)[-1]
    body = [{"id": f"m{one}", "content": one} for one in contents]
    answer = await client.post(f"/api/chat/sessions/{session_id}/messages", json=body)
    assert answer.status_code == 201, answer.text


async def walk(client: httpx.AsyncClient, path: str, **parameters: Any) -> list[list[Any]]:
    """The items of every page, by following `Link`."""
    pages: list[list[Any]] = []
    answer = await client.get(path, params=parameters)
    while True:
        assert answer.status_code == 200, answer.text
        pages.append(answer.json()["items"])
        following = answer.links.get("next")
        assert (following is None) is (answer.json()["next_cursor"] is None)
        if following is None:
            return pages
        answer = await client.get(following["url"])
