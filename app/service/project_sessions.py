"""ProjectSessionService: the sessions of projects, shared by the doors that know projects."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from app.domain.encoded import EncodedSession, decoded_summary
from app.domain.identity import SessionKey
from app.domain.page import Page, Position
from app.domain.session import Precondition, SessionHeader, SessionSummary
from app.errors import (
    NotFoundError,
    RevisionMismatchError,
    SessionNotFoundError,
    SessionNotInProjectError,
    StoreBusyError,
)
from app.service.drafts import MessageDraft
from app.service.listed_sessions import summaries_of
from app.service.projects import ProjectService
from app.service.sessions import SessionService
from app.store.port import (
    HEADER_ONLY,
    WHOLE,
    Appended,
    ListFilter,
    MessagePage,
    MessageWindow,
    ReadSelection,
    SessionStore,
)

_TRIES = 20
_DESCRIPTION = "description"
"""Kept in a session's context, where doors that do not know it leave it alone."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ProjectStats:
    """What is in a project."""

    session_count: int
    active_session_count: int
    message_count: int
    first_activity_at: datetime | None
    last_activity_at: datetime | None


def description_of(header: SessionHeader) -> str | None:
    """What a session's owner says it is about."""
    description = header.context.get(_DESCRIPTION)
    return description if isinstance(description, str) else None


class ProjectSessionService:
    """What a user does with the sessions of projects. Any method may raise a `StoreError`.

    Where a method takes None for a project, it is about sessions in none, and an absent one is a
    `SessionNotFoundError`.
    """

    def __init__(
        self, store: SessionStore, sessions: SessionService, projects: ProjectService
    ) -> None:
        self._store = store
        self._sessions = sessions
        self._projects = projects

    async def create_session(
        self,
        user_id: str,
        project_id: str | None,
        *,
        members: dict[str, Any],
        description: str | None = None,
        idempotency_key: str | None = None,
    ) -> SessionHeader:
        """A new session, in a project that is made where it is not known.

        Raises:
            InvalidInputError: a member breaks a rule.
            DocumentTooLargeError: the header would pass the store's limit.
        """
        place: dict[str, Any] = {}
        if project_id is not None:
            project = await self._projects.make_known(user_id, project_id)
            place = {"project_id": project_id, "workspace_id": project.workspace_id}
        context = {} if description is None else {_DESCRIPTION: description}
        header = await self._sessions.create(
            user_id, None, {**members, **place, "context": context}, idempotency_key=idempotency_key
        )
        if project_id is not None:  # someone may have deleted it meanwhile
            await self._projects.make_known(user_id, project_id)
        return header

    async def create_conversation(
        self,
        user_id: str,
        project_id: str,
        *,
        members: dict[str, Any],
        idempotency_key: str | None = None,
    ) -> SessionHeader:
        """A new session in a project that is known.

        Raises:
            ProjectNotFoundError: the user has no such project.
            SessionExistsError: the key came with other members before.
            InvalidInputError: a member breaks a rule.
            DocumentTooLargeError: the header would pass the store's limit.
        """
        await self._projects.check_known(user_id, project_id)
        return await self.create_session(
            user_id, project_id, members=members, idempotency_key=idempotency_key
        )

    async def list_page(
        self, user_id: str, project_id: str, *, limit: int, after: Position | None = None
    ) -> Page[SessionSummary]:
        """Some sessions of a project, the most recently changed first; positions are (instant, id).

        Raises:
            ProjectNotFoundError: the user has no such project.
        """
        await self._projects.check_known(user_id, project_id)
        page = await self._store.list_summaries(
            user_id, filter=ListFilter(project_id=project_id), limit=limit, after=after
        )
        return Page(tuple(map(decoded_summary, page.items)), page.next_position)

    async def list_sessions(
        self, user_id: str, project_id: str, *, is_active: bool | None = None
    ) -> list[SessionSummary]:
        """All sessions of a project, the most recently changed first.

        Raises:
            ProjectNotFoundError: the user has no such project.
        """
        wanted = ListFilter(project_id=project_id, is_active=is_active)
        summaries = await self._all_sessions(user_id, wanted)
        if not summaries:
            await self._projects.check_known(user_id, project_id)
        return summaries

    async def list_all(
        self, user_id: str, *, is_active: bool | None = None
    ) -> list[SessionSummary]:
        """All sessions of a user, in whatever project or none, the most recently changed first."""
        return await self._all_sessions(user_id, ListFilter(is_active=is_active))

    async def read_header(self, project_id: str | None, key: SessionKey) -> SessionHeader:
        """A session of a project without its messages.

        Raises:
            ProjectNotFoundError: the user has no such project.
            SessionNotInProjectError: the project has no such session.
        """
        return (await self._in_project(project_id, key, HEADER_ONLY))[0]

    async def read_whole(self, project_id: str | None, key: SessionKey) -> EncodedSession:
        """A session of a project with all its messages, in one version.

        Raises:
            ProjectNotFoundError: the user has no such project.
            SessionNotInProjectError: the project has no such session.
        """
        return (await self._in_project(project_id, key, WHOLE))[1]

    async def change_session(
        self,
        project_id: str | None,
        key: SessionKey,
        *,
        members: dict[str, Any],
        context: dict[str, Any],
    ) -> SessionHeader:
        """Set members of a session of a project, and members of its context.

        Raises:
            ProjectNotFoundError: the user has no such project.
            SessionNotInProjectError: the project has no such session.
            InvalidInputError: a member breaks a rule.
            DocumentTooLargeError: the header would pass the store's limit.
        """

        async def change(header: SessionHeader, unchanged: Precondition) -> SessionHeader:
            wanted = {**members, "context": {**header.context, **context}} if context else members
            return await self._sessions.change(key, wanted, is_merge=False, precondition=unchanged)

        return await self._guarded(project_id, key, change)

    async def delete_session(self, project_id: str | None, key: SessionKey, *, force: bool) -> None:
        """Remove a session of a project; without `force`, only one that has no message.

        Raises:
            ProjectNotFoundError: the user has no such project.
            SessionNotInProjectError: the project has no such session.
            SessionNotEmptyError: it has messages, and only an empty one was to go.
        """

        async def delete(_: SessionHeader, unchanged: Precondition) -> None:
            await self._sessions.delete(key, unchanged, only_empty=not force)

        await self._guarded(project_id, key, delete)

    async def append(
        self,
        project_id: str | None,
        key: SessionKey,
        draft: MessageDraft,
        *,
        idempotency_key: str | None = None,
    ) -> Appended:
        """Append a message to a session of a project.

        Raises:
            ProjectNotFoundError: the user has no such project.
            SessionNotInProjectError: the project has no such session.
            MessageIdConflictError: the key came with another message before.
            DocumentTooLargeError: the message has too many bytes.
        """
        await self.read_header(project_id, key)
        try:
            return await self._sessions.append(key, [draft], idempotency_key=idempotency_key)
        except SessionNotFoundError:
            raise _absence(project_id, key) from None

    async def list_messages(
        self, project_id: str | None, key: SessionKey, window: MessageWindow
    ) -> MessagePage:
        """Some places of a session of a project, tombstones included.

        Raises:
            ProjectNotFoundError: the user has no such project.
            SessionNotInProjectError: the project has no such session.
        """
        await self.read_header(project_id, key)
        try:
            return await self._store.list_messages(key, window)
        except SessionNotFoundError:
            raise _absence(project_id, key) from None

    async def stats(self, user_id: str, project_id: str) -> ProjectStats:
        """Counts of what is in a project.

        Raises:
            ProjectNotFoundError: the user has no such project.
        """
        summaries = await self.list_sessions(user_id, project_id)
        return ProjectStats(
            session_count=len(summaries),
            active_session_count=sum(one.is_active for one in summaries),
            message_count=sum(one.message_count for one in summaries),
            first_activity_at=min((one.created_at for one in summaries), default=None),
            last_activity_at=max((one.updated_at for one in summaries), default=None),
        )

    # --- inside -----------------------------------------------------------------------------

    async def _all_sessions(self, user_id: str, wanted: ListFilter) -> list[SessionSummary]:
        return [summary async for summary in summaries_of(self._store, user_id, wanted)]

    async def _in_project(
        self, project_id: str | None, key: SessionKey, selection: ReadSelection
    ) -> tuple[SessionHeader, EncodedSession]:
        with suppress(SessionNotFoundError):
            encoded = await self._store.read(key, selection)
            header = encoded.header()
            if header.project_id == project_id:
                return header, encoded
        if project_id is not None:
            await self._projects.check_known(key.user_id, project_id)
        raise _absence(project_id, key)

    async def _guarded(
        self,
        project_id: str | None,
        key: SessionKey,
        write: Callable[[SessionHeader, Precondition], Awaitable[T]],
    ) -> T:
        """A write to a session that is in the project when it happens."""
        for _ in range(_TRIES):
            header = await self.read_header(project_id, key)
            try:
                return await write(header, Precondition(versions=frozenset({header.version})))
            except RevisionMismatchError:
                continue
            except SessionNotFoundError:
                raise _absence(project_id, key) from None
        raise StoreBusyError("The session is being changed by too many others; try again.")


def _absence(project_id: str | None, key: SessionKey) -> NotFoundError:
    if project_id is None:
        return SessionNotFoundError(key.session_id)
    return SessionNotInProjectError(project_id, key.session_id)
