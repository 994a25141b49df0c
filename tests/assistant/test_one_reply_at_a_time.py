"""A session has one reply under way, a repeated request leads to it, and nothing is asked twice."""

import asyncio

import pytest

from app.domain.session import Precondition
from app.errors import (
    AssistantBusyError,
    AssistantMissingError,
    MessageIdConflictError,
    MessageNotFoundError,
    NothingToAnswerError,
    ReplyRunningError,
    RevisionMismatchError,
    SessionNotFoundError,
)
from app.service.drafts import MessageDraft
from app.service.replies import ReplyOptions, ReplyService
from app.store.port import SessionStore
from tests.assistant.conftest import QUICK, Answers
from tests.assistant.upstream import HEAD, Gate, chunk, sends, whole
from tests.conformance.state import contents_of, state_of
from tests.factories import BOB, KEY, make_message, make_new_session
from tests.fake_clock import START, FakeClock

OTHER = KEY._replace(session_id="other")
WHY = MessageDraft("Why?", id="q")


async def test_a_repeated_request_leads_to_the_reply_under_way_and_to_the_finished_one(
    answering: Answers, store: SessionStore
) -> None:
    gate = Gate()
    replies, server = await answering(gate)

    first = await replies.ask(KEY, WHY)
    during = await replies.ask(KEY, WHY)
    gate.say("Because.")
    gate.end()
    await replies.wait(KEY, first.reply_id)
    after = await replies.ask(KEY, WHY)

    assert first == during == after
    assert len(server.exchanges) == 1
    assert await contents_of(store, KEY) == ["Why?", "Because."]


async def test_an_idempotency_key_makes_requests_the_same_as_well(
    answering: Answers, store: SessionStore
) -> None:
    replies, server = await answering(sends(whole("Because.")))
    draft = MessageDraft("Why?")

    first = await replies.ask(KEY, draft, idempotency_key="k")
    await replies.wait(KEY, first.reply_id)
    again = await replies.ask(KEY, draft, idempotency_key="k")
    other = await replies.ask(KEY, draft, idempotency_key="l")
    await replies.wait(KEY, other.reply_id)

    assert first == again
    assert len(server.exchanges) == 2
    assert await contents_of(store, KEY) == ["Why?", "Because."] * 2


async def test_the_same_id_with_another_content_is_refused(
    answering: Answers, store: SessionStore
) -> None:
    replies, server = await answering(sends(whole("Because.")))
    await replies.wait(KEY, (await replies.ask(KEY, WHY)).reply_id)
    before = await state_of(store, KEY)

    with pytest.raises(MessageIdConflictError):
        await replies.ask(KEY, MessageDraft("What?", id="q"))

    assert await state_of(store, KEY) == before
    assert len(server.exchanges) == 1


async def test_another_message_waits_and_is_not_stored(
    answering: Answers, store: SessionStore
) -> None:
    gate = Gate()
    replies, _ = await answering(gate)
    elsewhere, _ = await answering(sends(whole("x")))
    asked = await replies.ask(KEY, WHY)

    for service in (replies, elsewhere):
        with pytest.raises(ReplyRunningError) as caught:
            await service.ask(KEY, MessageDraft("And?", id="r"))
        assert caught.value.message_id == asked.reply_id
    gate.end()
    await replies.wait(KEY, asked.reply_id)
    await replies.wait(KEY, (await elsewhere.ask(KEY, MessageDraft("And?", id="r"))).reply_id)

    assert await contents_of(store, KEY) == ["Why?", "", "And?", "x"]


@pytest.mark.parametrize("is_same", [True, False])
async def test_of_many_who_ask_at_once_in_two_processes_one_is_answered(
    answering: Answers, store: SessionStore, is_same: bool
) -> None:
    gate = Gate()
    services = [await answering(gate), await answering(gate)]

    async def ask(number: int) -> str | None:
        message_id = "q" if is_same else f"q{number}"
        try:
            asked = await services[number % 2].replies.ask(KEY, MessageDraft("Why?", id=message_id))
        except ReplyRunningError:
            return None
        return asked.reply_id

    ids = await asyncio.gather(*map(ask, range(10)))
    (reply_id,) = set(filter(None, ids))
    gate.say("Because.")
    gate.end()
    await services[0].replies.wait(KEY, reply_id)

    assert ids.count(None) == (0 if is_same else 9)
    assert sum(len(service.upstream.exchanges) for service in services) == 1
    assert await contents_of(store, KEY) == ["Why?", "Because."]


async def test_appends_of_others_disturb_no_reply(answering: Answers, store: SessionStore) -> None:
    gate = Gate()
    replies, _ = await answering(gate)

    async def append(number: int) -> None:
        await store.append(KEY, [make_message(f"m{number}")], at=START)

    asking = asyncio.create_task(replies.ask(KEY, WHY))
    await asyncio.gather(*map(append, range(5)))
    asked = await asking
    gate.say("Because.")
    gate.end()
    await asyncio.gather(replies.wait(KEY, asked.reply_id), *map(append, range(5, 10)))

    contents = await contents_of(store, KEY)
    assert len(contents) == 12
    assert contents[contents.index("Why?") + 1] == "Because."


async def test_asking_again_answers_what_was_not_answered_and_nothing_twice(
    answering: Answers, store: SessionStore
) -> None:
    replies, server = await answering(
        sends(HEAD + chunk("half")), sends(whole("Whole.")), sends(whole("never"))
    )
    half = await replies.ask(KEY, WHY)
    await replies.wait(KEY, half.reply_id)

    again = await replies.ask_again(KEY)
    await replies.wait(KEY, again.reply_id)
    third = await replies.ask_again(KEY)

    assert again.message_json == half.message_json
    assert third == again
    assert await contents_of(store, KEY) == ["Why?", "half", "Whole."]
    assert [message["content"] for message in server.exchanges[1].body["messages"]] == [
        "Why?",
        "half\n[This answer was cut off.]",
    ]


async def test_nothing_can_be_answered_in_an_empty_session(answering: Answers) -> None:
    replies, server = await answering(sends(whole("x")))

    with pytest.raises(NothingToAnswerError):
        await replies.ask_again(KEY)

    assert server.exchanges == []


async def test_a_process_writes_so_many_replies_and_no_more(
    answering: Answers, store: SessionStore
) -> None:
    gate = Gate()
    replies, _ = await answering(gate, replies_limit=1)
    asked = await replies.ask(KEY, WHY)
    await store.insert(make_new_session(OTHER))

    with pytest.raises(AssistantBusyError):
        await replies.ask(OTHER, MessageDraft("And?", id="r"))
    known = await replies.ask(KEY, WHY)
    gate.end()
    await replies.wait(KEY, asked.reply_id)

    assert known == asked
    assert await contents_of(store, OTHER) == []
    assert (await replies.ask(OTHER, MessageDraft("And?"))).reply_id


async def test_a_precondition_is_obeyed(answering: Answers, store: SessionStore) -> None:
    replies, server = await answering(sends(whole("Because.")))
    seen = await store.find_version(KEY)
    assert seen is not None
    guarded = ReplyOptions(precondition=Precondition(versions=frozenset({seen})))

    asked = await replies.ask(KEY, WHY, options=guarded)
    await replies.wait(KEY, asked.reply_id)
    repeated = await replies.ask(KEY, WHY, options=guarded)
    with pytest.raises(RevisionMismatchError):
        await replies.ask(KEY, MessageDraft("And?"), options=guarded)
    with pytest.raises(RevisionMismatchError):
        await replies.ask_again(KEY, guarded)

    assert repeated == asked
    assert len(server.exchanges) == 1
    assert await contents_of(store, KEY) == ["Why?", "Because."]


async def test_what_is_not_there_is_not_found(answering: Answers, store: SessionStore) -> None:
    replies, server = await answering(sends(whole("x")))
    await store.append(KEY, [make_message("m")], at=START)

    for key in (KEY._replace(user_id=BOB), KEY._replace(session_id="none")):
        with pytest.raises(SessionNotFoundError):
            await replies.ask(key, WHY)
        with pytest.raises(SessionNotFoundError):
            await replies.ask_again(key)
        with pytest.raises(SessionNotFoundError):
            await replies.join(key, "m")
    for message_id in ("m", "none"):
        with pytest.raises(MessageNotFoundError):
            await replies.join(KEY, message_id)

    assert server.exchanges == []


async def test_without_an_assistant_the_message_is_stored(
    answering: Answers, store: SessionStore, clock: FakeClock
) -> None:
    nobody = ReplyService(store, clock, None, prompt_tokens=1000, replies_limit=1, pace=QUICK)
    replies, _ = await answering(sends(whole("Because.")))

    with pytest.raises(AssistantMissingError, match="CHATFOLD_ASSISTANT_URL"):
        await nobody.ask(KEY, WHY)
    without = await contents_of(store, KEY)
    await replies.wait(KEY, (await replies.ask(KEY, WHY)).reply_id)

    assert without == ["Why?"]
    assert await contents_of(store, KEY) == ["Why?", "Because."]
