"""ProjectContextService: what a project has learnt; entries are added, and none is overwritten."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from app.clock import Clock
from app.domain.identity import SessionKey, derived_id, new_id
from app.domain.owned_document import DocumentKey
from app.domain.project_context import KIND, ContextEntry, ContextKind, current_entries
from app.errors import (
    Fault,
    InvalidInputError,
    ProjectNotFoundError,
    RequestKeyConflictError,
    SessionNotFoundError,
)
from app.service.project_contents import documents_of
from app.service.projects import ProjectService
from app.store.port import HEADER_ONLY, SessionStore

_STEP = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class ContextDraft:
    """What is to be noted, and where it was learnt."""

    kind: ContextKind
    text: str
    details: dict[str, Any] = field(default_factory=dict[str, Any])
    conversation_id: str | None = None
    message_id: str | None = None
    supersedes: str | None = None

    def made(self, entry: ContextEntry) -> bool:
        """Whether the entry says what the draft says."""
        return self == ContextDraft(
            kind=entry.kind,
            text=entry.text,
            details=entry.details,
            conversation_id=entry.conversation_id,
            message_id=entry.message_id,
            supersedes=entry.supersedes,
        )


@dataclass(frozen=True, slots=True)
class ContextView:
    """Entries of a project, oldest first, and which of them hold."""

    entries: list[ContextEntry]
    holding: frozenset[str]


class ProjectContextService:
    """What a user does with the context of projects. Any method may raise a `StoreError`."""

    def __init__(self, store: SessionStore, projects: ProjectService, clock: Clock) -> None:
        self._store = store
        self._projects = projects
        self._clock = clock

    async def add(
        self,
        user_id: str,
        project_id: str,
        draft: ContextDraft,
        *,
        idempotency_key: str | None = None,
    ) -> ContextEntry:
        """Note an entry; a repetition with the same key gives the stored one.

        Raises:
            ProjectNotFoundError: the user has no such project.
            InvalidInputError: what it supersedes, or where it was learnt, is not in the project.
            RequestKeyConflictError: the key came with another entry before.
            DocumentTooLargeError: it would pass the store's limit.
        """
        await self._projects.get(user_id, project_id)
        id_ = new_id()
        if idempotency_key is not None:
            id_ = derived_id(KIND, project_id, idempotency_key)
            if (stored := await self._find(user_id, id_)) is not None:
                return _repeated(draft, stored)
        entry = ContextEntry(
            id=id_,
            user_id=user_id,
            project_id=project_id,
            kind=draft.kind,
            text=draft.text,
            details=draft.details,
            conversation_id=draft.conversation_id,
            message_id=draft.message_id,
            supersedes=draft.supersedes,
            created_at=self._clock.now(),
        )
        entry = await self._checked(entry)
        document = entry.document()
        if not await self._store.put_document(document, replaces=None):
            stored = await self._find(user_id, id_)  # by a twin of this request, a moment ago
            if stored is None:
                raise ProjectNotFoundError(project_id)
            return _repeated(draft, stored)
        try:
            await self._projects.check_known(user_id, project_id)
        except ProjectNotFoundError:  # deleted meanwhile, perhaps before the entry was there
            await self._store.remove_document(document.key, document.version)
            raise
        return entry

    async def view(
        self,
        user_id: str,
        project_id: str,
        *,
        kind: ContextKind | None = None,
        with_superseded: bool = False,
    ) -> ContextView:
        """The entries that hold, oldest first; of one kind where it is given.

        Raises:
            ProjectNotFoundError: the user has no such project.
        """
        await self._projects.check_known(user_id, project_id)
        documents = documents_of(self._store, user_id, KIND, project_id)
        newest_first = [ContextEntry.from_document(document) async for document in documents]
        holding = current_entries(newest_first)
        shown = newest_first[::-1] if with_superseded else holding
        return ContextView(
            [entry for entry in shown if kind is None or entry.kind is kind],
            frozenset(entry.id for entry in holding),
        )

    # --- inside -----------------------------------------------------------------------------

    async def _find(self, user_id: str, entry_id: str) -> ContextEntry | None:
        document = await self._store.read_document(DocumentKey(user_id, KIND, entry_id))
        return None if document is None else ContextEntry.from_document(document)

    async def _checked(self, entry: ContextEntry) -> ContextEntry:
        """The entry, later than what it supersedes whatever the clock says."""
        if entry.message_id is not None and entry.conversation_id is None:
            raise InvalidInputError(Fault("/message_id", "needs a conversation_id beside it"))
        if entry.conversation_id is not None:
            await self._check_conversation(entry, entry.conversation_id)
        if entry.supersedes is None:
            return entry
        superseded = await self._find(entry.user_id, entry.supersedes)
        if superseded is None or superseded.project_id != entry.project_id:
            raise InvalidInputError(Fault("/supersedes", "is no entry of this project"))
        after = max(entry.created_at, superseded.created_at + _STEP)
        return entry.model_copy(update={"created_at": after})

    async def _check_conversation(self, entry: ContextEntry, conversation_id: str) -> None:
        fault = Fault("/conversation_id", "is not in this project")
        try:
            read = await self._store.read(SessionKey(entry.user_id, conversation_id), HEADER_ONLY)
        except SessionNotFoundError:
            raise InvalidInputError(fault) from None
        if read.header().project_id != entry.project_id:
            raise InvalidInputError(fault)


def _repeated(draft: ContextDraft, stored: ContextEntry) -> ContextEntry:
    if not draft.made(stored):
        raise RequestKeyConflictError
    return stored
