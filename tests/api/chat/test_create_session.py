"""Creating sessions: what may be left out, what may be said, and how a retry is safe."""

import re
from uuid import UUID

import httpx

from tests.api.requests import SESSIONS, append, make_session, problem

UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


async def test_a_session_needs_no_body(ada: httpx.AsyncClient) -> None:
    answer = await ada.post(SESSIONS)

    body = answer.json()
    assert answer.status_code == 201
    assert UUID7.fullmatch(body["id"])
    assert answer.headers["location"] == f"/api/chat/sessions/{body['id']}"
    assert answer.headers["etag"] == f'"{body["generation"]}-1"'
    assert re.fullmatch(r"[0-9a-f]{16}", body["generation"])
    assert {name: body[name] for name in body if name not in {"id", "generation"}} == {
        "user_id": "ada",
        "session_name": None,
        "status": "active",
        "is_active": True,
        "tags": [],
        "is_pinned": False,
        "project_id": None,
        "workspace_id": None,
        "created_at": "2026-01-02T03:04:05.678Z",
        "message_count": 0,
        "next_seq": 0,
        "last_message_at": None,
        "updated_at": "2026-01-02T03:04:05.678Z",
        "revision": 1,
        "changes": 0,
        "context": {},
        "metadata": {},
        "origin": None,
        "messages": [],
    }


async def test_every_field_of_an_owner_can_be_given(ada: httpx.AsyncClient) -> None:
    fields = {
        "session_name": "Shopping",
        "status": "completed",
        "is_active": False,
        "context": {"$where": {"a.b": 2**70}},
        "metadata": {"deep": [[[None, 1.5, "é"]]]},
        "tags": ["a", "b"],
        "is_pinned": True,
        "project_id": "p/1",
        "workspace_id": "w 1",
    }

    answer = await ada.post(SESSIONS, json={"id": "s", **fields})

    body = answer.json()
    assert answer.status_code == 201
    assert {name: body[name] for name in fields} == fields


async def test_what_was_created_is_what_is_read(ada: httpx.AsyncClient) -> None:
    created = await ada.post(SESSIONS, json={"id": "s", "session_name": "Shopping"})

    read = await ada.get(created.headers["location"])

    assert read.content == created.content
    assert read.headers["etag"] == created.headers["etag"]


async def test_not_being_active_means_archived(ada: httpx.AsyncClient) -> None:
    answer = await ada.post(SESSIONS, json={"is_active": False})

    assert answer.json()["status"] == "archived"


async def test_a_status_and_a_contradicting_activity_are_refused(ada: httpx.AsyncClient) -> None:
    answer = await ada.post(SESSIONS, json={"status": "active", "is_active": False})

    assert problem(answer) == (422, "invalid_input", ["/is_active"])


async def test_an_id_that_exists_is_a_conflict(ada: httpx.AsyncClient) -> None:
    await make_session(ada, session_name="first")

    answer = await ada.post(SESSIONS, json={"id": "s", "session_name": "second"})

    assert problem(answer) == (409, "session_exists", [])
    assert (await ada.get("/api/chat/sessions/s")).json()["session_name"] == "first"


async def test_two_users_may_have_the_same_id(
    ada: httpx.AsyncClient, bob: httpx.AsyncClient
) -> None:
    await make_session(ada, session_name="of Ada")

    await make_session(bob, session_name="of Bob")

    assert (await ada.get("/api/chat/sessions/s")).json()["session_name"] == "of Ada"
    assert (await bob.get("/api/chat/sessions/s")).json()["session_name"] == "of Bob"


async def test_a_retry_with_an_idempotency_key_gives_the_first_session(
    ada: httpx.AsyncClient,
) -> None:
    key = {"Idempotency-Key": "k-1"}
    first = await ada.post(SESSIONS, json={"session_name": "x"}, headers=key)

    again = await ada.post(SESSIONS, json={"session_name": "x"}, headers=key)

    assert UUID(first.json()["id"]).version == 5
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["location"] == first.headers["location"]
    assert len((await ada.get(SESSIONS)).json()["items"]) == 1


async def test_a_retry_after_appends_gives_the_session_as_it_is_now(
    ada: httpx.AsyncClient,
) -> None:
    key = {"Idempotency-Key": "k-1"}
    await ada.post(SESSIONS, json={"id": "s"}, headers=key)
    etag = await append(ada, "hello")

    again = await ada.post(SESSIONS, json={"id": "s"}, headers=key)

    assert again.status_code == 201
    assert [message["content"] for message in again.json()["messages"]] == ["hello"]
    assert again.headers["etag"] == etag


async def test_a_key_used_for_another_session_is_a_conflict(ada: httpx.AsyncClient) -> None:
    key = {"Idempotency-Key": "k-1"}
    await ada.post(SESSIONS, json={"session_name": "x"}, headers=key)

    answer = await ada.post(SESSIONS, json={"session_name": "y"}, headers=key)

    assert problem(answer) == (409, "session_exists", [])


async def test_a_key_of_one_user_means_nothing_for_another(
    ada: httpx.AsyncClient, bob: httpx.AsyncClient
) -> None:
    key = {"Idempotency-Key": "k-1"}
    of_ada = await ada.post(SESSIONS, headers=key)

    of_bob = await bob.post(SESSIONS, headers=key)

    assert of_bob.status_code == 201
    assert of_bob.json()["id"] != of_ada.json()["id"]


async def test_a_body_that_names_another_user_is_forbidden(ada: httpx.AsyncClient) -> None:
    answer = await ada.post(SESSIONS, json={"user_id": "bob"})

    assert problem(answer) == (403, "wrong_user", [])


async def test_members_that_the_service_writes_are_refused(ada: httpx.AsyncClient) -> None:
    answer = await ada.post(SESSIONS, json={"revision": 7, "messages": []})

    assert problem(answer) == (422, "invalid_input", ["/revision", "/messages"])
