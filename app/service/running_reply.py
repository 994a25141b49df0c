"""RunningReply: a reply that this process writes: its text so far, and all who listen to it."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, field
from io import StringIO
from typing import Any

from app.domain.free_json import encode_json
from app.domain.identity import SessionKey
from app.domain.message import ChatMessage, Wording
from app.domain.reply import ReplyState, ReplyStatus

PIECE_CHARACTERS = 16 * 1024
"""The most code points in one event; whoever joins late gets what there is in several."""


@dataclass(frozen=True, slots=True)
class ReplyBegan:
    """Which reply is listened to; always the first event."""

    key: SessionKey
    message_id: str
    in_reply_to: str
    position: int
    """How many code points of the text the listener has."""


@dataclass(frozen=True, slots=True)
class ReplyDelta:
    """More of the text."""

    text: str
    position: int
    """How many code points there are with this."""


@dataclass(frozen=True, slots=True)
class ReplyEnded:
    """How a reply ended; always the last event."""

    status: ReplyStatus
    length: int
    """How many code points the stored text has: what a listener has beyond is not part of it."""
    reason: str | None = None
    detail: str | None = None
    finish_reason: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])
    """What else the stored message says of itself: `usage`, …"""


ReplyEvent = ReplyBegan | ReplyDelta | ReplyEnded


def ended_by(message: ChatMessage, state: ReplyState, detail: str | None = None) -> ReplyEnded:
    """The end of a reply as its message tells it."""
    return ReplyEnded(
        state.status,
        len(message.content),
        state.reason,
        detail,
        state.finish_reason,
        message.metadata,
    )


class RunningReply:
    """One text that grows, and listeners who read from it, each at its own pace.

    A listener holds its place in the text and nothing else, however slow it is.
    """

    def __init__(self, key: SessionKey, message: ChatMessage, state: ReplyState) -> None:
        self.key = key
        self.message_id = message.id
        self.state = state
        self.stored = Wording(content=message.content, metadata=message.metadata)
        """What the store is known to hold."""
        self.uncertain: Wording | None = None
        """What it may hold instead, after a write of which nobody knows whether it happened."""
        self.length = 0
        self._size_bytes = 0
        """Of the text as JSON, which is how stores count it."""
        self._text = StringIO()
        self._asking: asyncio.Task[Any] | None = None
        self.is_stopped = False
        """Whether nobody is to be asked any more."""
        self._end: ReplyEnded | None = None
        self._moved = asyncio.Event()

    @property
    def text(self) -> str:
        """All that came so far."""
        return self._text.getvalue()

    @property
    def kept(self) -> int:
        """How many code points the store is known to hold."""
        return len(self.stored.content)

    @property
    def has_news(self) -> bool:
        """Whether more has come than the store is known to hold."""
        return self.uncertain is not None or self.length > self.kept

    def take(self, piece: str, limit_bytes: int) -> bool:
        """Add to the text; False, and nothing is added, where it would pass the limit."""
        size_bytes = self._size_bytes + len(encode_json(piece)) - 2
        if size_bytes > limit_bytes:
            return False
        self._text.seek(self.length)
        self._text.write(piece)
        self.length += len(piece)
        self._size_bytes = size_bytes
        self._wake()
        return True

    def finish(self, end: ReplyEnded) -> None:
        """Tell all listeners the end; the first one told stands."""
        self._end = self._end or end
        self._wake()

    def is_asked_by(self, asking: asyncio.Task[Any]) -> None:
        """Say who asks the assistant, so that it can be stopped."""
        self._asking = asking
        if self.is_stopped:
            asking.cancel()

    def stop(self) -> None:
        """Ask no more; what came is written out as partial."""
        self.is_stopped = True
        if self._asking is not None:
            self._asking.cancel()

    async def ended(self) -> ReplyEnded:
        """Wait for the end."""
        while self._end is None:
            await self._moved.wait()
        return self._end

    async def events(self, position: int) -> AsyncGenerator[ReplyEvent]:
        """What a listener is told who has so much of the text."""
        yield ReplyBegan(self.key, self.message_id, self.state.in_reply_to, position)
        while True:
            moved = self._moved
            while position < self.length:
                piece = self._piece(position)
                position += len(piece)
                yield ReplyDelta(piece, position)
            if self._end is not None:
                yield self._end
                return
            if moved is self._moved:
                await moved.wait()

    def _piece(self, position: int) -> str:
        self._text.seek(position)
        return self._text.read(PIECE_CHARACTERS)

    def _wake(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()


def pieces_of(text: str, position: int) -> Iterator[ReplyDelta]:
    """What a listener lacks of a text that is known."""
    for start in range(position, len(text), PIECE_CHARACTERS):
        end = min(start + PIECE_CHARACTERS, len(text))
        yield ReplyDelta(text[start:end], end)
