"""Old sessions of which something was rejected are listed, and each can be retried alone."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from app.cli.migrate import migrate_app
from app.domain.owned_document import DocumentKey, OwnedDocument
from app.domain.source_options import SourceOptions
from app.errors import StoreUnavailableError
from app.store.memory import MemoryStore
from migrations.command_work import thrown_away
from migrations.jobs.sessions_to_projects import SESSIONS_TO_PROJECTS
from migrations.plan import plan
from tests.migrations.old_sessions import (
    documents_of,
    failed_call,
    old_session,
    projected,
    projects_of,
    proof,
    said,
)
from tests.migrations.sources import contents_of, fold, write_source

WHOLE = old_session(said("m1", "go", tool_calls=[failed_call()]), id="whole")
BROKEN: list[dict[str, Any] | bytes] = [
    WHOLE,
    old_session(said("m1", "one"), said("m2", 7), id="message"),
    old_session(said("m1", "one"), id="artifact", artifacts=[{"id": "a1", "content": "nameless"}]),
    old_session(id="dateless", created_at=None, updated_at="soon"),
    {"id": "m1", "session_id": "missing", "user_id": "ada", **said("m1", "lost")},
    old_session(said("m1", "one"), id="nobodys", user_id=None),
    b'{"id": "torn", "messages": [{"id"',
]
MENDED: list[dict[str, Any] | bytes] = [
    WHOLE,
    old_session(said("m1", "one"), said("m2", "two"), id="message"),
    *BROKEN[2:],
]


class LeavingStore(MemoryStore):
    """Has no documents to read as long as it is away."""

    is_away = True

    async def read_document(self, key: DocumentKey) -> OwnedDocument | None:
        if self.is_away:
            raise StoreUnavailableError("It is away.")
        return await super().read_document(key)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/chatfold.db"


def called(*arguments: str | Path) -> tuple[int, str, str]:
    """Status, standard output and standard error of `chatfold migrate sessions-to-projects …`."""
    result = CliRunner().invoke(migrate_app, ["sessions-to-projects", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


async def test_every_session_that_failed_is_listed(tmp_path: Path) -> None:
    store = MemoryStore()

    report, path = await projected(tmp_path, store, *BROKEN)
    async with thrown_away() as scratch:
        job = SESSIONS_TO_PROJECTS
        planned = await plan(job, job.open(str(path)), MemoryStore(), scratch)

    failed = {"message", "artifact", "dateless", "missing", "nobodys"}
    assert report.projects is not None
    assert planned.projects is not None
    for figures in (report.projects, planned.projects):
        assert {one["session_id"] for one in figures.failed_sessions} == failed
        assert figures.failed_session_count == 5
    assert report.records.reasons == {
        "invalid_artifact": 1,
        "invalid_content": 1,
        "malformed_json": 1,
        "missing_created_at": 1,
        "session_missing": 1,
        "user_unknown": 2,
    }
    assert "'missing' of 'ada': --session missing retries it alone" in report.to_text()
    assert set(await projects_of(store)) == {"whole", "message", "artifact"}
    assert (await proof(path, store)).differences == {}


async def test_one_that_was_mended_is_retried_and_nothing_else_is_touched(tmp_path: Path) -> None:
    store = MemoryStore()
    await projected(tmp_path, store, *BROKEN)
    path = write_source(tmp_path / "old.jsonl", MENDED)
    job = SESSIONS_TO_PROJECTS.told(SourceOptions(session="message"))
    others = [one for one in await documents_of(store, "project") if "message" not in str(one.body)]

    report = await fold(path, store, job=job)

    assert await contents_of(store, "message") == ["one", "two"]
    assert report.sessions == {"created": 0, "completed": 1, "unchanged": 0, "refused": 0}
    assert report.projects is not None
    assert report.projects.failed_sessions == []
    assert report.records.rejected == 1  # the torn line, which names no session
    assert [
        one for one in await documents_of(store, "project") if "message" not in str(one.body)
    ] == others
    assert (await proof(path, store)).differences == {}


async def test_an_interrupted_run_lists_those_of_before_too(tmp_path: Path) -> None:
    store = LeavingStore()
    path = write_source(tmp_path / "old.jsonl", BROKEN)
    with pytest.raises(StoreUnavailableError):
        await fold(path, store, job=SESSIONS_TO_PROJECTS)
    store.is_away = False

    report = await fold(path, store, job=SESSIONS_TO_PROJECTS)

    assert report.projects is not None
    assert report.projects.failed_session_count == 5


def test_a_dry_run_says_what_a_plan_says_and_writes_nothing(tmp_path: Path, url: str) -> None:
    source = write_source(tmp_path / "old.jsonl", BROKEN)

    dry = called("run", source, "--store", url, "--dry-run", "--json")
    planned = called("plan", source, "--store", url, "--json")

    said_dry, said_planned = json.loads(dry[1]), json.loads(planned[1])
    for one in (said_dry, said_planned):
        del one["estimated_run_seconds"]
        del one["needed_bytes"]
        del one["free_bytes"]
    assert said_dry == said_planned
    assert (dry[0], planned[0]) == (1, 1)
    assert said_dry["projects"]["documents"]["project"]["created"] == 3
    assert said_dry["projects"]["documents"]["context_entry"]["created"] == 1
    assert not (tmp_path / "chatfold.db").exists()


def test_the_commands_retry_one_session(tmp_path: Path, url: str) -> None:
    source = write_source(tmp_path / "old.jsonl", BROKEN)
    first = called("run", source, "--store", url, "--json")
    write_source(source, MENDED)

    retried = called("run", source, "--store", url, "--session", "message")
    verified = called("verify", source, "--store", url)
    unknown = called("finish", source, "--store", url)

    assert [one["session_id"] for one in json.loads(first[1])["projects"]["failed_sessions"]] != []
    assert "projects: 0 created, 0 replaced, 1 unchanged" in retried[1]
    assert verified[0] == 0
    assert "expected, project: 3" in verified[1]
    assert unknown[0] == 2
    assert source.exists()


def test_the_help_says_where_messages_may_lie() -> None:
    status, told, _ = called("--help")

    assert status == 0
    assert "cat sessions.jsonl messages.jsonl" in " ".join(told.split())
