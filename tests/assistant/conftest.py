"""Replies on every store, by a real client of a real upstream."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import NamedTuple

import pytest

from app.assistant.chat_completions import ChatCompletions
from app.assistant.chat_completions import Upstream as Address
from app.clock import Clock
from app.domain.message import ChatMessage
from app.service.replies import ReplyService
from app.service.reply_writing import ReplyPace
from app.service.running_reply import ReplyDelta, ReplyEvent
from app.store.port import SessionStore
from tests.assistant.upstream import Answer, Upstream, upstream
from tests.factories import KEY, make_new_session
from tests.fake_clock import FakeClock
from tests.store_kind import StoreKind
from tests.stores import STORES, STORES_BEHIND_DOORS

QUICK = ReplyPace(flush_seconds=0.01, lease_seconds=15, ending_tries=5)
_DEADLINE_SECONDS = 10
_POLL_SECONDS = 0.002


@pytest.fixture(params=STORES_BEHIND_DOORS)
def store_kind(request: pytest.FixtureRequest) -> StoreKind:
    return STORES[request.param]


class Answering(NamedTuple):
    """A service of replies with whom it asks."""

    replies: ReplyService
    upstream: Upstream


class Answers:
    """Makes services of replies on one store; all of them end with the test."""

    def __init__(self, store: SessionStore, clock: Clock, stack: AsyncExitStack) -> None:
        self._store = store
        self._clock = clock
        self._stack = stack

    async def __call__(
        self,
        *answers: Answer,
        store: SessionStore | None = None,
        pace: ReplyPace = QUICK,
        replies_limit: int = 10,
        prompt_tokens: int = 1000,
    ) -> Answering:
        server = await self._stack.enter_async_context(upstream(*answers))
        client = ChatCompletions(Address(server.url, "model-1", retry_pause_seconds=0))
        self._stack.push_async_callback(client.aclose)
        replies = ReplyService(
            store or self._store,
            self._clock,
            client,
            prompt_tokens=prompt_tokens,
            replies_limit=replies_limit,
            pace=pace,
        )
        self._stack.push_async_callback(replies.aclose)
        return Answering(replies, server)


@pytest.fixture
async def answering(store: SessionStore, clock: FakeClock) -> AsyncIterator[Answers]:
    await store.insert(make_new_session())
    async with AsyncExitStack() as stack:
        yield Answers(store, clock, stack)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for what comes by itself."""
    async with asyncio.timeout(_DEADLINE_SECONDS):
        while not await condition():  # noqa: ASYNC110 - a store sets no event
            await asyncio.sleep(_POLL_SECONDS)


async def stored(store: SessionStore, message_id: str) -> ChatMessage:
    return ChatMessage.from_json((await store.read_message(KEY, message_id))[0])


async def until_stored(store: SessionStore, message_id: str, text: str) -> None:
    """Wait until so much of a reply is written out."""

    async def is_stored() -> bool:
        return (await stored(store, message_id)).content == text

    await until(is_stored)


def text_of(events: list[ReplyEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, ReplyDelta))
