"""Deleting: the mark that takes a head's place, what goes with it, and erasure.

A mark is a keyed hash under the head's own `_id`: that a session goes and that it never comes back
by itself is one write. A fold that would store it again meets the mark as it would meet the head.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime

from pymongo.errors import DuplicateKeyError

from app.domain.identity import SessionKey, Version
from app.domain.session import Precondition
from app.errors import (
    CorruptDocumentError,
    SessionNotFoundError,
    StoreBusyError,
    StoreUnavailableError,
)
from app.store.marking import Marking
from app.store.mongo.appending import MAYBE_WRITTEN
from app.store.mongo.chores import Chores
from app.store.mongo.collections import Collections
from app.store.mongo.encoding import Document, naive_instant
from app.store.mongo.listing import EVER, HEADS
from app.store.mongo.reading import Reader
from app.store.port import DeletionMark, Erasure

_TRIES = 20
_IDS_AT_ONCE = 1000
_HEADS_AT_ONCE = 100

_NOT_REACHED = (
    "The database's journal and its log for replicas, until they are overwritten.",
    "Blocks of the database's files that were freed and not yet used again.",
    "Backups and snapshots of the database that were taken earlier.",
    "What writes that were under way or broken off have noted, which goes within an hour.",
    "Answers already sent, and caches of clients and proxies.",
)


class Marks:
    """Knows what was deleted from one store."""

    def __init__(self, collections: Collections, marking: Marking) -> None:
        self._sessions = collections.sessions
        self._marking = marking

    def user_id_mark(self, user_id: str) -> str:
        """The `_id` of the mark that erasing a user leaves."""
        return self._marking.mark(user_id).hex()

    async def taken(self, head_ids: Sequence[str], user_ids: Collection[str]) -> set[str]:
        """Those of the `_id`s that a head or mark has, and those of the users who were erased."""
        users = {self.user_id_mark(user_id): user_id for user_id in user_ids}
        ids = [*head_ids, *users]
        taken: set[str] = set()
        for start in range(0, len(ids), _IDS_AT_ONCE):
            some = ids[start : start + _IDS_AT_ONCE]
            condition = {"_id": {"$in": some}, "user_id": {"$in": [*user_ids, None]}}
            async for one in self._sessions.find(condition, {"_id": 1}):
                one_id = str(one["_id"])
                taken.add(users.get(one_id, one_id))
        return taken

    async def find_deleted(self, keys: Sequence[SessionKey]) -> set[SessionKey]:
        """Those of the keys that were deleted, or whose user was erased, and that are not there."""
        mark_of = {key: self._marking.mark(*key).hex() for key in keys}
        user_ids = {key.user_id for key in keys}
        ids = [*mark_of.values(), *map(self.user_id_mark, user_ids)]
        living: set[str] = set()
        marked: set[str] = set()
        for start in range(0, len(ids), _IDS_AT_ONCE):
            some = ids[start : start + _IDS_AT_ONCE]
            condition = {"_id": {"$in": some}, "user_id": {"$in": [*user_ids, None]}}
            async for one in self._sessions.find(condition, {"deleted_at": 1}):
                (marked if "deleted_at" in one else living).add(one["_id"])
        return {
            key
            for key, mark in mark_of.items()
            if mark not in living and (mark in marked or self.user_id_mark(key.user_id) in marked)
        }

    async def replace(self, mark: Document, head: Document) -> bool:
        """Put a new head in the place of a mark; False where the mark has gone meanwhile."""
        if mark.get("user_id") is None:
            # It came from another store, and under a shard key of its own.
            await self._sessions.delete_one({"_id": mark["_id"], "user_id": None})
            return False
        condition = {name: mark[name] for name in ("_id", "user_id", "deleted_at")}
        replaced = await self._sessions.replace_one(condition, head)
        return replaced.matched_count == 1

    async def put(self, marks: Iterable[DeletionMark]) -> None:
        """Take over marks of another store; where there is one, the later date stays."""
        for mark in marks:
            mark_id, at = mark.mark.hex(), naive_instant(mark.at)
            newer = {"_id": mark_id, "deleted_at": {"$gte": EVER}}
            update = {"$max": {"deleted_at": at}}
            if (await self._sessions.update_one(newer, update)).matched_count:
                continue
            try:
                await self._sessions.insert_one({"_id": mark_id, "user_id": None, "deleted_at": at})
            except DuplicateKeyError:
                continue  # the session is there, and its own deletion will mark it

    async def list(self, after: bytes | None, limit: int) -> list[DeletionMark]:
        """The next marks, by mark."""
        condition: Document = {"deleted_at": {"$gte": EVER}}
        if after is not None:
            condition["_id"] = {"$gt": after.hex()}
        cursor = self._sessions.find(condition, {"deleted_at": 1}).sort([("_id", 1)]).limit(limit)
        return [
            DeletionMark(bytes.fromhex(one["_id"]), one["deleted_at"].replace(tzinfo=UTC))
            for one in await cursor.to_list()
        ]


class Deleter:
    """Deletes sessions and users of one store."""

    def __init__(
        self,
        collections: Collections,
        reader: Reader,
        chores: Chores,
        marks: Marks,
    ) -> None:
        self._sessions = collections.sessions
        self._reader = reader
        self._chores = chores
        self._marks = marks

    async def delete(
        self, key: SessionKey, at: datetime, precondition: Precondition | None
    ) -> None:
        """Put a mark in the head's place, then remove the segments; see the port."""
        tried: str | None = None
        for _ in range(_TRIES):
            head = await self._find(key, tried)
            if head is None:
                return
            generation = head["generation"]
            condition: Document = {}
            if precondition is not None:
                precondition.check(key.session_id, Version(generation, head["revision"]))
                condition["revision"] = head["revision"]
            mark = {
                "_id": self._reader.head_id(key),
                "user_id": key.user_id,
                "deleted_at": naive_instant(at),
                "deleted_generation": generation,
            }
            try:
                if await self._chores.remove(key.user_id, head, condition, mark) is not None:
                    return
            except MAYBE_WRITTEN:
                tried = generation
        raise StoreBusyError("The session is being changed by too many others; try again.")

    async def _find(self, key: SessionKey, tried: str | None) -> Document | None:
        """What a deletion must know of the head; None where an earlier try has deleted it.

        Raises:
            SessionNotFoundError: the user has no such session.
            StoreUnavailableError: others have written since, and whether that try has deleted
                the session cannot be told any more.
            CorruptDocumentError: nothing says which session it is.
        """
        wanted = {"generation": 1, "revision": 1, "newest_segment": 1}
        try:
            head = await self._reader.get_members(key, wanted)
        except SessionNotFoundError:
            if tried is None:
                raise
            mark = await self._sessions.find_one(self._reader.by_key(key))
            if mark is not None and mark.get("deleted_generation") == tried:
                return None
            head = {"generation": None}
        if tried not in (None, head.get("generation")):
            raise StoreUnavailableError(
                "The connection broke during a deletion, which may have happened."
            )
        if not wanted.keys() <= head.keys():
            raise CorruptDocumentError("session")
        return head

    async def erase_user(self, user_id: str, at: datetime) -> Erasure:
        """Mark the user, then remove everything of theirs; see the port."""
        mark_id = self._marks.user_id_mark(user_id)
        await self._marks.put([DeletionMark(bytes.fromhex(mark_id), at)])
        sessions = messages = past_texts = 0
        of_user = {"user_id": user_id, **HEADS}
        wanted = dict.fromkeys(("generation", "newest_segment", "next_seq", "past_texts.seq"), 1)
        while heads := await self._sessions.find(of_user, wanted).limit(_HEADS_AT_ONCE).to_list():
            for head in heads:
                segments = await self._chores.remove(user_id, head)
                if segments is not None:
                    sessions += 1
                    # What is damaged goes, too; it is only not counted.
                    messages += count if isinstance(count := head.get("next_seq"), int) else 0
                    past_texts += sum(
                        len(one["past_texts"])
                        for one in (head, *segments)
                        if isinstance(one.get("past_texts"), list)
                    )
        await self._sessions.delete_many({"user_id": user_id, "deleted_at": {"$gte": EVER}})
        return Erasure(sessions, messages, past_texts, _NOT_REACHED)
