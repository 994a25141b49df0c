"""Artifacts: every change is a version with a number of its own, and every version stays."""

import asyncio
from typing import Any

import httpx

from tests.api.requests import problem
from tests.api.v1.requests import PROJECTS, make_project, walk
from tests.fake_clock import FakeClock


async def make_artifact(
    client: httpx.AsyncClient, project: str, content: str = "first", **body: Any
) -> str:
    """Create an artifact and give its path."""
    answer = await client.post(
        f"{project}/artifacts", json={"name": "notes", "content": content, **body}
    )
    assert answer.status_code == 201, answer.text
    return str(answer.headers["location"])


async def update(client: httpx.AsyncClient, artifact: str, content: str) -> None:
    answer = await client.post(f"{artifact}/versions", json={"content": content})
    assert answer.status_code == 201, answer.text


async def all_versions(client: httpx.AsyncClient, artifact: str) -> list[tuple[int, str]]:
    """Number and text of every version, the oldest first."""
    listed = [one for page in await walk(client, f"{artifact}/versions") for one in page]
    numbers = [one["version"] for one in listed][::-1]
    read = [(await client.get(f"{artifact}/versions/{one}")).json() for one in numbers]
    return [(one["version"], one["content"]) for one in read]


async def test_an_artifact_is_made_with_its_first_version(ada: httpx.AsyncClient) -> None:
    project = await make_project(ada)
    body = {
        "name": "report.md",
        "artifact_type": "document",
        "metadata": {"a": [1]},
        "content": "# Beans\n",
        "conversation_id": "c",
        "message_id": "m",
    }

    made = await ada.post(f"{project}/artifacts", json=body)
    read = await ada.get(made.headers["location"])
    first = (await ada.get(f"{made.headers['location']}/versions/1")).json()

    artifact = made.json()
    named = ("name", "artifact_type", "metadata", "content")
    assert made.status_code == 201
    assert {name: artifact[name] for name in named} == {name: body[name] for name in named}
    assert (artifact["version"], artifact["project_id"]) == (1, project.rsplit("/", 1)[-1])
    assert read.json() == artifact
    assert read.headers["etag"] == made.headers["etag"]
    assert (first["content"], first["size_characters"]) == ("# Beans\n", 8)
    assert (first["conversation_id"], first["message_id"]) == ("c", "m")


async def test_an_update_is_a_new_version_and_the_old_ones_stay(
    ada: httpx.AsyncClient, clock: FakeClock
) -> None:
    artifact = await make_artifact(ada, await make_project(ada))
    before = (await ada.get(artifact)).json()
    for text in ("second", "", "fourth"):
        clock.advance(1)
        await update(ada, artifact, text)

    newest = (await ada.get(artifact)).json()
    assert (newest["version"], newest["content"]) == (4, "fourth")
    assert newest["created_at"] == before["created_at"] < newest["updated_at"]
    assert await all_versions(ada, artifact) == [
        (1, "first"),
        (2, "second"),
        (3, ""),
        (4, "fourth"),
    ]
    pages = await walk(ada, f"{artifact}/versions", limit=3)
    assert [[one["version"] for one in page] for page in pages] == [[4, 3, 2], [1]]
    for number in ("5", "999999999"):
        absent = await ada.get(f"{artifact}/versions/{number}")
        assert problem(absent) == (404, "artifact_version_not_found", [])
    for number in ("0", "-1", "x", "1000000000"):
        assert problem(await ada.get(f"{artifact}/versions/{number}"))[:1] == (422,)


async def test_fifty_updates_at_once_have_fifty_numbers(ada: httpx.AsyncClient) -> None:
    artifact = await make_artifact(ada, await make_project(ada))

    answers = await asyncio.gather(
        *(ada.post(f"{artifact}/versions", json={"content": f"text {n}"}) for n in range(50))
    )

    assert {answer.status_code for answer in answers} == {201}
    told = {answer.json()["version"]: answer.json()["content"] for answer in answers}
    assert sorted(told) == list(range(2, 52))
    assert dict(await all_versions(ada, artifact)) == {1: "first", **told}


async def test_an_old_version_is_restored_as_a_new_one(ada: httpx.AsyncClient) -> None:
    artifact = await make_artifact(ada, await make_project(ada))
    await update(ada, artifact, "second")

    restored = await ada.post(f"{artifact}/versions/1/restore")
    absent = await ada.post(f"{artifact}/versions/9/restore")

    assert (restored.status_code, restored.json()["version"]) == (201, 3)
    assert (await ada.get(f"{artifact}/versions/3")).json()["restored_from"] == 1
    assert problem(absent) == (404, "artifact_version_not_found", [])
    assert await all_versions(ada, artifact) == [(1, "first"), (2, "second"), (3, "first")]


async def test_two_versions_differ_by_lines(ada: httpx.AsyncClient) -> None:
    artifact = await make_artifact(ada, await make_project(ada), "a\nb\n")
    await update(ada, artifact, "a\nc\n")

    async def diff(query: str) -> httpx.Response:
        return await ada.get(f"{artifact}/diff?{query}")

    assert (await diff("from=1&to=2")).json() == {
        "artifact_id": artifact.rsplit("/", 1)[-1],
        "from_version": 1,
        "to_version": 2,
        "diff": "--- version 1\n+++ version 2\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n",
    }
    assert "\n-c\n+b\n" in (await diff("from=2&to=1")).json()["diff"]
    assert (await diff("from=2&to=2")).json()["diff"] == ""
    assert problem(await diff("from=1&to=3")) == (404, "artifact_version_not_found", [])
    assert problem(await diff("from=1"))[0] == 422


async def test_artifacts_are_listed_by_page_the_newest_first(
    ada: httpx.AsyncClient, clock: FakeClock
) -> None:
    project = await make_project(ada)
    await make_artifact(ada, await make_project(ada), name="elsewhere")
    paths = []
    for number in range(3):
        clock.advance(1)
        paths.append(await make_artifact(ada, project, name=str(number)))
    await update(ada, paths[0], "second")

    pages = await walk(ada, f"{project}/artifacts", limit=2)

    assert [[(one["name"], one["version"]) for one in page] for page in pages] == [
        [("2", 1), ("1", 1)],
        [("0", 2)],
    ]
    assert "content" not in pages[0][0]


# --- in place -----------------------------------------------------------------------------------


async def test_a_selection_is_replaced_in_place_as_a_new_version(ada: httpx.AsyncClient) -> None:
    artifact = await make_artifact(ada, await make_project(ada), "😀 cafe\u0301\r\nend")
    body = {
        "artifact_id": artifact.rsplit("/", 1)[-1],
        "selection_range": {"start": 2, "end": 7},
        "selected_text": "cafe\u0301",
        "replacement": "tea",
    }

    answer = await ada.post(f"{artifact}/edits", json=body)

    assert (answer.status_code, answer.json()["content"]) == (201, "😀 tea\r\nend")
    assert answer.json()["version"] == 2


async def test_a_selection_that_has_changed_is_409_with_the_text_of_now(
    ada: httpx.AsyncClient,
) -> None:
    artifact = await make_artifact(ada, await make_project(ada), "one two three")
    await update(ada, artifact, "one 2 three")
    body = {
        "selection_range": {"start": 4, "end": 7},
        "selected_text": "two",
        "replacement": "zwei",
    }

    answer = await ada.post(f"{artifact}/edits", json=body, headers={"Idempotency-Key": "k"})

    assert problem(answer) == (409, "selection_changed", [])
    assert answer.json()["current_text"] == "one 2 three"
    assert len(await all_versions(ada, artifact)) == 2
    await update(ada, artifact, "one two three")
    again = await ada.post(f"{artifact}/edits", json=body, headers={"Idempotency-Key": "k"})
    assert (again.status_code, again.json()["content"]) == (201, "one zwei three")


async def test_edits_of_one_place_at_once_replace_it_once(ada: httpx.AsyncClient) -> None:
    artifact = await make_artifact(ada, await make_project(ada), "one two three")
    body = {"selection_range": {"start": 4, "end": 7}, "selected_text": "two"}

    answers = await asyncio.gather(
        *(ada.post(f"{artifact}/edits", json={**body, "replacement": f"<{n}>"}) for n in range(8))
    )

    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
    assert len(await all_versions(ada, artifact)) == 2


async def test_a_selection_that_makes_no_sense_is_refused(ada: httpx.AsyncClient) -> None:
    artifact = await make_artifact(ada, await make_project(ada), "one")
    body = {
        "selection_range": {"start": 0, "end": 3},
        "selected_text": "one",
        "replacement": "x",
    }

    for changed, pointer in (
        ({"selection_range": {"start": 3, "end": 0}}, "/selection_range"),
        ({"selection_range": {"start": -1, "end": 0}}, "/selection_range/start"),
        ({"selection_range": {"start": 0}}, "/selection_range/end"),
        ({"artifact_id": "another"}, "/artifact_id"),
        ({"replacement": None}, "/replacement"),
    ):
        answer = await ada.post(f"{artifact}/edits", json={**body, **changed})
        assert problem(answer) == (422, "invalid_input", [pointer])
    assert len(await all_versions(ada, artifact)) == 1


# --- guards and retries -------------------------------------------------------------------------


async def test_a_stale_guard_makes_no_version(ada: httpx.AsyncClient) -> None:
    artifact = await make_artifact(ada, await make_project(ada), "one")
    stale = {"If-Match": (await ada.get(artifact)).headers["etag"]}
    await update(ada, artifact, "one again")
    current = (await ada.get(artifact)).headers["etag"]
    edit = {
        "selection_range": {"start": 0, "end": 3},
        "selected_text": "one",
        "replacement": "x",
    }

    for answer in (
        await ada.post(f"{artifact}/versions", json={"content": "x"}, headers=stale),
        await ada.post(f"{artifact}/edits", json=edit, headers=stale),
        await ada.post(f"{artifact}/versions/1/restore", headers=stale),
    ):
        assert problem(answer) == (412, "artifact_revision_mismatch", [])
        assert (answer.json()["current_revision"], answer.headers["etag"]) == (2, current)
    answers = await asyncio.gather(
        *(
            ada.post(
                f"{artifact}/versions", json={"content": str(n)}, headers={"If-Match": current}
            )
            for n in range(6)
        )
    )

    assert sorted(answer.status_code for answer in answers) == [201] + [412] * 5
    assert len(await all_versions(ada, artifact)) == 3


async def test_retries_with_a_key_make_nothing_twice(ada: httpx.AsyncClient) -> None:
    project = await make_project(ada)
    artifact = await make_artifact(ada, project, "one")
    guard = (await ada.get(artifact)).headers["etag"]
    edit = {
        "selection_range": {"start": 0, "end": 3},
        "selected_text": "two",
        "replacement": "three",
    }
    writes: list[tuple[str, dict[str, Any], dict[str, Any], dict[str, str]]] = [
        ("versions", {"content": "two"}, {"content": "2"}, {"If-Match": guard}),
        ("edits", edit, {**edit, "replacement": "3"}, {}),
        ("versions/1/restore", {}, {"conversation_id": "c"}, {}),
    ]

    for number, (path, body, other, headers) in enumerate(writes):
        keyed = {"Idempotency-Key": f"k{number}", **headers}
        answers = await asyncio.gather(
            *(ada.post(f"{artifact}/{path}", json=body, headers=keyed) for _ in range(4))
        )
        refused = await ada.post(f"{artifact}/{path}", json=other, headers=keyed)

        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.content for answer in answers}) == 1
        assert problem(refused) == (422, "request_key_conflict", ["Idempotency-Key"])
    await update(ada, artifact, "five")
    late = await ada.post(
        f"{artifact}/versions", json={"content": "two"}, headers={"Idempotency-Key": "k0"}
    )

    assert (late.json()["version"], late.json()["content"]) == (2, "two")
    assert await all_versions(ada, artifact) == [
        (1, "one"),
        (2, "two"),
        (3, "three"),
        (4, "one"),
        (5, "five"),
    ]


async def test_a_creation_with_a_key_makes_one_artifact(ada: httpx.AsyncClient) -> None:
    project = await make_project(ada)
    body = {"name": "n", "content": "x"}
    keyed = {"Idempotency-Key": "k"}

    answers = await asyncio.gather(
        *(ada.post(f"{project}/artifacts", json=body, headers=keyed) for _ in range(4))
    )
    others = [
        await ada.post(f"{project}/artifacts", json={**body, **changed}, headers=keyed)
        for changed in ({"content": "y"}, {"name": "m"}, {"message_id": "m"})
    ]

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert {problem(other)[:2] for other in others} == {(422, "request_key_conflict")}
    assert len((await ada.get(f"{project}/artifacts")).json()["items"]) == 1


async def test_a_text_that_no_store_could_keep_leaves_nothing(ada: httpx.AsyncClient) -> None:
    project = await make_project(ada)
    artifact = await make_artifact(ada, project)
    large = "x" * 2**20

    refused = [
        await ada.post(f"{project}/artifacts", json={"name": "n", "content": large}),
        await ada.post(f"{artifact}/versions", json={"content": large}),
    ]

    assert {problem(answer)[:2] for answer in refused} == {(413, "document_too_large")}
    assert len((await ada.get(f"{project}/artifacts")).json()["items"]) == 1
    assert await all_versions(ada, artifact) == [(1, "first")]


# --- whose --------------------------------------------------------------------------------------


async def test_an_artifact_of_another_project_or_user_is_not_there(
    ada: httpx.AsyncClient, bob: httpx.AsyncClient
) -> None:
    project, other = await make_project(ada), await make_project(ada)
    artifact = await make_artifact(ada, project)
    id_ = artifact.rsplit("/", 1)[-1]
    bobs = await make_project(bob)
    edit = {"selection_range": {"start": 0, "end": 0}, "selected_text": "", "replacement": "x"}
    calls: list[tuple[str, str, Any]] = [
        ("GET", "", None),
        ("GET", "/versions", None),
        ("POST", "/versions", {"content": "x"}),
        ("GET", "/versions/1", None),
        ("POST", "/versions/1/restore", {}),
        ("POST", "/edits", edit),
        ("GET", "/diff?from=1&to=1", None),
    ]

    for method, path, body in calls:
        for client, where, code in (
            (ada, f"{other}/artifacts/{id_}", "artifact_not_found"),
            (ada, f"{project}/artifacts/unknown", "artifact_not_found"),
            (bob, f"{bobs}/artifacts/{id_}", "artifact_not_found"),
            (bob, artifact, "project_not_found"),
            (ada, f"{PROJECTS}/unknown/artifacts/{id_}", "project_not_found"),
        ):
            answer = await client.request(method, where + path, json=body)
            assert problem(answer) == (404, code, [])
    assert await all_versions(ada, artifact) == [(1, "first")]
