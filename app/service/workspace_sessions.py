"""WorkspaceSessionService: sessions of a workspace, as old clients know them, on projects."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from app.domain.identity import SessionKey
from app.domain.message import ChatMessage
from app.domain.page import Position
from app.domain.project import Project, ProjectStatus
from app.domain.session import SessionStatus, SessionSummary
from app.errors import ProjectNotFoundError, SessionNotFoundError
from app.service.listed_sessions import summaries_of
from app.service.project_sessions import ProjectSessionService
from app.service.projects import ProjectFilter, ProjectService
from app.store.port import (
    HEADER_ONLY,
    MESSAGE_PAGE_LIMIT,
    PAGE_LIMIT,
    ListFilter,
    MessageWindow,
    SessionStore,
)

_SKILL = "skill_id"


class OldStatus(StrEnum):
    """Where a session was in its life when it was no conversation of a project."""

    PENDING = "pending"
    ACTIVE = "active"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    ARCHIVED = "archived"


_OF_PROJECT = {
    ProjectStatus.DRAFT: OldStatus.PENDING,
    ProjectStatus.IN_PROGRESS: OldStatus.ACTIVE,
    ProjectStatus.COMPLETED: OldStatus.COMPLETED,
    ProjectStatus.ARCHIVED: OldStatus.ARCHIVED,
}
_OF_SESSION = {
    SessionStatus.ACTIVE: OldStatus.ACTIVE,
    SessionStatus.COMPLETED: OldStatus.COMPLETED,
    SessionStatus.ARCHIVED: OldStatus.ARCHIVED,
}


@dataclass(frozen=True, slots=True)
class WorkspaceSession:
    """A conversation as the session that it is to old clients; its id is that of both."""

    summary: SessionSummary
    status: OldStatus
    skill_id: str | None

    @classmethod
    def of(cls, summary: SessionSummary, project: Project | None) -> "WorkspaceSession":
        """Where it has a project, its status is the project's, as a migration maps the two."""
        if project is None:
            return cls(summary, _OF_SESSION[summary.status], None)
        skill_id = project.settings.get(_SKILL)
        return cls(
            summary, _OF_PROJECT[project.status], skill_id if isinstance(skill_id, str) else None
        )


class WorkspaceSessionService:
    """What old clients do with sessions, on projects. Any method may raise a `StoreError`."""

    def __init__(
        self, store: SessionStore, projects: ProjectService, sessions: ProjectSessionService
    ) -> None:
        self._store = store
        self._projects = projects
        self._sessions = sessions

    async def create(
        self,
        user_id: str,
        workspace_id: str,
        *,
        title: str,
        skill_id: str | None = None,
        idempotency_key: str | None = None,
    ) -> WorkspaceSession:
        """A new project with one conversation, which is the session.

        Raises:
            ProjectExistsError: the key came with other members before.
        """
        settings = {} if skill_id is None else {_SKILL: skill_id}
        members: dict[str, Any] = {"workspace_id": workspace_id, "title": title}
        project, _ = await self._projects.create(
            user_id, {**members, "settings": settings}, idempotency_key=idempotency_key
        )
        header = await self._sessions.create_session(
            user_id, project.id, members={"session_name": title}, idempotency_key=idempotency_key
        )
        return WorkspaceSession.of(header, project)

    async def get(self, key: SessionKey) -> WorkspaceSession:
        """A session.

        Raises:
            SessionNotFoundError: the user has no such session.
        """
        header = (await self._store.read(key, HEADER_ONLY)).header()
        return WorkspaceSession.of(header, await self._project_of(header))

    async def list_all(
        self, user_id: str, workspace_id: str, *, status: OldStatus | None = None
    ) -> list[WorkspaceSession]:
        """The sessions of a workspace, the most recently changed first."""
        projects = await self._projects_of(user_id, workspace_id)
        wanted = ListFilter(workspace_id=workspace_id)
        found = [
            WorkspaceSession.of(summary, projects.get(summary.project_id or ""))
            async for summary in summaries_of(self._store, user_id, wanted)
        ]
        return [one for one in found if status is None or one.status is status]

    async def list_messages(self, key: SessionKey, *, limit: int | None) -> list[ChatMessage]:
        """The living messages of a session from its beginning on, all of them without a limit.

        Raises:
            SessionNotFoundError: the user has no such session.
        """
        living: list[ChatMessage] = []
        after_seq = -1
        while limit is None or len(living) < limit:
            window = MessageWindow(limit=MESSAGE_PAGE_LIMIT, after_seq=after_seq)
            page = await self._store.list_messages(key, window)
            read = map(ChatMessage.from_json, page.messages_json)
            living += [message for message in read if not message.is_deleted]
            after_seq += len(page.messages_json)
            if not page.messages_json or after_seq + 1 >= page.next_seq:
                break
        return living[:limit]

    # --- inside -----------------------------------------------------------------------------

    async def _project_of(self, summary: SessionSummary) -> Project | None:
        if summary.project_id is None:
            return None
        try:
            return (await self._projects.get(summary.user_id, summary.project_id)).project
        except ProjectNotFoundError:  # which is being deleted, and the session soon with it
            raise SessionNotFoundError(summary.id) from None

    async def _projects_of(self, user_id: str, workspace_id: str) -> dict[str, Project]:
        wanted = ProjectFilter(workspace_id=workspace_id)
        projects: dict[str, Project] = {}
        after: Position | None = None
        while True:
            page = await self._projects.list_page(user_id, wanted, limit=PAGE_LIMIT, after=after)
            for project, _ in page.items:
                # Without what may be long: only the status and the skill are asked for.
                projects[project.id] = project.model_copy(update={"intent": None})
            after = page.next_position
            if after is None:
                return projects
