"""Edits keep what was said before; deletions take it and leave a tombstone."""

from typing import Any

import httpx
import pytest

from tests.api.requests import MESSAGES, SESSION, append, contents, make_session, problem
from tests.fake_clock import FakeClock

HISTORY = f"{MESSAGES}/ma/history"


async def test_an_edit_gives_the_message_as_it_is_now(
    ada: httpx.AsyncClient, clock: FakeClock
) -> None:
    await make_session(ada)
    etag = await append(ada, "a", "b")
    clock.advance(10)

    answer = await ada.patch(f"{MESSAGES}/ma", json={"content": "A", "metadata": {"x": 1}})

    assert answer.status_code == 200
    assert answer.json() == {
        "seq": 0,
        "id": "ma",
        "content": "A",
        "message_type": "user",
        "user_id": None,
        "metadata": {"x": 1},
        "created_at": "2026-01-02T03:04:05.678Z",
        "parent_id": None,
        "edited_at": "2026-01-02T03:04:15.678Z",
        "deleted_at": None,
    }
    assert answer.headers["etag"] == etag.replace("-2", "-3")
    assert contents(await ada.get(SESSION)) == ["A", "b"]


async def test_an_edit_keeps_what_it_does_not_name(ada: httpx.AsyncClient) -> None:
    await make_session(ada)
    await ada.post(MESSAGES, json={"id": "ma", "content": "a", "metadata": {"x": 1}})

    text = await ada.patch(f"{MESSAGES}/ma", json={"content": "A"})
    metadata = await ada.patch(f"{MESSAGES}/ma", json={"metadata": {}})

    assert (text.json()["content"], text.json()["metadata"]) == ("A", {"x": 1})
    assert (metadata.json()["content"], metadata.json()["metadata"]) == ("A", {})


async def test_a_history_tells_each_earlier_text(ada: httpx.AsyncClient, clock: FakeClock) -> None:
    await make_session(ada)
    await append(ada, "a")
    clock.advance(1)
    await ada.patch(f"{MESSAGES}/ma", json={"content": "b"})
    clock.advance(1)
    await ada.patch(f"{MESSAGES}/ma", json={"metadata": {"x": 1}})

    answer = await ada.get(HISTORY)

    assert answer.json() == {
        "items": [
            {"content": "a", "metadata": {}, "replaced_at": "2026-01-02T03:04:06.678Z"},
            {"content": "b", "metadata": {}, "replaced_at": "2026-01-02T03:04:07.678Z"},
        ]
    }
    assert "history" not in (await ada.get(SESSION)).text


async def test_an_edit_without_effect_leaves_no_history(ada: httpx.AsyncClient) -> None:
    await make_session(ada)
    etag = await append(ada, "a")

    answer = await ada.patch(f"{MESSAGES}/ma", json={"content": "a"})

    assert (answer.status_code, answer.headers["etag"]) == (200, etag)
    assert (await ada.get(HISTORY)).json() == {"items": []}


async def test_a_deletion_leaves_a_tombstone_in_the_place(ada: httpx.AsyncClient) -> None:
    await make_session(ada)
    etag = await append(ada, "a", "b")
    await ada.patch(f"{MESSAGES}/ma", json={"content": "secret"})

    answer = await ada.delete(f"{MESSAGES}/ma")

    session = (await ada.get(SESSION)).json()
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["etag"] == etag.replace("-2", "-4")
    assert (session["message_count"], session["next_seq"]) == (1, 2)
    assert session["messages"][0]["content"] == ""
    assert session["messages"][0]["deleted_at"] == "2026-01-02T03:04:05.678Z"
    assert problem(await ada.get(HISTORY)) == (404, "message_not_found", [])
    assert problem(await ada.patch(f"{MESSAGES}/ma", json={"content": "x"})) == (
        404,
        "message_not_found",
        [],
    )


async def test_deleting_a_message_again_is_quiet(ada: httpx.AsyncClient) -> None:
    await make_session(ada)
    await append(ada, "a")
    first = await ada.delete(f"{MESSAGES}/ma")

    again = await ada.delete(f"{MESSAGES}/ma")

    assert (again.status_code, again.headers["etag"]) == (204, first.headers["etag"])


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_a_stale_precondition_changes_nothing(ada: httpx.AsyncClient, method: str) -> None:
    etag = await make_session(ada)
    current = await append(ada, "a")

    answer = await ada.request(
        method,
        f"{MESSAGES}/ma",
        headers={"If-Match": etag},
        json={"content": "b"} if method == "PATCH" else None,
    )

    assert problem(answer) == (412, "revision_mismatch", [])
    assert answer.headers["etag"] == current
    assert contents(await ada.get(SESSION)) == ["a"]


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, [""]),
        ({"content": None}, [""]),
        ({"content": 5}, ["/content"]),
        ({"metadata": []}, ["/metadata"]),
        ({"content": "b", "message_type": "system"}, ["/message_type"]),
        ([], [""]),
    ],
)
async def test_an_edit_that_breaks_a_rule_changes_nothing(
    ada: httpx.AsyncClient, body: Any, pointers: list[str]
) -> None:
    await make_session(ada)
    await append(ada, "a")
    before = (await ada.get(SESSION)).content

    answer = await ada.patch(f"{MESSAGES}/ma", json=body)

    assert problem(answer) == (422, "invalid_input", pointers)
    assert (await ada.get(SESSION)).content == before


@pytest.mark.parametrize(
    ("method", "path"),
    [("PATCH", f"{MESSAGES}/x"), ("DELETE", f"{MESSAGES}/x"), ("GET", f"{MESSAGES}/x/history")],
)
async def test_an_unknown_message_is_not_found(
    ada: httpx.AsyncClient, method: str, path: str
) -> None:
    await make_session(ada)

    answer = await ada.request(method, path, json={"content": "b"} if method == "PATCH" else None)

    assert problem(answer) == (404, "message_not_found", [])


@pytest.mark.parametrize(
    ("method", "path"),
    [("PATCH", f"{MESSAGES}/ma"), ("DELETE", f"{MESSAGES}/ma"), ("GET", HISTORY)],
)
async def test_the_session_of_another_user_is_not_found(
    ada: httpx.AsyncClient, bob: httpx.AsyncClient, method: str, path: str
) -> None:
    await make_session(ada)
    await append(ada, "a")

    answer = await bob.request(method, path, json={"content": "b"} if method == "PATCH" else None)

    assert problem(answer) == (404, "session_not_found", [])
    assert contents(await ada.get(SESSION)) == ["a"]
