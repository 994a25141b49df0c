"""ProjectService: projects as such, shared by the doors that know projects."""

from contextlib import suppress

from app.clock import Clock
from app.domain.encoded import decoded_summary
from app.domain.owned_document import DocumentKey
from app.domain.page import Position
from app.domain.project import KIND, Project, ProjectStatus
from app.errors import (
    ProjectNotEmptyError,
    ProjectNotFoundError,
    SessionNotFoundError,
    StoreBusyError,
)
from app.service.sessions import SessionService
from app.store.port import PAGE_LIMIT, ListFilter, SessionStore

_TRIES = 20


class ProjectService:
    """What a user does with projects. Any method may raise a `StoreError`.

    A project is known if it has a document, or if a session names it.
    """

    def __init__(self, store: SessionStore, sessions: SessionService, clock: Clock) -> None:
        self._store = store
        self._sessions = sessions
        self._clock = clock

    async def make_known(self, user_id: str, project_id: str) -> None:
        """Make a project that is not there yet; it is in progress, since work in it begins."""
        key = DocumentKey(user_id, KIND, project_id)
        if await self._store.read_document(key) is None:
            now = self._clock.now()
            project = Project(
                id=project_id,
                user_id=user_id,
                status=ProjectStatus.IN_PROGRESS,
                created_at=now,
                updated_at=now,
            )
            # Where another was faster, the project is there all the same.
            await self._store.put_document(project.new_document(), replaces=None)

    async def delete(self, user_id: str, project_id: str, *, force: bool) -> None:
        """Remove a project; with `force`, its sessions with everything in them, too.

        A session that is made meanwhile makes its project anew.

        Raises:
            ProjectNotFoundError: the user has no such project.
            ProjectNotEmptyError: it has sessions, and they were not to go.
        """
        key = DocumentKey(user_id, KIND, project_id)
        for _ in range(_TRIES):
            document = await self._store.read_document(key)
            has_session = await self._has_session(user_id, project_id)
            if document is None and not has_session:
                raise ProjectNotFoundError(project_id)
            if has_session and not force:
                raise ProjectNotEmptyError(project_id)
            if has_session:
                await self._delete_sessions(user_id, project_id)
            if document is None or await self._store.remove_document(key, document.version):
                if not await self._has_session(user_id, project_id):
                    return
                if document is not None and not force:
                    await self._store.put_document(document, replaces=None)
        raise StoreBusyError("The project is being changed by too many others; try again.")

    async def check_known(self, user_id: str, project_id: str) -> None:
        """Pass if the user has the project.

        Raises:
            ProjectNotFoundError: the user has no such project.
        """
        key = DocumentKey(user_id, KIND, project_id)
        if await self._store.read_document(key) is None and not await self._has_session(
            user_id, project_id
        ):
            raise ProjectNotFoundError(project_id)

    async def _has_session(self, user_id: str, project_id: str) -> bool:
        wanted = ListFilter(project_id=project_id)
        return bool((await self._store.list_summaries(user_id, filter=wanted, limit=1)).items)

    async def _delete_sessions(self, user_id: str, project_id: str) -> None:
        wanted = ListFilter(project_id=project_id)
        after: Position | None = None
        while True:
            page = await self._store.list_summaries(
                user_id, filter=wanted, limit=PAGE_LIMIT, after=after
            )
            for summary in map(decoded_summary, page.items):
                with suppress(SessionNotFoundError):
                    await self._sessions.delete(summary.key)
            after = page.next_position
            if after is None:
                return
