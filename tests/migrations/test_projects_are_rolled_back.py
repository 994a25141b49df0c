"""A rollback takes back projects with all that a run has made in them; what users use stays."""

from pathlib import Path
from typing import Any

from app.domain.artifact import KIND as ARTIFACT
from app.domain.artifact import ArtifactVersion
from app.domain.identity import SessionKey
from app.domain.message import NewMessage
from app.domain.project_context import ContextEntry, ContextKind
from app.store.memory import MemoryStore
from app.store.port import SessionStore
from migrations.command_work import thrown_away
from migrations.jobs.sessions_to_projects import SESSIONS_TO_PROJECTS
from migrations.ledger import find_run
from migrations.ledger_report import ledger_report
from migrations.plan import plan
from migrations.report import RollbackReport, RunReport
from migrations.rollback import roll_back
from tests.factories import make_new_session
from tests.fake_clock import START
from tests.migrations.old_sessions import (
    artifacts_of,
    documents_of,
    everything_in,
    failed_call,
    failures_of,
    old_session,
    projected,
    projects_of,
    proof,
    said,
    write_over,
)

FULL = old_session(
    said("m1", "go"),
    said("m2", "oh", "assistant", tool_calls=[failed_call()]),
    artifacts=[{"id": "a1", "name": "plan.md", "versions": [{"content": "1"}, {"content": "2"}]}],
)
NEIGHBOUR = old_session(said("n1", "hi"), id="s2")


async def undone(store: SessionStore, run: RunReport, *, is_dry: bool = False) -> RollbackReport:
    return await roll_back(await find_run(store, run.run_id), store, is_dry=is_dry)


def counts(
    removed: int = 0, restored: int = 0, untouched: int = 0, left: int = 0
) -> dict[str, int]:
    return {
        "removed": removed,
        "restored": restored,
        "untouched": untouched,
        "left": left,
        "gone": 0,
    }


async def test_the_store_is_what_it_was(store: SessionStore, tmp_path: Path) -> None:
    await store.insert(make_new_session(SessionKey("ada", "own")))
    before = await everything_in(store)
    run, path = await projected(tmp_path, store, FULL, NEIGHBOUR)
    assert len(await everything_in(store)) == 9

    tried = await undone(store, run, is_dry=True)
    is_dry = len(await everything_in(store)) == 9
    report = await undone(store, run)

    assert is_dry
    assert await everything_in(store) == before
    assert tried.documents == report.documents == counts(removed=6)
    assert (report.sessions["removed"], report.left) == (2, [])
    assert "documents: 6 removed" in report.to_text()
    await projected(tmp_path, store, FULL, NEIGHBOUR)
    assert (await proof(path, store)).differences == {}


async def test_a_later_run_is_taken_back_to_the_earlier_one(
    store: SessionStore, tmp_path: Path
) -> None:
    first, _ = await projected(tmp_path, store, old_session(said("m1", "go"), status="running"))
    (before,) = await documents_of(store, "project")
    second, _ = await projected(tmp_path, store, FULL)
    assert (await documents_of(store, "project")) != [before]

    report = await undone(store, second)

    assert report.documents == counts(removed=4, restored=1)
    assert await documents_of(store, "project") == [before]
    assert await failures_of(store) == []
    assert (await undone(store, first)).documents == counts(removed=1)
    assert await everything_in(store) == {}


async def test_images_that_fill_an_entry_of_the_ledger_share_none(
    store: SessionStore, tmp_path: Path
) -> None:
    def of_size(letter: str) -> list[dict[str, Any]]:
        versions = [{"content": f"{letter}{number}" * 150_000} for number in range(5)]
        return [old_session(artifacts=[{"id": "a1", "name": "x", "versions": versions}])]

    await projected(tmp_path, store, *of_size("a"))
    before = await everything_in(store)
    run, path = await projected(tmp_path, store, *of_size("b"))
    assert (await proof(path, store)).differences == {}

    report = await undone(store, run)

    assert report.documents == counts(restored=5, untouched=2)
    assert await everything_in(store) == before
    entries = [entry async for entry in (await find_run(store, run.run_id)).batches()]
    assert [len(entry.documents) for entry in entries] == [0, 2, 1, 1, 1, 2]


async def test_the_earlier_of_two_runs_leaves_what_the_later_one_has_changed(
    store: SessionStore, tmp_path: Path
) -> None:
    first, _ = await projected(tmp_path, store, old_session(said("m1", "go"), status="running"))
    await projected(tmp_path, store, FULL)
    (before,) = await documents_of(store, "project")

    report = await undone(store, first)

    assert report.documents == counts(left=1)
    assert report.left[-1]["why"] == "Its user, or a later run, has changed it since."
    assert await documents_of(store, "project") == [before]


async def test_a_project_that_its_user_has_changed_is_left_and_named(
    store: SessionStore, tmp_path: Path
) -> None:
    run, _ = await projected(tmp_path, store, FULL, NEIGHBOUR)
    project = (await projects_of(store))["s1"]
    await write_over(store, project.key, title="Mine")

    report = await undone(store, run)

    assert report.documents == counts(removed=5, left=1)
    assert [project.title for project in (await projects_of(store)).values()] == ["Mine"]
    (left,) = report.left
    assert (left["kind"], left["id"], left["session_id"]) == ("project", project.id, "s1")
    assert f"project {project.id!r} of session 's1' of 'ada'" in report.to_text()
    told = await ledger_report(store, run.run_id)
    assert f"left alone: project {project.id!r}" in told.to_text()


async def test_a_project_in_which_its_user_writes_on_is_left(
    store: SessionStore, tmp_path: Path
) -> None:
    run, _ = await projected(tmp_path, store, FULL, NEIGHBOUR)
    new = NewMessage(id="mine", content="And then?", message_type="user", created_at=START)
    await store.append(SessionKey("ada", "s1"), [new], at=START)

    tried = await undone(store, run, is_dry=True)
    report = await undone(store, run)

    assert tried.documents == report.documents == counts(removed=5, left=1)
    assert [one.get("kind") for one in report.left] == [None, "project"]
    assert list(await projects_of(store)) == ["s1"]
    assert await store.list_keys() == [SessionKey("ada", "s1")]


async def test_what_users_have_put_into_a_project_keeps_it(
    store: SessionStore, tmp_path: Path
) -> None:
    run, _ = await projected(tmp_path, store, FULL, NEIGHBOUR)
    projects = await projects_of(store)
    artifact, _ = (await artifacts_of(store))["plan.md"]
    version = ArtifactVersion(
        user_id="ada", artifact_id=artifact.id, number=3, content="mine", created_at=START
    )
    await store.put_document(version.document(), replaces=None)
    await store.insert(make_new_session(SessionKey("ada", "new"), project_id=projects["s2"].id))

    tried = await undone(store, run, is_dry=True)
    report = await undone(store, run)

    assert tried.documents == report.documents == counts(removed=1, left=5)
    assert {one["kind"] for one in report.left} == {"artifact", "artifact_version", "project"}
    assert {one["why"] for one in report.left} == {"Its user has added something to it since."}
    assert set(await projects_of(store)) == {"s1", "s2"}
    assert [one.number for one in (await artifacts_of(store))["plan.md"][1]] == [1, 2, 3]


async def test_a_version_stays_where_its_user_has_made_one_after_it(
    store: SessionStore, tmp_path: Path
) -> None:
    def with_versions(*contents: str) -> dict[str, Any]:
        versions = [{"content": content} for content in contents]
        return old_session(artifacts=[{"id": "a1", "name": "x", "versions": versions}])

    await projected(tmp_path, store, with_versions("1"))
    run, _ = await projected(tmp_path, store, with_versions("1", "2"))
    artifact, _ = (await artifacts_of(store))["x"]
    mine = ArtifactVersion(
        user_id="ada", artifact_id=artifact.id, number=3, content="mine", created_at=START
    )
    await store.put_document(mine.document(), replaces=None)

    report = await undone(store, run)

    assert report.documents == counts(untouched=3, left=1)
    assert [one.content for one in (await artifacts_of(store))["x"][1]] == ["1", "2", "mine"]


async def test_a_decision_of_its_user_keeps_a_project(tmp_path: Path) -> None:
    store = MemoryStore()
    run, _ = await projected(tmp_path, store, FULL)
    project = (await projects_of(store))["s1"]
    decision = ContextEntry(
        id="d1",
        user_id="ada",
        project_id=project.id,
        kind=ContextKind.DECISION,
        text="Let us go on.",
        created_at=START,
    )
    await store.put_document(decision.document(), replaces=None)

    report = await undone(store, run)

    assert report.documents == counts(removed=4, left=1)
    assert [entry.id for entry in await failures_of(store)] == ["d1"]


async def test_what_is_in_the_place_of_a_document_is_left_and_named_by_the_run(
    store: SessionStore, tmp_path: Path
) -> None:
    run, _ = await projected(tmp_path, store, FULL)
    (project,) = (await projects_of(store)).values()
    await undone(store, run)
    await store.put_document(
        project.model_copy(update={"origin": None, "title": "Another's"}).new_document(),
        replaces=None,
    )

    async with thrown_away() as scratch:
        job, path = SESSIONS_TO_PROJECTS, tmp_path / "old.jsonl"
        planned = await plan(job, job.open(str(path)), store, scratch)
    again, path = await projected(tmp_path, store, FULL)
    back = await undone(store, again)

    assert planned.projects is not None
    assert again.projects is not None
    assert again.projects.documents["project"]["refused"] == 1
    assert again.projects.left == planned.projects.left
    assert [(one["kind"], one["id"], one["state"]) for one in again.projects.left] == [
        ("project", project.id, "refused")
    ]
    assert f"left as it is, refused: project {project.id!r} of session 's1'" in again.to_text()
    assert again.projects.documents["artifact"]["created"] == 1
    assert back.documents == counts(removed=4, untouched=1)
    (document,) = await documents_of(store, "project")
    assert document.members["title"] == "Another's"
    assert (await proof(path, store)).differences == {"session_missing": 1}


async def test_what_its_user_has_deleted_does_not_come_back(
    store: SessionStore, tmp_path: Path
) -> None:
    await projected(tmp_path, store, FULL, NEIGHBOUR)
    (document,) = await documents_of(store, ARTIFACT)
    assert await store.remove_document(document.key, document.version)
    await store.delete(SessionKey("ada", "s2"), at=START)
    gone = (await projects_of(store))["s2"].key
    stored = await store.read_document(gone)
    assert stored is not None
    assert await store.remove_document(gone, stored.version)

    again, _ = await projected(tmp_path, store, FULL, NEIGHBOUR)

    assert again.projects is not None
    assert again.projects.documents["artifact"]["deleted"] == 1
    assert again.sessions["refused"] == 1
    assert await documents_of(store, ARTIFACT) == []
    assert list(await projects_of(store)) == ["s1"]


async def test_of_a_user_who_was_erased_nothing_is_known_and_nothing_comes_back(
    store: SessionStore, tmp_path: Path
) -> None:
    bobs = old_session(said("m1", "his"), user_id="bob")
    run, _ = await projected(tmp_path, store, FULL, bobs)
    await store.erase_user("bob", START)

    again, _ = await projected(tmp_path, store, FULL, bobs)
    entries = [entry async for entry in (await find_run(store, run.run_id)).batches()]
    report = await undone(store, run)

    assert again.projects is not None
    assert again.projects.documents["project"] == {
        **dict.fromkeys(again.projects.documents["project"], 0),
        "unchanged": 1,
    }
    assert await documents_of(store, "project", "bob") == []
    assert {key.user_id for entry in entries for key in entry.documents} == {"ada"}
    assert report.documents == counts(removed=5)
