"""Whatever is sent to whatever operation, the answer is never a failure of the server."""

import asyncio
import json
from typing import Any
from urllib.parse import quote

import httpx
from hypothesis import given, settings
from hypothesis import strategies as st

from app.clock import SystemClock
from app.main import create_app
from app.store.memory import MemoryStore
from tests.api.conftest import SETTINGS
from tests.api.requests import append, make_session
from tests.assistant.echo import EchoAssistant

OPERATIONS = [
    (method, path)
    for path, methods in (
        ("/api/chat/sessions", ["GET", "POST"]),
        ("/api/chat/sessions/{id}", ["GET", "PUT", "PATCH", "DELETE"]),
        ("/api/chat/sessions/{id}/messages", ["GET", "POST"]),
        ("/api/chat/sessions/{id}/messages/{id}", ["PATCH", "DELETE"]),
        ("/api/chat/sessions/{id}/messages/{id}/history", ["GET"]),
        ("/api/chat/sessions/{id}/reply", ["POST"]),
        ("/api/chat/sessions/{id}/replies/{id}/events", ["GET"]),
        ("/api/chat/sessions/{id}/export", ["GET"]),
        ("/api/chat/sessions/{id}/events", ["GET"]),
        ("/api/chat/search", ["GET"]),
        ("/api/chat/stats", ["GET"]),
        ("/api/chat/export", ["GET"]),
        ("/api/chat/users/me", ["DELETE"]),
        ("/api/chat-sessions", ["GET", "POST"]),
        ("/api/chat-sessions/{id}", ["GET", "PUT", "DELETE"]),
        ("/api/chat-sessions/{id}/messages", ["GET", "POST"]),
        ("/api/chat-sessions/{id}/full", ["GET"]),
        ("/api/chat/history", ["GET"]),
        ("/api/chat/message", ["POST"]),
        ("/api/v1/projects", ["GET", "POST"]),
        ("/api/v1/projects/{id}", ["GET", "PATCH", "DELETE"]),
        ("/api/v1/export", ["GET"]),
        ("/api/v1/projects/{id}/chat", ["POST"]),
        ("/api/v1/projects/{id}/conversations/{id}/replies/{id}/events", ["GET"]),
        ("/api/v1/sessions", ["GET", "POST"]),
        ("/api/v1/sessions/{id}", ["GET"]),
        ("/api/v1/sessions/{id}/messages", ["GET"]),
        ("/api/v1/sessions/{id}/chat", ["POST"]),
        ("/api/v1/projects/{id}/context", ["GET"]),
        ("/api/v1/projects/{id}/context/{id}", ["POST"]),
        ("/api/v1/projects/{id}/artifacts", ["GET", "POST"]),
        ("/api/v1/projects/{id}/artifacts/{id}", ["GET"]),
        ("/api/v1/projects/{id}/artifacts/{id}/versions", ["GET", "POST"]),
        ("/api/v1/projects/{id}/artifacts/{id}/versions/1/restore", ["POST"]),
        ("/api/v1/projects/{id}/artifacts/{id}/edits", ["POST"]),
        ("/api/v1/projects/{id}/artifacts/{id}/diff", ["GET"]),
        ("/api/v1/projects/{id}/conversations", ["GET", "POST"]),
        ("/api/v1/projects/{id}/conversations/{id}", ["GET"]),
        ("/api/v1/projects/{id}/conversations/{id}/messages", ["GET"]),
    )
    for method in methods
]

NAMES = [
    *("id", "user_id", "session_id", "content", "message_type", "metadata", "created_at"),
    *("parent_id", "session_name", "status", "is_active", "context", "tags", "is_pinned"),
    *("project_id", "workspace_id", "messages", "revision", "$set", "a.b"),
    *("intent", "title", "settings", "project_type"),
]
PARAMETERS = [
    *("limit", "offset", "cursor", "order", "q", "status", "is_active", "tag", "project_id"),
    *("workspace_id", "project_type", "force"),
    *("after_seq", "before_seq", "since", "messages", "format", "session_id", "user_id"),
]
HEADERS = [
    "X-User-Id",
    "If-Match",
    "If-None-Match",
    "Idempotency-Key",
    "X-Request-Id",
    "Last-Event-ID",
]

texts = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        [
            *("s", "ma", "ada", "active", "true", "*", "-1", "0", "1e3", "9" * 30, "", "~", "."),
            *(
                '"0123456789abcdef-1"',
                "0123456789abcdef-1",
                "0123456789abcdef.1.0",
                "2026-01-01T00:00:00Z",
                "WyJ4Il0",
            ),
            *("0001-01-01T00:00:00+14:00", "\0", "\ud7ff\U0010ffff", "created", "json", "none"),
        ]
    ),
)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), texts),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.sampled_from(NAMES), texts), inner, max_size=4),
    ),
    max_leaves=12,
)
objects = st.dictionaries(st.sampled_from(NAMES), values, max_size=6)
bodies = st.one_of(objects, st.lists(objects, max_size=4), values)
header_values = texts.map(lambda text: text.encode().translate(None, b"\0\r\n").strip())


@settings(max_examples=150)
@given(
    operation=st.sampled_from(OPERATIONS),
    ids=st.lists(texts, min_size=2, max_size=2),
    query=st.dictionaries(st.sampled_from(PARAMETERS), texts, max_size=3),
    headers=st.dictionaries(st.sampled_from(HEADERS), header_values, max_size=2),
    body=bodies,
)
def test_no_request_gives_a_server_error(
    operation: tuple[str, str],
    ids: list[str],
    query: dict[str, str],
    headers: dict[str, bytes],
    body: Any,
) -> None:
    method, template = operation
    path = template
    for id_ in ids:
        path = path.replace("{id}", quote(id_, safe=""), 1)

    async def answer() -> httpx.Response:
        app = create_app(SETTINGS, MemoryStore(), SystemClock(), assistant=EchoAssistant())
        app.state.live.end()  # this transport waits for whole answers, and a stream has no end
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://chatfold.test"
        ) as client:
            client.headers["X-User-Id"] = "ada"
            await make_session(client)
            await append(client, "a", "b")
            del client.headers["X-User-Id"]
            return await client.request(
                method,
                path,
                params=query,
                headers={
                    b"Content-Type": b"application/json",
                    **{name.encode(): value for name, value in headers.items()},
                },
                content=json.dumps(body) if method in {"POST", "PUT", "PATCH"} else None,
            )

    answered = asyncio.run(answer())

    assert answered.status_code < 500, answered.text
