"""Changing: headers, edits and deletions of messages; filtered on what they were decided by.

Appends do not disturb them. After an error that leaves open whether a change has happened, the
head is read again: a change is known by its number and what it has left there.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import datetime
from uuid import uuid4

from app.domain.identity import SessionKey, Version
from app.domain.limits import StoreLimits
from app.domain.message import ChatMessage, MessageEdit, PastText
from app.domain.session import HeaderChange, Precondition, SessionFields, SessionHeader
from app.errors import (
    CorruptDocumentError,
    MessageNotFoundError,
    SessionNotFoundError,
    StoreBusyError,
    StoreUnavailableError,
)
from app.store.mongo.appending import MAYBE_WRITTEN
from app.store.mongo.chain import Chain, HeadMovedError, damage_named
from app.store.mongo.chores import Chores
from app.store.mongo.collections import Collections
from app.store.mongo.encoding import (
    STEP_BYTES,
    Document,
    loaded_header,
    loaded_past_text,
    message_json,
    message_size_bytes,
    naive_instant,
    stored_header,
    stored_message,
    stored_past_text,
)
from app.store.mongo.head import HEADER, IN_PLACE, Head
from app.store.mongo.reading import HeadsMoving, Reader
from app.store.mongo.seal_plans import plan_seal
from app.store.mongo.sealing import Sealer

_TRIES = 100
_FORGET_TRIES = 3

_CHANGEABLE = (*SessionFields.model_fields,)


class _Change:
    """What one message becomes in one state of its session."""

    def __init__(
        self,
        head: Head,
        seq: int,
        stored: Document,
        before: ChatMessage,
        after: ChatMessage,
        at: datetime,
        *,
        keeps_past: bool,
    ) -> None:
        self.head = head
        self.generation = head.generation
        self.number = head.changes + 1
        self.seq = seq
        self.stored = stored
        self.at = at
        self.is_deletion = after.is_deleted
        self._after = stored_message(after.model_dump(mode="json"), stored["digest"])
        self.past_text = None
        if keeps_past:
            past = PastText(content=before.content, metadata=before.metadata, replaced_at=at)
            self.past_text = stored_past_text(seq, past)

    @property
    def correction(self) -> Document:
        """The message as it is from now on, for the head of a session where it is sealed."""
        return {**self._after, "seq": self.seq, "change": self.number}

    def update(self) -> tuple[Document, Document, int]:
        """What to set and to push in the head, and by how much it grows."""
        head = self.head
        members: Document = {}
        pushed: Document = {"steps": 0}
        growth = STEP_BYTES
        if self.seq >= head.sealed_count:
            members[f"messages.{self.seq - head.sealed_count}"] = {
                **self._after,
                "change": self.number,
            }
            growth += message_size_bytes(self._after) - message_size_bytes(self.stored)
        else:
            growth += message_size_bytes(self.correction)
            others = [one for one in head.corrections if one["seq"] != self.seq]
            if len(others) < len(head.corrections):
                members["corrections"] = [*others, self.correction]
            else:
                pushed["corrections"] = self.correction
        if self.past_text is not None:
            growth += message_size_bytes(self.past_text)
            pushed["past_texts"] = self.past_text
        elif self.is_deletion and head.past_texts:
            members["past_texts"] = [past for past in head.past_texts if past["seq"] != self.seq]
        return members, pushed, growth

    def has_happened(self, head: Head, stored: Document) -> bool:
        """Whether this change is the last one of its message.

        Raises:
            StoreUnavailableError: others came since, and it cannot be told any more.
        """
        said = {name: value for name, value in stored.items() if name != "seq"}
        is_same_life = self.generation == head.generation
        if is_same_life and said == {**self._after, "change": self.number}:
            return True
        if not is_same_life or head.changes >= self.number:
            raise _unknown_outcome()
        return False


class Changer:
    """Changes the sessions of one store."""

    def __init__(
        self,
        collections: Collections,
        reader: Reader,
        chain: Chain,
        sealer: Sealer,
        chores: Chores,
        limits: StoreLimits,
    ) -> None:
        self._collections = collections
        self._reader = reader
        self._chain = chain
        self._sealer = sealer
        self._chores = chores
        self._limits = limits

    # --- the header -------------------------------------------------------------------------

    async def change_header(
        self, key: SessionKey, change: HeaderChange, precondition: Precondition | None
    ) -> SessionHeader:
        """Apply a change to the header; see the port."""
        token = uuid4().hex
        projection = {**HEADER, "header_change": 1}
        tried_number, tried_generation = 0, ""
        for _ in range(_TRIES):
            with _unknown_if(tried_number > 0):
                members = await self._reader.get_members(key, projection)
            header = loaded_header(members)
            if tried_number:
                last: Document = members.get("header_change") or {}
                if last.get("token") == token:
                    return header
                is_same_life = header.generation == tried_generation
                if not is_same_life or last.get("number", 0) >= tried_number:
                    raise _unknown_outcome()
            if precondition is not None:
                precondition.check(key.session_id, header.version)
            changed = header.changed(change)
            if changed is header:
                return header
            self._limits.check_header(changed.size_bytes())
            number = header.changes + 1
            stored = stored_header(changed)
            update: Document = {
                "$set": {
                    **{name: stored[name] for name in _CHANGEABLE},
                    "header_change": {"number": number, "token": token},
                },
                "$push": {"steps": 0},
                "$inc": {"revision": 1, "changes": 1, "live_bytes": STEP_BYTES},
                "$max": {"updated_at": naive_instant(changed.updated_at)},
            }
            condition = {
                **self._reader.by_key(key),
                "generation": header.generation,
                "changes": header.changes,
            }
            if precondition is not None:
                condition["revision"] = header.revision
            try:
                updated = await self._collections.change_head(condition, update, projection)
            except MAYBE_WRITTEN:
                tried_number, tried_generation = number, header.generation
                continue
            if updated is not None:
                self._seal_if_large(key, updated)
                return loaded_header(updated)
        raise _too_busy()

    # --- messages ---------------------------------------------------------------------------

    async def edit_message(
        self,
        key: SessionKey,
        message_id: str,
        edit: MessageEdit,
        precondition: Precondition | None,
    ) -> tuple[bytes, Version]:
        """Set a message's text or metadata; see the port."""

        def edited(message: ChatMessage) -> ChatMessage:
            if message.is_deleted:
                raise MessageNotFoundError(key.session_id, message_id)
            outcome = message.edited(edit)
            self._limits.check_batch([len(outcome.to_json())])
            return outcome

        return await self._change_message(
            key, message_id, edit.at, precondition, edited, keeps_past=edit.keeps_past
        )

    async def delete_message(
        self,
        key: SessionKey,
        message_id: str,
        at: datetime,
        precondition: Precondition | None,
    ) -> Version:
        """Replace a message by its tombstone; see the port."""

        def deleted(message: ChatMessage) -> ChatMessage:
            return message if message.is_deleted else message.tombstone(at)

        _, version = await self._change_message(
            key, message_id, at, precondition, deleted, keeps_past=False
        )
        return version

    async def read_message(self, key: SessionKey, message_id: str) -> tuple[bytes, Version]:
        """A message with the version of its session; see the port."""

        async def found(head: Head) -> tuple[bytes, Version]:
            return message_json(*await self._find_message(head, message_id)), head.version

        return await self._reader.with_head(key, found)

    async def list_past_texts(self, key: SessionKey, message_id: str) -> list[PastText]:
        """What a message said before each edit; see the port."""

        async def listed(head: Head) -> list[PastText]:
            seq, stored = await self._find_message(head, message_id)
            if stored.get("deleted_at") is not None:
                raise MessageNotFoundError(key.session_id, message_id)
            past_texts = [past for past in head.past_texts if past["seq"] == seq]
            past_texts[:0] = [
                past
                for segment in await self._chain.on_chain(head, {"past_texts": 1})
                for past in segment["past_texts"]
                if past["seq"] == seq
            ]
            return [loaded_past_text(past) for past in past_texts]

        return await self._reader.with_head(key, listed)

    async def _change_message(
        self,
        key: SessionKey,
        message_id: str,
        at: datetime,
        precondition: Precondition | None,
        transform: Callable[[ChatMessage], ChatMessage],
        *,
        keeps_past: bool,
    ) -> tuple[bytes, Version]:
        """Put what a message becomes in its place; as it is where nothing becomes of it."""
        await self._sealer.pause(self._reader.head_id(key))
        tried: _Change | None = None
        moving = HeadsMoving()
        for _ in range(_TRIES):
            with _unknown_if(tried is not None):
                head = await self._reader.get_head(key)
            if precondition is not None and tried is None:
                precondition.check(key.session_id, head.version)
            try:
                with damage_named():
                    seq, stored = await self._find_message(head, message_id)
                body = message_json(seq, stored)
                if tried is not None and tried.has_happened(head, stored):
                    return body, head.version
                if precondition is not None:
                    precondition.check(key.session_id, head.version)
                message = ChatMessage.from_json(body)
                transformed = transform(message)
                if transformed is message:
                    return body, head.version
            except HeadMovedError:
                moving.note(head)
                continue
            with damage_named():
                change = _Change(head, seq, stored, message, transformed, at, keeps_past=keeps_past)
            condition = head.same_content() if precondition is None else head.same_revision()
            try:
                with damage_named():
                    version = await self._put(change, condition)
            except HeadMovedError:
                moving.note(head)
                continue
            except MAYBE_WRITTEN:
                tried = change
                continue
            if version is not None:
                return transformed.to_json(), version
        raise _too_busy()

    async def _put(self, change: "_Change", condition: Document) -> Version | None:
        """Carry out a change of a message; None where the head was changed meanwhile."""
        head = change.head
        members, pushed, growth = change.update()
        budget = self._sealer.budget
        if (
            not change.is_deletion
            and growth > STEP_BYTES
            and (head.live_bytes + growth > budget.hard_bytes)
        ):
            return await self._put_with_seal(change)
        counted = {"revision": 1, "changes": 1, "live_bytes": growth}
        if change.is_deletion:
            counted["message_count"] = -1
            if await self._is_last_living(head, change.seq):
                members["last_message_at"] = await self._last_living_before(head, change.seq)
                condition["next_seq"] = head.next_seq
        note = None
        if change.is_deletion and head.newest_segment is not None:
            note = await self._chores.note(head, deleted_ids=[change.stored["id"]])
        updated = await self._collections.change_head(
            condition,
            {
                **({"$set": members} if members else {}),
                "$push": pushed,
                "$inc": counted,
                "$max": {"updated_at": naive_instant(change.at)},
            },
            IN_PLACE,
        )
        if note is not None:
            is_forgotten = updated is None or await self._forget(head, change.stored["id"])
            if is_forgotten:
                await self._chores.done(note)
        if updated is None:
            return None
        self._seal_if_large(head.key, updated)
        return Version(updated["generation"], updated["revision"])

    async def _put_with_seal(self, change: "_Change") -> Version | None:
        """Carry out an edit that does not fit beside what the head has.

        All of the head is sealed with what the message said before, and the message as it is now
        stays in the head as a correction; one update does it.
        """
        plan = plan_seal(
            change.head,
            keep_bytes=0,
            segment_bytes=self._sealer.budget.segment_bytes,
            further_past_text=change.past_text,
        )
        correction = change.correction
        members = plan.trimmed(change.head)
        members["corrections"] = [correction]
        members["steps"] = [*members["steps"], 0]
        members["live_bytes"] += message_size_bytes(correction) + STEP_BYTES
        updated = await self._sealer.carry_out(
            change.head,
            plan,
            {
                "$set": members,
                "$inc": {"revision": 1, "changes": 1},
                "$max": {"updated_at": naive_instant(change.at)},
            },
        )
        return Version(updated["generation"], updated["revision"]) if updated else None

    async def _forget(self, head: Head, message_id: str) -> bool:
        """Overwrite a deleted message's text wherever it is sealed; False: it is left to a note."""
        for _ in range(_FORGET_TRIES):
            now = await self._reader.find_head(head.key)
            if now is None or now.generation != head.generation:
                return True
            try:
                await self._chores.forget_texts(now, [message_id])
            except HeadMovedError:
                continue
            return True
        return False

    async def _find_message(self, head: Head, message_id: str) -> tuple[int, Document]:
        """A message with its place.

        Raises:
            MessageNotFoundError: the session has none of this id.
        """
        index = head.find_index(message_id)
        if index is not None:
            return head.sealed_count + index, head.messages[index]
        places = await self._chain.find_places(head, [message_id])
        if message_id not in places:
            # Absent only where no segment is missing, and each message here says which it is.
            await self._chain.on_chain(head, {})
            if not all(isinstance(message["id"], str) for message in head.messages):
                raise CorruptDocumentError("session")
            raise MessageNotFoundError(head.key.session_id, message_id)
        seq = places[message_id]
        found = await self._reader.at_places(head, [seq])
        if seq not in found:
            raise CorruptDocumentError("session")
        return seq, found[seq]

    async def _is_last_living(self, head: Head, seq: int) -> bool:
        if any("deleted_at" not in message for _, message in head.placed(seq + 1)):
            return False
        later = await self._chain.from_place(head, seq + 1)
        return all("deleted_at" in message for message in later.values())

    async def _last_living_before(self, head: Head, seq: int) -> datetime | None:
        """The date of the living message with the highest place before one; None: there is none."""
        for place, message in reversed(list(head.placed())):
            if place < seq and "deleted_at" not in message:
                return _date_of(message)
        stop = min(seq, head.sealed_count)
        while stop > 0:
            start = max(0, stop - 1000)
            found = await self._reader.at_places(head, range(start, stop))
            for place in range(stop - 1, start - 1, -1):
                if "deleted_at" not in found[place]:
                    return _date_of(found[place])
            stop = start
        return None

    def _seal_if_large(self, key: SessionKey, updated: Document) -> None:
        try:
            live_bytes, newest_segment = updated["live_bytes"], updated["newest_segment"]
        except KeyError as error:
            raise CorruptDocumentError("session") from error
        if self._sealer.budget.is_passed_by(live_bytes, newest_segment):
            self._sealer.start(key.user_id, self._reader.head_id(key))


def _date_of(message: Document) -> datetime:
    created_at = message["created_at"]
    if not isinstance(created_at, datetime):
        raise CorruptDocumentError("message")
    return created_at


@contextmanager
def _unknown_if(was_tried: bool) -> Generator[None]:  # noqa: FBT001 - it reads as a sentence
    """Whoever finds no session after a try cannot say that nothing has changed."""
    try:
        yield
    except SessionNotFoundError as error:
        if was_tried:
            raise _unknown_outcome() from error
        raise


def _unknown_outcome() -> StoreUnavailableError:
    return StoreUnavailableError("The connection broke during a change, which may have happened.")


def _too_busy() -> StoreBusyError:
    return StoreBusyError("The session is being changed by too many others; try again.")
