"""Whatever happens in whatever order, who follows a session ends with what a read shows."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.following import Bookmark, ChangeKind, SessionChange
from app.domain.message import ChatMessage
from app.service.live import Following, Gone, LiveEvent, LiveService, Lost
from app.store.memory import MemoryStore
from tests.factories import KEY, make_edit, make_message, make_messages, make_new_session, make_put
from tests.fake_clock import START, instant

numbers = st.integers(0, 20)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(1, 4)),
        st.tuples(st.just("edit"), numbers),
        st.tuples(st.just("delete"), numbers),
        st.tuples(st.just("rename"), numbers),
        st.tuples(st.just("begin anew"), st.integers(0, 3)),
        st.tuples(st.just("hear"), st.integers(1, 6)),
        st.tuples(st.just("hang up"), numbers),
    ),
    max_size=25,
)


class CountingStore(MemoryStore):
    """A store that knows how often it was looked at."""

    look_count = 0

    async def read_changes(self, key: Any, after: Bookmark) -> Any:
        self.look_count += 1
        return await super().read_changes(key, after)


class Reader:
    """Someone who follows the session, hangs up, and goes on where they were."""

    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        self.live = LiveService(store)
        self.messages: list[bytes] = []
        self.name: str | None = None
        self.bookmark: Bookmark | None = None
        self.appended: list[int] = []
        self._events: AsyncGenerator[LiveEvent] | None = None

    async def read_whole(self) -> None:
        session = (await self.store.read(KEY)).document()
        self.messages = [message.to_json() for message in session.messages]
        self.name = session.session_name
        self.bookmark = Bookmark(session.generation, session.next_seq, session.changes)
        self.appended = list(range(session.next_seq))

    async def hear(self, limit: int) -> None:
        """Take in some events, unless there is nothing more to hear."""
        for _ in range(limit):
            if (await self.store.find_bookmarks([KEY]))[KEY] == self.bookmark:
                return
            if self._events is None:
                assert self.bookmark is not None
                self._events = await self.live.follow(KEY, self.bookmark)
                assert await anext(self._events) == Following(self.bookmark)
            await self._take_in(await anext(self._events))

    async def hang_up(self) -> None:
        if self._events is not None:
            await self._events.aclose()
            self._events = None

    async def _take_in(self, event: LiveEvent) -> None:
        if isinstance(event, Gone):
            await self.hang_up()  # it is there again by now
            return
        if isinstance(event, Lost):
            await self.read_whole()
            await self.hang_up()
            return
        assert isinstance(event, SessionChange)
        assert event.bookmark != self.bookmark
        self.bookmark = event.bookmark
        if event.kind is ChangeKind.HEADER:
            header = (await self.store.read(KEY)).header()
            self.name = header.session_name
            return
        seq = ChatMessage.from_json(event.json).seq
        if event.kind is ChangeKind.APPENDED:
            self.appended.append(seq)
            self.messages.append(event.json)
        self.messages[seq] = event.json


async def do(store: MemoryStore, step: str, number: int, times: int) -> None:
    session = (await store.read(KEY)).document()
    living = [message.id for message in session.messages if not message.is_deleted]
    match step:
        case "append":
            first = session.next_seq
            await store.append(KEY, make_messages(number, first=first), at=instant(times))
        case "edit" if living:
            edit = make_edit(f"edited {times}", at=instant(times))
            await store.edit_message(KEY, living[number % len(living)], edit)
        case "delete" if living:
            await store.delete_message(KEY, living[number % len(living)], instant(times))
        case "rename":
            await store.change_header(KEY, make_put(session_name=str(number)))
        case "begin anew":
            await store.delete(KEY, START)
            await store.insert(make_new_session(messages=make_messages(number)))


@settings(max_examples=40, deadline=None)
@given(steps)
def test_a_reader_ends_with_what_a_read_shows(steps: list[tuple[str, int]]) -> None:
    async def run() -> None:
        store = MemoryStore()
        await store.insert(make_new_session(messages=make_messages(2)))
        reader = Reader(store)
        await reader.read_whole()

        for times, (step, number) in enumerate(steps):
            if step == "hear":
                await reader.hear(number)
            elif step == "hang up":
                await reader.hang_up()
            else:
                await do(store, step, number, times)
        await reader.hear(1000)
        await reader.hang_up()

        session = (await store.read(KEY)).document()
        assert reader.messages == [message.to_json() for message in session.messages]
        assert reader.name == session.session_name
        assert reader.appended == list(range(session.next_seq))
        assert reader.live.listener_count == 0

    asyncio.run(run())


async def test_for_a_reader_who_does_not_read_nothing_is_read() -> None:
    store = CountingStore()
    await store.insert(make_new_session())
    live = LiveService(store)

    async with aclosing(await live.follow(KEY)) as slow, aclosing(await live.follow(KEY)) as quick:
        assert isinstance(await anext(slow), Following)
        assert isinstance(await anext(quick), Following)
        before = store.look_count
        for number in range(50):
            await store.append(KEY, [make_message(f"m{number}")], at=START)
            heard = await anext(quick)
            assert isinstance(heard, SessionChange)
        by_quick = store.look_count - before
        caught_up = [await anext(slow) for _ in range(50)]

    assert store.look_count - before - by_quick <= 2
    assert isinstance(heard, SessionChange)
    assert caught_up[-1] == heard
