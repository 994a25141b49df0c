"""PUT sets the fields it names, PATCH merges them; both obey If-Match."""

from typing import Any

import httpx
import pytest

from tests.api.requests import SESSION, append, make_session, problem


async def test_put_sets_the_named_fields_and_no_others(ada: httpx.AsyncClient) -> None:
    etag = await make_session(ada, session_name="old", tags=["t"], context={"a": 1, "b": 2})

    answer = await ada.put(SESSION, json={"session_name": "new", "context": {"c": 3}})

    body = answer.json()
    assert answer.status_code == 200
    assert (body["session_name"], body["tags"], body["context"]) == ("new", ["t"], {"c": 3})
    assert answer.headers["etag"] == etag.replace("-1", "-2")
    assert "messages" not in body
    assert (await ada.get(SESSION, params={"messages": "none"})).content == answer.content


async def test_patch_merges_objects_and_removes_nulls(ada: httpx.AsyncClient) -> None:
    await make_session(ada, session_name="old", tags=["t"], context={"a": {"b": 1, "c": 2}})

    answer = await ada.patch(
        SESSION,
        json={"session_name": None, "context": {"a": {"b": None, "d": [None]}}},
        headers={"Content-Type": "application/merge-patch+json"},
    )

    body = answer.json()
    assert answer.status_code == 200
    assert (body["session_name"], body["tags"]) == (None, ["t"])
    assert body["context"] == {"a": {"c": 2, "d": [None]}}


@pytest.mark.parametrize(
    ("status", "is_active", "outcome"),
    [
        ("active", False, "archived"),
        ("completed", False, "completed"),
        ("archived", False, "archived"),
        ("completed", True, "active"),
    ],
)
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_activity_becomes_a_status(
    ada: httpx.AsyncClient, method: str, status: str, is_active: bool, outcome: str
) -> None:
    await make_session(ada, status=status)

    answer = await ada.request(method, SESSION, json={"is_active": is_active})

    assert (answer.json()["status"], answer.json()["is_active"]) == (outcome, is_active)


async def test_a_change_without_effect_raises_no_revision(ada: httpx.AsyncClient) -> None:
    etag = await make_session(ada, session_name="same")

    answer = await ada.put(SESSION, json={"session_name": "same"})

    assert (answer.status_code, answer.headers["etag"]) == (200, etag)


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_a_stale_precondition_changes_nothing(ada: httpx.AsyncClient, method: str) -> None:
    etag = await make_session(ada, session_name="old")
    current = await append(ada, "a")

    answer = await ada.request(
        method, SESSION, json={"session_name": "new"}, headers={"If-Match": etag}
    )

    assert problem(answer) == (412, "revision_mismatch", [])
    assert answer.json()["current_revision"] == 2
    assert answer.headers["etag"] == current
    assert (await ada.get(SESSION)).json()["session_name"] == "old"


@pytest.mark.at_the_door
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({"id": "t"}, ["/id"]),
        ({"user_id": "bob"}, ["/user_id"]),
        ({"message_count": 3, "messages": []}, ["/message_count", "/messages"]),
        ({"created_at": "2026-01-01T00:00:00Z"}, ["/created_at"]),
        ({"a/b~c": 1}, ["/a~1b~0c"]),
        ({"session_name": 5}, ["/session_name"]),
        ({"session_name": "x" * 1001}, ["/session_name"]),
        ({"status": "gone"}, ["/status"]),
        ({"is_active": "yes"}, ["/is_active"]),
        ({"is_active": 1}, ["/is_active"]),
        ({"is_pinned": "true"}, ["/is_pinned"]),
        ({"tags": "t"}, ["/tags"]),
        ({"tags": ["ok", ""]}, ["/tags/1"]),
        ({"tags": ["t"] * 101}, ["/tags"]),
        ({"context": []}, ["/context"]),
        ({"metadata": "x"}, ["/metadata"]),
        ({"project_id": ""}, ["/project_id"]),
        ({"workspace_id": "x" * 1025}, ["/workspace_id"]),
        ({"status": "active", "is_active": False}, ["/is_active"]),
        ([], [""]),
        ("x", [""]),
        (None, [""]),
    ],
)
async def test_a_change_that_breaks_a_rule_changes_nothing(
    ada: httpx.AsyncClient, method: str, body: Any, pointers: list[str]
) -> None:
    await make_session(ada)
    before = (await ada.get(SESSION)).content

    answer = await ada.request(method, SESSION, json=body)

    assert problem(answer) == (422, "invalid_input", pointers)
    assert (await ada.get(SESSION)).content == before


@pytest.mark.at_the_door
@pytest.mark.parametrize("name", ["tags", "status", "is_pinned", "context", "is_active"])
async def test_put_does_not_take_null_for_a_field_that_always_is(
    ada: httpx.AsyncClient, name: str
) -> None:
    await make_session(ada)

    answer = await ada.put(SESSION, json={name: None})

    assert problem(answer) == (422, "invalid_input", [f"/{name}"])


async def test_a_change_without_a_body_is_refused(ada: httpx.AsyncClient) -> None:
    await make_session(ada)

    answer = await ada.put(SESSION)

    assert problem(answer) == (422, "invalid_input", [""])


async def test_a_header_that_grows_too_large_is_refused(ada: httpx.AsyncClient) -> None:
    await make_session(ada, context={"a": "x" * 200_000})

    answer = await ada.patch(SESSION, json={"context": {"b": "x" * 70_000}})

    assert problem(answer) == (413, "document_too_large", [""])
    assert list((await ada.get(SESSION)).json()["context"]) == ["a"]


async def test_the_deepest_json_can_be_created_and_set(ada: httpx.AsyncClient) -> None:
    deepest: dict[str, Any] = {}
    for _ in range(63):
        deepest = {"a": deepest}
    await make_session(ada, context=deepest)

    answers = [
        await ada.put(SESSION, json={"metadata": deepest}),
        await ada.put(SESSION, json={"metadata": {"a": deepest}}),
    ]

    assert answers[0].json()["metadata"] == deepest
    assert problem(answers[1]) == (422, "invalid_input", ["/metadata"])


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_the_session_of_another_user_is_not_found(
    ada: httpx.AsyncClient, bob: httpx.AsyncClient, method: str
) -> None:
    await make_session(ada, session_name="of Ada")

    answer = await bob.request(method, SESSION, json={"session_name": "of Bob"})

    assert problem(answer) == (404, "session_not_found", [])
    assert (await ada.get(SESSION)).json()["session_name"] == "of Ada"
