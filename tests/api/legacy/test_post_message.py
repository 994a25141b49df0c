"""`POST /api/chat/message`: tolerant of old clients, and never storing anything twice."""

import asyncio
from typing import Any

import pytest
from httpx import AsyncClient

from app.domain.identity import SessionKey
from app.store.port import MessageWindow, SessionStore
from tests.api.auth.credentials import settings
from tests.api.serving import client_of
from tests.conftest import OpenStore
from tests.factories import ADA, BOB, KEY, make_messages, make_new_session
from tests.fake_clock import FakeClock


async def test_the_stored_message_is_answered_flat(
    client: AsyncClient, store: SessionStore
) -> None:
    await store.insert(make_new_session(messages=make_messages(1)))

    response = await client.post(
        "/api/chat/message",
        json={
            "id": "q",
            "session_id": "session",
            "user_id": "ada",
            "content": "why?",
            "message_type": "assistant",
            "metadata": {"a": [1]},
            "created_at": "2025-12-31T23:59:59.123456Z",
        },
    )

    assert response.status_code == 200
    assert response.json() == {
        "id": "q",
        "session_id": "session",
        "user_id": "ada",
        "content": "why?",
        "message_type": "assistant",
        "metadata": {"a": [1]},
        "created_at": "2025-12-31T23:59:59.123Z",
    }
    page = await store.list_messages(KEY, MessageWindow())
    assert page.next_seq == 2


async def test_the_least_that_old_clients_send_is_enough(client: AsyncClient) -> None:
    response = await client.post("/api/chat/message?user_id=ada", json={"content": ""})

    assert response.status_code == 200
    stored = response.json()
    assert stored | {"id": "", "session_id": ""} == {
        "id": "",
        "session_id": "",
        "user_id": "ada",
        "content": "",
        "message_type": "user",
        "metadata": {},
        "created_at": "2026-01-02T03:04:05.678Z",
    }
    assert stored["id"]
    assert stored["session_id"]


async def test_each_message_without_a_session_has_a_session_of_its_own(
    client: AsyncClient, store: SessionStore
) -> None:
    first = await client.post("/api/chat/message?user_id=ada", json={"content": "one"})
    second = await client.post("/api/chat/message?user_id=ada", json={"content": "one"})

    assert first.json()["session_id"] != second.json()["session_id"]
    assert (await store.stats(ADA)).session_count == 2


async def test_what_is_unknown_null_or_empty_is_tolerated(client: AsyncClient) -> None:
    response = await client.post(
        "/api/chat/message?user_id=ada",
        json={
            "content": "why?",
            "message_type": None,
            "metadata": None,
            "session_id": "",
            "user_id": "",
            "id": "",
            "created_at": None,
            "is_typing": True,
            "seq": 7,
        },
    )

    assert response.status_code == 200
    assert response.json()["metadata"] == {}
    assert response.json()["message_type"] == "user"
    assert response.json()["session_id"]
    assert response.json()["id"]


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("2025-01-02T03:04:05", "2025-01-02T03:04:05.000Z"),
        ("2025-01-02 03:04:05.5", "2025-01-02T03:04:05.500Z"),
        ("2025-01-02T03:04:05+02:00", "2025-01-02T01:04:05.000Z"),
        (1735787045678, "2025-01-02T03:04:05.678Z"),
    ],
)
async def test_dates_are_understood_as_they_were_meant(
    client: AsyncClient, sent: Any, stored: str
) -> None:
    response = await client.post(
        "/api/chat/message?user_id=ada", json={"content": "why?", "created_at": sent}
    )

    assert response.json()["created_at"] == stored


@pytest.mark.at_the_door
@pytest.mark.parametrize(
    ("changed", "pointer"),
    [
        ({"content": None}, "/content"),
        ({"content": 7}, "/content"),
        ({"content": ["why?"]}, "/content"),
        ({"message_type": "bot"}, "/message_type"),
        ({"metadata": "{}"}, "/metadata"),
        ({"metadata": []}, "/metadata"),
        ({"session_id": 7}, "/session_id"),
        ({"session_id": "a\0b"}, "/session_id"),
        ({"session_id": "x" * 1025}, "/session_id"),
        ({"user_id": "a\0b"}, "/user_id"),
        ({"id": {}}, "/id"),
        ({"created_at": "yesterday"}, "/created_at"),
        ({"created_at": "0001-01-01T00:00:00+23:00"}, "/created_at"),
        ({"created_at": 1e300}, "/created_at"),
    ],
)
async def test_what_cannot_be_kept_is_refused_and_nothing_is_stored(
    client: AsyncClient, store: SessionStore, changed: dict[str, Any], pointer: str
) -> None:
    body = {"content": "why?", "user_id": "ada", "session_id": "session", **changed}

    response = await client.post("/api/chat/message", json=body)

    assert response.status_code == 422
    assert response.json()["code"] == "invalid_input"
    assert [fault["pointer"] for fault in response.json()["errors"]] == [pointer]
    assert await store.list_keys() == []


@pytest.mark.at_the_door
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"{", 400),
        (b"\xff", 400),
        (b'{"content": "\xff"}', 400),
        (b'{"content": "\\ud800"}', 400),
        (b'{"content": "x", "metadata": {"a": NaN}}', 400),
        (b'{"content": "x", "metadata": {"a": 1e400}}', 422),
        (b'{"content": "x", "metadata": {"a": ' + b"[" * 70 + b"]" * 70 + b"}}", 422),
        (b'{"content": "x", "metadata": {"a": ' + b"[" * 5000 + b"]" * 5000 + b"}}", 422),
        (b'["content"]', 422),
        (b"null", 422),
    ],
)
async def test_a_broken_body_is_a_problem_and_nothing_is_stored(
    client: AsyncClient, store: SessionStore, body: bytes, status: int
) -> None:
    response = await client.post(
        "/api/chat/message?user_id=ada",
        content=body,
        headers={"Content-Type": "application/json"},
    )

    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["deprecation"] == "@1795132800"
    assert await store.list_keys() == []


async def test_the_same_id_again_gives_the_stored_message(
    client: AsyncClient, store: SessionStore
) -> None:
    body = {"id": "q", "session_id": "session", "user_id": "ada", "content": "why?"}
    first = await client.post("/api/chat/message", json=body)

    again = await client.post("/api/chat/message", json=body)

    assert (again.status_code, again.json()) == (200, first.json())
    assert (await store.stats(ADA)).message_count == 1


async def test_the_same_id_again_finds_the_session_that_it_made(
    client: AsyncClient, store: SessionStore
) -> None:
    body = {"id": "q", "user_id": "ada", "content": "why?"}
    first = await client.post("/api/chat/message", json=body)

    again = await client.post("/api/chat/message", json=body)

    assert (again.status_code, again.json()) == (200, first.json())
    assert (await store.stats(ADA)).session_count == 1


@pytest.mark.parametrize("session", [{"session_id": "session"}, {}])
async def test_the_same_idempotency_key_again_gives_the_stored_message(
    client: AsyncClient, store: SessionStore, session: dict[str, str]
) -> None:
    body = {"user_id": "ada", "content": "why?", **session}
    key = {"Idempotency-Key": "try-1"}
    first = await client.post("/api/chat/message", json=body, headers=key)

    again = await client.post("/api/chat/message", json=body, headers=key)

    assert (again.status_code, again.json()) == (200, first.json())
    assert (await store.stats(ADA)).message_count == 1
    assert (await store.stats(ADA)).session_count == 1


async def test_a_key_that_both_doors_have_seen_stores_one_message(
    client: AsyncClient, store: SessionStore
) -> None:
    await store.insert(make_new_session())
    body = {"content": "why?", "user_id": "ada"}
    key = {"Idempotency-Key": "try-1"}
    old = await client.post(
        "/api/chat/message", json={**body, "session_id": "session"}, headers=key
    )

    new = await client.post("/api/chat/sessions/session/messages", json=body, headers=key)

    assert new.status_code == 201
    assert new.json()["messages"][0]["id"] == old.json()["id"]
    assert (await store.stats(ADA)).message_count == 1


@pytest.mark.parametrize("session", [{"session_id": "session"}, {}])
async def test_the_same_id_with_another_content_is_refused(
    client: AsyncClient, session: dict[str, str]
) -> None:
    body = {"id": "q", "user_id": "ada", "content": "why?", **session}
    first = await client.post("/api/chat/message", json=body)

    other = await client.post("/api/chat/message", json={**body, "content": "how?"})

    assert other.status_code == 422
    assert other.json()["code"] == "message_id_conflict"
    assert [fault["pointer"] for fault in other.json()["errors"]] == ["/id"]
    history = await client.get("/api/chat/history?user_id=ada")
    assert history.json() == [first.json()]


async def test_a_name_that_only_others_have_is_a_new_session_of_the_user(
    client: AsyncClient, store: SessionStore
) -> None:
    await store.insert(make_new_session(SessionKey(BOB, "session"), messages=make_messages(2)))
    before = (await store.read(SessionKey(BOB, "session"))).to_json()

    response = await client.post(
        "/api/chat/message", json={"content": "why?", "user_id": "ada", "session_id": "session"}
    )

    assert response.status_code == 200
    assert response.json()["user_id"] == "ada"
    assert (await store.read(KEY)).header().message_count == 1
    assert (await store.read(SessionKey(BOB, "session"))).to_json() == before


async def test_without_a_user_a_message_goes_to_the_single_owner(
    client: AsyncClient, store: SessionStore
) -> None:
    await store.insert(make_new_session())

    response = await client.post(
        "/api/chat/message", json={"content": "why?", "session_id": "session"}
    )

    assert response.json()["user_id"] == "ada"
    assert await store.list_keys() == [KEY]


async def test_without_a_user_a_name_of_several_owners_is_asked_back(
    client: AsyncClient, store: SessionStore
) -> None:
    for user_id in (ADA, BOB):
        await store.insert(make_new_session(SessionKey(user_id, "session")))

    response = await client.post(
        "/api/chat/message", json={"content": "why?", "session_id": "session"}
    )

    assert response.status_code == 400
    assert response.json()["code"] == "user_required"
    assert (await store.stats(ADA)).message_count == 0


@pytest.mark.parametrize("session", [{"session_id": "session"}, {}])
async def test_without_a_user_a_new_session_is_anonymous(
    client: AsyncClient, session: dict[str, str]
) -> None:
    response = await client.post("/api/chat/message", json={"content": "why?", **session})

    assert response.json()["user_id"] == "anonymous"


async def test_a_body_that_names_another_user_than_the_request_is_refused(
    client: AsyncClient, store: SessionStore
) -> None:
    response = await client.post(
        "/api/chat/message?user_id=ada", json={"content": "why?", "user_id": "bob"}
    )

    assert response.status_code == 403
    assert await store.list_keys() == []


async def test_a_message_beyond_the_limit_is_refused(
    client: AsyncClient, store: SessionStore
) -> None:
    body = {"content": "x" * (8 * 1024 * 1024), "user_id": "ada"}

    response = await client.post("/api/chat/message", json=body)

    assert response.status_code == 413
    assert response.json()["code"] == "document_too_large"
    assert await store.list_keys() == []


async def test_messages_that_make_their_session_at_once_are_all_there(
    open_store: OpenStore, clock: FakeClock
) -> None:
    store = await open_store()

    async with client_of(settings(), store, clock) as client:
        answers = await asyncio.gather(
            *(
                client.post(
                    "/api/chat/message",
                    json={"content": f"{number}", "user_id": "ada", "session_id": "session"},
                )
                for number in range(20)
            )
        )

    assert {answer.status_code for answer in answers} == {200}
    assert (await store.read(KEY)).header().message_count == 20
    contents = {message.content for message in (await store.read(KEY)).messages()}
    assert contents == {f"{number}" for number in range(20)}
