"""A filter finds the few among many, page by page, each once."""

from app.domain.page import Position
from app.domain.project import ProjectStatus
from app.service.projects import ProjectFilter
from app.store.memory import MemoryStore
from tests.factories import ADA
from tests.fake_clock import FakeClock
from tests.service.project_services import services_on


async def test_few_projects_are_found_among_many(clock: FakeClock) -> None:
    projects = services_on(MemoryStore(), clock).projects
    for number in range(160):
        kind = "rare" if number % 40 == 7 else "common"
        members = {"workspace_id": "w", "intent": "x", "title": str(number), "project_type": kind}
        await projects.create(ADA, members)
        clock.advance(1)

    async def titles(wanted: ProjectFilter, limit: int) -> list[list[str | None]]:
        pages: list[list[str | None]] = []
        after: Position | None = None
        while True:
            page = await projects.list_page(ADA, wanted, limit=limit, after=after)
            pages.append([state.project.title for state in page.items])
            after = page.next_position
            if after is None:
                return pages

    rare = ProjectFilter(workspace_id="w", project_type="rare")
    assert await titles(rare, 3) == [["127", "87", "47"], ["7"]]
    assert await titles(rare, 4) == [["127", "87", "47", "7"]]
    assert await titles(ProjectFilter(status=ProjectStatus.ARCHIVED), 5) == [[]]
    all_of_them = await titles(ProjectFilter(), 60)
    assert [len(page) for page in all_of_them] == [60, 60, 40]
    assert [title for page in all_of_them for title in page] == [
        str(number) for number in reversed(range(160))
    ]
