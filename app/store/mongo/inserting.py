"""Inserting: new sessions, by users and by folds; a key is taken by one head or mark at a time."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pymongo.errors import BulkWriteError, DuplicateKeyError, PyMongoError

from app.domain.limits import StoreLimits
from app.domain.message import EncodedMessage
from app.domain.session import NewSession, SessionHeader
from app.errors import SessionExistsError, StoreBusyError, StoreUnavailableError
from app.store.mongo.appending import MAYBE_WRITTEN
from app.store.mongo.building import Built, built
from app.store.mongo.chores import Chores
from app.store.mongo.collections import Collections
from app.store.mongo.encoding import Document, stored_new_message
from app.store.mongo.head import Head, head_of
from app.store.mongo.marks import Marks
from app.store.mongo.reading import Reader
from app.store.mongo.seal_plans import Budget

_TRIES = 20
_DUPLICATE = 11000
_ENCODED_AT_ONCE = 500
"""Messages of a fold: the server inserts them while the next are encoded."""


@dataclass(frozen=True, slots=True)
class _Checked:
    """A new session that the store can hold, before its messages are encoded."""

    session: NewSession
    head_id: str
    header: SessionHeader
    messages: list[EncodedMessage]


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
        new = self._built(self._checked(session))
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
        checked = [self._checked(session) for session in sessions]
        users = {session.key.user_id for session in sessions}
        taken = await self._marks.taken([new.head_id for new in checked], users)
        free = {
            index: new
            for index, new in enumerate(checked)
            if new.head_id not in taken and new.session.key.user_id not in taken
        }
        if not free:
            return [False] * len(checked)
        whose = [
            (new.head_id, new.session.key.user_id, new.session.generation) for new in free.values()
        ]
        note = await self._chores.note_fold(whose, self._marks.user_id_mark)
        stored = await self._insert_free(free)
        taken_back = await self._chores.end_fold(note)
        return [
            index in stored and new.head_id not in taken_back for index, new in enumerate(checked)
        ]

    async def _insert_free(self, all_new: Mapping[int, _Checked]) -> set[int]:
        """Store those whose key is not taken meanwhile; returns which these are."""
        stored: set[int] = set()
        long: dict[int, Built] = {}
        inserting: asyncio.Task[set[int]] | None = None
        try:
            for group in _grouped(all_new):
                short: dict[int, Built] = {}
                for index, new in group.items():
                    done = self._built(new)
                    (long if done.segments else short)[index] = done
                if inserting is not None:
                    stored |= await inserting
                inserting = asyncio.create_task(self._inserted(short))
                await asyncio.sleep(0)  # lets it send them before the next are encoded
            if inserting is not None:
                stored |= await inserting
        finally:
            if inserting is not None and not inserting.done():
                inserting.cancel()
                await asyncio.wait([inserting])
        for index, done in long.items():
            if await self._insert_long(done):
                stored.add(index)
        return stored

    async def _inserted(self, all_new: Mapping[int, Built]) -> set[int]:
        refused = await self._refused(list(all_new.values()))
        return all_new.keys() - {list(all_new)[place] for place in refused}

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

    def _checked(self, session: NewSession) -> _Checked:
        header = session.header()
        self._limits.check_header(header.size_bytes())
        messages = session.encoded_messages()
        self._limits.check_messages(len(message.unplaced_json) for message in messages)
        return _Checked(session, self._reader.head_id(session.key), header, messages)

    def _built(self, new: _Checked) -> Built:
        return built(
            new.head_id,
            new.header,
            new.session.creation_digest,
            [stored_new_message(message) for message in new.messages],
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


def _grouped(all_new: Mapping[int, _Checked]) -> Iterator[dict[int, _Checked]]:
    """Some sessions at a time, of about as many messages."""
    group: dict[int, _Checked] = {}
    count = 0
    for index, new in all_new.items():
        group[index] = new
        count += len(new.messages)
        if count >= _ENCODED_AT_ONCE:
            yield group
            group, count = {}, 0
    if group:
        yield group


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
