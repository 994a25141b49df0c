"""The 27 tests that the redesign of this door was accepted by, as what its clients see."""

import httpx
import pytest

from tests.api.projects.requests import BLANK, OTHER_SESSIONS, PROJECT, SESSIONS, make_session, say
from tests.api.requests import problem

NOWHERE = f"{SESSIONS}/nowhere"
BLANK_PROBLEM = (400, "blank_project", ["project_id"])
NOT_THERE: tuple[int, str, list[str]] = (404, "session_not_in_project", [])
MESSAGE = {"role": "user", "content": "Hello!", "metadata": {"k": [1]}}


# --- creating -----------------------------------------------------------------------------------


async def test_create_session_with_project_id(ada: httpx.AsyncClient) -> None:
    body = {"title": "My Session", "description": "About beans", "metadata": {"a": {"b": 1}}}

    answer = await ada.post(SESSIONS, json=body)

    assert answer.status_code == 200
    created = answer.json()
    assert {name: created[name] for name in body} == body
    assert (created["project_id"], created["is_active"], created["message_count"]) == (
        *("garden", True),
        0,
    )
    assert created["created_at"] == created["updated_at"]


async def test_create_session_without_project_id_fails(ada: httpx.AsyncClient) -> None:
    answer = await ada.post(BLANK, json={"title": "My Session"})

    assert problem(answer) == BLANK_PROBLEM
    assert (await ada.get("/api/chat/sessions")).json()["items"] == []


# --- one session --------------------------------------------------------------------------------


async def test_get_session_requires_project_id(ada: httpx.AsyncClient) -> None:
    session = await make_session(ada)

    assert problem(await ada.get(f"{BLANK}/{session.split('/')[-1]}")) == BLANK_PROBLEM


async def test_get_session_returns_none_if_not_found(ada: httpx.AsyncClient) -> None:
    await make_session(ada)

    assert problem(await ada.get(NOWHERE)) == NOT_THERE


# --- lists --------------------------------------------------------------------------------------


async def test_list_sessions_requires_project_id(ada: httpx.AsyncClient) -> None:
    assert problem(await ada.get(BLANK)) == BLANK_PROBLEM


async def test_list_sessions_for_project(ada: httpx.AsyncClient) -> None:
    first = await make_session(ada, title="First")
    second = await make_session(ada, title="Second")
    await make_session(ada, OTHER_SESSIONS, title="Elsewhere")
    await say(ada, first, "Hello!")

    listed = (await ada.get(SESSIONS)).json()

    assert sorted(f"{SESSIONS}/{one['id']}" for one in listed) == sorted([first, second])
    assert {one["title"]: one["message_count"] for one in listed} == {"First": 1, "Second": 0}
    assert {one["project_id"] for one in listed} == {"garden"}


async def test_list_sessions_include_inactive_filter(ada: httpx.AsyncClient) -> None:
    await make_session(ada, title="Active")
    await ada.put(await make_session(ada, title="Done"), json={"is_active": False})

    active = (await ada.get(SESSIONS, params={"include_inactive": "false"})).json()
    everything = (await ada.get(SESSIONS, params={"include_inactive": "true"})).json()

    assert [one["title"] for one in active] == ["Active"]
    assert sorted(one["title"] for one in everything) == ["Active", "Done"]


# --- changing -----------------------------------------------------------------------------------


async def test_update_session_requires_project_id(ada: httpx.AsyncClient) -> None:
    assert problem(await ada.put(f"{BLANK}/any", json={"title": "x"})) == BLANK_PROBLEM


async def test_update_session(ada: httpx.AsyncClient) -> None:
    session = await make_session(ada, title="Old", description="d", metadata={"a": 1})

    answer = await ada.put(session, json={"title": "Updated Title", "is_active": False})

    assert answer.status_code == 200
    updated = answer.json()
    assert (updated["title"], updated["is_active"]) == ("Updated Title", False)
    assert (updated["description"], updated["metadata"]) == ("d", {"a": 1})
    assert (await ada.get(session)).json() == updated


async def test_update_nonexistent_session_returns_none(ada: httpx.AsyncClient) -> None:
    await make_session(ada)

    assert problem(await ada.put(NOWHERE, json={"title": "x"})) == NOT_THERE


# --- deleting -----------------------------------------------------------------------------------


async def test_delete_session_requires_project_id(ada: httpx.AsyncClient) -> None:
    assert problem(await ada.delete(f"{BLANK}/any")) == BLANK_PROBLEM


async def test_delete_session(ada: httpx.AsyncClient) -> None:
    session = await make_session(ada)

    answer = await ada.delete(session)

    assert (answer.status_code, answer.json()) == (
        200,
        {"message": "Session deleted successfully"},
    )
    assert problem(await ada.get(session)) == NOT_THERE


async def test_delete_nonexistent_session_returns_false(ada: httpx.AsyncClient) -> None:
    await make_session(ada)

    assert problem(await ada.delete(NOWHERE)) == NOT_THERE


async def test_delete_session_with_messages_requires_force(ada: httpx.AsyncClient) -> None:
    session = await make_session(ada)
    await say(ada, session, "Hello!")

    refused = await ada.delete(session, params={"force": "false"})
    kept = await ada.get(f"{session}/messages")
    forced = await ada.delete(session, params={"force": "true"})

    assert problem(refused) == (400, "session_not_empty", [])
    assert [one["content"] for one in kept.json()] == ["Hello!"]
    assert forced.status_code == 200
    assert problem(await ada.get(session)) == NOT_THERE


# --- adding messages ----------------------------------------------------------------------------


async def test_add_message_requires_project_id(ada: httpx.AsyncClient) -> None:
    assert problem(await ada.post(f"{BLANK}/any/messages", json=MESSAGE)) == BLANK_PROBLEM


async def test_add_message_to_existing_session(ada: httpx.AsyncClient) -> None:
    session = await make_session(ada)

    answer = await ada.post(f"{session}/messages", json=MESSAGE)

    assert answer.status_code == 200
    added = answer.json()
    assert {name: added[name] for name in MESSAGE} == MESSAGE
    assert added["session_id"] == session.split("/")[-1]
    assert (await ada.get(session)).json()["message_count"] == 1


@pytest.mark.parametrize("role", ["robot", "", None, 1])
async def test_add_message_validates_role(ada: httpx.AsyncClient, role: object) -> None:
    session = await make_session(ada)

    answer = await ada.post(f"{session}/messages", json={"role": role, "content": "x"})

    assert problem(answer) == (422, "invalid_input", ["/role"])
    assert (await ada.get(f"{session}/messages")).json() == []


async def test_add_message_to_nonexistent_session_fails(ada: httpx.AsyncClient) -> None:
    await make_session(ada)

    assert problem(await ada.post(f"{NOWHERE}/messages", json=MESSAGE)) == NOT_THERE


# --- messages -----------------------------------------------------------------------------------


async def test_get_messages_requires_project_id(ada: httpx.AsyncClient) -> None:
    assert problem(await ada.get(f"{BLANK}/any/messages")) == BLANK_PROBLEM


async def test_get_messages_from_session(ada: httpx.AsyncClient) -> None:
    session = await make_session(ada)
    await say(ada, session, "a", "b", "c")

    messages = (await ada.get(f"{session}/messages")).json()

    assert [one["content"] for one in messages] == ["a", "b", "c"]


async def test_get_messages_with_pagination(ada: httpx.AsyncClient) -> None:
    session = await make_session(ada)
    await say(ada, session, *"abcde")

    pages = [
        [one["content"] for one in (await ada.get(f"{session}/messages", params=params)).json()]
        for params in (
            {"limit": 2},
            {"limit": 2, "offset": 2},
            {"limit": 2, "offset": 4},
            {"offset": 5},
        )
    ]

    assert pages == [["a", "b"], ["c", "d"], ["e"], []]


async def test_get_messages_from_nonexistent_session_fails(ada: httpx.AsyncClient) -> None:
    await make_session(ada)

    assert problem(await ada.get(f"{NOWHERE}/messages")) == NOT_THERE


# --- a session with its messages ----------------------------------------------------------------


async def test_get_session_with_messages_requires_project_id(ada: httpx.AsyncClient) -> None:
    assert problem(await ada.get(f"{BLANK}/any/full")) == BLANK_PROBLEM


async def test_get_session_with_messages(ada: httpx.AsyncClient) -> None:
    session = await make_session(ada, title="Whole")
    await say(ada, session, "a", "b")

    whole = (await ada.get(f"{session}/full")).json()

    assert whole == {
        "session": (await ada.get(session)).json(),
        "messages": (await ada.get(f"{session}/messages")).json(),
    }
    assert [one["content"] for one in whole["messages"]] == ["a", "b"]


async def test_get_session_with_messages_nonexistent_returns_none(ada: httpx.AsyncClient) -> None:
    await make_session(ada)

    assert problem(await ada.get(f"{NOWHERE}/full")) == NOT_THERE


# --- statistics ---------------------------------------------------------------------------------


async def test_get_session_stats_requires_project_id(ada: httpx.AsyncClient) -> None:
    assert problem(await ada.get("/api/projects/%20/session-stats")) == BLANK_PROBLEM


async def test_get_session_stats_for_project(ada: httpx.AsyncClient) -> None:
    first = await make_session(ada)
    await say(ada, first, "a", "b")
    await ada.put(await make_session(ada), json={"is_active": False})
    await say(ada, await make_session(ada, OTHER_SESSIONS), "elsewhere")

    stats = (await ada.get(f"{PROJECT}/session-stats")).json()

    assert stats["project_id"] == "garden"
    assert (stats["total_sessions"], stats["active_sessions"], stats["total_messages"]) == (2, 1, 2)
    assert stats["first_activity_at"] <= stats["last_activity_at"]
