"""Law 9: the old endpoints keep their shapes to the byte until their end, and then say where to go.

Expected bytes are written out here: an old client may depend on any of them.
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from app.main import create_app
from app.settings import Settings
from app.store.port import SessionStore
from tests.fake_clock import FakeClock
from tests.laws.conftest import client_of

HISTORY = "/api/chat/history"
MESSAGE = "/api/chat/message"
SUNSET = datetime(2027, 6, 30, tzinfo=UTC)
ANNOUNCEMENT = {
    "deprecation": "@1795132800",
    "sunset": "Wed, 30 Jun 2027 00:00:00 GMT",
    "link": '</api/chat/sessions>; rel="successor-version"',
}


@pytest.fixture
async def client(store: SessionStore, clock: FakeClock) -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings(
        store="memory://",
        legacy_deprecated_at=datetime(2026, 11, 20, tzinfo=UTC),
        legacy_sunset=SUNSET,
    )
    async with client_of(create_app(settings, store, clock), "ada") as client:
        yield client


def announced(answer: httpx.Response) -> dict[str, str]:
    return {name: answer.headers.get(name) for name in ANNOUNCEMENT}


async def post(client: httpx.AsyncClient, body: str) -> httpx.Response:
    return await client.post(
        MESSAGE, content=body.encode(), headers={"Content-Type": "application/json"}
    )


async def test_a_posted_message_is_answered_to_the_byte(client: httpx.AsyncClient) -> None:
    answer = await post(
        client,
        '{"content": "Héllo \\"you\\"", "message_type": "assistant", "session_id": "s/1",'
        ' "user_id": "ada", "id": "m1", "metadata": {"b": 1, "a": [1.5, null]},'
        ' "created_at": "2024-01-01T12:00:01.9999", "unknown": {"is": "ignored"}}',
    )

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert (
        answer.content
        == (
            '{"id":"m1","session_id":"s/1","user_id":"ada","content":"Héllo \\"you\\"",'
            '"message_type":"assistant","metadata":{"b":1,"a":[1.5,null]},'
            '"created_at":"2024-01-01T12:00:01.999Z"}'
        ).encode()
    )
    assert announced(answer) == ANNOUNCEMENT


async def test_a_history_is_answered_to_the_byte(
    client: httpx.AsyncClient, clock: FakeClock
) -> None:
    await post(client, '{"content": "Hello!", "session_id": "s1", "id": "msg_1"}')
    clock.advance(1)
    await post(
        client,
        '{"content": "Hi! 你好", "session_id": "s1", "id": "msg_2", "message_type": "assistant",'
        ' "metadata": {"type": "ai_response"}}',
    )
    await post(client, '{"content": "gone", "session_id": "s1", "id": "msg_3"}')
    await client.delete("/api/chat/sessions/s1/messages/msg_3")

    answer = await client.get(HISTORY, params={"session_id": "s1", "user_id": "ada"})

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert (
        answer.content
        == (
            '[{"id":"msg_1","session_id":"s1","user_id":"ada","content":"Hello!",'
            '"message_type":"user","metadata":{},"created_at":"2026-01-02T03:04:05.678Z"},'
            '{"id":"msg_2","session_id":"s1","user_id":"ada","content":"Hi! 你好",'
            '"message_type":"assistant","metadata":{"type":"ai_response"},'
            '"created_at":"2026-01-02T03:04:06.678Z"}]'
        ).encode()
    )
    assert announced(answer) == ANNOUNCEMENT


async def test_a_history_without_a_session_is_answered_to_the_byte(
    client: httpx.AsyncClient,
) -> None:
    dated = '{"content": "%s", "session_id": "%s", "id": "%s", "created_at": "%s"}'
    await post(client, dated % ("third", "a", "m3", "2024-01-01T12:00:02Z"))
    await post(client, dated % ("first", "b", "m1", "2024-01-01T12:00:00Z"))
    await post(client, dated % ("second", "a", "m2", "2024-01-01T14:00:01+02:00"))

    everything = await client.get(HISTORY)
    page = await client.get(HISTORY, params={"limit": 1, "offset": 1})

    second = (
        b'{"id":"m2","session_id":"a","user_id":"ada","content":"second","message_type":"user",'
        b'"metadata":{},"created_at":"2024-01-01T12:00:01.000Z"}'
    )
    assert everything.content == (
        b'[{"id":"m1","session_id":"b","user_id":"ada","content":"first","message_type":"user",'
        b'"metadata":{},"created_at":"2024-01-01T12:00:00.000Z"},' + second + b","
        b'{"id":"m3","session_id":"a","user_id":"ada","content":"third","message_type":"user",'
        b'"metadata":{},"created_at":"2024-01-01T12:00:02.000Z"}]'
    )
    assert page.content == b"[" + second + b"]"


async def test_nothing_to_show_is_an_empty_array(client: httpx.AsyncClient) -> None:
    answer = await client.get(HISTORY)

    assert (answer.status_code, answer.content) == (200, b"[]")
    assert announced(answer) == ANNOUNCEMENT


async def test_what_old_clients_write_is_one_document_to_new_ones(
    client: httpx.AsyncClient,
) -> None:
    made = (await post(client, '{"content": "no session named"}')).json()
    await client.post(MESSAGE, json={"content": "more", "session_id": made["session_id"]})

    document = (await client.get(f"/api/chat/sessions/{made['session_id']}")).json()

    assert [message["content"] for message in document["messages"]] == ["no session named", "more"]
    assert document["user_id"] == "ada"


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.get(HISTORY),
        lambda client: client.get(HISTORY, params={"session_id": "s"}),
        lambda client: client.post(MESSAGE, json={"content": "x"}),
        lambda client: client.post(MESSAGE, content=b"not json"),
    ],
    ids=["history", "history of a session", "message", "a broken message"],
)
async def test_the_end_is_a_410_that_says_where_to_go(
    client: httpx.AsyncClient, clock: FakeClock, call: object
) -> None:
    assert callable(call)
    clock.set_to(SUNSET - timedelta(milliseconds=1))
    assert (await call(client)).status_code != 410

    clock.set_to(SUNSET)
    answer = await call(client)

    assert answer.status_code == 410
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.json()["code"], answer.json()["successor"]) == (
        "endpoint_sunset",
        "/api/chat/sessions",
    )
    assert announced(answer) == ANNOUNCEMENT


async def test_what_was_written_before_the_end_stays_with_the_new_door(
    client: httpx.AsyncClient, clock: FakeClock
) -> None:
    await post(client, '{"content": "kept", "session_id": "s", "id": "m"}')
    clock.set_to(SUNSET + timedelta(days=365))
    assert (await post(client, '{"content": "late", "session_id": "s"}')).status_code == 410

    document = (await client.get("/api/chat/sessions/s")).json()

    assert [message["content"] for message in document["messages"]] == ["kept"]
