"""Marks: what deletions leave in the place of heads, and what they answer to those who ask."""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC

from pymongo.errors import DuplicateKeyError

from app.domain.identity import SessionKey
from app.store.marking import Marking
from app.store.mongo.collections import Collections
from app.store.mongo.encoding import Document, naive_instant
from app.store.mongo.listing import EVER
from app.store.port import DeletionMark

_IDS_AT_ONCE = 1000


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

    async def erased(self, user_ids: Collection[str]) -> set[str]:
        """Those of the users who were erased, whatever they have made since."""
        return await self.taken((), user_ids)

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
