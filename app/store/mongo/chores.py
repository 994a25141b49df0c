"""Chores: notes made before writes of several documents, and the tidying of what those left.

A process can be killed between any two writes. What it then leaves are segments on no chain and
texts that were deleted but still lie sealed; its note says where to look.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime, timedelta
from uuid import uuid4

from pymongo.errors import PyMongoError

from app.clock import Clock
from app.errors import AppError, CorruptDocumentError
from app.store.mongo.chain import Chain, HeadMovedError, damage_named
from app.store.mongo.collections import Collections
from app.store.mongo.encoding import Document, naive_instant
from app.store.mongo.head import Head, head_of
from app.store.mongo.segments import distinct_terms, message_key

LOST_AFTER = timedelta(hours=1)
"""How old a note must be before its writer counts as dead; writes end within seconds."""

REPLACED_AFTER = timedelta(minutes=1)
"""How long readers of an older head may still ask for segments that were merged since."""

_PAUSE_SECONDS = 30.0
_NOTES_AT_ONCE = 100

_log = logging.getLogger(__name__)


class Chores:
    """Notes and tidies for one store."""

    def __init__(self, collections: Collections, chain: Chain, clock: Clock) -> None:
        self._sessions = collections.sessions
        self._segments = collections.segments
        self._notes = collections.chores
        self._ledgers = collections.ledgers
        self._chain = chain
        self._clock = clock

    async def note(
        self, head: Head, *, segment_ids: Sequence[str] = (), deleted_ids: Sequence[str] = ()
    ) -> str:
        """Note, before it happens, that segments may come to lie, or deleted texts may stay."""
        return await self.note_of(
            head.id,
            head.document["user_id"],
            head.generation,
            segment_ids=segment_ids,
            deleted_ids=deleted_ids,
        )

    async def note_of(
        self,
        head_id: str,
        user_id: str,
        generation: str,
        *,
        segment_ids: Sequence[str] = (),
        deleted_ids: Sequence[str] = (),
    ) -> str:
        """As `note`, of a session whose head was not read."""
        note_id = uuid4().hex
        await self._notes.insert_one(
            {
                "_id": note_id,
                "user_id": user_id,
                "head": head_id,
                "generation": generation,
                "segment_ids": list(segment_ids),
                "deleted_ids": list(deleted_ids),
                "due_at": self._in(LOST_AFTER),
            }
        )
        return note_id

    async def done(self, note_id: str, *, replaced: Collection[str] = ()) -> None:
        """The write has ended; segments that it replaced go once nobody can be reading them."""
        if replaced:
            members = {"segment_ids": list(replaced), "due_at": self._in(REPLACED_AFTER)}
            await self._notes.update_one({"_id": note_id}, {"$set": members})
        else:
            await self._notes.delete_one({"_id": note_id})

    async def renew(self, note_id: str, segment_ids: Sequence[str]) -> bool:
        """Let a note name other segments, none of the former lying about; False: it has gone."""
        members = {"segment_ids": list(segment_ids), "due_at": self._in(LOST_AFTER)}
        updated = await self._notes.update_one({"_id": note_id}, {"$set": members})
        return updated.matched_count > 0

    async def drop(self, note_ids: Sequence[str]) -> None:
        """Remove notes of which nothing lies about."""
        await self._notes.delete_many({"_id": {"$in": list(note_ids)}})

    async def remove(
        self,
        user_id: str,
        head: Document,
        condition: Document | None = None,
        successor: Document | None = None,
        *,
        is_still_read: bool = False,
    ) -> list[Document] | None:
        """Remove a head, or put another document in its place, and then its segments.

        Only those that it stands on: an image may just be bringing others of the same generation.
        At once, or when nobody can be reading them any more where what they hold `is_still_read`.
        Returns them, with the places of their past texts; None where the head has changed.

        Raises:
            CorruptDocumentError: nothing says which segments are the session's.
        """
        newest_segment = head.get("newest_segment")
        segments: list[Document] = []
        note = None
        if newest_segment is not None:
            generation = head.get("generation")
            if not isinstance(generation, str):
                raise CorruptDocumentError("session")
            segments = await self._chain.under(user_id, generation, newest_segment)
            ids = [segment["_id"] for segment in segments]
            note = await self.note_of(head["_id"], user_id, generation, segment_ids=ids)
        condition = {
            **(condition or {}),
            "_id": head["_id"],
            "user_id": user_id,
            "generation": head.get("generation"),
            "newest_segment": newest_segment,
        }
        if successor is None:
            is_removed = (await self._sessions.delete_one(condition)).deleted_count > 0
        else:
            is_removed = (await self._sessions.replace_one(condition, successor)).matched_count > 0
        if note is not None:
            ids = [segment["_id"] for segment in segments if is_removed]
            if ids and not is_still_read:
                await self._segments.delete_many({"user_id": user_id, "_id": {"$in": ids}})
            await self.done(note, replaced=ids if is_still_read else ())
        return segments if is_removed else None

    async def note_fold(
        self, heads: Iterable[tuple[str, str, str]], user_mark: Callable[[str], str]
    ) -> Document:
        """Note, before it happens, whose sessions are folded: one may be erased meanwhile.

        Of each head: its `_id`, whose it is, and its generation.
        """
        note: Document = {
            "_id": uuid4().hex,
            "folded": [
                {
                    "head": head_id,
                    "user_id": user_id,
                    "generation": generation,
                    "user_mark": user_mark(user_id),
                }
                for head_id, user_id, generation in heads
            ],
            "due_at": self._in(LOST_AFTER),
        }
        await self._notes.insert_one(note)
        return note

    async def end_fold(self, note: Document) -> set[str]:
        """Take back what was stored of users who are erased; returns the `_id`s of the heads.

        An erasure has either seen what was stored, or has marked its user before.
        """
        erased = await self._erased(one["user_mark"] for one in note["folded"])
        taken_back: set[str] = set()
        for one in note["folded"]:
            if one["user_mark"] in erased:
                await self._take_back(one["head"], one["user_id"], one["generation"])
                taken_back.add(one["head"])
        await self._notes.delete_one({"_id": note["_id"]})
        return taken_back

    async def note_parts(
        self, entry_id: str, user_ids: Iterable[str], user_mark: Callable[[str], str]
    ) -> Document:
        """Note, before it happens, whose parts a ledger gets: one may be erased meanwhile."""
        note: Document = {
            "_id": uuid4().hex,
            "ledger_entry": entry_id,
            "users": [{"user_id": id_, "user_mark": user_mark(id_)} for id_ in user_ids],
            "due_at": self._in(LOST_AFTER),
        }
        await self._notes.insert_one(note)
        return note

    async def end_parts(self, note: Document) -> None:
        """Remove what was stored of users who are erased, as at the end of a fold."""
        erased = await self._erased(one["user_mark"] for one in note["users"])
        for one in note["users"]:
            if one["user_mark"] in erased:
                await self.remove_part(note["ledger_entry"], one["user_id"])
        await self._notes.delete_one({"_id": note["_id"]})

    async def remove_part(self, entry_id: str, user_id: str) -> bool:
        """Remove a user's part from an entry of a ledger; False where it has none."""
        condition = {"_id": entry_id, "parts.user_id": user_id}
        # Not by `$pull`, which some servers understand for whole elements only.
        while (
            entry := await self._ledgers.find_one(condition, {"state": 1, "parts": 1})
        ) is not None:
            with damage_named("ledger entry"):
                unchanged = {"_id": entry_id, "state": entry["state"]}
                kept = [part for part in entry["parts"] if part["user_id"] != user_id]
            members = {"parts": kept, "state": uuid4().hex}
            if (await self._ledgers.update_one(unchanged, {"$set": members})).matched_count:
                return True
        return False

    async def _erased(self, user_marks: Iterable[str]) -> set[str]:
        condition = {"_id": {"$in": sorted(set(user_marks))}, "user_id": None}
        return {one["_id"] async for one in self._sessions.find(condition, {"_id": 1})}

    async def _take_back(self, head_id: str, user_id: str, generation: str) -> None:
        condition = {"_id": head_id, "user_id": user_id, "generation": generation}
        wanted = {"generation": 1, "newest_segment": 1}
        while (head := await self._sessions.find_one(condition, wanted)) is not None:
            if await self.remove(user_id, head) is not None:
                return

    async def forget_texts(self, head: Head, message_ids: Collection[str]) -> None:
        """Overwrite what sealed messages said that are tombstones by now.

        Wherever it is sealed, on the chain or not: in their own segments, in corrections and among
        past texts. To do it twice does no harm.

        Raises:
            HeadMovedError: the head is not the session's any more.
        """
        of_session = {"user_id": head.document["user_id"], "generation": head.generation}
        keys = [message_key(head.generation, id_) for id_ in message_ids]
        tombstones = await self._tombstones(head)
        if not {tombstone["id"] for tombstone in tombstones.values()}.issuperset(message_ids):
            # One may have been sealed since it was deleted.
            sealed = {**of_session, "message_keys": {"$in": keys}}
            async for segment in self._segments.find(sealed):
                for seq, message in enumerate(segment["messages"], segment["first_seq"]):
                    if "deleted_at" in message and message["id"] in message_ids:
                        tombstones[seq] = message
        places = [seq for seq, one in tombstones.items() if one["id"] in message_ids]
        touched = {
            **of_session,
            "$or": [
                {"message_keys": {"$in": keys}},
                {"corrections.seq": {"$in": places}},
                {"past_texts.seq": {"$in": places}},
            ],
        }
        async for segment in self._segments.find(touched):
            found: Document | None = segment
            while found is not None:
                by_id = {**of_session, "_id": found["_id"]}
                condition = {**by_id, "forgotten_revision": found["forgotten_revision"]}
                members = {"$set": _forgotten(found, tombstones)}
                if (await self._segments.update_one(condition, members)).matched_count:
                    break
                found = await self._segments.find_one(by_id)  # another deletion was faster

    async def _tombstones(self, head: Head) -> dict[int, Document]:
        """The deleted messages that the head or a correction tells of, by their places."""
        tombstones = {
            correction["seq"]: correction
            for segment in await self._chain.on_chain(head, {"corrections": 1})
            for correction in segment["corrections"]
            if "deleted_at" in correction
        }
        revision_of_change = head.revisions_of_changes()
        placed = [(correction["seq"], correction) for correction in head.corrections]
        for seq, message in (*placed, *head.placed()):
            if "deleted_at" in message:
                changed_revision = revision_of_change[message["change"]]
                tombstones[seq] = {**message, "changed_revision": changed_revision}
        return tombstones

    async def tidy(self, *, now: datetime | None = None) -> int:
        """Do what is due; returns how many notes were dealt with."""
        due = {"due_at": {"$lte": naive_instant(now or self._clock.now())}}
        notes = await self._notes.find(due).limit(_NOTES_AT_ONCE).to_list()
        for note in notes:
            try:
                with damage_named():
                    await self._tidy_one(note)
            except (HeadMovedError, CorruptDocumentError):
                # The session is being written to, or is damaged; the others' turn comes first.
                later = {"$set": {"due_at": self._in(LOST_AFTER)}}
                await self._notes.update_one({"_id": note["_id"]}, later)
        return len(notes)

    async def keep_tidy(self) -> None:
        """Tidy now and then, for as long as the task is not cancelled."""
        while True:
            await asyncio.sleep(_PAUSE_SECONDS)
            try:
                while await self.tidy() == _NOTES_AT_ONCE:
                    pass
            except (AppError, PyMongoError) as error:
                _log.warning("Tidying has to wait: %s", type(error).__name__)

    async def _tidy_one(self, note: Document) -> None:
        if "folded" in note:
            await self.end_fold(note)
            return
        if "ledger_entry" in note:
            await self.end_parts(note)
            return
        of_session = {"user_id": note["user_id"], "generation": note["generation"]}
        head = head_of(
            await self._sessions.find_one({"_id": note["head"], "user_id": note["user_id"]})
        )
        chain: set[str] = set()
        if head is not None and head.generation == note["generation"]:
            chain = {segment["_id"] for segment in await self._chain.on_chain(head, {})}
            await self.forget_texts(head, note["deleted_ids"])
        lost = [id_ for id_ in note["segment_ids"] if id_ not in chain]
        await self._segments.delete_many({**of_session, "_id": {"$in": lost}})
        await self._notes.delete_one({"_id": note["_id"]})

    def _in(self, delay: timedelta) -> datetime:
        return naive_instant(self._clock.now() + delay)


def _forgotten(segment: Document, tombstones: dict[int, Document]) -> Document:
    """The members of a segment without what deleted messages said.

    With all that are known to be deleted, not only the last one: so a segment always says the same
    where it has forgotten the same, and who overwrites it can tell that nobody else has meanwhile.
    """
    said = [
        *enumerate(segment["messages"], segment["first_seq"]),
        *((one["seq"], one) for array in ("corrections", "past_texts") for one in segment[array]),
    ]
    revisions = [tombstones[seq]["changed_revision"] for seq, _ in said if seq in tombstones]

    def forgotten(seq: int, message: Document, kept: str) -> Document:
        if seq not in tombstones:
            return message
        left_out = ("change", "revision", "seq")
        tombstone = {n: value for n, value in tombstones[seq].items() if n not in left_out}
        return {**tombstone, kept: message[kept]}

    messages = [
        forgotten(seq, message, "revision")
        for seq, message in enumerate(segment["messages"], segment["first_seq"])
    ]
    corrections = [forgotten(one["seq"], one, "seq") for one in segment["corrections"]]
    return {
        "messages": messages,
        "corrections": corrections,
        "past_texts": [past for past in segment["past_texts"] if past["seq"] not in tombstones],
        "terms": distinct_terms(messages, corrections),
        "forgotten_revision": max(segment["forgotten_revision"], *revisions, 0),
    }
