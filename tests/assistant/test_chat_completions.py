"""An upstream is read as its protocol has it, slow, broken and malicious ones included."""

import asyncio
import json
import logging
import resource
from contextlib import aclosing
from typing import Any

import pytest

from app.assistant.chat_completions import ChatCompletions
from app.assistant.chat_completions import Upstream as Address
from app.assistant.port import Delta, Finish, PromptMessage
from app.errors import AssistantFailedError
from tests.assistant.upstream import (
    DONE,
    EVENTS,
    HEAD,
    Answer,
    Exchange,
    Gate,
    chunk,
    chunk_of,
    refuses,
    sends,
    upstream,
    usage,
    whole,
)

QUESTION = [PromptMessage("user", "Why?")]
KEY = "sk-of-nobody-0123"


async def ask(url: str, **options: Any) -> tuple[str, Finish]:
    """All of the text, and how it ended."""
    assistant = ChatCompletions(
        Address(url, "model-1", KEY, **{"idle_seconds": 5, "retry_pause_seconds": 0, **options})
    )
    text = ""
    try:
        async for part in assistant.reply(QUESTION):
            if isinstance(part, Finish):
                return text, part
            text += part.text
    finally:
        await assistant.aclose()
    raise AssertionError("a reply without an end")


async def test_a_reply_comes_in_pieces_with_its_usage() -> None:
    async with upstream(sends(whole("Be", "cause", "."))) as server:
        text, finish = await ask(server.url)

    assert text == "Because."
    assert finish == Finish(
        "stop", {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14}
    )


async def test_the_request_is_that_of_the_protocol() -> None:
    calls = ({"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}},)
    prompt = [
        PromptMessage("system", "Be brief."),
        PromptMessage("assistant", "", tool_calls=calls),
        PromptMessage("tool", "42", tool_call_id="c1"),
        PromptMessage("user", "Why?"),
    ]
    async with upstream(sends(whole("x"))) as server:
        assistant = ChatCompletions(Address(server.url, "model-1", KEY))
        parts = [part async for part in assistant.reply(prompt)]
        await assistant.aclose()

    (exchange,) = server.exchanges
    assert len(parts) == 2
    assert exchange.head.startswith("POST /v1/chat/completions HTTP/1.1\r\n")
    assert f"Authorization: Bearer {KEY}" in exchange.head
    assert exchange.body == {
        "model": "model-1",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "assistant", "content": "", "tool_calls": list(calls)},
            {"role": "tool", "content": "42", "tool_call_id": "c1"},
            {"role": "user", "content": "Why?"},
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


@pytest.mark.parametrize(
    ("stream", "text"),
    [
        (chunk("a\r\nb\x00\u2028") + chunk(finish="stop") + DONE, "a\r\nb\x00\u2028"),
        (chunk("x") + chunk(finish="length"), "x"),
        (chunk("x") + b": beat\n\nevent: y\nid: 7\nretry: 1\n\n" + DONE, "x"),
        (chunk("x").replace(b"\n", b"\r\n") + DONE.replace(b"\n", b"\r"), "x"),
        (chunk(None, usage=None) + chunk("x", system_fingerprint="f") + DONE, "x"),
        (chunk_of({"choices": [{"delta": {"content": None, "role": "assistant"}}]}) + DONE, ""),
        (chunk_of({"choices": [{"delta": {"tool_calls": [{"id": "c"}]}}]}) + DONE, ""),
        (chunk_of({"choices": "x"}) + chunk_of({"choices": [7]}) + chunk("y") + DONE, "y"),
        (
            b'data: {"choices":\ndata: [{"delta": {"content": "two lines"}}]}\n\n' + DONE,
            "two lines",
        ),
        (DONE, ""),
        (chunk("x") + DONE + b"data: nonsense\n\n", "x"),
    ],
)
async def test_what_the_protocol_allows_is_understood(stream: bytes, text: str) -> None:
    async with upstream(sends(HEAD + stream)) as server:
        assert (await ask(server.url))[0] == text


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        (['"\\ud83d"', '"\\ude00"'], "😀"),
        (['"a\\ud83d"', '""', '"\\ude00b"'], "a😀b"),
        (['"a\\ud83d"', '"b"'], "a\ufffdb"),
        (['"\\ude00a"'], "\ufffda"),
        (['"a\\ud83d"'], "a\ufffd"),
    ],
)
async def test_halves_of_a_character_are_joined_and_lone_ones_replaced(
    pieces: list[str], text: str
) -> None:
    events = "".join(f'data: {{"choices":[{{"delta":{{"content":{p}}}}}]}}\n\n' for p in pieces)
    async with upstream(sends(HEAD + events.encode() + DONE)) as server:
        assert (await ask(server.url))[0] == text


async def test_bytes_may_be_cut_anywhere() -> None:
    async def one_by_one(exchange: Exchange) -> None:
        await exchange.send(HEAD)
        for byte in chunk("aß😀").decode().replace("\\u00df", "ß").encode() + DONE:
            await exchange.send(bytes([byte]))
            await asyncio.sleep(0)

    async with upstream(one_by_one) as server:
        assert (await ask(server.url))[0] == "aß😀"


@pytest.mark.parametrize(
    "first",
    [
        refuses(500),
        refuses(503, "Retry-After: 0"),
        refuses(429),
        sends(b""),
        sends(HEAD),
        sends(HEAD + b": beat\n\n" + chunk()),
        sends(b"HTTP/1.1 nonsense\r\n\r\n"),
    ],
    ids=["500", "503", "429", "hangs up", "no event", "no text", "no http"],
)
async def test_before_the_first_text_there_is_one_second_try(first: Answer) -> None:
    async with upstream(first, sends(whole("at last"))) as server:
        text, _ = await ask(server.url)
        assert text == "at last"
        assert len(server.exchanges) == 2

    async with upstream(first) as server:
        with pytest.raises(AssistantFailedError):
            await ask(server.url)
        assert len(server.exchanges) == 2


FATAL = {
    "401": (refuses(401), "refused"),
    "400": (refuses(400), "refused"),
    "404": (refuses(404), "refused"),
    "redirect": (refuses(307, "Location: http://127.0.0.1:1/"), "refused"),
    "429 for an hour": (refuses(429, "Retry-After: 3600"), "refused"),
    "another type": (
        sends(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{}"),
        "broken",
    ),
    "packed": (sends(f"{EVENTS}Content-Encoding: gzip\r\n\r\n".encode() + b"\x1f\x8b"), "broken"),
    "no JSON": (sends(HEAD + b"data: {]\n\n"), "broken"),
    "deep JSON": (sends(HEAD + b"data: " + b"[" * 100_000 + b"\n\n"), "broken"),
    "a number": (sends(HEAD + b"data: 7\n\n"), "broken"),
    "no UTF-8": (sends(HEAD + b"data: \xff\n\n"), "broken"),
    "an error": (sends(HEAD + chunk_of({"error": {"message": f"bad key {KEY}"}})), "broken"),
    "broken off": (sends(HEAD + chunk("x")), "broken"),
    "no JSON later": (sends(HEAD + chunk("x") + b"data: {]\n\n"), "broken"),
    "too short": (sends(f"{EVENTS}Content-Length: 9999\r\n\r\n".encode() + chunk("x")), "broken"),
}


@pytest.mark.parametrize(("answer", "reason"), FATAL.values(), ids=FATAL.keys())
async def test_what_will_not_mend_or_has_begun_is_not_tried_again(
    answer: Answer, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with upstream(answer) as server:
        with pytest.raises(AssistantFailedError) as caught:
            await ask(server.url)

    assert caught.value.reason == reason
    assert len(server.exchanges) == 1
    assert KEY not in str(caught.value)
    assert KEY not in caplog.text


async def test_who_cannot_be_reached_is_named(unused_tcp_port: int) -> None:
    with pytest.raises(AssistantFailedError) as caught:
        await ask(f"http://127.0.0.1:{unused_tcp_port}/v1")

    assert caught.value.reason == "unreachable"


async def test_silence_is_waited_out_before_the_first_text_and_then_no_more() -> None:
    silent = Gate()
    stalls = Gate()
    stalls.say("x")

    async with upstream(silent, sends(whole("at last"))) as server:
        text, _ = await ask(server.url, idle_seconds=0.05)
    async with upstream(stalls) as server:
        with pytest.raises(AssistantFailedError) as caught:
            await ask(server.url, idle_seconds=0.05)

    assert text == "at last"
    assert caught.value.reason == "timeout"
    assert len(server.exchanges) == 1


async def test_a_reply_that_drips_for_ever_ends_by_the_total() -> None:
    async def drip(exchange: Exchange) -> None:
        await exchange.send(HEAD)
        while True:
            await exchange.send(b": beat\n\n")
            await asyncio.sleep(0.005)

    async with upstream(drip) as server:
        with pytest.raises(AssistantFailedError) as caught:
            await ask(server.url, total_seconds=0.1)

    assert (caught.value.reason, str(caught.value)) == ("timeout", "The reply takes too long.")


@pytest.mark.parametrize(
    "piece",
    [b"x" * 65536, b"data: y\n" * 8192, b"data:\n" * 8192],
    ids=["a line", "lines", "empty lines"],
)
async def test_an_event_without_end_is_refused_in_bounded_memory(piece: bytes) -> None:
    sent = 0

    async def endless(exchange: Exchange) -> None:
        nonlocal sent
        await exchange.send(HEAD)
        while True:
            await exchange.send(piece)
            sent += len(piece)

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with upstream(endless) as server:
        with pytest.raises(AssistantFailedError) as caught:
            await ask(server.url)
        await asyncio.wait_for(server.exchanges[0].left.wait(), 5)

    assert caught.value.reason == "broken"
    assert sent < 64 * 1024 * 1024
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024


async def test_who_asks_no_more_hangs_up() -> None:
    gate = Gate()
    gate.say("x")
    async with upstream(gate) as server:
        assistant = ChatCompletions(Address(server.url, "model-1"))
        async with aclosing(assistant.reply(QUESTION)) as parts:
            assert await anext(parts) == Delta("x")

        await asyncio.wait_for(server.exchanges[0].left.wait(), 5)
        await assistant.aclose()
        assert "authorization" not in server.exchanges[0].head.lower()


async def test_usage_that_is_none_is_left_out() -> None:
    odd = {"prompt_tokens": -1, "completion_tokens": 2, "total_tokens": True, "cost": 1}
    stream = chunk("x") + chunk_of({"choices": [], "usage": odd}) + DONE
    async with upstream(sends(HEAD + stream)) as server:
        _, finish = await ask(server.url)

    assert finish == Finish(None, {"completion_tokens": 2})
    assert json.loads(usage(1, 2).removeprefix(b"data: "))["usage"]["total_tokens"] == 3
