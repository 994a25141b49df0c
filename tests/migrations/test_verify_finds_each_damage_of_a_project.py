"""Verify names each way in which a project can differ from its old session, and only those."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from app.domain.artifact import KIND as ARTIFACT
from app.domain.artifact import VERSION_KIND
from app.domain.owned_document import OwnedDocument
from app.domain.project import KIND as PROJECT
from app.domain.project_context import KIND as CONTEXT_ENTRY
from app.domain.session import HeaderChange
from app.store.memory import MemoryStore
from tests.fake_clock import START
from tests.migrations.old_sessions import (
    documents_of,
    failed_call,
    old_session,
    projected,
    projects_of,
    proof,
    said,
    write_over,
)
from tests.migrations.sources import session_of

SOURCE = [
    old_session(
        said("m1", "Why?"),
        said("m2", "Well.", "assistant", tool_calls=[failed_call()]),
        artifacts=[
            {"id": "a1", "name": "plan.md", "versions": [{"content": "1"}, {"content": "2"}]}
        ],
    ),
    old_session(said("n1", "neighbour"), id="s2", title="Other"),
]

Damage = Callable[[MemoryStore], Awaitable[None]]


async def newest(store: MemoryStore, kind: str) -> OwnedDocument:
    if kind == PROJECT:
        project = (await projects_of(store))["s1"]
        (document,) = (one for one in await documents_of(store, kind) if one.key == project.key)
        return document
    return (await documents_of(store, kind))[0]


def lost(kind: str) -> Damage:
    async def damage(store: MemoryStore) -> None:
        document = await newest(store, kind)
        assert await store.remove_document(document.key, document.version)

    return damage


def altered(kind: str, **members: Any) -> Damage:
    """As only a fault of the store, or of the fold, could: the version stays."""

    async def damage(store: MemoryStore) -> None:
        document = await newest(store, kind)
        changed = document.changed({**document.members, **members})
        damaged = OwnedDocument(
            document.key, document.version, changed.group, changed.order, changed.body
        )
        assert await store.remove_document(document.key, document.version)
        assert await store.put_document(damaged, replaces=None)

    return damage


def doubled(kind: str, **members: Any) -> Damage:
    async def damage(store: MemoryStore) -> None:
        document = await newest(store, kind)
        key = document.key._replace(id="copy")
        body = document.changed({**document.members, "id": "copy", **members}).body
        copy = OwnedDocument(key, document.version, document.group, document.order + "x", body)
        assert await store.put_document(copy, replaces=None)

    return damage


async def moved(store: MemoryStore) -> None:
    """The conversation is in no project, though nobody has changed it."""
    image = await store.read_image((await session_of(store)).key)
    header = image.header.model_copy(update={"project_id": None, "generation": "0" * 16})
    assert await store.take_back(image.header.key, image.header.version)
    await store.put_image(type(image)(**{**vars_of(image), "header": header}))


def vars_of(image: Any) -> dict[str, Any]:
    return {name: getattr(image, name) for name in image.__dataclass_fields__}


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        pytest.param(lost(PROJECT), {"project_missing": 1}, id="project lost"),
        pytest.param(altered(PROJECT, title="x"), {"project_differs": 1}, id="title altered"),
        pytest.param(altered(PROJECT, intent=None), {"project_differs": 1}, id="intent lost"),
        pytest.param(altered(PROJECT, status="draft"), {"project_differs": 1}, id="status altered"),
        pytest.param(altered(PROJECT, settings={}), {"project_differs": 1}, id="skill lost"),
        pytest.param(altered(PROJECT, workspace_id="w"), {"project_differs": 1}, id="workspace"),
        pytest.param(
            altered(PROJECT, created_at="2020-01-01T00:00:00.000Z"),
            {"project_differs": 1},
            id="date altered",
        ),
        pytest.param(altered(PROJECT, origin=None), {"project_not_ours": 1}, id="origin lost"),
        pytest.param(lost(CONTEXT_ENTRY), {"failure_missing": 1}, id="failure lost"),
        pytest.param(
            altered(CONTEXT_ENTRY, text="x"),
            {"failure_missing": 1, "failure_unexpected": 1},
            id="failure altered",
        ),
        pytest.param(
            altered(CONTEXT_ENTRY, message_id="m1"),
            {"failure_missing": 1, "failure_unexpected": 1},
            id="failure of another message",
        ),
        pytest.param(doubled(CONTEXT_ENTRY), {"failure_unexpected": 1}, id="failure doubled"),
        pytest.param(lost(ARTIFACT), {"artifact_missing": 1}, id="artifact lost"),
        pytest.param(altered(ARTIFACT, name="x"), {"artifact_differs": 1}, id="name altered"),
        pytest.param(doubled(ARTIFACT), {"artifact_unexpected": 1}, id="artifact doubled"),
        pytest.param(lost(VERSION_KIND), {"version_missing": 1}, id="version lost"),
        pytest.param(altered(VERSION_KIND, content="x"), {"version_differs": 1}, id="text altered"),
        pytest.param(doubled(VERSION_KIND, number=3), {"version_unexpected": 1}, id="one more"),
        pytest.param(moved, {"session_differs": 1}, id="conversation in no project"),
    ],
)
async def test_each_damage_is_named(damage: Damage, found: dict[str, int], tmp_path: Path) -> None:
    store = MemoryStore()
    _, path = await projected(tmp_path, store, *SOURCE)
    assert (await proof(path, store)).differences == {}

    await damage(store)

    report = await proof(path, store)
    assert report.differences == found
    assert {one.session_id for one in report.examples} == {"s1"}


async def test_what_users_have_changed_is_named_and_no_difference(tmp_path: Path) -> None:
    store = MemoryStore()
    _, path = await projected(tmp_path, store, *SOURCE)
    project = (await projects_of(store))["s1"]
    await write_over(store, project.key, title="Mine", status="archived")
    await store.change_header(
        (await session_of(store)).key,
        HeaderChange(members={"project_id": "elsewhere"}, is_merge=True, at=START),
    )

    report = await proof(path, store)

    assert report.differences == {}
    assert report.projects_changed_since == [{"user_id": "ada", "session_id": "s1"}]
    assert report.written_since == [{"user_id": "ada", "session_id": "s1"}]
    assert "with a project that its user has changed since: 1" in report.to_text()


async def test_a_user_cannot_change_where_a_project_comes_from(tmp_path: Path) -> None:
    store = MemoryStore()
    _, path = await projected(tmp_path, store, *SOURCE)
    project = (await projects_of(store))["s1"]
    await write_over(store, project.key, created_at="2020-01-01T00:00:00.000Z")

    assert (await proof(path, store)).differences == {"project_differs": 1}
