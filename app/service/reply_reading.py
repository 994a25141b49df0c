"""ReplyReader: replies as the store has them: which one is under way, and what others write."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from app.clock import Clock
from app.domain.identity import SessionKey, Version
from app.domain.message import ChatMessage, MessageEdit
from app.domain.reply import ReplyState, ReplyStatus, reply_state, with_state
from app.domain.session import Precondition
from app.errors import MessageNotFoundError
from app.service.reply_writing import ReplyPace
from app.service.running_reply import ReplyBegan, ReplyEvent, ended_by, pieces_of
from app.store.port import MessageWindow, SessionStore

LEASE_EXPIRED = "lease_expired"
_TAIL_PLACES = 100
"""Among so many of the newest places a reply under way is looked for."""
_BEHIND_ALL = 2**53

ReplyEvents = AsyncGenerator[ReplyEvent]


@dataclass(frozen=True, slots=True)
class Tail:
    """The newest messages of a session, among them no reply that its writer has left."""

    messages: Sequence[ChatMessage]
    unchanged: Precondition
    """Holds until something happens to the session."""

    def running_reply_id(self) -> str | None:
        """The reply that is under way."""
        for message in reversed(self.messages):
            state = reply_state(message)
            if state is not None and state.status is ReplyStatus.STREAMING:
                return message.id
        return None

    def newest_question(self) -> ChatMessage | None:
        """The newest message that is no reply itself."""
        for message in reversed(self.messages):
            if not message.is_deleted and reply_state(message) is None:
                return message
        return None

    def replies_to(self, message_id: str) -> list[tuple[ChatMessage, ReplyState]]:
        """The replies to a message, oldest first."""
        states = [(message, reply_state(message)) for message in self.messages]
        return [
            (message, state)
            for message, state in states
            if state is not None and state.in_reply_to == message_id
        ]


class ReplyReader:
    """Reads replies, and marks as partial those whose lease has run out."""

    def __init__(self, store: SessionStore, clock: Clock, pace: ReplyPace) -> None:
        self._store = store
        self._clock = clock
        self._pace = pace

    async def settled_tail(self, key: SessionKey, precondition: Precondition | None) -> Tail:
        """The newest messages, once replies that were left are marked.

        Raises:
            SessionNotFoundError: the user has no such session.
            RevisionMismatchError: the precondition does not hold.
        """
        window = MessageWindow(limit=_TAIL_PLACES, before_seq=_BEHIND_ALL)
        is_guarded = precondition is not None
        while True:
            page = await self._store.list_messages(key, window)
            if precondition is not None:
                precondition.check(key.session_id, page.version)
            unchanged = Precondition(versions=frozenset({page.version}))
            messages = [ChatMessage.from_json(stored) for stored in page.messages_json]
            left = next(filter(self._is_left, messages), None)
            state = None if left is None else reply_state(left)
            if left is None or state is None:
                return Tail(messages, unchanged)
            marked = await self._mark(key, left, state, unchanged if is_guarded else None)
            if is_guarded:
                # Nothing but the mark has come between what the caller has seen and this.
                precondition = Precondition(versions=frozenset({marked}))

    async def events(self, key: SessionKey, message_id: str, position: int) -> ReplyEvents:
        """What is told of a reply to a listener who has so many code points of its text.

        Raises:
            SessionNotFoundError: the user has no such session.
            MessageNotFoundError: it has no reply of this id.
        """
        message, state, version = await self._read(key, message_id)
        return self._events(key, message, state, version, position)

    async def _events(
        self,
        key: SessionKey,
        message: ChatMessage,
        state: ReplyState,
        version: Version,
        position: int,
    ) -> ReplyEvents:
        yield ReplyBegan(key, message.id, state.in_reply_to, position)
        while True:
            for piece in pieces_of(message.content, position):
                yield piece
                position = piece.position
            if state.status is not ReplyStatus.STREAMING:
                yield ended_by(message, state)
                return
            if self._is_left(message):
                await self._mark(key, message, state)
            else:
                await self._change(key, message, version)
            message, state, version = await self._read(key, message.id)

    async def _change(self, key: SessionKey, message: ChatMessage, version: Version) -> None:
        """Wait until the session has changed, or the reply's writer has left it."""
        while True:
            await asyncio.sleep(self._pace.flush_seconds)
            if self._is_left(message) or await self._store.find_version(key) != version:
                return

    async def _read(
        self, key: SessionKey, message_id: str
    ) -> tuple[ChatMessage, ReplyState, Version]:
        stored, version = await self._store.read_message(key, message_id)
        message = ChatMessage.from_json(stored)
        state = reply_state(message)
        if state is None:
            raise MessageNotFoundError(key.session_id, message_id)
        return message, state, version

    def _is_left(self, message: ChatMessage) -> bool:
        state = reply_state(message)
        return state is not None and state.has_expired(self._clock.now())

    async def _mark(
        self,
        key: SessionKey,
        message: ChatMessage,
        state: ReplyState,
        precondition: Precondition | None = None,
    ) -> Version:
        """Mark a reply as partial, unless its writer was only slow and has gone on meanwhile."""
        ended = with_state(message, state.ended(ReplyStatus.PARTIAL, LEASE_EXPIRED))
        edit = MessageEdit(
            metadata=ended.metadata,
            at=self._clock.now(),
            replaces=message.wording,
            keeps_past=False,
        )
        _, version = await self._store.edit_message(key, message.id, edit, precondition)
        return version
