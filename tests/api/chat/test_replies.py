"""Replies as events: stored whoever listens, and gone on with from any event's id."""

import asyncio

import httpx
import pytest

from tests.api.event_streams import events_of, text_of
from tests.api.requests import MESSAGES, SESSION, append, contents, make_session, problem
from tests.assistant.upstream import Gate, Upstream

REPLY = f"{SESSION}/reply"
LEGACY = "/api/chat/message"


@pytest.fixture(autouse=True)
async def _session(asking: httpx.AsyncClient) -> None:
    await make_session(asking)


async def test_a_message_is_answered_in_events_with_ids(asking: httpx.AsyncClient) -> None:
    answer = await asking.post(REPLY, json={"id": "q", "content": "Why?"})

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    start, *deltas, end = events_of(answer.text)
    reply_id = start.data["message_id"]
    assert start == (
        "message_start",
        {"message_id": reply_id, "session_id": "s", "in_reply_to": "q"},
        f"{reply_id}.0",
    )
    assert text_of(deltas) == "Because 😀"
    assert deltas[-1].id == f"{reply_id}.9"
    assert end == (
        "message_end",
        {
            "message_id": reply_id,
            "status": "complete",
            "length": 9,
            "finish_reason": "stop",
            "usage": {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14},
        },
        f"{reply_id}.9",
    )
    messages = (await asking.get(SESSION)).json()["messages"]
    assert [(one["id"], one["message_type"], one["content"]) for one in messages] == [
        ("q", "user", "Why?"),
        (reply_id, "assistant", "Because 😀"),
    ]


async def test_the_newest_message_is_answered_where_none_is_sent(
    asking: httpx.AsyncClient, server: Upstream
) -> None:
    await append(asking, "a", "b")

    first = await asking.post(REPLY)
    again = await asking.post(REPLY)

    assert events_of(first.text)[0].data["in_reply_to"] == "mb"
    assert events_of(again.text)[0] == events_of(first.text)[0]
    assert text_of(events_of(again.text)) == "Because 😀"
    (exchange,) = server.exchanges
    assert exchange.body["messages"] == [
        {"role": "user", "content": "a"},
        {"role": "user", "content": "b"},
    ]


@pytest.mark.parametrize("way", ["post", "get"])
async def test_a_listener_goes_on_after_any_event_without_a_gap(
    asking: httpx.AsyncClient, server: Upstream, way: str
) -> None:
    answer = await asking.post(REPLY, json={"content": "Why?"})
    reply_id = events_of(answer.text)[0].data["message_id"]
    path = REPLY if way == "post" else f"{SESSION}/replies/{reply_id}/events"

    for position in range(10):
        headers = {"Last-Event-ID": f"{reply_id}.{position}"}
        joined = events_of((await asking.request(way, path, headers=headers)).text)
        assert joined[0].id == f"{reply_id}.{position}"
        assert text_of(joined) == "Because 😀"[position:]
        assert joined[-1] == events_of(answer.text)[-1]

    assert len(server.exchanges) == 1
    assert len((await asking.get(SESSION)).json()["messages"]) == 2


async def test_a_second_device_joins_while_the_reply_comes(
    asking: httpx.AsyncClient, server: Upstream
) -> None:
    gate = Gate()
    server.answers[:] = [gate]
    first = asyncio.create_task(asking.post(REPLY, json={"content": "Why?"}))
    await asyncio.wait_for(gate.asked.wait(), 5)
    gate.say("one ")
    reply_id = (await asking.get(MESSAGES)).json()["items"][1]["id"]

    second = asyncio.create_task(asking.get(f"{SESSION}/replies/{reply_id}/events"))
    refused = await asking.post(REPLY, json={"content": "And?"})
    gate.say("two")
    gate.end()
    both = await asyncio.gather(first, second)

    assert [text_of(events_of(answer.text)) for answer in both] == ["one two"] * 2
    assert problem(refused) == (409, "reply_running", [])
    assert contents(await asking.get(SESSION)) == ["Why?", "one two"]


async def test_a_failure_is_the_last_event_and_what_came_is_kept(
    asking: httpx.AsyncClient, server: Upstream
) -> None:
    gate = Gate()
    gate.say("half")
    gate.break_off()
    server.answers[:] = [gate]

    answer = await asking.post(REPLY, json={"content": "Why?"})

    *_, end = events_of(answer.text)
    assert end.name == "error"
    assert end.id == f"{end.data['message_id']}.4"
    assert end.data | {"message_id": "…"} == {
        "message_id": "…",
        "status": "partial",
        "length": 4,
        "code": "reply_partial",
        "reason": "broken",
        "detail": "The assistant broke off in its reply.",
    }
    assert contents(await asking.get(SESSION)) == ["Why?", "half"]


async def test_a_repeated_request_stores_and_asks_nothing_again(
    asking: httpx.AsyncClient, server: Upstream
) -> None:
    answers = [
        await asking.post(REPLY, json={"content": "Why?"}, headers={"Idempotency-Key": "k"})
        for _ in range(2)
    ]
    other = await asking.post(REPLY, json={"content": "No"}, headers={"Idempotency-Key": "k"})

    assert events_of(answers[0].text)[0] == events_of(answers[1].text)[0]
    assert events_of(answers[0].text)[-1] == events_of(answers[1].text)[-1]
    assert problem(other) == (422, "message_id_conflict", ["Idempotency-Key"])
    assert len(server.exchanges) == 1
    assert len((await asking.get(SESSION)).json()["messages"]) == 2


async def test_without_an_assistant_the_message_is_stored_and_a_problem_says_what_to_set(
    ada: httpx.AsyncClient,
) -> None:
    answers = [
        await ada.post(REPLY, json={"id": "q", "content": "Why?"}),
        await ada.post(REPLY),
    ]

    assert [problem(answer) for answer in answers] == [(501, "assistant_missing", [])] * 2
    assert "CHATFOLD_ASSISTANT_URL" in answers[0].json()["detail"]
    assert contents(await ada.get(SESSION)) == ["Why?"]


async def test_what_cannot_be_answered_is_a_problem_and_stores_nothing(
    asking: httpx.AsyncClient, server: Upstream
) -> None:
    absent = "/api/chat/sessions/none"
    answers = [
        await asking.post(REPLY),
        await asking.post(
            REPLY, json={"content": "x"}, headers={"If-Match": '"00000000000000aa-1"'}
        ),
        await asking.post(REPLY, json={"contents": "x"}),
        await asking.post(REPLY, json={"content": "x", "parent_id": "none"}),
        await asking.post(REPLY, headers={"Last-Event-ID": "nonsense"}),
        await asking.post(REPLY, headers={"Last-Event-ID": "none.3"}),
        await asking.get(f"{SESSION}/replies/none/events"),
        await asking.get(f"{SESSION}/replies/%FF/events"),
        await asking.post(f"{absent}/reply", json={"content": "x"}),
        await asking.get(f"{absent}/replies/none/events"),
    ]

    assert [problem(answer) for answer in answers] == [
        (409, "nothing_to_answer", []),
        (412, "revision_mismatch", []),
        (422, "invalid_input", ["/content", "/contents"]),
        (422, "parent_not_found", ["/parent_id"]),
        (422, "invalid_input", ["Last-Event-ID"]),
        (404, "message_not_found", []),
        (404, "message_not_found", []),
        (404, "message_not_found", []),
        (404, "session_not_found", []),
        (404, "session_not_found", []),
    ]
    assert server.exchanges == []
    assert (await asking.get(SESSION)).json()["revision"] == 1


async def test_an_old_client_may_wait_for_its_reply(asking: httpx.AsyncClient) -> None:
    posted = {"id": "q", "content": "Why?", "session_id": "old"}

    answers = [await asking.post(f"{LEGACY}?reply=true", json=posted) for _ in range(2)]
    plain = await asking.post(LEGACY, json={**posted, "id": "r"})

    assert answers[0].json() == answers[1].json()
    body = answers[0].json()
    reply = body.pop("reply")
    assert body == plain.json() | {"id": "q"}
    assert list(reply) == list(body)
    assert (reply["content"], reply["message_type"]) == ("Because 😀", "assistant")
    assert (reply["session_id"], reply["user_id"]) == ("old", "ada")
    history = (await asking.get("/api/chat/history?session_id=old")).json()
    assert [one["content"] for one in history] == ["Why?", "Because 😀", "Why?"]


async def test_an_old_client_of_a_service_without_an_assistant_simply_has_no_reply(
    ada: httpx.AsyncClient,
) -> None:
    posted = {"id": "q", "content": "Why?", "session_id": "old"}

    plain = await ada.post(LEGACY, json=posted)
    waiting = await ada.post(f"{LEGACY}?reply=true", json=posted)

    assert "reply" not in plain.json()
    assert waiting.json() == plain.json() | {"reply": None}


@pytest.mark.parametrize(
    ("reply_id", "segment"),
    [("a/b", "a%2Fb"), ("x\r\nid: y", "x%0D%0Aid%3A%20y"), ("~ü.9", "~fsO8Ljk")],
)
async def test_any_id_can_be_that_of_a_reply(
    ada: httpx.AsyncClient, reply_id: str, segment: str
) -> None:
    metadata = {"reply": {"status": "complete", "in_reply_to": "q"}}
    message = {"id": reply_id, "content": "So.", "message_type": "assistant", "metadata": metadata}
    await ada.post(MESSAGES, json=message)
    path = f"{SESSION}/replies/{segment}/events"

    events = events_of((await ada.get(path)).text)
    joined = events_of((await ada.get(path, headers={"Last-Event-ID": f"{segment}.2"})).text)

    assert events[0].data["message_id"] == reply_id
    assert [event.id for event in events] == [f"{segment}.0", f"{segment}.3", f"{segment}.3"]
    assert text_of(joined) == "."
