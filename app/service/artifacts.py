"""ArtifactService: what projects make, in versions; a new one is added, and none is overwritten."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from app.clock import Clock
from app.domain.artifact import KIND, Artifact, ArtifactKey, ArtifactVersion, artifact_key
from app.domain.identity import Version, derived_id, new_id
from app.domain.owned_document import OwnedDocument
from app.domain.page import Page, Position
from app.domain.selection import Selection
from app.domain.session import Precondition
from app.domain.unified_diff import unified_diff
from app.errors import (
    ArtifactNotFoundError,
    ArtifactRevisionMismatchError,
    ArtifactVersionNotFoundError,
    ProjectNotFoundError,
    RequestKeyConflictError,
)
from app.service.artifact_versions import ListedVersion, Request, VersionKeeper
from app.service.projects import ProjectService
from app.store.port import SessionStore


@dataclass(frozen=True, slots=True)
class ArtifactDraft:
    """What an artifact is called, and what it is."""

    name: str
    artifact_type: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])

    def made(self, artifact: Artifact) -> bool:
        """Whether the artifact is what the draft says."""
        return self == ArtifactDraft(artifact.name, artifact.artifact_type, artifact.metadata)


@dataclass(frozen=True, slots=True)
class Writing:
    """How a version is written: where it comes from, what guards it, what lets it be repeated."""

    conversation_id: str | None = None
    message_id: str | None = None
    precondition: Precondition | None = None
    idempotency_key: str | None = None

    def request(self, *said: Any) -> Request | None:
        """What asks for the version, where that may be repeated."""
        if self.idempotency_key is None:
            return None
        return Request(self.idempotency_key, [*said, self.conversation_id, self.message_id])


PLAINLY = Writing()


class ArtifactState(NamedTuple):
    """An artifact with one of its versions, and the version of the whole, which that number is."""

    artifact: Artifact
    shown: ArtifactVersion
    version: Version


@dataclass(frozen=True, slots=True)
class ListedArtifact:
    """An artifact without its text."""

    artifact: Artifact
    number: int
    updated_at: datetime


class ArtifactService:
    """What a user does with the artifacts of projects. Any method may raise a `StoreError`.

    All methods raise `ProjectNotFoundError` where the user has no such project, and those that
    name an artifact `ArtifactNotFoundError` where the project has none of this id. Those that
    write raise `RequestKeyConflictError` where a key came with another request before,
    `ArtifactRevisionMismatchError` where a precondition does not hold, and `DocumentTooLargeError`
    where the text would pass the store's limit.
    """

    def __init__(self, store: SessionStore, projects: ProjectService, clock: Clock) -> None:
        self._store = store
        self._versions = VersionKeeper(store)
        self._projects = projects
        self._clock = clock

    # --- reading ----------------------------------------------------------------------------

    async def get(self, key: ArtifactKey) -> ArtifactState:
        """An artifact with its newest version."""
        await self._projects.check_known(key.user_id, key.project_id)
        document = await self._store.read_document(artifact_key(key.user_id, key.artifact_id))
        newest = await self._versions.find_newest(key.user_id, key.artifact_id)
        if document is None or newest is None:
            raise ArtifactNotFoundError(key.project_id, key.artifact_id)
        artifact = Artifact.from_document(document)
        if artifact.project_id != key.project_id:
            raise ArtifactNotFoundError(key.project_id, key.artifact_id)
        return ArtifactState(artifact, newest, Version(document.version.generation, newest.number))

    async def list_page(
        self, user_id: str, project_id: str, *, limit: int, after: Position | None = None
    ) -> Page[ListedArtifact]:
        """Some artifacts of a project, the newest first; positions are (instant text, id).

        A page is shorter where an artifact is still being made.
        """
        await self._projects.check_known(user_id, project_id)
        page = await self._store.list_documents(
            user_id, KIND, group=project_id, limit=limit, after=after
        )
        listed: list[ListedArtifact] = []
        for artifact in map(Artifact.from_document, page.items):
            newest = await self._versions.find_newest(user_id, artifact.id)
            if newest is not None:
                listed.append(ListedArtifact(artifact, newest.number, newest.created_at))
        return Page(tuple(listed), page.next_position)

    async def get_version(self, key: ArtifactKey, number: int) -> ArtifactVersion:
        """One version of an artifact.

        Raises:
            ArtifactVersionNotFoundError: it has no version of this number.
        """
        await self.get(key)
        return await self._version(key, number)

    async def list_versions(
        self, key: ArtifactKey, *, limit: int, after: Position | None = None
    ) -> Page[ListedVersion]:
        """Some versions of an artifact without their texts, the newest first."""
        await self.get(key)
        return await self._versions.list_page(
            key.user_id, key.artifact_id, limit=limit, after=after
        )

    async def diff(self, key: ArtifactKey, *, before: int, after: int) -> str:
        """What differs between two versions, as a unified diff; empty where nothing does.

        Raises:
            ArtifactVersionNotFoundError: it has no version of one of these numbers.
        """
        await self.get(key)
        old, new = await self._version(key, before), await self._version(key, after)
        names = (f"version {before}", f"version {after}")
        # Off the event loop: this may take a good part of a second.
        return await asyncio.to_thread(unified_diff, old.content, new.content, names=names)

    # --- writing ----------------------------------------------------------------------------

    async def create(
        self,
        user_id: str,
        project_id: str,
        draft: ArtifactDraft,
        content: str,
        writing: Writing = PLAINLY,
    ) -> ArtifactState:
        """A new artifact with its first version; a repetition with the same key finds it again."""
        await self._projects.get(user_id, project_id)
        id_ = new_id()
        if writing.idempotency_key is not None:
            id_ = derived_id(KIND, project_id, writing.idempotency_key)
        now = self._clock.now()
        artifact = Artifact(
            id=id_,
            user_id=user_id,
            project_id=project_id,
            name=draft.name,
            artifact_type=draft.artifact_type,
            metadata=draft.metadata,
            created_at=now,
        )
        key = ArtifactKey(user_id, project_id, id_)
        first = self._next(None, key, writing, content=content).document()
        first.check_size()  # before the artifact is there, which comes first
        document = artifact.document()
        if not await self._store.put_document(document, replaces=None):
            stored = await self._store.read_document(document.key)
            if stored is not None and not draft.made(Artifact.from_document(stored)):
                raise RequestKeyConflictError
        if not await self._store.put_document(first, replaces=None):
            made = await self._version(key, 1)
            wanted = self._next(None, key, writing, content=content)
            if made != wanted.model_copy(update={"created_at": made.created_at}):
                raise RequestKeyConflictError
        await self._confirm(key, first, document)
        return await self.get(key)

    async def update(
        self, key: ArtifactKey, content: str, writing: Writing = PLAINLY
    ) -> ArtifactState:
        """Another text for an artifact, as its next version."""
        request = writing.request("update", content)
        return await self._add(key, lambda _: {"content": content}, writing, request)

    async def replace_selection(
        self,
        key: ArtifactKey,
        selection: Selection,
        replacement: str,
        writing: Writing = PLAINLY,
    ) -> ArtifactState:
        """The newest text with the selected part replaced, as the next version.

        Raises:
            SelectionChangedError: what lies there is not what was selected; nothing was changed.
        """

        def replace(newest: ArtifactVersion) -> dict[str, Any]:
            return {"content": selection.replaced(newest.content, replacement)}

        request = writing.request("replace", selection.model_dump(), replacement)
        return await self._add(key, replace, writing, request)

    async def restore(
        self, key: ArtifactKey, number: int, writing: Writing = PLAINLY
    ) -> ArtifactState:
        """The text of an old version, as the next version.

        Raises:
            ArtifactVersionNotFoundError: it has no version of this number.
        """
        old = await self.get_version(key, number)
        words = {"content": old.content, "restored_from": number}
        return await self._add(key, lambda _: words, writing, writing.request("restore", number))

    # --- inside -----------------------------------------------------------------------------

    async def _version(self, key: ArtifactKey, number: int) -> ArtifactVersion:
        version = await self._versions.find(key.user_id, key.artifact_id, number)
        if version is None:
            raise ArtifactVersionNotFoundError(key.artifact_id, number)
        return version

    async def _add(
        self,
        key: ArtifactKey,
        words: Callable[[ArtifactVersion], dict[str, Any]],
        writing: Writing,
        request: Request | None,
    ) -> ArtifactState:
        state = await self.get(key)
        generation = state.version.generation

        def following(newest: ArtifactVersion) -> ArtifactVersion:
            guard = writing.precondition
            if guard is not None and not guard.admits(Version(generation, newest.number)):
                raise ArtifactRevisionMismatchError(
                    key.artifact_id,
                    current_generation=generation,
                    current_revision=newest.number,
                )
            return self._next(newest, key, writing, **words(newest))

        document = await self._versions.add(key.user_id, key.artifact_id, following, request)
        await self._confirm(key, document)
        added = ArtifactVersion.from_document(document)
        return ArtifactState(state.artifact, added, Version(generation, added.number))

    def _next(
        self,
        previous: ArtifactVersion | None,
        key: ArtifactKey,
        writing: Writing,
        **words: Any,
    ) -> ArtifactVersion:
        return ArtifactVersion(
            user_id=key.user_id,
            artifact_id=key.artifact_id,
            number=1 if previous is None else previous.number + 1,
            **words,
            conversation_id=writing.conversation_id,
            message_id=writing.message_id,
            created_at=self._clock.now(),
        )

    async def _confirm(self, key: ArtifactKey, *written: OwnedDocument) -> None:
        """Take back what was written if the project was deleted meanwhile, perhaps before it."""
        try:
            await self._projects.check_known(key.user_id, key.project_id)
        except ProjectNotFoundError:
            for document in written:
                await self._store.remove_document(document.key, document.version)
            raise
