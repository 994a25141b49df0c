"""All services of projects on one store, as an application connects them."""

from dataclasses import dataclass

from app.clock import Clock
from app.domain.artifact import ArtifactKey
from app.domain.project_context import ContextKind
from app.service.artifacts import ArtifactDraft, ArtifactService, Writing
from app.service.project_context import ContextDraft, ProjectContextService
from app.service.project_sessions import ProjectSessionService
from app.service.projects import ProjectService
from app.service.read_cache import ReadCache
from app.service.sessions import SessionService
from app.store.port import SessionStore
from tests.factories import ADA


@dataclass(frozen=True)
class Services:
    """What one process has."""

    projects: ProjectService
    sessions: ProjectSessionService
    context: ProjectContextService
    artifacts: ArtifactService

    async def make_project(self, *, sessions: int = 0) -> str:
        """A project of Ada's with something of every kind in it; gives its id."""
        members = {"workspace_id": "w", "intent": "grow beans"}
        project_id = (await self.projects.create(ADA, members)).project.id
        for _ in range(sessions):
            await self.sessions.create_session(ADA, project_id, members={})
        for text in ("one", "two"):
            await self.context.add(ADA, project_id, ContextDraft(ContextKind.FINDING, text))
        made = await self.artifacts.create(ADA, project_id, ArtifactDraft("notes"), "first")
        key = ArtifactKey(ADA, project_id, made.artifact.id)
        await self.artifacts.update(key, "second", Writing(idempotency_key="k"))
        return project_id


def services_on(store: SessionStore, clock: Clock) -> Services:
    """The services of one more process on a store."""
    sessions = SessionService(store, clock, ReadCache(0))
    projects = ProjectService(store, sessions, clock)
    return Services(
        projects,
        ProjectSessionService(store, sessions, projects),
        ProjectContextService(store, projects, clock),
        ArtifactService(store, projects, clock),
    )


async def kinds_left(store: SessionStore) -> list[str]:
    """The kinds of all documents that a store has."""
    return sorted(key.kind for key in await store.list_document_keys())
