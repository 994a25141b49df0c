"""ReplyWriter: asks the assistant, writes out what comes each second under a lease, and ends it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from app.assistant.port import Assistant, Finish, PromptMessage
from app.clock import Clock
from app.domain.message import ChatMessage, MessageEdit, Wording
from app.domain.reply import USAGE_MEMBER, ReplyState, ReplyStatus
from app.errors import (
    AppError,
    AssistantFailedError,
    MessageNotFoundError,
    SessionNotFoundError,
    StoreUnavailableError,
)
from app.service.running_reply import ReplyEnded, RunningReply, ended_by
from app.store.port import SessionStore

_METADATA_RESERVE_BYTES = 64 * 1024
"""What is left free of a message's limit, for all that is not its text."""

_CANCEL_SECONDS = 0.1
"""When a cancellation is repeated: Python 3.11's `wait_for`, which drivers use, may lose one."""

_log = logging.getLogger(__name__)

MakePrompt = Callable[[], Awaitable[Sequence[PromptMessage]]]
UseText = Callable[[str], Awaitable[dict[str, Any]]]
"""What is done with a text that is complete; returns what the message's metadata say of it."""


@dataclass(frozen=True, slots=True)
class ReplyPace:
    """How often what is new is written out, and how long a writer is believed to be at work."""

    flush_seconds: float = 1.0
    lease_seconds: float = 15.0
    ending_tries: int = 10
    """How often its end is written to a store that is not available, before that is given up."""

    def lease_from(self, now: datetime) -> datetime:
        """Until when a lease holds that is taken now."""
        return now + timedelta(seconds=self.lease_seconds)

    def is_late(self, lease_expires_at: datetime | None, now: datetime) -> bool:
        """Whether half of a lease is over, and it is to be renewed even with nothing to write."""
        half = timedelta(seconds=self.lease_seconds / 2)
        return lease_expires_at is None or lease_expires_at - now < half


class _LostError(AppError):
    """The message is another's by now: who held it for abandoned has ended it, or edited it."""

    def __init__(self) -> None:
        super().__init__("The message was changed by someone else, whose words stand.")


@dataclass(frozen=True, slots=True)
class _End:
    status: ReplyStatus
    reason: str | None = None
    detail: str | None = None
    finish: Finish = field(default_factory=Finish)


class ReplyWriter:
    """Writes replies into their messages; one task each."""

    def __init__(
        self, store: SessionStore, assistant: Assistant, clock: Clock, pace: ReplyPace
    ) -> None:
        self._store = store
        self._assistant = assistant
        self._clock = clock
        self._pace = pace
        self._limit_bytes = store.limits.message_bytes - _METADATA_RESERVE_BYTES

    async def write(
        self, reply: RunningReply, make_prompt: MakePrompt, use_text: UseText | None
    ) -> None:
        """Write a reply from its first word to its end, which listeners are told in any case."""
        asking = asyncio.create_task(self._ask(reply, make_prompt))
        reply.is_asked_by(asking)
        try:
            await self._write_out_while_asking(reply, asking)
            ended = await self._end(reply, self._outcome(reply, asking), use_text)
        except (_LostError, MessageNotFoundError, SessionNotFoundError):
            ended = ReplyEnded(ReplyStatus.PARTIAL, reply.kept, "taken", str(_LostError()))
        except AppError as error:
            # What was written out last stands, and the lease runs out.
            _log.warning("A reply could not be written out: %s", error)
            ended = ReplyEnded(ReplyStatus.PARTIAL, reply.kept, error.code, str(error))
        finally:
            while not asking.done():
                asking.cancel()
                await asyncio.wait({asking}, timeout=_CANCEL_SECONDS)
        reply.finish(ended)

    async def _ask(self, reply: RunningReply, make_prompt: MakePrompt) -> _End:
        parts = self._assistant.reply(await make_prompt())
        async with aclosing(parts):
            async for part in parts:
                if isinstance(part, Finish):
                    return _End(ReplyStatus.COMPLETE, finish=part)
                if not reply.take(part.text, self._limit_bytes):
                    return _End(
                        ReplyStatus.PARTIAL, "too_long", "The reply is longer than a message."
                    )
        raise AssistantFailedError("broken", "The assistant broke off in its reply.")

    async def _write_out_while_asking(
        self, reply: RunningReply, asking: asyncio.Task[_End]
    ) -> None:
        while True:
            await asyncio.wait({asking}, timeout=self._pace.flush_seconds)
            if asking.done():
                return
            if reply.is_stopped:
                asking.cancel()
            now = self._clock.now()
            if not reply.has_news and not self._pace.is_late(reply.state.lease_expires_at, now):
                continue
            try:
                reply.state = reply.state.renewed(self._pace.lease_from(now))
                await self._put(reply, reply.text, reply.state)
            except StoreUnavailableError as error:
                _log.warning("A reply waits for its store: %s", error)

    @staticmethod
    def _outcome(reply: RunningReply, asking: asyncio.Task[_End]) -> _End:
        """What has become of the asking."""
        broken_off = ReplyStatus.PARTIAL if reply.length else ReplyStatus.FAILED
        if asking.cancelled():
            return _End(broken_off, "interrupted", "The service ends, and the reply with it.")
        match asking.exception():
            case None:
                return asking.result()
            case AssistantFailedError() as error:
                return _End(broken_off, error.reason, str(error))
            case AppError() as error:
                return _End(broken_off, error.code, str(error))
            case error:
                _log.error("A reply failed unexpectedly.", exc_info=error)
                return _End(broken_off, "internal_error", "The server met an error of its own.")

    async def _end(self, reply: RunningReply, end: _End, use_text: UseText | None) -> ReplyEnded:
        more: dict[str, Any] = {USAGE_MEMBER: end.finish.usage} if end.finish.usage else {}
        text = reply.text
        if use_text is not None and end.status is ReplyStatus.COMPLETE:
            more |= await use_text(text)
        state = reply.state.ended(end.status, end.reason, end.finish.reason)
        for _ in range(self._pace.ending_tries - 1):
            try:
                return ended_by(await self._put(reply, text, state, more), state, end.detail)
            except StoreUnavailableError:
                await asyncio.sleep(self._pace.flush_seconds)
        return ended_by(await self._put(reply, text, state, more), state, end.detail)

    async def _put(
        self,
        reply: RunningReply,
        text: str,
        state: ReplyState,
        more: dict[str, Any] | None = None,
    ) -> ChatMessage:
        """Write out a reply, as long as it says what we have written last.

        Raises:
            _LostError: it says something else.
        """
        if reply.uncertain is not None:
            # Whether that was stored is not known; it is once the same was written again.
            await self._replace(reply, reply.uncertain)
        metadata = {**reply.stored.metadata, **state.members(), **(more or {})}
        return await self._replace(reply, Wording(content=text, metadata=metadata))

    async def _replace(self, reply: RunningReply, wanted: Wording) -> ChatMessage:
        edit = MessageEdit(
            content=wanted.content,
            metadata=wanted.metadata,
            at=self._clock.now(),
            replaces=reply.stored,
            keeps_past=False,
        )
        reply.uncertain = wanted
        stored, _ = await self._store.edit_message(reply.key, reply.message_id, edit)
        message = ChatMessage.from_json(stored)
        if not wanted.is_of(message):
            raise _LostError
        reply.stored = wanted
        reply.uncertain = None
        return message
