"""Reading: a head, the messages that a reader wants of it, all of one version."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from app.domain.encoded import EncodedSession, header_json
from app.domain.identity import SessionKey, Version
from app.errors import CorruptDocumentError, SessionNotFoundError, StoreBusyError
from app.store.marking import Marking
from app.store.mongo.chain import (
    Chain,
    HeadMovedError,
    Places,
    damage_named,
    sort_places,
)
from app.store.mongo.collections import Collections
from app.store.mongo.encoding import Document, loaded_header, message_json, messages_json
from app.store.mongo.head import HEADER, Head, head_of
from app.store.port import MessagePage, MessageWindow, ReadSelection

_TRIES = 3
_TRIES_AT_MOST = 100
_INCOMPLETE = "session (a part of its messages is missing)"
_ENCODED_AT_ONCE = 1000

T = TypeVar("T")


class HeadsMoving:
    """Tells a session that others are changing from one of which a segment is missing.

    What does not fit to a head that has not changed meanwhile will never fit to it.
    """

    def __init__(self) -> None:
        self._last: Document | None = None
        self._count = 0

    def note(self, head: Head) -> None:
        """What was found did not fit to this head.

        Raises:
            CorruptDocumentError: nor did it the last times, and the head is still the same.
        """
        state = head.same_revision()
        self._count = self._count + 1 if state == self._last else 1
        self._last = state
        if self._count == _TRIES:
            raise CorruptDocumentError(_INCOMPLETE)


class Reader:
    """Reads the sessions of one store."""

    def __init__(self, collections: Collections, chain: Chain, marking: Marking) -> None:
        self._sessions = collections.sessions
        self._chain = chain
        self._marking = marking

    def head_id(self, key: SessionKey) -> str:
        """The `_id` of a session's head, and of the mark that its deletion leaves."""
        return self._marking.mark(*key).hex()

    def by_key(self, key: SessionKey) -> Document:
        """A filter: this session's head or mark."""
        return {"_id": self.head_id(key), "user_id": key.user_id}

    async def find_head(self, key: SessionKey) -> Head | None:
        """The session's head with all that is in it, or None where it is absent."""
        return head_of(await self._sessions.find_one(self.by_key(key)))

    async def get_head(self, key: SessionKey) -> Head:
        """The session's head with all that is in it.

        Raises:
            SessionNotFoundError: the user has no such session.
        """
        head = await self.find_head(key)
        if head is None:
            raise SessionNotFoundError(key.session_id)
        return head

    async def get_members(self, key: SessionKey, projection: Document) -> Document:
        """Some members of the session's head.

        Raises:
            SessionNotFoundError: the user has no such session.
        """
        members = await self._sessions.find_one(
            {**self.by_key(key), "deleted_at": None}, projection
        )
        if members is None:
            raise SessionNotFoundError(key.session_id)
        return members

    async def find_version(self, key: SessionKey) -> Version | None:
        """The session's version; the smallest answer that a server can give."""
        members = await self._sessions.find_one(
            {**self.by_key(key), "deleted_at": None}, {"generation": 1, "revision": 1}
        )
        if members is None:
            return None
        try:
            return Version(members["generation"], members["revision"])
        except KeyError as error:
            raise CorruptDocumentError("session") from error

    async def with_head(self, key: SessionKey, work: Callable[[Head], Awaitable[T]]) -> T:
        """What some work finds by a head; with a new head where it turns out that it has moved.

        Raises:
            SessionNotFoundError: the user has no such session.
            CorruptDocumentError: a segment is missing, and the head stays as it is.
        """
        moving = HeadsMoving()
        for _ in range(_TRIES_AT_MOST):
            head = await self.get_head(key)
            try:
                with damage_named():
                    return await work(head)
            except HeadMovedError:
                moving.note(head)
        raise StoreBusyError("The session is being changed by too many others; try again.")

    async def read(self, key: SessionKey, selection: ReadSelection) -> EncodedSession:
        """The header and the selected messages."""
        if not selection.with_messages:
            members = await self.get_members(key, HEADER)
            header = loaded_header(members)
            return EncodedSession(header.version, header_json(header), None)

        async def selected(head: Head) -> EncodedSession:
            placed = sort_places(await self._select(head, selection))
            return head.encoded(await _encoded(placed))

        return await self.with_head(key, selected)

    async def read_page(self, key: SessionKey, window: MessageWindow) -> MessagePage:
        """The places that a window shows."""

        async def page(head: Head) -> MessagePage:
            start, stop = _range_of(window, head.next_seq)
            found = await self.at_places(head, range(start, stop))
            bodies = tuple(message_json(seq, message) for seq, message in sort_places(found))
            return MessagePage(bodies, head.next_seq, head.version)

        return await self.with_head(key, page)

    async def at_places(self, head: Head, places: range | list[int]) -> Places:
        """The messages at some places of a session."""
        found = await self._chain.at_places(head, places)
        wanted = set(places)
        found.update((seq, message) for seq, message in head.placed() if seq in wanted)
        return found

    async def all_messages(self, head: Head) -> list[tuple[int, Document]]:
        """All messages of a session."""
        return [*sort_places(await self._chain.from_place(head, 0)), *head.placed()]

    async def settled_messages(self, head: Head) -> list[tuple[int, Document]]:
        """All messages of a session that a listing has met; none where it has gone meanwhile."""
        try:
            return await self.all_messages(head)
        except HeadMovedError:
            try:
                return await self.with_head(head.key, self.all_messages)
            except SessionNotFoundError:
                return []

    async def _select(self, head: Head, selection: ReadSelection) -> Places:
        after = -1 if selection.after_seq is None else selection.after_seq
        start = max(0, after + 1)
        since = selection.since
        if since is None or since.generation != head.generation or since.revision > head.revision:
            places = await self._chain.from_place(head, start)
            places.update(head.placed(start))
            return places
        places = await self._chain.since(head, since.revision)
        if since.revision < head.sealed_revision:
            places.update(head.placed())
        else:
            first_appended = head.place_after(since.revision)
            known = head.changes_until(since.revision)
            places.update(
                (seq, message)
                for seq, message in head.placed()
                if seq >= first_appended or message.get("change", 0) > known
            )
        return {seq: message for seq, message in places.items() if seq >= start}


async def _encoded(placed: list[tuple[int, Document]]) -> bytes:
    """The messages as JSON; other requests get their turns while many are encoded."""
    parts: list[bytes] = []
    for start in range(0, len(placed), _ENCODED_AT_ONCE):
        if start:
            await asyncio.sleep(0)
        parts.append(messages_json(placed[start : start + _ENCODED_AT_ONCE]))
    return b",".join(parts)


def _range_of(window: MessageWindow, next_seq: int) -> tuple[int, int]:
    if window.before_seq is not None:
        stop = max(0, min(window.before_seq, next_seq))
        return max(0, stop - window.limit), stop
    start = window.offset or 0
    if window.after_seq is not None:
        start = max(0, window.after_seq + 1)
    start = min(start, next_seq)
    return start, min(start + window.limit, next_seq)
