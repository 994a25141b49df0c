"""Each old session becomes a conversation and its project, with all that it has."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from app.store.memory import MemoryStore
from app.store.port import SessionStore
from migrations.command_work import thrown_away
from migrations.jobs.sessions_to_projects import SESSIONS_TO_PROJECTS
from migrations.plan import plan
from migrations.runner import Manner, run
from migrations.throttle import Throttle
from tests.migrations.old_sessions import (
    artifacts_of,
    everything_in,
    failed_call,
    failures_of,
    old_session,
    projected,
    projects_of,
    proof,
    said,
)
from tests.migrations.sources import at, contents_of, fold, session_of, write_source


async def test_a_session_becomes_a_conversation_in_a_project(
    store: SessionStore, tmp_path: Path
) -> None:
    document = old_session(said("m1", "What do they charge?"), said("m2", "A lot.", "assistant"))

    report, path = await projected(tmp_path, store, document)

    project = (await projects_of(store))["s1"]
    conversation = await session_of(store)
    assert (project.title, project.intent) == ("Competitors", "What do they charge?")
    assert (project.workspace_id, project.settings) == ("w1", {"skill_id": "deep_research"})
    assert (project.created_at.second, project.updated_at.second) == (0, 59)
    assert project.origin is not None
    assert (project.origin.format, project.origin.run_id) == ("old-sessions", report.run_id)
    assert UUID(project.id).version == 5
    assert conversation.project_id == project.id
    assert conversation.origin is not None
    assert (conversation.origin.source_id, conversation.origin.run_id) == ("s1", report.run_id)
    assert [one.content for one in conversation.messages] == ["What do they charge?", "A lot."]
    assert (await proof(path, store)).differences == {}


@pytest.mark.parametrize(
    ("status", "of_project", "of_conversation"),
    [
        ("pending", "draft", "active"),
        ("active", "in_progress", "active"),
        ("running", "in_progress", "active"),
        ("completed", "completed", "completed"),
        ("failed", "in_progress", "active"),
        ("cancelled", "archived", "archived"),
        ("archived", "archived", "archived"),
        ("paused", "in_progress", "active"),
        (None, "in_progress", "active"),
        (7, "in_progress", "active"),
    ],
)
async def test_a_status_becomes_that_of_the_project(
    status: Any, of_project: str, of_conversation: str, tmp_path: Path
) -> None:
    store = MemoryStore()

    _, path = await projected(tmp_path, store, old_session(status=status))

    assert (await projects_of(store))["s1"].status == of_project
    assert (await session_of(store)).status == of_conversation
    assert (await proof(path, store)).differences == {}


@pytest.mark.parametrize(
    ("messages", "intent"),
    [
        ([], None),
        ([said("a", "Hello, I can help.", "assistant")], None),
        ([said("a", "Hi", "system"), said("b", " \n"), said("c", " Do it.\n")], " Do it.\n"),
        ([said("a", [{"type": "text", "text": "In parts"}])], "In parts"),
        ([said("a", "ä" * 10_001)], "ä" * 10_000),
    ],
)
async def test_the_intent_is_what_the_user_said_first(
    messages: list[Any], intent: str | None, tmp_path: Path
) -> None:
    store = MemoryStore()

    _, path = await projected(tmp_path, store, old_session(*messages))

    assert (await projects_of(store))["s1"].intent == intent
    assert (await proof(path, store)).differences == {}


async def test_errors_of_tools_become_failures(store: SessionStore, tmp_path: Path) -> None:
    calls = [
        failed_call(),
        failed_call("read_page", id="tc_2", status="failed", error=None, result={"code": 404}),
        failed_call("ok", status="success"),
        failed_call("deep", error={"message": "Too long", "at": 7}),
        "no call",
        failed_call(5, id=None, error="", result=None),  # type: ignore[arg-type] # of the source
    ]
    document = old_session(said("m1", "go"), said("m2", None, "assistant", tool_calls=calls))

    report, path = await projected(tmp_path, store, document)

    project = (await projects_of(store))["s1"]
    failures = await failures_of(store)
    assert {one.text for one in failures} == {
        "web_search: No way",
        'read_page: {"code":404}',
        "deep: Too long",
        "It failed.",
    }
    assert {one.project_id for one in failures} == {project.id}
    assert {(one.kind, one.conversation_id, one.message_id) for one in failures} == {
        ("failure", "s1", "m2")
    }
    (of_search,) = (one for one in failures if one.text.startswith("web_search"))
    assert of_search.details == {"tool": "web_search", "tool_call_id": "tc_1"}
    assert report.projects is not None
    assert report.projects.documents["context_entry"]["created"] == 4
    assert (await proof(path, store)).differences == {}


async def test_artifacts_come_along_with_their_versions(
    store: SessionStore, tmp_path: Path
) -> None:
    document = old_session(
        artifacts=[
            {"id": "a1", "name": "report.md", "artifact_type": "report", "content": "plain"},
            {
                "id": "a2",
                "name": "plan.md",
                "content": "third",
                "versions": [
                    {"version": 2, "content": "second", "created_at": at(5), "by": "bot"},
                    {"version": 1, "content": "first"},
                ],
            },
            {"id": "a3", "name": "deck", "file_path": "decks/1.pptx"},
        ]
    )

    report, path = await projected(tmp_path, store, document)

    found = await artifacts_of(store)
    texts = {name: [one.content for one in versions] for name, (_, versions) in found.items()}
    assert texts == {
        "report.md": ["plain"],
        "plan.md": ["first", "second", "third"],
        "deck": [""],
    }
    assert [one.number for one in found["plan.md"][1]] == [1, 2, 3]
    assert found["plan.md"][1][1].metadata == {"chatfold:source": {"by": "bot"}}
    assert found["report.md"][0].artifact_type == "report"
    assert found["deck"][0].origin is not None
    assert found["deck"][0].origin.extras == {"id": "a3", "file_path": "decks/1.pptx"}
    assert {one.project_id for one, _ in found.values()} == {(await session_of(store)).project_id}
    assert (report.records.read, report.records.folded) == (4, 4)
    assert (await proof(path, store)).differences == {}


async def test_messages_and_artifacts_may_lie_beside_their_sessions(
    store: SessionStore, tmp_path: Path
) -> None:
    session = {name: one for name, one in old_session().items() if name != "messages"}
    late = {**said("m2", "second", "assistant", created_at=at(2)), "session_id": "s1"}
    early = {**said("m1", "first", created_at=at(1)), "session_id": "s1"}
    newer = {
        "id": "a2",
        "session_id": "s1",
        "name": "x.py",
        "content": "2",
        "version": 2,
        "parent_version_id": "a1",
    }
    older = {"id": "a1", "session_id": "s1", "name": "x.py", "content": "1", "version": 1}

    report, path = await projected(tmp_path, store, late, newer, session, older, early)

    assert await contents_of(store) == ["first", "second"]
    assert (await projects_of(store))["s1"].intent == "first"
    _, versions = (await artifacts_of(store))["x.py"]
    assert [one.content for one in versions] == ["1", "2"]
    assert (report.records.folded, report.records.rejected) == (5, 0)
    assert (await proof(path, store)).differences == {}


async def test_a_second_run_changes_nothing(store: SessionStore, tmp_path: Path) -> None:
    document = old_session(
        said(None, "nameless", tool_calls=[failed_call()]),
        artifacts=[{"name": "x", "content": "1"}, {"name": "x", "content": "2"}],
    )
    first, _ = await projected(tmp_path, store, document)
    before = await everything_in(store)

    second, path = await projected(tmp_path, store, document)

    assert await everything_in(store) == before
    assert first.projects is not None
    assert second.projects is not None
    for kind, count in (("project", 1), ("context_entry", 1), ("artifact", 2)):
        assert first.projects.documents[kind]["created"] == count
        assert second.projects.documents[kind]["unchanged"] == count
    assert (await proof(path, store)).differences == {}


async def test_two_stores_get_the_same_ids(tmp_path: Path) -> None:
    document = old_session(
        said(None, "nameless", tool_calls=[failed_call()]), artifacts=[{"name": "x", "text": "1"}]
    )
    one, other = MemoryStore(), MemoryStore()

    await projected(tmp_path, one, document)
    await projected(tmp_path, other, old_session(id="before", user_id="zoe"), document)

    ids_of_one = set(await one.list_document_keys())
    ids_of_other = {key for key in await other.list_document_keys() if key.user_id == "ada"}
    assert len(ids_of_one) == 4
    assert ids_of_one == ids_of_other


async def test_two_users_with_one_session_id_have_projects_of_their_own(
    store: SessionStore, tmp_path: Path
) -> None:
    documents = [old_session(said("m", user), user_id=user) for user in ("ada", "bob")]

    _, path = await projected(tmp_path, store, *documents)

    adas, bobs = (await projects_of(store))["s1"], (await projects_of(store, "bob"))["s1"]
    assert (adas.intent, bobs.intent) == ("ada", "bob")
    assert adas.id != bobs.id
    assert (await proof(path, store)).differences == {}


async def test_a_project_follows_its_source_where_no_user_has_changed_it(
    store: SessionStore, tmp_path: Path
) -> None:
    running = old_session(said("m1", "go"), status="running")
    grown = old_session(
        said("m1", "go"), said("m2", "oh", "assistant", tool_calls=[failed_call()]), title="New"
    )
    await projected(tmp_path, store, running)

    report, path = await projected(tmp_path, store, grown)

    project = (await projects_of(store))["s1"]
    assert (project.title, project.status) == ("New", "completed")
    assert len(await failures_of(store)) == 1
    assert report.projects is not None
    assert report.projects.documents["project"]["replaced"] == 1
    assert report.projects.documents["context_entry"]["created"] == 1
    assert (await proof(path, store)).differences == {}


async def test_what_is_understood_is_no_finding_and_what_is_not_is_one(tmp_path: Path) -> None:
    message = said("m1", "go", tool_calls=[], tool_call_id="tc_1")
    odd = old_session(said("m1", "go", thinking="hm"), id="s2", status="paused")

    plain, _ = await projected(tmp_path, MemoryStore(), old_session(message, status="failed"))
    other, _ = await projected(tmp_path, MemoryStore(), odd)

    assert plain.records.findings == {}
    assert other.records.findings == {"unknown_fields": 2}


async def test_a_plan_counts_what_documents_take(tmp_path: Path) -> None:
    store = MemoryStore()
    large = [{"id": f"a{number}", "name": "x", "content": "x" * 200_000} for number in range(20)]
    path = write_source(tmp_path / "old.jsonl", [old_session(artifacts=large)])
    job = SESSIONS_TO_PROJECTS

    async with thrown_away() as scratch:
        planned = await plan(job, job.open(str(path)), store, scratch)

    assert planned.needed_bytes > 4_000_000
    assert planned.projects is not None
    assert planned.projects.documents["artifact_version"]["created"] == 20
    assert await store.list_document_keys() == []


async def test_three_collections_of_mongodb_come_as_one_array(
    store: SessionStore, tmp_path: Path
) -> None:
    object_ids = [{"$oid": digit * 24} for digit in "123"]
    session = {name: one for name, one in old_session().items() if name not in {"id", "messages"}}
    documents = [
        {"_id": object_ids[1], "session_id": object_ids[0], "role": "user", "content": "go"},
        {"_id": object_ids[2], "session_id": object_ids[0], "name": "x.py", "content": "1"},
        {**session, "_id": object_ids[0], "created_at": {"$date": at(0)}},
    ]
    documents[0]["created_at"] = {"$date": at(1)}
    path = tmp_path / "old.json"
    path.write_text(json.dumps(documents, indent=1), encoding="utf-8")

    report = await fold(path, store, job=SESSIONS_TO_PROJECTS)

    conversation = await session_of(store, "1" * 24)
    assert [one.id for one in conversation.messages] == ["2" * 24]
    assert (await projects_of(store))["1" * 24].intent == "go"
    assert [one.content for one in (await artifacts_of(store))["x.py"][1]] == ["1"]
    assert (report.records.folded, report.records.rejected) == (3, 0)
    assert (await proof(path, store)).differences == {}


async def test_documents_count_like_messages_where_fewer_are_wanted_in_a_second(
    tmp_path: Path,
) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    throttle = Throttle(10, monotonic=lambda: sum(slept), sleep=sleep)
    documents = [old_session(said("m", "Hello?"), id=f"s{number:02}") for number in range(12)]
    path = write_source(tmp_path / "old.jsonl", documents)
    store = MemoryStore()

    await run(
        SESSIONS_TO_PROJECTS,
        SESSIONS_TO_PROJECTS.open(str(path)),
        store,
        manner=Manner(throttle=throttle),
    )

    assert len(await projects_of(store)) == 12
    # Ten messages, two, ten projects, and only then the last two.
    assert sum(slept) == pytest.approx(2.2)
