"""VersionKeeper: the versions of artifacts, whose numbers are taken by storing them."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

from app.domain.artifact import (
    REQUEST_KIND,
    VERSION_KIND,
    ArtifactVersion,
    RequestNote,
    version_key,
)
from app.domain.free_json import canonical_json
from app.domain.identity import derived_id
from app.domain.owned_document import DocumentKey, OwnedDocument
from app.domain.page import Page, Position
from app.errors import RequestKeyConflictError, StoreBusyError
from app.store.port import SessionStore

_TRIES = 100
"""Each try fails only because a writer in another process was faster with this very artifact."""
_READ_AT_ONCE = 10
"""Versions may be a mebibyte each."""

Wording = Callable[[ArtifactVersion], ArtifactVersion]
"""What follows the newest version; raises where nothing may follow it."""


@dataclass(frozen=True, slots=True)
class Request:
    """What asks for a new version and may be repeated; `said` is what a repetition must repeat."""

    idempotency_key: str
    said: list[Any]

    def id_in(self, artifact_id: str) -> str:
        """What the version that it makes is known by."""
        return derived_id(REQUEST_KIND, artifact_id, self.idempotency_key)


@dataclass(frozen=True, slots=True)
class ListedVersion:
    """A version without its text."""

    version: ArtifactVersion
    size_characters: int

    @classmethod
    def of(cls, version: ArtifactVersion) -> "ListedVersion":
        """The version without its text, so that a page of them is small."""
        return cls(version.model_copy(update={"content": ""}), len(version.content))


class VersionKeeper:
    """Keeps the versions of artifacts. Any method may raise a `StoreError`."""

    def __init__(self, store: SessionStore) -> None:
        self._store = store
        self._turns = WeakValueDictionary[tuple[str, str], asyncio.Lock]()

    async def find(self, user_id: str, artifact_id: str, number: int) -> ArtifactVersion | None:
        """The version of this number, or None."""
        document = await self._store.read_document(version_key(user_id, artifact_id, number))
        return None if document is None else ArtifactVersion.from_document(document)

    async def find_newest(self, user_id: str, artifact_id: str) -> ArtifactVersion | None:
        """The version of the highest number, or None where there is none yet."""
        page = await self._store.list_documents(user_id, VERSION_KIND, group=artifact_id, limit=1)
        return ArtifactVersion.from_document(page.items[0]) if page.items else None

    async def list_page(
        self, user_id: str, artifact_id: str, *, limit: int, after: Position | None
    ) -> Page[ListedVersion]:
        """Some versions without their texts, the newest first."""
        listed: list[ListedVersion] = []
        while True:
            page = await self._store.list_documents(
                user_id,
                VERSION_KIND,
                group=artifact_id,
                limit=min(_READ_AT_ONCE, limit - len(listed)),
                after=after,
            )
            listed += [ListedVersion.of(ArtifactVersion.from_document(one)) for one in page.items]
            after = page.next_position
            if after is None or len(listed) == limit:
                return Page(tuple(listed), after)

    async def add(
        self, user_id: str, artifact_id: str, wording: Wording, request: Request | None
    ) -> OwnedDocument:
        """What follows the newest version of an artifact that has one; a repetition finds it again.

        Whoever finds a number taken looks at the newest version anew, so that `wording` always
        follows what stands before it, and numbers have no gaps.

        Raises:
            RequestKeyConflictError: the request's key came with another request before.
        """
        # One writer of an artifact at a time in this process: the others would try in vain.
        turn = self._turns.setdefault((user_id, artifact_id), asyncio.Lock())
        async with turn:
            for _ in range(_TRIES):
                newest = await self.find_newest(user_id, artifact_id)
                if newest is None:
                    break
                if request is None:
                    version = wording(newest)
                else:
                    note = await self._find_note(user_id, artifact_id, request)
                    if note is not None and (made := await self._made_by(note)) is not None:
                        return made
                    version = wording(newest).model_copy(
                        update={"request_id": request.id_in(artifact_id)}
                    )
                    if not await self._take_note(version, request, note):
                        continue
                document = version.document()
                if await self._store.put_document(document, replaces=None):
                    return document
        raise StoreBusyError("The artifact is being changed by too many others; try again.")

    # --- requests ---------------------------------------------------------------------------
    #
    # A note says which number a request is trying to take. It moves on only when that number has
    # been seen taken by another, so that a request makes one version, however often it is sent,
    # whatever process dies in between.

    async def _find_note(
        self, user_id: str, artifact_id: str, request: Request
    ) -> OwnedDocument | None:
        key = DocumentKey(user_id, REQUEST_KIND, request.id_in(artifact_id))
        note = await self._store.read_document(key)
        if note is not None and note.read_as(RequestNote).said != _digest(request):
            raise RequestKeyConflictError
        return note

    async def _made_by(self, note: OwnedDocument) -> OwnedDocument | None:
        number = note.read_as(RequestNote).number
        tried = await self._store.read_document(version_key(note.key.user_id, note.group, number))
        if tried is None or ArtifactVersion.from_document(tried).request_id != note.key.id:
            return None
        return tried

    async def _take_note(
        self, version: ArtifactVersion, request: Request, note: OwnedDocument | None
    ) -> bool:
        """Note the number that is tried now; says whether it may be."""
        members = dict(RequestNote(number=version.number, said=_digest(request)))
        if note is None:
            key = DocumentKey(version.user_id, REQUEST_KIND, request.id_in(version.artifact_id))
            first = OwnedDocument.new(key, members, group=version.artifact_id, order="")
            return await self._store.put_document(first, replaces=None)
        noted = note.read_as(RequestNote).number
        if noted >= version.number:
            return noted == version.number  # else a twin of this request has seen newer versions
        return await self._store.put_document(note.changed(members), replaces=note.version)


def _digest(request: Request) -> str:
    return derived_id(REQUEST_KIND, canonical_json(request.said).decode())
