"""Deleting: the mark that takes a head's place, what goes with it, and erasure.

A mark is a keyed hash under the head's own `_id`: that a session goes and that it never comes back
by itself is one write. A fold that would store it again meets the mark as it would meet the head.
"""

from datetime import datetime

from app.domain.identity import SessionKey, Version
from app.domain.session import Precondition
from app.errors import (
    CorruptDocumentError,
    SessionNotEmptyError,
    SessionNotFoundError,
    StoreBusyError,
    StoreUnavailableError,
)
from app.store.mongo.appending import MAYBE_WRITTEN
from app.store.mongo.chores import Chores
from app.store.mongo.collections import Collections
from app.store.mongo.encoding import Document, naive_instant
from app.store.mongo.ledgers import LedgerKeeper
from app.store.mongo.listing import EVER, HEADS
from app.store.mongo.marks import Marks
from app.store.mongo.owned_documents import DocumentKeeper
from app.store.mongo.reading import Reader
from app.store.port import DeletionMark, Erasure

_TRIES = 20
_HEADS_AT_ONCE = 100

_NOT_REACHED = (
    "The database's journal and its log for replicas, until they are overwritten.",
    "Blocks of the database's files that were freed and not yet used again.",
    "Backups and snapshots of the database that were taken earlier.",
    "What writes under way, broken off or to come have noted, which goes within an hour.",
    "Answers already sent, and caches of clients and proxies.",
)


class Deleter:
    """Deletes sessions and users of one store."""

    def __init__(
        self,
        collections: Collections,
        reader: Reader,
        chores: Chores,
        marks: Marks,
        ledgers: LedgerKeeper,
        documents: DocumentKeeper,
    ) -> None:
        self._sessions = collections.sessions
        self._reader = reader
        self._chores = chores
        self._marks = marks
        self._ledgers = ledgers
        self._documents = documents

    async def delete(
        self,
        key: SessionKey,
        at: datetime,
        precondition: Precondition | None,
        *,
        only_empty: bool,
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
            if only_empty:
                if head["message_count"] != 0:
                    raise SessionNotEmptyError(key.session_id)
                condition["message_count"] = 0
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
        names = ("generation", "revision", "newest_segment", "message_count")
        wanted: Document = dict.fromkeys(names, 1)
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
        documents = await self._documents.forget_user(user_id)
        ledger_parts = await self._ledgers.forget_user(user_id)
        return Erasure(sessions, messages, past_texts, documents, ledger_parts, _NOT_REACHED)
