"""Appending: one update where nothing must be asked before, and what is done where it fails."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pymongo.errors import AutoReconnect, WTimeoutError

from app.domain.identity import SessionKey, Version
from app.domain.message import EncodedMessage, placed_json
from app.domain.session import Precondition
from app.errors import (
    CorruptDocumentError,
    DocumentTooLargeError,
    MessageIdConflictError,
    ParentNotFoundError,
    SessionNotFoundError,
    StoreBusyError,
    StoreUnavailableError,
)
from app.store.mongo.chain import Chain, HeadMovedError, damage_named
from app.store.mongo.chain_ends import ChainEnds
from app.store.mongo.collections import Collections
from app.store.mongo.encoding import (
    STEP_BYTES,
    Document,
    message_json,
    message_size_bytes,
    stored_instant,
    stored_new_message,
)
from app.store.mongo.head import IN_PLACE, Head
from app.store.mongo.reading import HeadsMoving, Reader
from app.store.mongo.sealing import Sealer
from app.store.mongo.segments import message_key
from app.store.port import Appended

_TRIES = 100

MAYBE_WRITTEN = (AutoReconnect, WTimeoutError)
"""Errors after which a write may have happened all the same."""


class Batch:
    """The messages of one append, and whether they can be appended without asking anything."""

    def __init__(self, messages: Sequence[EncodedMessage]) -> None:
        self.messages = messages
        self.ids = {message.id for message in messages}
        self.guarded_ids = {message.id for message in messages if not message.is_id_fresh}
        self.parent_ids = {message.parent_id for message in messages if message.parent_id}
        self.is_plain = len(self.ids) == len(messages) and not self.parent_ids

    def unknown(self, found: Mapping[str, bytes]) -> list[EncodedMessage]:
        """The messages to append, each once, where `found` has the digests of those there.

        Raises:
            MessageIdConflictError: a known id with another digest.
            ParentNotFoundError: a parent that is neither there nor earlier in the batch.
        """
        fresh: dict[str, EncodedMessage] = {}
        for index, message in enumerate(self.messages):
            known = found.get(message.id)
            if known is None and message.id in fresh:
                known = fresh[message.id].digest
            if known is None:
                parent_id = message.parent_id
                if parent_id is not None and parent_id not in found and parent_id not in fresh:
                    raise ParentNotFoundError(parent_id, index)
                fresh[message.id] = message
            elif known != message.digest:
                raise MessageIdConflictError(message.id, index)
        return list(fresh.values())


@dataclass(frozen=True, slots=True)
class _Push:
    """Messages in their stored form, and the update that appends them."""

    messages: Sequence[EncodedMessage]
    stored: list[Document]
    update: Document
    size_bytes: int


class Appender:
    """Appends to the sessions of one store."""

    def __init__(
        self,
        collections: Collections,
        reader: Reader,
        chain: Chain,
        chain_ends: ChainEnds,
        sealer: Sealer,
    ) -> None:
        self._collections = collections
        self._reader = reader
        self._chain = chain
        self._sealer = sealer
        self._chain_ends = chain_ends

    async def append(
        self,
        key: SessionKey,
        messages: Sequence[EncodedMessage],
        *,
        at: str,
        precondition: Precondition | None,
    ) -> Appended:
        """Append the unknown ones of the messages; see the port."""
        async with self._sealer.appending(self._reader.head_id(key)):
            return await self._append(key, Batch(messages), at, precondition)

    async def _append(
        self, key: SessionKey, batch: Batch, at: str, precondition: Precondition | None
    ) -> Appended:
        messages = batch.messages
        if batch.is_plain and messages:
            push = _push(messages, at)
            try:
                appended = await self._append_unseen(key, batch, push, precondition)
            except MAYBE_WRITTEN:
                return await self._append_seen(key, batch, at, precondition, was_tried=True)
            if appended is not None:
                return appended
        return await self._append_seen(key, batch, at, precondition)

    async def _append_unseen(
        self, key: SessionKey, batch: Batch, push: _Push, precondition: Precondition | None
    ) -> Appended | None:
        """Append without having seen the head; None where that cannot be done, or not known."""
        condition = self._reader.by_key(key)
        if batch.guarded_ids:
            chain_end = self._chain_ends.find(condition["_id"])
            if chain_end is None:
                condition["newest_segment"] = None
            else:
                generation, newest_segment = chain_end.generation, chain_end.newest_segment
                keys = {message_key(generation, id_): id_ for id_ in batch.guarded_ids}
                if await self._chain.search_places(key.user_id, generation, keys):
                    return None
                condition |= {"generation": generation, "newest_segment": newest_segment}
            condition["$nor"] = _has_one_of(batch.guarded_ids)
        if precondition is not None and precondition.versions is not None:
            if not precondition.versions:
                return None
            condition["$or"] = [
                {"generation": generation, "revision": revision}
                for generation, revision in precondition.versions
            ]
        return await self._push(condition, batch, push, {})

    async def _append_seen(
        self,
        key: SessionKey,
        batch: Batch,
        at: str,
        precondition: Precondition | None,
        *,
        was_tried: bool = False,
    ) -> Appended:
        """Append by what the head and the segments say, until they still say so when it is done."""
        messages = batch.messages
        moving = HeadsMoving()
        for _ in range(_TRIES):
            head = await self._head(key, was_tried=was_tried)
            try:
                with damage_named():
                    known = await self._known(head, batch, with_fresh=was_tried)
                unknown = await self._unknown(head, batch, known)
            except HeadMovedError:
                moving.note(head)
                continue
            bodies = {id_: message_json(*placed) for id_, placed in known.items()}
            if not unknown:
                return Appended(tuple(bodies[one.id] for one in messages), head.version)
            if precondition is not None:
                precondition.check(key.session_id, head.version)
            if was_tried and any(one.is_id_fresh for one in unknown):
                # It may still be on its way, and nothing would keep it from coming twice.
                raise _unknown_outcome()
            push = _push(unknown, at)
            if not self._has_room(head, push):
                await self._sealer.seal(head, keep_bytes=0)
                continue
            condition = _same_as_seen(head, precondition, shows_known=bool(known))
            condition["$nor"] = _has_one_of(one.id for one in unknown)
            try:
                appended = await self._push(condition, batch, push, bodies)
            except MAYBE_WRITTEN:
                was_tried = True
                continue
            if appended is not None:
                return appended
        raise StoreBusyError("The session is being changed by too many others; try again.")

    async def _head(self, key: SessionKey, *, was_tried: bool) -> Head:
        head = await self._reader.find_head(key)
        if head is None:
            # Who finds no session after a try cannot say that nothing was appended.
            raise _unknown_outcome() if was_tried else SessionNotFoundError(key.session_id)
        return head

    def _has_room(self, head: Head, push: _Push) -> bool:
        """Whether a head can take in an append; an empty one takes all that the server does.

        Raises:
            DocumentTooLargeError: no head could.
        """
        budget = self._sealer.budget
        if head.live_bytes == 0 and push.size_bytes > budget.document_bytes:
            raise DocumentTooLargeError("A batch", budget.document_bytes, "bytes")
        return head.live_bytes == 0 or head.live_bytes + push.size_bytes <= budget.hard_bytes

    async def _push(
        self, condition: Document, batch: Batch, push: _Push, known: dict[str, bytes]
    ) -> Appended | None:
        room = self._sealer.budget.hard_bytes - push.size_bytes
        condition["live_bytes"] = {"$lte": max(0, room)}
        head_id = condition["_id"]
        with self._sealer.filling(head_id, push.size_bytes) as is_filling:
            wanted = None if is_filling else IN_PLACE
            head = await self._collections.change_head(condition, push.update, wanted)
            if head is None:
                return None
            try:
                version = Version(head["generation"], head["revision"])
                first_seq = head["next_seq"] - len(push.messages)
                live_bytes, newest_segment = head["live_bytes"], head["newest_segment"]
            except (KeyError, TypeError) as error:
                raise CorruptDocumentError("session") from error
            self._chain_ends.learn(
                *(head_id, version.generation, newest_segment, live_bytes),
                is_estimate_void=is_filling,
            )
            self._sealer.note_append(head_id, version, push.stored)
            if self._sealer.budget.is_passed_by(live_bytes, newest_segment):
                self._sealer.start(condition["user_id"], head_id, head if is_filling else None)
        bodies = dict(known)
        for seq, message in enumerate(push.messages, first_seq):
            bodies[message.id] = placed_json(seq, message.unplaced_json)
        return Appended(tuple(bodies[message.id] for message in batch.messages), version)

    async def _known(
        self, head: Head, batch: Batch, *, with_fresh: bool
    ) -> dict[str, tuple[int, Document]]:
        """Those messages of the batch, and of their parents, that the session has."""
        ids = (batch.ids if with_fresh else batch.guarded_ids) | batch.parent_ids
        places = {message["id"]: seq for seq, message in head.placed() if message.get("id") in ids}
        self._chain_ends.learn(head.id, head.generation, head.newest_segment, head.live_bytes)
        if head.newest_segment is not None:
            places |= await self._chain.find_places(head, ids - places.keys())
        found = await self._reader.at_places(head, sorted(places.values()))
        if any(seq not in found for seq in places.values()):
            raise CorruptDocumentError("session")
        return {id_: (seq, found[seq]) for id_, seq in places.items()}

    async def _unknown(
        self, head: Head, batch: Batch, known: Mapping[str, tuple[int, Document]]
    ) -> list[EncodedMessage]:
        digests: dict[str, bytes] = {}
        for id_, (_, stored) in known.items():
            digest = stored.get("digest")
            if not isinstance(digest, bytes):
                raise CorruptDocumentError("message")
            digests[id_] = digest
        try:
            return batch.unknown(digests)
        except ParentNotFoundError:
            await self._chain.on_chain(head, {})  # absent only where no segment is missing
            raise


def _unknown_outcome() -> StoreUnavailableError:
    return StoreUnavailableError("The connection broke during an append, which may have happened.")


def _same_as_seen(head: Head, precondition: Precondition | None, *, shows_known: bool) -> Document:
    if precondition is not None:
        return head.same_revision()
    # What the answer shows of known messages must not have been changed meanwhile.
    return head.same_content() if shows_known else head.same_chain()


def _has_one_of(message_ids: Iterable[str]) -> list[Document]:
    # Not `$nin`, nor `$ne`: some servers answer these wrongly for members of an array's documents.
    return [{"messages.id": {"$in": list(message_ids)}}]


def _push(messages: Sequence[EncodedMessage], at: str) -> _Push:
    stored = [stored_new_message(message) for message in messages]
    size_bytes = sum(map(message_size_bytes, stored)) + STEP_BYTES
    newest = max(message.created_at for message in messages)
    return _Push(
        messages,
        stored,
        {
            "$push": {"messages": {"$each": stored}, "steps": len(stored)},
            "$inc": {
                "revision": 1,
                "next_seq": len(stored),
                "message_count": len(stored),
                "live_bytes": size_bytes,
            },
            "$set": {"last_message_at": stored[-1]["created_at"]},
            "$max": {
                "updated_at": stored_instant(at),
                "newest_message_at": stored_instant(newest),
            },
        },
        size_bytes,
    )
