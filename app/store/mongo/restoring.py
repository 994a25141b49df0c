"""Restoring: a session that a fold made is removed without a mark, or put back as it was before."""

from pymongo.errors import PyMongoError

from app.domain.identity import SessionKey, Version
from app.domain.image import SessionImage
from app.errors import CorruptDocumentError, StoreBusyError
from app.store.mongo.appending import MAYBE_WRITTEN
from app.store.mongo.chores import Chores
from app.store.mongo.collections import Collections
from app.store.mongo.encoding import Document
from app.store.mongo.images import ImageKeeper
from app.store.mongo.inserting import Inserter
from app.store.mongo.marks import Marks
from app.store.mongo.reading import Reader

_TRIES = 20
_NEEDED = ("generation", "revision", "newest_segment")
_WANTED = dict.fromkeys((*_NEEDED, "deleted_at", "deleted_generation"), 1)


class Restorer:
    """Takes back what folds did to sessions of one store."""

    def __init__(
        self,
        collections: Collections,
        reader: Reader,
        chores: Chores,
        marks: Marks,
        inserter: Inserter,
        images: ImageKeeper,
    ) -> None:
        self._sessions = collections.sessions
        self._reader = reader
        self._chores = chores
        self._marks = marks
        self._inserter = inserter
        self._images = images

    async def take_back(
        self, key: SessionKey, version: Version, earlier: SessionImage | None
    ) -> bool:
        """Remove the session, or put an earlier state in its place; see the port."""
        if earlier is None:
            return await self._replace(key, version, None)
        earlier.check_replaces(key, version)
        new = self._images.built(earlier)
        if new.segments and await self._reader.find_version(key) != version:
            return False  # before they are stored for nothing
        note = await self._inserter.put_segments(new)
        is_replaced = await self._replace(key, version, new.head.document)
        if not is_replaced:
            await self._inserter.drop_segments(new)
        if note is not None:
            await self._chores.done(note)
        return is_replaced

    async def _replace(self, key: SessionKey, version: Version, successor: Document | None) -> bool:
        broken: PyMongoError | None = None
        for _ in range(_TRIES):
            head = await self._sessions.find_one(self._reader.by_key(key), _WANTED)
            if head is None or "deleted_at" in head or _version_of(head) != version:
                return broken is not None and await self._was_ours(
                    key, version, successor, head, broken
                )
            try:
                removed = await self._chores.remove(
                    key.user_id,
                    head,
                    {"revision": version.revision},
                    successor,
                    is_still_read=successor is not None,
                )
                if removed is not None:
                    return True
            except MAYBE_WRITTEN as error:
                broken = error
        raise broken or StoreBusyError(
            "The session is being changed by too many others; try again."
        )

    async def _was_ours(
        self,
        key: SessionKey,
        version: Version,
        successor: Document | None,
        found: Document | None,
        broken: PyMongoError,
    ) -> bool:
        """Whether what is under a key by now was left by an earlier try, whose answer was lost.

        Raises:
            PyMongoError: that error, where it cannot be told.
        """
        if found is not None:
            generations = {found.get("generation"), found.get("deleted_generation")}
            if successor is not None and successor["generation"] in generations:
                return True
            if found.get("deleted_generation") == version.generation:
                return False
        elif successor is None and not await self._marks.erased([key.user_id]):
            return True
        raise broken


def _version_of(head: Document) -> Version:
    if not head.keys() >= set(_NEEDED):
        raise CorruptDocumentError("session")
    return Version(head["generation"], head["revision"])
