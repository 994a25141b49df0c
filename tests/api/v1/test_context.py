"""What a project has learnt: noted once, superseded by later entries, never overwritten."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.api.requests import problem
from tests.api.v1.requests import PROJECTS, make_conversation, make_project
from tests.fake_clock import FakeClock


async def note(
    client: httpx.AsyncClient, project: str, kind: str, text: str, **body: Any
) -> dict[str, Any]:
    answer = await client.post(f"{project}/context/{kind}", json={"text": text, **body})
    assert answer.status_code == 201, answer.text
    entry: dict[str, Any] = answer.json()
    return entry


async def texts(client: httpx.AsyncClient, project: str, **parameters: Any) -> dict[str, list[str]]:
    answer = await client.get(f"{project}/context", params=parameters)
    assert answer.status_code == 200, answer.text
    kinds = ("decisions", "failures", "findings")
    return {kind: [one["text"] for one in answer.json()[kind]] for kind in kinds}


async def test_entries_are_shown_by_kind_oldest_first(
    ada: httpx.AsyncClient, clock: FakeClock
) -> None:
    project = await make_project(ada)
    conversation = (await make_conversation(ada, project)).rsplit("/", 1)[-1]
    learnt = {"conversation_id": conversation, "message_id": "m", "details": {"a": [None]}}

    first = await note(ada, project, "decisions", "use beans", **learnt)
    for kind, text in (
        ("failure", "frost"),
        ("findings", "worms"),
        ("decision", "no salt"),
        ("finding", "rain"),
    ):
        clock.advance(1)
        await note(ada, project, kind, text)

    assert {name: first[name] for name in learnt} == learnt
    assert (first["kind"], first["created_at"]) == ("decision", "2026-01-02T03:04:05.678Z")
    assert await texts(ada, project) == {
        "decisions": ["use beans", "no salt"],
        "failures": ["frost"],
        "findings": ["worms", "rain"],
    }
    assert await texts(ada, project, kind="finding") == {
        "decisions": [],
        "failures": [],
        "findings": ["worms", "rain"],
    }
    assert (await ada.get(f"{project}/context")).json()["decisions"][0] == first


async def test_what_is_superseded_is_left_out_and_kept(
    ada: httpx.AsyncClient, clock: FakeClock
) -> None:
    project = await make_project(ada)
    first = await note(ada, project, "decisions", "one")
    clock.advance(1)
    second = await note(ada, project, "decisions", "two", supersedes=first["id"])
    clock.set_back(60)

    third = await note(ada, project, "findings", "three", supersedes=second["id"])

    assert await texts(ada, project) == {"decisions": [], "failures": [], "findings": ["three"]}
    assert third["created_at"] > second["created_at"]  # whatever the clock says
    whole = (await ada.get(f"{project}/context", params={"include_superseded": "true"})).json()
    assert whole["decisions"] == [
        {**first, "is_superseded": True},
        {**second, "is_superseded": True},
    ]
    assert whole["findings"] == [third]


async def test_what_is_not_in_the_project_is_refused_and_nothing_noted(
    ada: httpx.AsyncClient, bob: httpx.AsyncClient
) -> None:
    project, other, foreign = [await make_project(one) for one in (ada, ada, bob)]
    there = await note(ada, other, "decisions", "elsewhere")
    bobs = await note(bob, foreign, "decisions", "bob's")
    conversation = (await make_conversation(ada, other)).rsplit("/", 1)[-1]
    refused: list[tuple[dict[str, Any], str]] = [
        ({"supersedes": "unknown"}, "/supersedes"),
        ({"supersedes": there["id"]}, "/supersedes"),
        ({"supersedes": bobs["id"]}, "/supersedes"),
        ({"conversation_id": "unknown"}, "/conversation_id"),
        ({"conversation_id": conversation}, "/conversation_id"),
        ({"message_id": "m"}, "/message_id"),
        ({"text": ""}, "/text"),
        ({"text": "x" * 100_001}, "/text"),
        ({"created_at": "2026-01-01T00:00:00Z"}, "/created_at"),
    ]

    for body, pointer in refused:
        answer = await ada.post(f"{project}/context/decisions", json={"text": "x", **body})
        assert problem(answer) == (422, "invalid_input", [pointer])
    unknown_kind = await ada.post(f"{project}/context/opinions", json={"text": "x"})

    assert problem(unknown_kind)[:2] == (422, "invalid_input")
    assert await texts(ada, project, include_superseded=True) == {
        "decisions": [],
        "failures": [],
        "findings": [],
    }


async def test_a_retry_with_a_key_notes_nothing_twice(
    ada: httpx.AsyncClient, clock: FakeClock
) -> None:
    project = await make_project(ada)
    first = await note(ada, project, "decisions", "one")
    body = {"text": "two", "supersedes": first["id"], "details": {"n": 1}}
    keyed = {"Idempotency-Key": "k"}

    async def send(**changed: Any) -> httpx.Response:
        return await ada.post(
            f"{project}/context/decisions", json={**body, **changed}, headers=keyed
        )

    answers = await asyncio.gather(*(send() for _ in range(4)))
    clock.advance(60)
    again = await send()
    other = await send(details={"n": 2})

    assert {answer.status_code for answer in (*answers, again)} == {201}
    assert {answer.content for answer in answers} == {again.content}
    assert problem(other) == (422, "request_key_conflict", ["Idempotency-Key"])
    assert (await texts(ada, project))["decisions"] == ["two"]


@pytest.mark.parametrize("count", [60])
async def test_a_long_context_is_shown_whole(ada: httpx.AsyncClient, count: int) -> None:
    project = await make_project(ada)
    for number in range(count):
        await note(ada, project, "findings", str(number))

    assert sorted((await texts(ada, project))["findings"], key=int) == [
        str(number) for number in range(count)
    ]


async def test_an_unknown_or_foreign_project_has_no_context(
    ada: httpx.AsyncClient, bob: httpx.AsyncClient
) -> None:
    project = await make_project(ada)
    await note(ada, project, "decisions", "ada's")

    for client, path in ((ada, f"{PROJECTS}/unknown"), (bob, project)):
        for answer in (
            await client.get(f"{path}/context"),
            await client.post(f"{path}/context/decisions", json={"text": "x"}),
        ):
            assert problem(answer) == (404, "project_not_found", [])
    assert (await texts(ada, project))["decisions"] == ["ada's"]


async def test_a_context_goes_with_its_project(ada: httpx.AsyncClient) -> None:
    await ada.post("/api/chat/sessions", json={"id": "s", "project_id": "garden"})
    project = f"{PROJECTS}/garden"
    await note(ada, project, "decisions", "old")

    await ada.delete(project, params={"force": "true"})
    await ada.post("/api/chat/sessions", json={"id": "s", "project_id": "garden"})

    assert (await texts(ada, project))["decisions"] == []
