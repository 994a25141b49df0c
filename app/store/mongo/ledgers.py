"""Ledgers: what jobs keep beside the sessions, a document per entry, its parts as an array."""

from collections.abc import Sequence
from operator import index
from uuid import uuid4

from bson.binary import Binary

from app.domain.ledger import LedgerEntry, LedgerPlace
from app.store.mongo.chain import damage_named
from app.store.mongo.chores import Chores
from app.store.mongo.collections import Collections
from app.store.mongo.encoding import Document
from app.store.mongo.guarded_puts import Standing, put_guarded
from app.store.mongo.marks import Marks

_ENTRIES_AT_ONCE = 100


class LedgerKeeper:
    """Keeps the ledgers of one store."""

    def __init__(self, collections: Collections, chores: Chores, marks: Marks) -> None:
        self._ledgers = collections.ledgers
        self._chores = chores
        self._marks = marks

    async def put(self, entry: LedgerEntry, replaces: int) -> bool:
        """Store an entry if the stored one is of that revision, or is this very one; see the port.

        An erasure has either seen what was stored, or has marked its user before: so users are
        looked up again after the write, and a note made before it sees to that if we are killed.
        """
        entry = entry.without_users(await self._marks.erased(entry.parts))
        if not entry.parts:
            return await self._write(entry, replaces)
        note = await self._chores.note_parts(
            _id_of(entry.run_id, entry.number), entry.parts, self._marks.user_id_mark
        )
        is_stored = await self._write(entry, replaces)
        await self._chores.end_parts(note)
        return is_stored

    async def find(self, run_id: str, number: int) -> LedgerEntry | None:
        """An entry, or None."""
        document = await self._ledgers.find_one({"_id": _id_of(run_id, number)})
        return None if document is None else _loaded(document)

    async def list_entries(self, run_id: str, after: int, limit: int) -> list[LedgerEntry]:
        """The next entries of a run, by number."""
        condition = {"run_id": run_id, "number": {"$gt": after}}
        cursor = self._ledgers.find(condition).sort([("run_id", 1), ("number", 1)]).limit(limit)
        return [_loaded(document) async for document in cursor]

    async def list_runs(self) -> list[LedgerEntry]:
        """The entries 0, by run."""
        cursor = self._ledgers.find({"number": 0}).sort([("number", 1), ("run_id", 1)])
        return [_loaded(document) async for document in cursor]

    async def list_places(self, after: LedgerPlace | None, limit: int) -> list[LedgerPlace]:
        """Where the next entries of all runs are."""
        if after is None:
            return await self._places({}, limit)
        run_id, number = after
        found = await self._places({"run_id": run_id, "number": {"$gt": number}}, limit)
        if len(found) < limit:
            found += await self._places({"run_id": {"$gt": run_id}}, limit - len(found))
        return found

    async def _places(self, condition: Document, limit: int) -> list[LedgerPlace]:
        named = {"run_id": 1, "number": 1}
        cursor = self._ledgers.find(condition, named).sort([("run_id", 1), ("number", 1)])
        with damage_named("ledger entry"):
            return [
                LedgerPlace(document["run_id"], index(document["number"]))
                async for document in cursor.limit(limit)
            ]

    async def remove(self, run_id: str) -> None:
        """Remove a run, entry 0 last."""
        await self._ledgers.delete_many({"run_id": run_id, "number": {"$gt": 0}})
        await self._ledgers.delete_many({"run_id": run_id})

    async def forget_user(self, user_id: str) -> int:
        """Remove the parts of a user; returns how many there were."""
        of_user = {"parts.user_id": user_id}
        count = 0
        while (
            found := await self._ledgers.find(of_user, {"_id": 1}).limit(_ENTRIES_AT_ONCE).to_list()
        ):
            for one in found:
                count += await self._chores.remove_part(one["_id"], user_id)
        return count

    async def _write(self, entry: LedgerEntry, replaces: int) -> bool:
        document = _stored(entry)
        by_id = {"_id": document["_id"]}

        async def look() -> Standing:
            existing = await self._ledgers.find_one(by_id)
            there = None if existing is None else _loaded(existing)
            if there is not None and await self._is_same(entry, there):
                return Standing.STORED
            is_as_before = replaces == (there.revision if there else 0)
            return Standing.AS_BEFORE if is_as_before else Standing.OTHER

        replaced = None if replaces == 0 else {**by_id, "revision": replaces}
        return await put_guarded(self._ledgers, document, replaced, look, what="The ledger")

    async def _is_same(self, entry: LedgerEntry, there: LedgerEntry) -> bool:
        """Whether the stored entry is this one; a user may have been erased from it since."""
        gone = entry.parts.keys() - there.parts.keys()
        if there != entry.without_users(gone):
            return False
        return not gone or gone == await self._marks.erased(gone)


def _id_of(run_id: str, number: int) -> str:
    return f"{run_id}/{number}"


def _stored(entry: LedgerEntry) -> Document:
    parts: Sequence[Document] = [
        {"user_id": user_id, "body": Binary(part)} for user_id, part in entry.parts.items()
    ]
    return {
        "_id": _id_of(entry.run_id, entry.number),
        "run_id": entry.run_id,
        "number": entry.number,
        "revision": entry.revision,
        "state": uuid4().hex,
        "body": Binary(entry.body),
        "parts": parts,
    }


def _loaded(document: Document) -> LedgerEntry:
    with damage_named("ledger entry"):
        return LedgerEntry(
            document["run_id"],
            index(document["number"]),
            index(document["revision"]),
            bytes(document["body"]),
            {part["user_id"]: bytes(part["body"]) for part in document["parts"]},
        )
