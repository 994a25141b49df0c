"""Short words for what most tests of the doors do first, and for what they look at."""

from typing import Any

import httpx

SESSIONS = "/api/chat/sessions"
SESSION = "/api/chat/sessions/s"
MESSAGES = "/api/chat/sessions/s/messages"


async def make_session(client: httpx.AsyncClient, session_id: str = "s", **fields: Any) -> str:
    """Create a session and give its entity tag."""
    answer = await client.post(SESSIONS, json={"id": session_id, **fields})
    assert answer.status_code == 201, answer.text
    return answer.headers["etag"]


async def append(client: httpx.AsyncClient, *contents: str, path: str = MESSAGES) -> str:
    """Append messages `m<content>` and give the session's entity tag."""
    answer = await client.post(path, json=[{"id": f"m{one}", "content": one} for one in contents])
    assert answer.status_code == 201, answer.text
    return answer.headers["etag"]


async def append_numbered(client: httpx.AsyncClient, count: int, path: str = MESSAGES) -> None:
    """Append messages `m0`, `m1`, …"""
    await append(client, *(str(number) for number in range(count)), path=path)


def problem(answer: httpx.Response) -> tuple[int, str, list[str]]:
    """The status, the code and the pointers of a problem."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text[:500]
    body = answer.json()
    assert body["status"] == answer.status_code
    assert body["type"] == f"/problems/{body['code']}"
    return (
        answer.status_code,
        body["code"],
        [fault["pointer"] for fault in body.get("errors", [])],
    )


def contents(answer: httpx.Response) -> list[str]:
    """What the messages of a session, a page or an append say."""
    body = answer.json()
    messages = body["items"] if "items" in body else body["messages"]
    return [message["content"] for message in messages]
