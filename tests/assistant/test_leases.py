"""Whoever leaves a reply leaves what was written out; nobody writes over what others have made."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest

from app.domain.identity import SessionKey, Version
from app.domain.message import MessageEdit, MessageType
from app.domain.reply import ReplyStatus
from app.domain.session import Precondition
from app.errors import StoreUnavailableError
from app.service.drafts import MessageDraft
from app.service.replies import ReplyOptions
from app.service.reply_writing import ReplyPace
from app.service.running_reply import ReplyEnded, ReplyEvent
from app.store.port import SessionStore
from tests.assistant.conftest import Answers, stored, text_of, until, until_stored
from tests.assistant.upstream import Gate, sends, whole
from tests.conformance.state import contents_of
from tests.factories import KEY, make_edit, make_message
from tests.fake_clock import START, FakeClock, instant

WHY = MessageDraft("Why?", id="q")


async def begun(answering: Answers, store: SessionStore) -> tuple[Any, Gate, str]:
    """A reply that has come as far as `so far`."""
    gate = Gate()
    service = await answering(gate)
    asked = await service.replies.ask(KEY, WHY)
    gate.say("so far")
    await until_stored(store, asked.reply_id, "so far")
    return service, gate, asked.reply_id


async def left(store: SessionStore, message_id: str, **state: Any) -> None:
    """A reply whose writer has gone."""
    reply = {
        "status": "streaming",
        "in_reply_to": "q",
        "writer": "0",
        "lease_expires_at": "2026-01-02T03:04:20.678Z",
        **state,
    }
    message = make_message(
        message_id,
        "so far",
        message_type=MessageType.ASSISTANT,
        metadata={"reply": reply, "mine": 1},
    )
    await store.append(KEY, [make_message("q"), message], at=START)


async def test_who_joins_a_reply_that_was_left_marks_it(
    answering: Answers, store: SessionStore, clock: FakeClock
) -> None:
    replies, server = await answering(sends(whole("x")))
    await left(store, "r")
    clock.advance(15)

    events = [event async for event in await replies.join(KEY, "r", 3)]

    assert text_of(events) == "far"
    assert isinstance(end := events[-1], ReplyEnded)
    assert (end.status, end.reason, end.length) == (ReplyStatus.PARTIAL, "lease_expired", 6)
    message = await stored(store, "r")
    assert message.content == "so far"
    assert message.metadata == {
        "reply": {"status": "partial", "in_reply_to": "q", "reason": "lease_expired"},
        "mine": 1,
    }
    assert await store.list_past_texts(KEY, "r") == []
    assert server.exchanges == []


async def test_the_next_question_marks_it_too_and_is_answered(
    answering: Answers, store: SessionStore, clock: FakeClock
) -> None:
    replies, _ = await answering(sends(whole("Because.")))
    await left(store, "r")
    await left(store, "s")
    clock.advance(15)
    seen = await store.find_version(KEY)
    assert seen is not None
    guarded = ReplyOptions(precondition=Precondition(versions=frozenset({seen})))

    asked = await replies.ask(KEY, MessageDraft("And?"), options=guarded)
    await replies.wait(KEY, asked.reply_id)

    for message_id in ("r", "s"):
        assert (await stored(store, message_id)).metadata["reply"]["status"] == "partial"
    assert (await contents_of(store, KEY))[-2:] == ["And?", "Because."]


@pytest.mark.parametrize(
    "state",
    [
        {"lease_expires_at": None},
        {"lease_expires_at": "9999-01-01T00:00:00Z"},
        {"lease_expires_at": "2026-01-02T03:04:05.678Z"},
    ],
)
async def test_a_lease_that_nobody_can_hold_blocks_nothing(
    answering: Answers, store: SessionStore, state: dict[str, Any]
) -> None:
    replies, _ = await answering(sends(whole("Because.")))
    await left(store, "r", **state)

    asked = await replies.ask(KEY, MessageDraft("And?"))

    assert (await replies.wait(KEY, asked.reply_id)).content == "Because."


@pytest.mark.parametrize(
    "reply",
    [None, 7, [], {}, {"status": "streaming"}, {"status": "new", "in_reply_to": "q"}],
)
async def test_metadata_that_only_look_like_a_reply_are_none(
    answering: Answers, store: SessionStore, reply: Any
) -> None:
    replies, _ = await answering(sends(whole("Because.")))
    message = make_message("r", message_type=MessageType.ASSISTANT, metadata={"reply": reply})
    await store.append(KEY, [message], at=START)

    asked = await replies.ask(KEY, WHY)

    assert (await replies.wait(KEY, asked.reply_id)).content == "Because."


async def test_a_slow_writer_does_not_write_over_the_mark(
    answering: Answers, store: SessionStore, clock: FakeClock
) -> None:
    gate = Gate()
    slow, _ = await answering(gate, pace=ReplyPace(flush_seconds=60))
    asked = await slow.ask(KEY, WHY)
    other, _ = await answering(sends(whole("Later.")))
    events = await slow.join(KEY, asked.reply_id)
    clock.advance(60)

    later = await other.ask(KEY, MessageDraft("And?"))
    gate.say("too late")
    gate.end()
    heard = [event async for event in events]
    await other.wait(KEY, later.reply_id)

    assert isinstance(end := heard[-1], ReplyEnded)
    assert (end.status, end.reason) == (ReplyStatus.PARTIAL, "taken")
    assert (await stored(store, asked.reply_id)).metadata["reply"]["status"] == "partial"
    assert await contents_of(store, KEY) == ["Why?", "", "And?", "Later."]


async def test_a_slow_writer_whom_nobody_missed_goes_on(
    answering: Answers, store: SessionStore, clock: FakeClock
) -> None:
    service, gate, reply_id = await begun(answering, store)

    clock.advance(3600)
    gate.say(" and on")
    gate.end()

    assert (await service.replies.wait(KEY, reply_id)).content == "so far and on"


async def test_a_silent_upstream_costs_no_writes_until_half_of_the_lease_is_over(
    answering: Answers, store: SessionStore, clock: FakeClock
) -> None:
    service, gate, reply_id = await begun(answering, store)
    before = await store.find_version(KEY)

    clock.advance(7)
    await asyncio.sleep(0.1)  # ten times as long as writing out waits
    silent = await store.find_version(KEY)
    clock.advance(1)

    async def is_renewed() -> bool:
        lease = (await stored(store, reply_id)).metadata["reply"]["lease_expires_at"]
        return bool(lease == "2026-01-02T03:04:28.678Z")

    await until(is_renewed)
    gate.end()

    assert silent == before
    assert (await service.replies.wait(KEY, reply_id)).content == "so far"


async def test_what_a_user_writes_into_a_reply_under_way_stands(
    answering: Answers, store: SessionStore
) -> None:
    service, gate, reply_id = await begun(answering, store)
    events = await service.replies.join(KEY, reply_id)

    await store.edit_message(KEY, reply_id, make_edit("My words.", at=instant(1)))
    gate.say(" and on")
    heard = [event async for event in events]

    assert isinstance(end := heard[-1], ReplyEnded)
    assert end.reason == "taken"
    assert (await stored(store, reply_id)).content == "My words."
    await asyncio.wait_for(service.upstream.exchanges[0].left.wait(), 5)


@pytest.mark.parametrize("is_session", [True, False])
async def test_what_a_user_deletes_stays_deleted(
    answering: Answers, store: SessionStore, is_session: bool
) -> None:
    service, gate, reply_id = await begun(answering, store)
    events = await service.replies.join(KEY, reply_id)

    if is_session:
        await store.delete(KEY, instant(1))
    else:
        await store.delete_message(KEY, reply_id, instant(1))
    gate.say(" and on")
    heard = [event async for event in events]

    assert isinstance(end := heard[-1], ReplyEnded)
    assert end.reason == "taken"
    if is_session:
        assert await store.find_version(KEY) is None
    else:
        assert (await stored(store, reply_id)).is_deleted
    await asyncio.wait_for(service.upstream.exchanges[0].left.wait(), 5)


async def test_a_service_that_ends_writes_out_what_came(
    answering: Answers, store: SessionStore
) -> None:
    gate = Gate()
    replies, _ = await answering(gate)
    asked = await replies.ask(KEY, WHY)
    events = await replies.join(KEY, asked.reply_id)
    gate.say("so far")
    heard: list[ReplyEvent] = [await anext(events), await anext(events)]

    await replies.aclose()
    heard += [event async for event in events]

    assert text_of(heard) == "so far"
    message = await stored(store, asked.reply_id)
    assert message.content == "so far"
    assert message.metadata["reply"] == {
        "status": "partial",
        "in_reply_to": "q",
        "reason": "interrupted",
    }


class Flaky:
    """A store that fails some edits, before or after they have happened."""

    def __init__(self, store: SessionStore, *, after: bool) -> None:
        self._store = store
        self._after = after
        self.failures_left = 0

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method: Callable[..., Awaitable[Any]] = getattr(self._store, name)
        return method

    async def edit_message(
        self,
        key: SessionKey,
        message_id: str,
        edit: MessageEdit,
        precondition: Precondition | None = None,
    ) -> tuple[bytes, Version]:
        fails = self.failures_left > 0
        self.failures_left -= fails
        if fails and not self._after:
            raise StoreUnavailableError("away")
        outcome = await self._store.edit_message(key, message_id, edit, precondition)
        if fails:
            raise StoreUnavailableError("away")
        return outcome


@pytest.mark.parametrize("after", [False, True])
async def test_a_store_that_is_away_for_a_while_loses_no_word(
    answering: Answers, store: SessionStore, after: bool
) -> None:
    flaky = Flaky(store, after=after)
    flaky.limits = store.limits  # type: ignore[attr-defined] # a member like any other
    gate = Gate()
    replies, _ = await answering(gate, store=cast("SessionStore", flaky))
    asked = await replies.ask(KEY, WHY)

    flaky.failures_left = 2
    gate.say("one ")
    await until_stored(store, asked.reply_id, "one ")
    flaky.failures_left = 2
    gate.say("two")
    gate.end()
    reply = await replies.wait(KEY, asked.reply_id)

    assert reply.content == "one two"
    assert reply.metadata["reply"]["status"] == "complete"


async def test_a_store_that_stays_away_is_told_and_the_lease_runs_out(
    answering: Answers, store: SessionStore, clock: FakeClock
) -> None:
    flaky = Flaky(store, after=False)
    flaky.limits = store.limits  # type: ignore[attr-defined] # a member like any other
    gate = Gate()
    replies, _ = await answering(gate, store=cast("SessionStore", flaky))
    others, _ = await answering(gate)
    asked = await replies.ask(KEY, WHY)
    gate.say("so far")
    await until_stored(store, asked.reply_id, "so far")

    events = await replies.join(KEY, asked.reply_id)
    flaky.failures_left = 1000
    gate.say(" and on")
    gate.end()
    heard = [event async for event in events]
    clock.advance(15)

    assert isinstance(end := heard[-1], ReplyEnded)
    assert (end.reason, end.length) == ("store_unavailable", 6)
    seen_later = [event async for event in await others.join(KEY, asked.reply_id, 13)]
    assert isinstance(end := seen_later[-1], ReplyEnded)
    assert (end.reason, end.length) == ("lease_expired", 6)
