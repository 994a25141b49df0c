"""A session is found in its own project only, and a project is known by what is in it."""

import asyncio

import httpx
import pytest

from tests.api.projects.requests import OTHER_SESSIONS, PROJECT, SESSIONS, make_session, say
from tests.api.requests import problem

UNKNOWN = "/api/projects/unknown"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None),
        ("PUT", "", {"title": "x"}),
        ("DELETE", "?force=true", None),
        ("POST", "/messages", {"role": "user", "content": "x"}),
        ("GET", "/messages", None),
        ("GET", "/full", None),
    ],
)
async def test_a_session_of_another_project_is_not_there(
    ada: httpx.AsyncClient, method: str, path: str, body: object
) -> None:
    session = await make_session(ada, title="Of the garden")
    await make_session(ada, OTHER_SESSIONS)
    session_id = session.split("/")[-1]
    before = (await ada.get(f"{session}/full")).content

    answer = await ada.request(method, f"{OTHER_SESSIONS}/{session_id}{path}", json=body)
    nowhere = await ada.request(method, f"{UNKNOWN}/sessions/{session_id}{path}", json=body)

    assert problem(answer) == (404, "session_not_in_project", [])
    assert answer.json()["detail"] == f"Project 'kitchen' has no session '{session_id}'."
    assert problem(nowhere) == (404, "project_not_found", [])
    assert "'unknown'" in nowhere.json()["detail"]
    assert (await ada.get(f"{session}/full")).content == before


async def test_what_is_asked_of_an_unknown_project_makes_none(ada: httpx.AsyncClient) -> None:
    for path in ("/sessions", "/session-stats", "/sessions/any"):
        assert problem(await ada.get(UNKNOWN + path)) == (404, "project_not_found", [])
    assert problem(await ada.get(f"{UNKNOWN}/sessions")) == (404, "project_not_found", [])


async def test_a_project_is_still_known_when_its_last_session_has_gone(
    ada: httpx.AsyncClient,
) -> None:
    await ada.delete(await make_session(ada))

    answer = await ada.get(SESSIONS)

    assert (answer.status_code, answer.json()) == (200, [])


async def test_a_session_that_another_door_has_put_into_a_project_is_in_it(
    ada: httpx.AsyncClient,
) -> None:
    body = {"id": "s", "session_name": "Made elsewhere", "project_id": "garden"}
    await ada.post("/api/chat/sessions", json=body)
    await ada.post("/api/chat/sessions/s/messages", json={"content": "a"})
    await ada.delete("/api/chat/sessions/s/messages/none")

    assert [one["title"] for one in (await ada.get(SESSIONS)).json()] == ["Made elsewhere"]
    whole = (await ada.get(f"{SESSIONS}/s/full")).json()
    assert [one["content"] for one in whole["messages"]] == ["a"]


async def test_deleted_messages_are_not_shown(ada: httpx.AsyncClient) -> None:
    session = await make_session(ada)
    await say(ada, session, "a", "b")
    first = (await ada.get(f"{session}/messages")).json()[0]["id"]
    session_id = session.split("/")[-1]
    await ada.delete(f"/api/chat/sessions/{session_id}/messages/{first}")

    assert [one["content"] for one in (await ada.get(f"{session}/messages")).json()] == ["b"]
    whole = (await ada.get(f"{session}/full")).json()
    assert [one["content"] for one in whole["messages"]] == ["b"]
    assert whole["session"]["message_count"] == 1


async def test_users_have_projects_of_their_own(
    ada: httpx.AsyncClient, bob: httpx.AsyncClient
) -> None:
    session = await make_session(ada)
    await say(ada, session, "of ada")
    before = (await ada.get(f"{session}/full")).content

    assert problem(await bob.get(SESSIONS)) == (404, "project_not_found", [])
    assert problem(await bob.get(session)) == (404, "project_not_found", [])
    await make_session(bob, title="of bob")
    assert [one["title"] for one in (await bob.get(SESSIONS)).json()] == ["of bob"]
    assert problem(await bob.delete(session, params={"force": "true"}))[0] == 404
    assert (await ada.get(f"{session}/full")).content == before


async def test_who_names_nobody_has_projects_too(anyone: httpx.AsyncClient) -> None:
    session = await make_session(anyone, title="Nobody's")
    await say(anyone, session, "a")

    assert [one["content"] for one in (await anyone.get(f"{session}/messages")).json()] == ["a"]


# --- what a body may say ------------------------------------------------------------------------


async def test_the_body_may_say_the_project_again(ada: httpx.AsyncClient) -> None:
    same = await ada.post(SESSIONS, json={"project_id": "garden"})
    other = await ada.post(SESSIONS, json={"project_id": "kitchen"})
    nothing = await ada.post(SESSIONS)

    assert same.status_code == nothing.status_code == 200
    assert problem(other) == (422, "invalid_input", ["/project_id"])


async def test_a_change_of_the_description_leaves_the_rest(ada: httpx.AsyncClient) -> None:
    session = await make_session(ada, title="T", metadata={"a": 1, "b": 2})
    session_id = session.split("/")[-1]
    await ada.patch(f"/api/chat/sessions/{session_id}", json={"context": {"kept": True}})

    answer = await ada.put(session, json={"description": "New", "metadata": {"b": 3}})

    updated = answer.json()
    assert (updated["title"], updated["description"]) == ("T", "New")
    assert updated["metadata"] == {"b": 3}
    context = (await ada.get(f"/api/chat/sessions/{session_id}")).json()["context"]
    assert context == {"kept": True, "description": "New"}


# --- retries and races --------------------------------------------------------------------------


async def test_retries_with_a_key_store_nothing_twice(ada: httpx.AsyncClient) -> None:
    keyed = {"Idempotency-Key": "key"}

    sessions = [await ada.post(SESSIONS, json={"title": "T"}, headers=keyed) for _ in range(2)]
    path = f"{SESSIONS}/{sessions[0].json()['id']}/messages"
    body = {"role": "user", "content": "once"}
    messages = [await ada.post(path, json=body, headers=keyed) for _ in range(2)]

    assert sessions[0].json() == sessions[1].json()
    assert messages[0].json() == messages[1].json()
    assert len((await ada.get(SESSIONS)).json()) == len((await ada.get(path)).json()) == 1


async def test_a_message_that_is_added_during_a_deletion_is_not_lost(
    ada: httpx.AsyncClient,
) -> None:
    for _ in range(5):
        session = await make_session(ada)
        body = {"role": "user", "content": "x"}

        added, deleted = await asyncio.gather(
            ada.post(f"{session}/messages", json=body), ada.delete(session)
        )

        assert {added.status_code, deleted.status_code} in ({200, 400}, {404, 200})
        assert (added.status_code == 200) is (deleted.status_code == 400)


async def test_a_project_that_is_made_by_many_at_once_is_one(ada: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(ada.post(SESSIONS, json={}) for _ in range(8)))

    assert {answer.status_code for answer in answers} == {200}
    assert (await ada.get(f"{PROJECT}/session-stats")).json()["total_sessions"] == 8
