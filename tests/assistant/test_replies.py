"""A reply is stored as it grows, whoever listens, and every listener hears all of it."""

import asyncio
from contextlib import aclosing
from datetime import timedelta

from app.domain.message import MessageType
from app.domain.reply import ReplyStatus
from app.service.drafts import MessageDraft
from app.service.reply_writing import ReplyPace
from app.service.running_reply import ReplyBegan, ReplyDelta, ReplyEnded, ReplyEvent
from app.store.port import ReadSelection, SessionStore
from tests.assistant.conftest import Answers, stored, text_of, until_stored
from tests.assistant.upstream import HEAD, Exchange, Gate, chunk, sends, whole
from tests.conformance.state import messages_of
from tests.factories import KEY
from tests.fake_clock import START, FakeClock

WHY = MessageDraft("Why?", id="q")


async def test_a_reply_streams_and_is_stored_whole(answering: Answers, store: SessionStore) -> None:
    replies, _ = await answering(sends(whole("Be", "cause", " 😀")))

    asked = await replies.ask(KEY, WHY)
    events = [event async for event in await replies.join(KEY, asked.reply_id)]

    assert events[0] == ReplyBegan(KEY, asked.reply_id, "q", 0)
    assert text_of(events) == "Because 😀"
    assert [event.position for event in events if isinstance(event, ReplyDelta)][-1] == 9
    end = events[-1]
    assert isinstance(end, ReplyEnded)
    assert (end.status, end.length, end.finish_reason) == (ReplyStatus.COMPLETE, 9, "stop")
    question, reply = await messages_of(store, KEY)
    assert (question.id, question.content) == ("q", "Why?")
    assert (reply.id, reply.content) == (asked.reply_id, "Because 😀")
    assert reply.message_type is MessageType.ASSISTANT
    assert reply.metadata == {
        "reply": {"status": "complete", "in_reply_to": "q", "finish_reason": "stop"},
        "usage": {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14},
    }


async def test_a_reply_is_there_empty_from_its_start_and_grows_under_a_lease(
    answering: Answers, store: SessionStore, clock: FakeClock
) -> None:
    gate = Gate()
    replies, _ = await answering(gate)

    asked = await replies.ask(KEY, WHY)
    empty = await stored(store, asked.reply_id)
    seen = await store.find_version(KEY)
    clock.advance(3)
    gate.say("one ")
    await until_stored(store, asked.reply_id, "one ")
    first = await stored(store, asked.reply_id)
    news = (await store.read(KEY, ReadSelection(since=seen))).messages()
    clock.advance(3)
    gate.say("two")
    await until_stored(store, asked.reply_id, "one two")
    gate.end()
    reply = await replies.wait(KEY, asked.reply_id)

    assert empty.content == ""
    assert empty.metadata["reply"]["status"] == "streaming"
    assert empty.metadata["reply"]["lease_expires_at"] == "2026-01-02T03:04:20.678Z"
    assert first.metadata["reply"]["lease_expires_at"] == "2026-01-02T03:04:23.678Z"
    assert first.edited_at == START + timedelta(seconds=3)
    assert [message.content for message in news] == ["one "]
    assert reply.metadata["reply"]["status"] == "complete"
    assert await store.list_past_texts(KEY, asked.reply_id) == []


async def test_a_listener_who_leaves_ends_nothing(answering: Answers, store: SessionStore) -> None:
    gate = Gate()
    replies, _ = await answering(gate)
    asked = await replies.ask(KEY, WHY)

    gate.say("one ")
    async with aclosing(await replies.join(KEY, asked.reply_id)) as events:
        await anext(events)
        assert await anext(events) == ReplyDelta("one ", 4)
    gate.say("two")
    gate.end()

    assert (await replies.wait(KEY, asked.reply_id)).content == "one two"
    assert (await stored(store, asked.reply_id)).content == "one two"


async def test_whoever_joins_from_any_place_misses_nothing(
    answering: Answers, store: SessionStore
) -> None:
    gate = Gate()
    replies, _ = await answering(gate)
    others, _ = await answering(gate)
    asked = await replies.ask(KEY, WHY)
    gate.say("a😀", "\r\n")
    await until_stored(store, asked.reply_id, "a😀\r\n")
    heard: dict[tuple[bool, int], list[ReplyEvent]] = {}

    async def listen(position: int, *, elsewhere: bool) -> None:
        service = others if elsewhere else replies
        events = await service.join(KEY, asked.reply_id, position)
        heard[elsewhere, position] = [event async for event in events]

    async with asyncio.TaskGroup() as group:
        for position in range(9):
            group.create_task(listen(position, elsewhere=False))
            group.create_task(listen(position, elsewhere=True))
        await asyncio.sleep(0)
        gate.say("e\u0301", "!", "?")
        gate.end()
    whole_text = "a😀\r\ne\u0301!?"
    for position in range(9):
        await listen(position, elsewhere=True)
        heard[False, -position - 1] = heard[True, position]

    assert len(whole_text) == 8
    assert len(heard) == 27
    for (_, position), events in heard.items():
        start = position if position >= 0 else -position - 1
        assert text_of(events) == whole_text[start:]
        positions = [event.position for event in events if not isinstance(event, ReplyEnded)]
        assert positions == sorted(positions)
        assert positions[0] == start
        last = events[-1]
        assert isinstance(last, ReplyEnded)
        assert last.length == 8


async def test_a_slow_listener_holds_its_place_and_nothing_else(answering: Answers) -> None:
    gate = Gate()
    replies, _ = await answering(gate)
    asked = await replies.ask(KEY, WHY)
    slow = await replies.join(KEY, asked.reply_id)
    await anext(slow)

    gate.say(*["word "] * 20_000)
    gate.end()
    await replies.wait(KEY, asked.reply_id)
    heard = [event async for event in slow]

    assert text_of(heard) == "word " * 20_000
    assert len(heard) == 8  # what came meanwhile is read in large pieces


async def test_a_failure_before_any_text_is_failed_and_one_behind_it_partial(
    answering: Answers, store: SessionStore
) -> None:
    never, _ = await answering(sends(b""))
    begun, _ = await answering(sends(HEAD + chunk("so ") + chunk("far")))

    failed = await never.wait(KEY, (await never.ask(KEY, WHY)).reply_id)
    partial = await begun.wait(KEY, (await begun.ask(KEY, MessageDraft("And?"))).reply_id)

    assert failed.content == ""
    assert failed.metadata["reply"] == {
        "status": "failed",
        "in_reply_to": "q",
        "reason": "broken",
    }
    assert partial.metadata["reply"]["status"] == "partial"
    assert partial.metadata["reply"]["reason"] == "broken"
    assert (await stored(store, partial.id)).content == partial.content == "so far"


async def test_a_reply_beyond_the_size_of_a_message_is_cut_there(
    answering: Answers, store: SessionStore
) -> None:
    async def endless(exchange: Exchange) -> None:
        await exchange.send(HEAD)
        piece = chunk("\x00" * 20_000) * 4
        while True:
            await exchange.send(piece)

    replies, server = await answering(endless, pace=ReplyPace(flush_seconds=60))

    reply = await replies.wait(KEY, (await replies.ask(KEY, WHY)).reply_id)

    assert reply.metadata["reply"]["reason"] == "too_long"
    assert reply.metadata["reply"]["status"] == "partial"
    size_bytes = len(reply.to_json())
    assert 0.9 * store.limits.message_bytes < size_bytes <= store.limits.message_bytes
    await asyncio.wait_for(server.exchanges[0].left.wait(), 5)
