"""Work begins a draft, and nothing else."""

import pytest

from app.domain.project import ProjectStatus
from app.store.memory import MemoryStore
from tests.factories import ADA
from tests.fake_clock import FakeClock
from tests.service.project_services import services_on


@pytest.mark.parametrize(
    ("steps", "after"),
    [
        ([], "in_progress"),
        (["in_progress"], "in_progress"),
        (["in_progress", "completed"], "completed"),
        (["archived"], "archived"),
    ],
)
async def test_only_a_draft_begins(clock: FakeClock, steps: list[str], after: str) -> None:
    projects = services_on(MemoryStore(), clock).projects
    made = await projects.create(ADA, {"workspace_id": "w", "intent": "x"})
    for step in steps:
        await projects.change(ADA, made.project.id, {"status": ProjectStatus(step)})

    await projects.begin(ADA, made.project.id)

    assert (await projects.get(ADA, made.project.id)).project.status == after


async def test_what_is_not_there_does_not_begin(clock: FakeClock) -> None:
    store = MemoryStore()

    await services_on(store, clock).projects.begin(ADA, "unknown")

    assert await store.list_document_keys() == []
