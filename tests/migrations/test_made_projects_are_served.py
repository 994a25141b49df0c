"""What old sessions have become is served by the doors for projects, and written on there."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from app.store.port import SessionStore
from tests.api.auth.credentials import settings
from tests.api.serving import client_of
from tests.fake_clock import FakeClock
from tests.migrations.old_sessions import failed_call, old_session, projected, proof, said

ADA = {"X-User-Id": "ada"}
SOURCE = old_session(
    said("m1", "What do they charge?"),
    said("m2", "A lot.", "assistant", tool_calls=[failed_call()]),
    artifacts=[{"id": "a1", "name": "plan.md", "versions": [{"content": "1"}, {"content": "2"}]}],
)


@pytest.fixture
async def ada(store: SessionStore, clock: FakeClock) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(settings(), store, clock) as client:
        client.headers.update(ADA)
        yield client


async def test_every_part_of_a_project_is_there(
    ada: httpx.AsyncClient, store: SessionStore, tmp_path: Path
) -> None:
    await projected(tmp_path, store, SOURCE)
    page = (await ada.get("/execution/s1")).headers["location"]
    project = f"/api/v1/projects/{page.removeprefix('/project/')}"

    told = (await ada.get(project)).json()
    listed = (await ada.get("/api/v1/projects?workspace_id=w1&status=completed")).json()
    conversations = (await ada.get(f"{project}/conversations")).json()
    messages = (await ada.get(f"{project}/conversations/s1/messages")).json()
    context = (await ada.get(f"{project}/context")).json()
    artifacts = (await ada.get(f"{project}/artifacts")).json()
    old = await ada.get("/api/v1/sessions/s1")

    assert (told["title"], told["intent"]) == ("Competitors", "What do they charge?")
    assert told["settings"] == {"skill_id": "deep_research"}
    assert [one["id"] for one in listed["items"]] == [told["id"]]
    assert [one["id"] for one in conversations["items"]] == ["s1"]
    assert "A lot." in str(messages)
    assert "web_search: No way" in str(context)
    (artifact,) = artifacts["items"]
    version = await ada.get(f"{project}/artifacts/{artifact['id']}/versions/1")
    assert (artifact["name"], version.json()["content"]) == ("plan.md", "1")
    assert old.status_code == 200


async def test_a_project_that_its_user_deletes_does_not_come_back(
    ada: httpx.AsyncClient, store: SessionStore, tmp_path: Path
) -> None:
    _, path = await projected(tmp_path, store, SOURCE)
    page = (await ada.get("/execution/s1")).headers["location"]
    project = f"/api/v1/projects/{page.removeprefix('/project/')}"

    deleted = await ada.delete(f"{project}?force=true")
    again, _ = await projected(tmp_path, store, SOURCE)

    assert deleted.status_code in {200, 204}
    assert again.sessions["refused"] == 1
    assert await store.list_document_keys() == []
    assert (await ada.get(project)).status_code == 404
    report = await proof(path, store)
    assert (report.differences, len(report.deleted_since)) == ({}, 1)
