"""Inserting: new sessions, by users and by folds; a key is taken by one head or mark at a time."""

from collections.abc import Sequence

from pymongo.errors import BulkWriteError, DuplicateKeyError, PyMongoError

from app.domain.limits import StoreLimits
from app.domain.session import NewSession, SessionHeader
from app.errors import (
    MessageIdConflictError,
    SessionExistsError,
    StoreBusyError,
    StoreUnavailableError,
)
from app.store.mongo.appending import MAYBE_WRITTEN
from app.store.mongo.building import Built, built
from app.store.mongo.chores import Chores
from app.store.mongo.collections import Collections
from app.store.mongo.encoding import Document, stored_new_message
from app.store.mongo.head import Head, head_of
from app.store.mongo.marks import Marks
from app.store.mongo.reading import Reader
from app.store.mongo.sealing import Budget

_TRIES = 20
_DUPLICATE = 11000


class Inserter:
    """Inserts sessions into one store."""

    def __init__(
        self,
        collections: Collections,
        reader: Reader,
        marks: Marks,
        chores: Chores,
        limits: StoreLimits,
        budget: Budget,
    ) -> None:
        self._sessions = collections.sessions
        self._segments = collections.segments
        self._reader = reader
        self._marks = marks
        self._chores = chores
        self._limits = limits
        self._budget = budget

    async def insert(self, session: NewSession) -> SessionHeader:
        """Store a new session; see the port."""
        new = self._built(session)
        existing = await self.put_head(new, is_new=True)
        if existing is None:
            return session.header()
        digest = existing.document.get("creation_digest")
        if digest is None or digest != session.creation_digest:
            raise SessionExistsError(session.key.session_id)
        return existing.header

    async def put_head(self, new: Built, *, is_new: bool) -> Head | None:
        """Store a session whose key is free or marked; else, the head that is there.

        `is_new` where nobody else can store a session of this generation.
        """
        note = await self.put_segments(new)
        existing: Head | None = None
        broken: PyMongoError | None = None
        for _ in range(_TRIES):
            try:
                await self._sessions.insert_one(new.head.document)
                break
            except MAYBE_WRITTEN as error:
                broken = error
                continue
            except DuplicateKeyError:
                document = await self._sessions.find_one({"_id": new.head.id})
            existing = head_of(document)
            if broken is not None and _was_stored(document, new, broken, is_new=is_new):
                return None
            if existing is not None:
                break
            if document is not None and await self._marks.replace(document, new.head.document):
                break
        else:
            raise broken or StoreBusyError(
                "The session is being changed by too many others; try again."
            )
        if existing is not None and new.segments:
            await self.drop_segments(new)
        if note is not None:
            await self._chores.done(note)
        return existing

    async def insert_absent(self, sessions: Sequence[NewSession]) -> list[bool]:
        """Store those whose key is neither taken nor marked; see the port."""
        all_new = [self._built(session) for session in sessions]
        users = {session.key.user_id for session in sessions}
        taken = await self._marks.taken([new.head.id for new in all_new], users)
        stored = [
            new.head.id not in taken and session.key.user_id not in taken
            for new, session in zip(all_new, sessions, strict=True)
        ]
        note = None
        if any(stored):
            heads = [new.head for new, is_stored in zip(all_new, stored, strict=True) if is_stored]
            note = await self._chores.note_fold(heads, self._marks.user_id_mark)
        small = [index for index, new in enumerate(all_new) if stored[index] and not new.segments]
        for index in await self._refused([all_new[index] for index in small]):
            stored[small[index]] = False
        for index, new in enumerate(all_new):
            if stored[index] and new.segments:
                stored[index] = await self._insert_long(new)
        taken_back = await self._chores.end_fold(note) if note is not None else ()
        return [
            is_stored and new.head.id not in taken_back
            for new, is_stored in zip(all_new, stored, strict=True)
        ]

    async def put_segments(self, new: Built) -> str | None:
        """Store the segments that no head names yet; returns the note that tells of them."""
        if not new.segments:
            return None
        ids = [segment["_id"] for segment in new.segments]
        note = await self._chores.note(new.head, segment_ids=ids)
        for segment in new.segments:
            await self._segments.insert_one(segment)
        return note

    async def drop_segments(self, new: Built) -> None:
        """Remove those segments again: no head has come to name them."""
        # By their ids, since another try may have stored others of the same generation.
        ids = [segment["_id"] for segment in new.segments]
        of_user = {"user_id": new.head.document["user_id"]}
        await self._segments.delete_many({**of_user, "_id": {"$in": ids}})

    def _built(self, session: NewSession) -> Built:
        header = session.header()
        self._limits.check_header(header.size_bytes())
        messages = [message.encoded() for message in session.messages]
        ids: set[str] = set()
        for seq, message in enumerate(messages):
            if message.id in ids:
                raise MessageIdConflictError(message.id, seq)
            ids.add(message.id)
        self._limits.check_messages(len(message.unplaced_json) for message in messages)
        return built(
            self._reader.head_id(session.key),
            header,
            session.creation_digest,
            [stored_new_message(message) for message in messages],
            budget=self._budget,
        )

    async def _insert_long(self, new: Built) -> bool:
        note = await self.put_segments(new)
        is_refused = bool(await self._refused([new]))
        if is_refused:
            await self.drop_segments(new)
        if note is not None:
            await self._chores.done(note)
        return not is_refused

    async def _refused(self, all_new: list[Built]) -> list[int]:
        """Insert heads; those whose key was taken meanwhile."""
        if not all_new:
            return []
        heads = [new.head.document for new in all_new]
        try:
            await self._sessions.insert_many(heads, ordered=False)
        except BulkWriteError as error:
            failures: list[Document] = (error.details or {}).get("writeErrors", [])
            if any(failure.get("code") != _DUPLICATE for failure in failures):
                raise
            return sorted(failure["index"] for failure in failures)
        except MAYBE_WRITTEN as error:
            found = await self._sessions.find(
                {"_id": {"$in": [new.head.id for new in all_new]}}, {"generation": 1}
            ).to_list()
            there = {one["_id"]: one.get("generation") for one in found}
            if not all(new.head.id in there for new in all_new):
                raise StoreUnavailableError(
                    "The connection broke while sessions were stored; some of them may be."
                ) from error
            return [
                index
                for index, new in enumerate(all_new)
                if there[new.head.id] != new.head.generation
            ]
        return []


def _was_stored(
    document: Document | None, new: Built, broken: PyMongoError, *, is_new: bool
) -> bool:
    """Whether what is under a key was stored by an earlier try, whose answer was lost.

    Raises:
        PyMongoError: that error, where it cannot be told.
    """
    if document is None:
        return False
    generation, revision = new.head.version
    if document.get("deleted_generation") == generation:
        raise broken
    if document.get("generation") != generation:
        return False
    existing = Head(document)
    if is_new or existing.revision == revision:
        return True
    if existing.revision > revision:
        raise broken
    return False
