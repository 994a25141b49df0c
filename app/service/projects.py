"""ProjectService: projects as such, shared by the doors that know projects."""

from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, NamedTuple

from app.clock import Clock
from app.domain.free_json import canonical_json
from app.domain.identity import Version, derived_id, new_id
from app.domain.owned_document import DocumentKey, OwnedDocument
from app.domain.page import Page, Position
from app.domain.project import KIND, Project, ProjectStatus
from app.domain.session import Precondition
from app.errors import (
    ProjectExistsError,
    ProjectNotEmptyError,
    ProjectNotFoundError,
    ProjectRevisionMismatchError,
    SessionNotFoundError,
    StoreBusyError,
)
from app.service.listed_sessions import summaries_of
from app.service.project_contents import remove_contents
from app.service.sessions import SessionService
from app.store.port import ListFilter, SessionStore

_TRIES = 100
_READ_AT_ONCE = 50


class ProjectState(NamedTuple):
    """A project, and the version that it is at."""

    project: Project
    version: Version


@dataclass(frozen=True, slots=True)
class ProjectFilter:
    """Which projects a list shows: those that meet every condition that is not None."""

    workspace_id: str | None = None
    status: ProjectStatus | None = None
    project_type: str | None = None

    def admits(self, project: Project) -> bool:
        """Whether a list shows this project."""
        return (
            project.deleted_at is None
            and (self.workspace_id is None or project.workspace_id == self.workspace_id)
            and (self.status is None or project.status is self.status)
            and (self.project_type is None or project.project_type == self.project_type)
        )


class ProjectService:
    """What a user does with projects. Any method may raise a `StoreError`.

    A project is known if it has a document, or if a session names it. One that is being deleted is
    not, though its document is there until all that belongs to it has gone.
    """

    def __init__(self, store: SessionStore, sessions: SessionService, clock: Clock) -> None:
        self._store = store
        self._sessions = sessions
        self._clock = clock

    # --- making -----------------------------------------------------------------------------

    async def create(
        self, user_id: str, members: dict[str, Any], *, idempotency_key: str | None = None
    ) -> ProjectState:
        """A new project; a repetition with the same key and members gives the stored one.

        Raises:
            ProjectExistsError: the key came with other members before.
            DocumentTooLargeError: it would pass the store's limit.
        """
        now = self._clock.now()
        id_, digest = new_id(), None
        if idempotency_key is not None:
            id_ = derived_id(KIND, user_id, idempotency_key)
            digest = blake2b(canonical_json(members), digest_size=16).hexdigest()
        project = Project(
            id=id_,
            user_id=user_id,
            **members,
            created_at=now,
            updated_at=now,
            creation_digest=digest,
        )
        for _ in range(_TRIES):
            stands = await self._store.read_document(project.key)
            if stands is not None and (existing := _living(stands)) is not None:
                if existing.creation_digest != digest:
                    raise ProjectExistsError(id_)
                return ProjectState(existing, stands.version)
            document = project.new_document()
            if await self._begin(document, stands):
                return ProjectState(project, document.version)
        raise _too_busy()

    async def make_known(self, user_id: str, project_id: str) -> Project:
        """Make a project that is not there yet; it is in progress, since work in it begins."""
        key = DocumentKey(user_id, KIND, project_id)
        for _ in range(_TRIES):
            stands = await self._store.read_document(key)
            if stands is not None and (existing := _living(stands)) is not None:
                return existing
            now = self._clock.now()
            project = Project(
                id=project_id,
                user_id=user_id,
                status=ProjectStatus.IN_PROGRESS,
                created_at=now,
                updated_at=now,
            )
            if await self._begin(project.new_document(), stands):
                return project
        raise _too_busy()

    # --- reading ----------------------------------------------------------------------------

    async def get(self, user_id: str, project_id: str) -> ProjectState:
        """A project; one that only sessions name so far gets its document by this.

        Raises:
            ProjectNotFoundError: the user has no such project.
        """
        document, project = await self._read(user_id, project_id)
        return ProjectState(project, document.version)

    async def list_page(
        self, user_id: str, wanted: ProjectFilter, *, limit: int, after: Position | None = None
    ) -> Page[ProjectState]:
        """Some of the user's projects, the newest first; positions are (instant text, id)."""
        found: list[tuple[OwnedDocument, Project]] = []
        while True:
            page = await self._store.list_documents(
                user_id, KIND, group=wanted.workspace_id, limit=_READ_AT_ONCE, after=after
            )
            read = ((document, Project.from_document(document)) for document in page.items)
            found.extend(one for one in read if wanted.admits(one[1]))
            after = page.next_position
            if after is None or len(found) > limit:
                break
        states = tuple(ProjectState(project, document.version) for document, project in found)
        next_position = found[limit - 1][0].position if len(found) > limit else None
        return Page(states[:limit], next_position)

    async def check_known(self, user_id: str, project_id: str) -> None:
        """Pass if the user has the project.

        Raises:
            ProjectNotFoundError: the user has no such project.
        """
        document = await self._store.read_document(DocumentKey(user_id, KIND, project_id))
        is_known = (
            await self._has_session(user_id, project_id)
            if document is None
            else _living(document) is not None
        )
        if not is_known:
            raise ProjectNotFoundError(project_id)

    # --- changing ---------------------------------------------------------------------------

    async def change(
        self,
        user_id: str,
        project_id: str,
        patch: dict[str, Any],
        precondition: Precondition | None = None,
    ) -> ProjectState:
        """Apply a JSON Merge Patch (RFC 7396) to a project; returns it after that.

        Raises:
            ProjectNotFoundError: the user has no such project.
            ProjectRevisionMismatchError: the precondition does not hold.
            StatusTransitionError: it cannot become that from where it is in its life.
            InvalidInputError: a member would break a rule.
            DocumentTooLargeError: it would pass the store's limit.
        """
        for _ in range(_TRIES):
            document, project = await self._read(user_id, project_id)
            _check(precondition, project_id, document.version)
            changed = project.changed(patch, self._clock.now())
            if changed is project:
                return ProjectState(project, document.version)
            following = changed.next_document(document)
            if await self._store.put_document(following, replaces=document.version):
                return ProjectState(changed, following.version)
        raise _too_busy()

    async def begin(self, user_id: str, project_id: str) -> None:
        """Let a draft be in progress, since work in it has begun; what is no draft stays.

        So does one that another changes, or deletes, at this very moment.
        """
        with suppress(ProjectNotFoundError, ProjectRevisionMismatchError):
            project, version = await self.get(user_id, project_id)
            if project.status is ProjectStatus.DRAFT:
                unchanged = Precondition(versions=frozenset({version}))
                patch = {"status": ProjectStatus.IN_PROGRESS}
                await self.change(user_id, project_id, patch, unchanged)

    async def delete(
        self,
        user_id: str,
        project_id: str,
        *,
        force: bool,
        precondition: Precondition | None = None,
    ) -> None:
        """Remove a project with what it has learnt and made; with `force`, its sessions, too.

        From its first write on nobody sees the project. Where it was broken off, another call goes
        on with it. A session that is made meanwhile makes its project anew.

        Raises:
            ProjectNotFoundError: the user has no such project.
            ProjectNotEmptyError: it has sessions, and they were not to go.
            ProjectRevisionMismatchError: the precondition does not hold.
        """
        key = DocumentKey(user_id, KIND, project_id)
        for _ in range(_TRIES):
            document = await self._store.read_document(key)
            has_session = await self._has_session(user_id, project_id)
            if document is None and not has_session:
                raise ProjectNotFoundError(project_id)
            if document is not None and (project := _living(document)) is not None:
                _check(precondition, project_id, document.version)
                if has_session and not force:
                    raise ProjectNotEmptyError(project_id)
                marked = project.leaving(self._clock.now()).next_document(document)
                if not await self._store.put_document(marked, replaces=document.version):
                    continue
                document = marked
                has_session = await self._has_session(user_id, project_id)
            if has_session and not force:
                await self._stay(document)
                raise ProjectNotEmptyError(project_id)
            if force:
                await self._delete_sessions(user_id, project_id)
            await remove_contents(self._store, user_id, project_id)
            if document is not None:
                # Where this finds another version, the project has begun a new life by now.
                await self._store.remove_document(key, document.version)
            return
        raise _too_busy()

    # --- inside -----------------------------------------------------------------------------

    async def _begin(self, document: OwnedDocument, leaving: OwnedDocument | None) -> bool:
        """The first write of a project, where nothing stands, or one whose deletion is under way.

        What is left of that one goes first, so that nothing of it comes back to light.
        """
        if leaving is not None:
            await remove_contents(self._store, document.key.user_id, document.key.id)
        replaces = None if leaving is None else leaving.version
        return await self._store.put_document(document, replaces=replaces)

    async def _read(self, user_id: str, project_id: str) -> tuple[OwnedDocument, Project]:
        key = DocumentKey(user_id, KIND, project_id)
        for _ in range(_TRIES):
            document = await self._store.read_document(key)
            if document is None and await self._has_session(user_id, project_id):
                await self.make_known(user_id, project_id)
                continue
            project = None if document is None else _living(document)
            if document is None or project is None:
                raise ProjectNotFoundError(project_id)
            return document, project
        raise _too_busy()

    async def _stay(self, leaving: OwnedDocument | None) -> None:
        """Let a project be seen again that was to go only if it had no sessions."""
        if leaving is not None:
            project = Project.from_document(leaving).staying()
            following = project.next_document(leaving)
            await self._store.put_document(following, replaces=leaving.version)

    async def _has_session(self, user_id: str, project_id: str) -> bool:
        wanted = ListFilter(project_id=project_id)
        return bool((await self._store.list_summaries(user_id, filter=wanted, limit=1)).items)

    async def _delete_sessions(self, user_id: str, project_id: str) -> None:
        wanted = ListFilter(project_id=project_id)
        async for summary in summaries_of(self._store, user_id, wanted):
            with suppress(SessionNotFoundError):
                await self._sessions.delete(summary.key)


def _living(document: OwnedDocument) -> Project | None:
    project = Project.from_document(document)
    return project if project.deleted_at is None else None


def _check(precondition: Precondition | None, project_id: str, current: Version) -> None:
    if precondition is not None and not precondition.admits(current):
        raise ProjectRevisionMismatchError(
            project_id,
            current_generation=current.generation,
            current_revision=current.revision,
        )


def _too_busy() -> StoreBusyError:
    return StoreBusyError("The project is being changed by too many others; try again.")
