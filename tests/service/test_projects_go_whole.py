"""A project goes whole: nobody sees a half of it, and what was broken off goes on."""

import asyncio
from typing import Any

import pytest

from app.domain.identity import SessionKey, Version
from app.domain.owned_document import DocumentKey, OwnedDocument
from app.domain.project_context import ContextKind
from app.errors import ProjectNotEmptyError, ProjectNotFoundError, StoreUnavailableError
from app.service.artifacts import ArtifactDraft
from app.service.project_context import ContextDraft
from app.service.read_cache import ReadCache
from app.service.users import UserService
from app.store.memory import MemoryStore
from app.store.port import SessionStore
from tests.factories import ADA, BOB, make_new_session
from tests.fake_clock import FakeClock
from tests.service.breaking_store import breaking
from tests.service.project_services import Services, kinds_left, services_on

ALL_KINDS = [
    *("artifact", "artifact_request", "artifact_version", "artifact_version"),
    *("context_entry", "context_entry", "project"),
]
WRITES_OF_A_DELETION = 2 + 1 + len(ALL_KINDS)
"""Two sessions, the mark, and each document."""


async def assert_unseen(services: Services, project_id: str) -> None:
    """Nobody sees the project, nor anything that was in it."""
    with pytest.raises(ProjectNotFoundError):
        await services.projects.get(ADA, project_id)
    with pytest.raises(ProjectNotFoundError):
        await services.context.view(ADA, project_id)
    with pytest.raises(ProjectNotFoundError):
        await services.artifacts.list_page(ADA, project_id, limit=10)
    with pytest.raises(ProjectNotFoundError):
        await services.sessions.list_page(ADA, project_id, limit=10)
    with pytest.raises(ProjectNotFoundError):
        await services.projects.change(ADA, project_id, {"title": "x"})


@pytest.mark.parametrize("writes", range(WRITES_OF_A_DELETION))
async def test_a_deletion_that_was_killed_goes_on_where_it_is_asked_again(
    clock: FakeClock, writes: int
) -> None:
    store = MemoryStore()
    living = services_on(store, clock)
    project_id = await living.make_project(sessions=2)
    other_id = await living.make_project(sessions=1)
    _, killed = breaking(store, writes_left=writes)

    with pytest.raises(StoreUnavailableError):
        await services_on(killed, clock).projects.delete(ADA, project_id, force=True)

    if writes == 0:
        assert len((await living.context.view(ADA, project_id)).entries) == 2
    else:
        await assert_unseen(living, project_id)
    await living.projects.delete(ADA, project_id, force=True)
    await assert_unseen(living, project_id)
    assert await kinds_left(store) == ALL_KINDS
    assert (await store.stats(ADA)).session_count == 1
    assert (await living.projects.get(ADA, other_id)).project.intent == "grow beans"
    assert len((await living.context.view(ADA, other_id)).entries) == 2


async def test_a_whole_deletion_takes_everything_along(
    store: SessionStore, clock: FakeClock
) -> None:
    services = services_on(store, clock)
    project_id = await services.make_project(sessions=1)
    assert await kinds_left(store) == ALL_KINDS

    await services.projects.delete(ADA, project_id, force=True)

    assert await kinds_left(store) == []
    assert (await store.stats(ADA)).session_count == 0
    with pytest.raises(ProjectNotFoundError):
        await services.projects.delete(ADA, project_id, force=True)


async def test_a_project_that_begins_anew_has_nothing_of_the_one_that_was_left(
    clock: FakeClock,
) -> None:
    store = MemoryStore()
    living = services_on(store, clock)
    project_id = await living.make_project()
    _, killed = breaking(store, writes_left=1)
    with pytest.raises(StoreUnavailableError):
        await services_on(killed, clock).projects.delete(ADA, project_id, force=False)

    await living.sessions.create_session(ADA, project_id, members={})

    assert await kinds_left(store) == ["project"]
    project = (await living.projects.get(ADA, project_id)).project
    assert (project.intent, project.status) == (None, "in_progress")


class InterruptedStore(MemoryStore):
    """A store where someone else does something right before a document of a kind is put."""

    def __init__(self) -> None:
        super().__init__()
        self.interrupt: dict[str, Any] = {}

    async def put_document(self, document: OwnedDocument, *, replaces: Version | None) -> bool:
        if (act := self.interrupt.pop(document.key.kind, None)) is not None:
            await act()
        return await super().put_document(document, replaces=replaces)


async def test_a_session_that_comes_before_the_mark_keeps_its_project(clock: FakeClock) -> None:
    store = InterruptedStore()
    services = services_on(store, clock)
    project_id = await services.make_project()
    before = (await services.projects.get(ADA, project_id)).project

    async def put_session() -> None:
        await store.insert(make_new_session(SessionKey(ADA, "s"), project_id=project_id))

    store.interrupt["project"] = put_session
    with pytest.raises(ProjectNotEmptyError):
        await services.projects.delete(ADA, project_id, force=False)

    assert (await services.projects.get(ADA, project_id)).project == before
    assert await kinds_left(store) == ALL_KINDS


@pytest.mark.parametrize("kind", ["context_entry", "artifact", "artifact_version"])
async def test_what_comes_after_a_deletion_is_refused_and_leaves_nothing(
    clock: FakeClock, kind: str
) -> None:
    store = InterruptedStore()
    services = services_on(store, clock)
    members = {"workspace_id": "w", "intent": "x"}
    project_id = (await services.projects.create(ADA, members)).project.id

    async def delete() -> None:
        await services.projects.delete(ADA, project_id, force=True)

    store.interrupt[kind] = delete
    with pytest.raises(ProjectNotFoundError):
        await _write(services, project_id, kind)

    assert await kinds_left(store) == []


async def _write(services: Services, project_id: str, kind: str) -> None:
    if kind == "context_entry":
        await services.context.add(ADA, project_id, ContextDraft(ContextKind.FINDING, "x"))
    else:
        await services.artifacts.create(ADA, project_id, ArtifactDraft("n"), "x")


async def test_many_deletions_at_once_all_end(store: SessionStore, clock: FakeClock) -> None:
    services = services_on(store, clock)
    project_id = await services.make_project(sessions=2)

    ended = await asyncio.gather(
        *(services.projects.delete(ADA, project_id, force=True) for _ in range(4)),
        return_exceptions=True,
    )

    assert {type(one) for one in ended} <= {type(None), ProjectNotFoundError}
    assert None in ended
    assert await kinds_left(store) == []


async def test_an_erasure_takes_all_documents_of_the_user(
    store: SessionStore, clock: FakeClock
) -> None:
    services = services_on(store, clock)
    await services.make_project(sessions=1)
    bobs = DocumentKey(BOB, "project", "p")
    await store.put_document(OwnedDocument.new(bobs, {}, group="", order=""), replaces=None)

    receipt = await UserService(store, clock, ReadCache(0)).erase(ADA)

    assert receipt.erasure.document_count == len(ALL_KINDS)
    assert await store.list_document_keys() == [bobs]
