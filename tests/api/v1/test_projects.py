"""Projects: made, listed by page, changed by merge patch under a guard, moved on, deleted."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.api.requests import problem
from tests.api.v1.requests import PROJECTS, make_conversation, make_project, say, walk
from tests.fake_clock import FakeClock

MERGE = {"Content-Type": "application/merge-patch+json"}


async def test_a_project_is_made_as_a_draft_and_read_again(ada: httpx.AsyncClient) -> None:
    body = {
        "workspace_id": "w",
        "intent": "Analyze competitor market share",
        "project_type": "research",
        "title": "Market",
        "settings": {"skill_id": "s"},
    }

    made = await ada.post(PROJECTS, json=body)
    read = await ada.get(made.headers["location"])

    assert made.status_code == 201
    assert {name: made.json()[name] for name in body} == body
    assert (made.json()["status"], made.json()["revision"]) == ("draft", 1)
    assert made.json()["created_at"] == made.json()["updated_at"]
    assert read.json() == made.json()
    assert read.headers["etag"] == made.headers["etag"]


async def test_what_may_be_left_out_is_null(ada: httpx.AsyncClient) -> None:
    project = (await ada.get(await make_project(ada))).json()

    assert (project["title"], project["project_type"], project["settings"]) == (None, None, {})


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({"intent": "x"}, ["/workspace_id"]),
        ({"workspace_id": "w"}, ["/intent"]),
        ({"workspace_id": "w", "intent": ""}, ["/intent"]),
        ({"workspace_id": "", "intent": "x"}, ["/workspace_id"]),
        ({"workspace_id": "w", "intent": "x", "status": "draft"}, ["/status"]),
        ({"workspace_id": "w", "intent": "x", "title": "x" * 1001}, ["/title"]),
    ],
)
async def test_a_body_that_breaks_a_rule_makes_nothing(
    ada: httpx.AsyncClient, body: dict[str, Any], pointers: list[str]
) -> None:
    answer = await ada.post(PROJECTS, json=body)

    assert problem(answer) == (422, "invalid_input", pointers)
    assert (await ada.get(PROJECTS)).json()["items"] == []


async def test_a_project_that_no_store_could_keep_is_refused(ada: httpx.AsyncClient) -> None:
    body = {"workspace_id": "w", "intent": "x" * 2**20}

    assert problem(await ada.post(PROJECTS, json=body))[:2] == (413, "document_too_large")
    assert (await ada.get(PROJECTS)).json()["items"] == []


async def test_a_retry_with_a_key_makes_nothing_twice(ada: httpx.AsyncClient) -> None:
    body = {"workspace_id": "w", "intent": "x"}
    keyed = {"Idempotency-Key": "k"}

    answers = await asyncio.gather(
        *(ada.post(PROJECTS, json=body, headers=keyed) for _ in range(5))
    )
    other = await ada.post(PROJECTS, json={**body, "intent": "y"}, headers=keyed)

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert problem(other) == (409, "project_exists", [])
    assert len((await ada.get(PROJECTS)).json()["items"]) == 1


async def test_what_is_known_already_is_not_sent_again(ada: httpx.AsyncClient) -> None:
    project = await make_project(ada)
    conversation = await make_conversation(ada, project)
    made = await ada.post(f"{project}/artifacts", json={"name": "n", "content": "x"})
    changes: list[tuple[str, str, str, Any]] = [
        (project, "PATCH", project, {"title": "x"}),
        (conversation, "PATCH", "/api/chat/sessions", {"session_name": "x"}),
        (made.headers["location"], "POST", f"{made.headers['location']}/versions", None),
    ]

    for path, method, where, body in changes:
        etag = (await ada.get(path)).headers["etag"]
        same = await ada.get(path, headers={"If-None-Match": etag})
        target = where if body is None or where == path else f"{where}/{path.rsplit('/', 1)[-1]}"
        await ada.request(method, target, json=body or {"content": "y"})
        changed = await ada.get(path, headers={"If-None-Match": etag})

        assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", etag)
        assert changed.status_code == 200
        assert changed.headers["etag"] != etag


# --- lists --------------------------------------------------------------------------------------


async def test_projects_are_listed_by_page_the_newest_first(
    ada: httpx.AsyncClient, clock: FakeClock
) -> None:
    for number in range(7):
        await make_project(ada, title=str(number), workspace_id="w" if number % 2 else "v")
        clock.advance(1)

    async def titles(**parameters: Any) -> list[str]:
        pages = await walk(ada, PROJECTS, limit=2, **parameters)
        assert all(len(page) == 2 for page in pages[:-1])
        return [one["title"] for page in pages for one in page]

    assert await titles() == list("6543210")
    assert await titles(workspace_id="w") == list("531")
    assert await titles(workspace_id="none") == []


async def test_a_filter_by_status_and_type_leaves_no_page_short(
    ada: httpx.AsyncClient, clock: FakeClock
) -> None:
    for number in range(9):
        kind = "research" if number % 3 == 0 else "code"
        path = await make_project(ada, title=str(number), project_type=kind)
        if number % 2 == 0:
            await ada.patch(path, json={"status": "in_progress"})
        clock.advance(1)

    async def titles(**parameters: Any) -> list[list[str]]:
        pages = await walk(ada, PROJECTS, limit=2, workspace_id="w", **parameters)
        return [[one["title"] for one in page] for page in pages]

    assert await titles(status="in_progress") == [["8", "6"], ["4", "2"], ["0"]]
    assert await titles(project_type="research") == [["6", "3"], ["0"]]
    assert await titles(status="draft", project_type="research") == [["3"]]
    assert await titles(status="archived") == [[]]


async def test_a_cursor_fits_its_own_listing_only(
    ada: httpx.AsyncClient, bob: httpx.AsyncClient
) -> None:
    for _ in range(2):
        await make_project(ada)
        await make_project(bob)
    cursor = (await ada.get(PROJECTS, params={"limit": 1})).json()["next_cursor"]

    for client, parameters in ((bob, {}), (ada, {"status": "draft"}), (ada, {"workspace_id": "w"})):
        answer = await client.get(PROJECTS, params={"cursor": cursor, **parameters})
        assert problem(answer)[:2] == (400, "invalid_cursor")


# --- changes ------------------------------------------------------------------------------------


async def test_a_merge_patch_changes_what_it_names(
    ada: httpx.AsyncClient, clock: FakeClock
) -> None:
    path = await make_project(ada, title="old", settings={"a": 1, "b": 2})
    before = (await ada.get(path)).json()
    clock.advance(1)

    answer = await ada.patch(
        path, json={"title": None, "settings": {"a": None, "c": 3}}, headers=MERGE
    )

    after = answer.json()
    assert answer.status_code == 200
    assert (after["title"], after["settings"], after["revision"]) == (None, {"b": 2, "c": 3}, 2)
    assert after["updated_at"] > before["updated_at"]
    kept = {"intent", "workspace_id", "status", "created_at", "id"}
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}
    assert (await ada.get(path)).headers["etag"] == answer.headers["etag"]


async def test_a_patch_that_changes_nothing_is_no_new_revision(ada: httpx.AsyncClient) -> None:
    path = await make_project(ada, title="same")

    answer = await ada.patch(path, json={"title": "same"})

    assert (answer.status_code, answer.json()["revision"]) == (200, 1)


@pytest.mark.parametrize(
    ("patch", "pointers"),
    [
        ({"intent": None}, ["/intent"]),
        ({"status": None}, ["/status"]),
        ({"status": "done"}, ["/status"]),
        ({"workspace_id": "other"}, ["/workspace_id"]),
        ({"deleted_at": None}, ["/deleted_at"]),
    ],
)
async def test_what_may_not_be_changed_is_refused(
    ada: httpx.AsyncClient, patch: dict[str, Any], pointers: list[str]
) -> None:
    path = await make_project(ada)
    before = (await ada.get(path)).content

    assert problem(await ada.patch(path, json=patch)) == (422, "invalid_input", pointers)
    assert (await ada.get(path)).content == before


async def test_a_project_goes_its_way_and_no_other(ada: httpx.AsyncClient) -> None:
    path = await make_project(ada)

    async def become(status: str) -> int:
        return (await ada.patch(path, json={"status": status})).status_code

    assert await become("completed") == 409
    assert await become("in_progress") == 200
    assert await become("draft") == 409
    assert await become("completed") == 200
    assert await become("in_progress") == 200
    assert await become("archived") == 200
    assert await become("completed") == 409
    assert problem(await ada.patch(path, json={"status": "draft"})) == (
        *(409, "status_transition"),
        [],
    )
    assert (await ada.get(path)).json()["status"] == "archived"


async def test_a_stale_guard_changes_and_deletes_nothing(ada: httpx.AsyncClient) -> None:
    path = await make_project(ada)
    stale = (await ada.get(path)).headers["etag"]
    await ada.patch(path, json={"title": "x"})
    current = await ada.get(path)

    for answer in (
        await ada.patch(path, json={"title": "y"}, headers={"If-Match": stale}),
        await ada.delete(path, headers={"If-Match": stale}),
    ):
        assert problem(answer) == (412, "project_revision_mismatch", [])
        assert answer.json()["current_revision"] == 2
        assert answer.headers["etag"] == current.headers["etag"]
    assert (await ada.get(path)).content == current.content

    guard = {"If-Match": current.headers["etag"]}
    assert (await ada.patch(path, json={"title": "y"}, headers=guard)).status_code == 200
    assert (await ada.delete(path, headers={"If-Match": "*"})).status_code == 204


async def test_of_many_under_one_guard_one_wins(ada: httpx.AsyncClient) -> None:
    path = await make_project(ada)
    guard = {"If-Match": (await ada.get(path)).headers["etag"]}

    answers = await asyncio.gather(
        *(ada.patch(path, json={"title": str(n)}, headers=guard) for n in range(8))
    )

    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 7


async def test_changes_of_other_members_at_once_are_all_kept(ada: httpx.AsyncClient) -> None:
    path = await make_project(ada)

    answers = await asyncio.gather(
        *(ada.patch(path, json={"settings": {str(n): n}}) for n in range(8))
    )

    assert {answer.status_code for answer in answers} == {200}
    assert (await ada.get(path)).json()["settings"] == {str(n): n for n in range(8)}


# --- deletion -----------------------------------------------------------------------------------


async def test_a_project_without_conversations_goes(ada: httpx.AsyncClient) -> None:
    path, other = await make_project(ada), await make_project(ada, title="stays")

    assert (await ada.delete(path)).status_code == 204

    assert problem(await ada.get(path)) == (404, "project_not_found", [])
    assert problem(await ada.delete(path)) == (404, "project_not_found", [])
    assert [one["title"] for one in (await ada.get(PROJECTS)).json()["items"]] == ["stays"]
    assert (await ada.get(other)).status_code == 200


async def test_a_project_with_conversations_goes_only_by_force(ada: httpx.AsyncClient) -> None:
    path = await make_project(ada)
    conversation = await make_conversation(ada, path)
    await say(ada, conversation, "hello")
    before = (await ada.get(path)).content

    refused = await ada.delete(path)
    kept = await ada.get(f"{conversation}/messages")
    same = (await ada.get(path)).content
    forced = await ada.delete(path, params={"force": "true"})

    assert problem(refused) == (409, "project_not_empty", [])
    assert [one["content"] for one in kept.json()["items"]] == ["hello"]
    assert same == before
    assert forced.status_code == 204
    assert problem(await ada.get(conversation)) == (404, "project_not_found", [])
    session_id = conversation.rsplit("/", 1)[-1]
    assert problem(await ada.get(f"/api/chat/sessions/{session_id}"))[0] == 404


# --- whose --------------------------------------------------------------------------------------


async def test_a_foreign_project_is_like_one_that_never_was(
    ada: httpx.AsyncClient, bob: httpx.AsyncClient
) -> None:
    path = await make_project(ada)
    before = (await ada.get(path)).content

    for where in (path, f"{PROJECTS}/unknown"):
        for method in ("GET", "PATCH", "DELETE"):
            answer = await bob.request(method, where, json={})
            assert problem(answer) == (404, "project_not_found", [])
    assert (await bob.get(PROJECTS)).json()["items"] == []
    assert (await ada.get(path)).content == before


async def test_who_names_nobody_has_projects_too(anyone: httpx.AsyncClient) -> None:
    path = await make_project(anyone)

    assert (await anyone.get(path)).json()["intent"] == "grow beans"


async def test_a_project_that_only_sessions_name_is_read_and_changed(
    ada: httpx.AsyncClient,
) -> None:
    await ada.post("/api/chat/sessions", json={"id": "s", "project_id": "garden"})

    read = await ada.get(f"{PROJECTS}/garden")
    changed = await ada.patch(f"{PROJECTS}/garden", json={"title": "Garden"})

    assert (read.status_code, read.json()["status"]) == (200, "in_progress")
    assert (changed.status_code, changed.json()["title"]) == (200, "Garden")
