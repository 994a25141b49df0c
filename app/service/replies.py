"""ReplyService: an assistant answers in a session; the reply is stored whoever still listens."""

import asyncio
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from app.assistant.port import Assistant
from app.clock import Clock
from app.domain.identity import SessionKey, new_generation
from app.domain.message import ChatMessage, MessageType, NewMessage
from app.domain.reply import ReplyState, ReplyStatus, reply_id
from app.domain.session import Precondition
from app.errors import (
    AssistantBusyError,
    AssistantMissingError,
    MessageIdConflictError,
    MessageNotFoundError,
    NothingToAnswerError,
    ReplyRunningError,
    RevisionMismatchError,
    StoreBusyError,
)
from app.service.drafts import MessageDraft, messages_of
from app.service.reply_prompts import ReplyPrompts
from app.service.reply_reading import ReplyEvents, ReplyReader, Tail
from app.service.reply_writing import MakePrompt, ReplyPace, ReplyWriter, UseText
from app.service.running_reply import ReplyEnded, RunningReply
from app.store.port import SessionStore

_TRIES = 20
_ALL_OF_IT = 2**62
"""More than any text has: who listens from there hears of the end alone."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of asking: the message as it is stored, and where its reply is."""

    key: SessionKey
    message_json: bytes
    reply_id: str


@dataclass(frozen=True, slots=True)
class ReplyOptions:
    """What is asked of one reply besides its being one."""

    precondition: Precondition | None = None
    instruction: str | None = None
    """What the assistant is told beside the session."""
    use_text: UseText | None = None
    """What is done with the text once it is complete."""
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])
    """What the reply's message says of itself from its start."""


Prepare = Callable[[str], Awaitable[ReplyOptions]]
"""Gives the options of a reply of this id."""

_PLAIN = ReplyOptions()


class ReplyService:
    """Begins replies, and lets anyone who may read the session listen to them.

    Any method may raise a `StoreError`.
    """

    def __init__(
        self,
        store: SessionStore,
        clock: Clock,
        assistant: Assistant | None,
        *,
        prompt_tokens: int,
        replies_limit: int,
        pace: ReplyPace,
    ) -> None:
        self._store = store
        self._clock = clock
        self._pace = pace
        self._prompts = ReplyPrompts(store, prompt_tokens)
        self._reader = ReplyReader(store, clock, pace)
        self._writer: ReplyWriter | None = None
        if assistant is not None:
            self._writer = ReplyWriter(store, assistant, clock, pace)
        self._replies_limit = replies_limit
        self._beginning = 0
        self._running: dict[tuple[SessionKey, str], RunningReply] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def end(self) -> None:
        """Ask nobody any more; what came of the replies of this process is stored as partial."""
        for reply in self._running.values():
            reply.stop()

    async def aclose(self) -> None:
        """End, and wait until all of it is stored."""
        self.end()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def has_assistant(self) -> bool:
        """Whether anyone answers here."""
        return self._writer is not None

    # --- asking -----------------------------------------------------------------------------

    async def ask(
        self,
        key: SessionKey,
        draft: MessageDraft,
        *,
        idempotency_key: str | None = None,
        options: ReplyOptions = _PLAIN,
        prepare: Prepare | None = None,
    ) -> Asked:
        """Store a message and begin the reply to it, both in one step.

        A repetition, by the message's id or the key, stores nothing, asks nobody, and leads to the
        reply that there is. Otherwise `prepare` is asked for the options, before anything is
        stored; what it raises is raised.

        Raises:
            AssistantMissingError: nobody answers here; the message is stored.
            AssistantBusyError: too many replies are under way in this process.
            ReplyRunningError: the session has a reply under way, to another message.
            SessionNotFoundError: the user has no such session.
            RevisionMismatchError: the precondition does not hold.
            MessageIdConflictError: a known id or key came with another content.
            DocumentTooLargeError: the message has too many bytes.
        """
        at = self._clock.now()
        (message,) = messages_of([draft], key, at=at, idempotency_key=idempotency_key)
        if self._writer is None:
            await self._store.append(key, [message], at=at, precondition=options.precondition)
            raise AssistantMissingError
        answer_id = reply_id(key, message.id)
        if not message.is_id_fresh and await self._is_there(key, answer_id):
            known = await self._store.append(key, [message], at=at)  # or it is another message
            return Asked(key, known.messages_json[0], answer_id)
        if prepare is not None:
            options = await prepare(answer_id)
        return await self._begin(self._writer, key, message, answer_id, options)

    async def ask_again(self, key: SessionKey, options: ReplyOptions = _PLAIN) -> Asked:
        """Begin the reply to the newest message that is no reply itself.

        A reply to it that is under way or complete is led to; after one that broke off or failed,
        another one is begun behind it.

        Raises:
            AssistantMissingError: nobody answers here.
            AssistantBusyError: too many replies are under way in this process.
            NothingToAnswerError: the session has no message.
            ReplyRunningError: the session has a reply under way, to another message.
            SessionNotFoundError: the user has no such session.
            RevisionMismatchError: the precondition does not hold.
        """
        tail = await self._reader.settled_tail(key, options.precondition)
        if self._writer is None:
            raise AssistantMissingError
        question = tail.newest_question()
        if question is None:
            raise NothingToAnswerError(key.session_id)
        answers = tail.replies_to(question.id)
        for message, state in answers:
            if state.status in {ReplyStatus.STREAMING, ReplyStatus.COMPLETE}:
                return Asked(key, question.to_json(), message.id)
        answer_id = reply_id(key, question.id, len(answers))
        return await self._begin(self._writer, key, question, answer_id, options)

    # --- listening --------------------------------------------------------------------------

    async def join(self, key: SessionKey, message_id: str, position: int = 0) -> ReplyEvents:
        """What is told of a reply to a listener who has so many code points of its text.

        From this process's memory where it writes the reply, else from the store, with what other
        processes write to it.

        Raises:
            SessionNotFoundError: the user has no such session.
            MessageNotFoundError: it has no reply of this id.
        """
        running = self._running.get((key, message_id))
        if running is not None:
            return running.events(position)
        return await self._reader.events(key, message_id, position)

    async def wait(self, key: SessionKey, message_id: str) -> ChatMessage:
        """A reply as it is stored once it has ended.

        Raises:
            SessionNotFoundError: the user has no such session.
            MessageNotFoundError: it has no reply of this id.
        """
        async for _ in await self.join(key, message_id, _ALL_OF_IT):
            pass
        stored, _ = await self._store.read_message(key, message_id)
        return ChatMessage.from_json(stored)

    # --- inside -----------------------------------------------------------------------------

    async def _is_there(self, key: SessionKey, message_id: str) -> bool:
        try:
            await self._store.read_message(key, message_id)
        except MessageNotFoundError:
            return False
        return True

    async def _begin(
        self,
        writer: ReplyWriter,
        key: SessionKey,
        question: NewMessage | ChatMessage,
        answer_id: str,
        options: ReplyOptions,
    ) -> Asked:
        with self._room():
            for _ in range(_TRIES):
                tail = await self._reader.settled_tail(key, options.precondition)
                running_id = tail.running_reply_id()
                if running_id not in {None, answer_id}:
                    raise ReplyRunningError(key.session_id, str(running_id))
                try:
                    return await self._append(writer, key, question, answer_id, options, tail)
                except RevisionMismatchError:
                    if options.precondition is not None:
                        raise
                    # Someone was faster; whether that matters is seen by trying again.
                except MessageIdConflictError as error:
                    if error.message_id != answer_id:
                        raise
                    # Someone else has begun this very reply.
                    stored, _ = await self._store.read_message(key, question.id)
                    return Asked(key, stored, answer_id)
        raise StoreBusyError("The session is being changed by too many others; try again.")

    async def _append(
        self,
        writer: ReplyWriter,
        key: SessionKey,
        question: NewMessage | ChatMessage,
        answer_id: str,
        options: ReplyOptions,
        tail: Tail,
    ) -> Asked:
        """Store the question, where it is new, and an empty reply to it; and begin to write that.

        Both or none, and only while nothing has happened to the session since its tail was read,
        so that no session has two replies under way.
        """
        at = self._clock.now()
        state = ReplyState(
            status=ReplyStatus.STREAMING,
            in_reply_to=question.id,
            writer=new_generation(),
            lease_expires_at=self._pace.lease_from(at),
        )
        empty = NewMessage(
            id=answer_id,
            content="",
            message_type=MessageType.ASSISTANT,
            metadata={**options.metadata, **state.members()},
            created_at=at,
        )
        messages = [question, empty] if isinstance(question, NewMessage) else [empty]
        appended = await self._store.append(key, messages, at=at, precondition=tail.unchanged)
        answer = ChatMessage.from_json(appended.messages_json[-1])
        make_prompt = partial(self._prompts.prompt_of, key, answer.seq, options.instruction)
        reply = RunningReply(key, answer, state)
        self._running[key, answer_id] = reply
        task = asyncio.create_task(self._write(writer, reply, make_prompt, options.use_text))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if isinstance(question, NewMessage):
            return Asked(key, appended.messages_json[0], answer_id)
        return Asked(key, question.to_json(), answer_id)

    @contextmanager
    def _room(self) -> Generator[None]:
        """Hold a place for a reply that is about to begin."""
        if len(self._running) + self._beginning >= self._replies_limit:
            raise AssistantBusyError
        self._beginning += 1
        try:
            yield
        finally:
            self._beginning -= 1

    async def _write(
        self,
        writer: ReplyWriter,
        reply: RunningReply,
        make_prompt: MakePrompt,
        use_text: UseText | None,
    ) -> None:
        try:
            await writer.write(reply, make_prompt, use_text)
        finally:
            # Unless it has told of its end itself; asyncio's log has the error then.
            reply.finish(ReplyEnded(ReplyStatus.PARTIAL, reply.kept, "internal_error"))
            del self._running[reply.key, reply.message_id]
