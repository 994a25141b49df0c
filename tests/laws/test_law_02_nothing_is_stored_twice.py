"""Law 2: a retry gives the first answer again, whatever became of the first request."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.serving import Server, serving
from tests.store_kind import Place

SESSIONS = "/api/chat/sessions"
MESSAGES = "/api/chat/sessions/s/messages"


def request_bytes(path: str, body: object, **headers: str) -> bytes:
    """A POST of Ada's as it goes over the wire."""
    encoded = json.dumps(body).encode()
    fields = {
        "Host": "chatfold.test",
        "X-User-Id": "ada",
        "Content-Type": "application/json",
        "Content-Length": str(len(encoded)),
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + encoded


async def send_and_cut(server: Server, request: bytes, *, sent_bytes: int) -> None:
    """Send the beginning of a request, or all of it, and hang up without reading the answer."""
    address = urlsplit(server.url)
    _, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(request[:sent_bytes])
    await writer.drain()
    writer.transport.abort()


@pytest.fixture
async def server(place: Place) -> AsyncIterator[Server]:
    async with serving(place) as server:
        yield server


@pytest.fixture
async def client(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=server.url, headers={"X-User-Id": "ada"}) as client:
        yield client


async def messages(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await client.get(f"{SESSIONS}/s")).json()["messages"]
    return found


async def test_retries_through_cut_connections_store_each_message_once(
    server: Server, client: httpx.AsyncClient
) -> None:
    await client.post(SESSIONS, json={"id": "s"})
    first_answers: dict[str, list[int]] = {}

    for number in range(24):
        text = f"text {number}"
        batch: list[dict[str, str]] = [{"content": f"{text} {part}"} for part in "abc"]
        headers = {"Idempotency-Key": f"key-{number}"}
        if number % 2:
            headers = {}
            batch = [{"id": message["content"], **message} for message in batch]
        request = request_bytes(MESSAGES, batch, **headers)
        # From nothing of it over half a body to the whole of it, which may then be stored or not.
        for share in (1, 1, number / 24):
            await send_and_cut(server, request, sent_bytes=int(len(request) * share))
        answer = await client.post(MESSAGES, json=batch, headers=headers)
        again = await client.post(MESSAGES, json=batch, headers=headers)

        assert answer.status_code == again.status_code == 201, answer.text
        assert again.json() == answer.json()
        assert again.headers["etag"] == answer.headers["etag"]
        first_answers[text] = [message["seq"] for message in answer.json()["messages"]]

    stored = await messages(client)
    assert [message["seq"] for message in stored] == list(range(72))
    places = {message["content"]: message["seq"] for message in stored}
    assert len(places) == 72
    for text, seqs in first_answers.items():
        assert [places[f"{text} {part}"] for part in "abc"] == seqs


async def test_a_creation_retried_through_a_cut_connection_creates_once(
    server: Server, client: httpx.AsyncClient
) -> None:
    body = {"session_name": "made once", "context": {"a": 1}}
    request = request_bytes(SESSIONS, body, Idempotency_Key="creation")
    for _ in range(3):
        await send_and_cut(server, request, sent_bytes=len(request))

    answer = await client.post(SESSIONS, json=body, headers={"Idempotency-Key": "creation"})
    again = await client.post(SESSIONS, json=body, headers={"Idempotency-Key": "creation"})

    assert answer.status_code == again.status_code == 201
    assert again.json() == answer.json()
    assert again.headers["location"] == answer.headers["location"]
    listed = (await client.get(SESSIONS)).json()["items"]
    assert [session["id"] for session in listed] == [answer.json()["id"]]


async def test_the_same_id_with_another_content_is_refused_and_changes_nothing(
    client: httpx.AsyncClient,
) -> None:
    await client.post(SESSIONS, json={"id": "s"})
    await client.post(MESSAGES, json={"id": "m", "content": "first", "metadata": {"a": 1}})
    before = (await client.get(f"{SESSIONS}/s")).content

    for other in (
        {"id": "m", "content": "second", "metadata": {"a": 1}},
        {"id": "m", "content": "first"},
        {"id": "m", "content": "first", "metadata": {"a": 1}, "message_type": "assistant"},
        {"id": "m", "content": "first", "metadata": {"a": 1}, "user_id": "ada"},
        [{"id": "new", "content": "x"}, {"id": "m", "content": "second"}],
    ):
        answer = await client.post(MESSAGES, json=other)
        assert (answer.status_code, answer.json()["code"]) == (422, "message_id_conflict")

    assert (await client.get(f"{SESSIONS}/s")).content == before


async def test_the_same_key_with_another_content_is_refused_and_changes_nothing(
    client: httpx.AsyncClient,
) -> None:
    headers = {"Idempotency-Key": "k"}
    await client.post(SESSIONS, json={"id": "s"})
    await client.post(MESSAGES, json={"content": "first"}, headers=headers)
    before = (await client.get(f"{SESSIONS}/s")).content

    answer = await client.post(MESSAGES, json={"content": "second"}, headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (422, "message_id_conflict")
    assert (await client.get(f"{SESSIONS}/s")).content == before


async def test_fifty_equal_requests_at_once_store_once(client: httpx.AsyncClient) -> None:
    await client.post(SESSIONS, json={"id": "s"})

    answers = await asyncio.gather(
        *(
            client.post(MESSAGES, json={"content": "x"}, headers={"Idempotency-Key": "k"})
            for _ in range(50)
        )
    )

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert [message["content"] for message in await messages(client)] == ["x"]


async def test_a_retry_long_after_edit_and_deletion_gives_what_is_there_now(
    client: httpx.AsyncClient,
) -> None:
    headers = {"Idempotency-Key": "k"}
    await client.post(SESSIONS, json={"id": "s"})
    first = await client.post(MESSAGES, json={"content": "first"}, headers=headers)
    message_id = first.json()["messages"][0]["id"]

    await client.patch(f"{MESSAGES}/{message_id}", json={"content": "edited"})
    edited = await client.post(MESSAGES, json={"content": "first"}, headers=headers)
    await client.delete(f"{MESSAGES}/{message_id}")
    deleted = await client.post(MESSAGES, json={"content": "first"}, headers=headers)

    assert edited.json()["messages"][0]["content"] == "edited"
    assert deleted.json()["messages"][0]["content"] == ""
    assert [message["id"] for message in await messages(client)] == [message_id]
