"""Short words for what tests of the project door do first."""

from typing import Any

import httpx

PROJECT = "/api/projects/garden"
SESSIONS = f"{PROJECT}/sessions"
OTHER_SESSIONS = "/api/projects/kitchen/sessions"
BLANK = "/api/projects/%20%20/sessions"


async def make_session(client: httpx.AsyncClient, path: str = SESSIONS, **body: Any) -> str:
    """Create a session and give its path."""
    answer = await client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return f"{path}/{answer.json()['id']}"


async def say(client: httpx.AsyncClient, session: str, *contents: str) -> None:
    """Add messages of the user."""
    for content in contents:
        body = {"role": "user", "content": content}
        answer = await client.post(f"{session}/messages", json=body)
        assert answer.status_code == 200, answer.text
