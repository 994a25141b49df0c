"""A session that is still in a source can be followed, and into the store when it is folded."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from app.domain.following import Bookmark, ChangeKind, SessionChange
from app.domain.identity import SessionKey
from app.domain.session import NewSession
from app.errors import LegacySourceUnavailableError
from app.legacy.folding_store import FoldingStore
from app.legacy.looking import looking_at_least
from app.service.live import Following, LiveService, Lost
from app.store.memory import MemoryStore
from tests.factories import KEY, make_message, make_messages, make_new_session
from tests.fake_clock import START
from tests.half_migrated import HeldSource


class FailingSource(HeldSource):
    """A source that cannot be read when a test wants it so."""

    is_failing = False

    async def find(self, key: SessionKey) -> NewSession | None:
        if self.is_failing:
            raise LegacySourceUnavailableError(self.label)
        return await super().find(key)


async def test_the_first_write_folds_a_session_and_is_heard_without_a_gap() -> None:
    source = HeldSource()
    source.sessions[KEY] = make_new_session(messages=make_messages(2))
    store = FoldingStore(MemoryStore(), [source])

    async with asyncio.timeout(20), aclosing(await LiveService(store).follow(KEY)) as events:
        ready = await anext(events)
        await store.append(KEY, [make_message("m2")], at=START)
        heard = await anext(events)

    assert isinstance(ready, Following)
    assert ready.bookmark.next_seq == 2
    assert isinstance(heard, SessionChange)
    assert (heard.kind, heard.bookmark.next_seq) == (ChangeKind.APPENDED, 3)


async def test_a_session_whose_source_has_changed_is_to_be_read_again() -> None:
    source = HeldSource()
    source.sessions[KEY] = make_new_session(messages=make_messages(2))
    store = FoldingStore(MemoryStore(), [source])

    async with asyncio.timeout(20), aclosing(await LiveService(store).follow(KEY)) as events:
        await anext(events)
        changed = make_new_session(messages=make_messages(3))
        source.sessions[KEY] = changed
        heard = await anext(events)

    assert heard == Lost(Bookmark(changed.generation, 3, 0))


async def test_a_source_that_fails_concerns_only_those_who_follow_what_it_has() -> None:
    source = FailingSource()
    source.sessions[KEY] = make_new_session(messages=make_messages(2))
    store = FoldingStore(MemoryStore(), [source])
    stored = KEY._replace(session_id="stored")
    await store.insert(make_new_session(stored))
    live = LiveService(store)

    async with (
        asyncio.timeout(20),
        aclosing(await live.follow(KEY)) as of_source,
        aclosing(await live.follow(stored)) as of_store,
    ):
        await anext(of_source)
        await anext(of_store)
        source.is_failing = True
        with pytest.raises(LegacySourceUnavailableError):
            await anext(of_source)
        await store.append(stored, [make_message()], at=START)
        heard = await anext(of_store)

    assert isinstance(heard, SessionChange)
    assert heard.kind is ChangeKind.APPENDED


async def test_where_a_store_is_quiet_it_is_looked_at_all_the_same() -> None:
    is_closed = False

    async def quiet() -> AsyncGenerator[None]:
        nonlocal is_closed
        try:
            yield
            await asyncio.Event().wait()
        finally:
            is_closed = True

    looks = looking_at_least(quiet(), every_seconds=0.001)
    async with asyncio.timeout(20), aclosing(looks):
        for _ in range(4):
            await anext(looks)

    assert is_closed
