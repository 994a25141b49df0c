"""The export of documents: all that a user has beside sessions, and nothing of others."""

import json

import httpx

from tests.api.v1.requests import make_project

EXPORT = "/api/v1/export"


async def test_an_export_has_every_document_of_its_user(
    ada: httpx.AsyncClient, bob: httpx.AsyncClient
) -> None:
    await make_project(bob)
    projects = [await make_project(ada, intent=f"intent {number}") for number in range(2)]
    entry = await ada.post(f"{projects[0]}/context/findings", json={"text": "worms"})
    body = {"name": "notes", "content": "one"}
    made = await ada.post(f"{projects[0]}/artifacts", json=body, headers={"Idempotency-Key": "k"})
    artifact = made.headers["location"]
    await ada.post(
        f"{artifact}/versions", json={"content": "two"}, headers={"Idempotency-Key": "k"}
    )

    answer = await ada.get(EXPORT)

    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert [line["document_kind"] for line in lines] == [
        *("project", "project", "context_entry"),
        *("artifact", "artifact_version", "artifact_version"),
    ]
    assert {line["body"]["intent"] for line in lines[:2]} == {"intent 0", "intent 1"}
    assert lines[2]["id"] == entry.json()["id"]
    assert (lines[2]["body"]["kind"], lines[2]["body"]["text"]) == ("finding", "worms")
    assert lines[3]["body"]["name"] == "notes"
    assert [line["body"]["content"] for line in lines[4:]] == ["two", "one"]


async def test_who_has_nothing_exports_nothing(ada: httpx.AsyncClient) -> None:
    answer = await ada.get(EXPORT)

    assert (answer.status_code, answer.content) == (200, b"")
