"""A stream of events: heartbeats in quiet times, an end, and no event made before it is wanted."""

import asyncio
from collections.abc import AsyncGenerator

from app.api.event_stream import ServerEvent, with_heartbeats


async def test_quiet_times_have_heartbeats_and_lose_no_event() -> None:
    go_on = asyncio.Event()

    async def quiet() -> AsyncGenerator[ServerEvent]:
        await go_on.wait()
        yield ServerEvent("progress", {"done": 1})
        yield ServerEvent("end", {"text": "a\nb ü"})

    stream = with_heartbeats(quiet(), 0.001)

    beats = [await anext(stream), await anext(stream)]
    go_on.set()
    rest = [chunk async for chunk in stream if not chunk.startswith(b":")]

    assert beats == [b": still here\n\n"] * 2
    assert rest == [
        b'event: progress\ndata: {"done": 1}\n\n',
        'event: end\ndata: {"text": "a\\nb ü"}\n\n'.encode(),
    ]


def test_an_event_has_an_id_where_a_reader_can_go_on_after_it() -> None:
    event = ServerEvent("message", b'{"seq":0}', id="0123456789abcdef.1.0")

    sent = event.encoded()

    assert sent == b'event: message\nid: 0123456789abcdef.1.0\ndata: {"seq":0}\n\n'


async def test_a_slow_reader_is_waited_for() -> None:
    made: list[int] = []

    async def endless() -> AsyncGenerator[ServerEvent]:
        while True:
            made.append(len(made))
            yield ServerEvent("progress", {"done": made[-1]})

    stream = with_heartbeats(endless(), 10)

    await anext(stream)
    await asyncio.sleep(0)
    made_for_one = len(made)
    await anext(stream)

    assert (made_for_one, len(made)) == (1, 2)


async def test_who_hangs_up_closes_the_events() -> None:
    closed = asyncio.Event()

    async def waiting() -> AsyncGenerator[ServerEvent]:
        try:
            await asyncio.Event().wait()
            yield ServerEvent("never", {})
        finally:
            closed.set()

    stream = with_heartbeats(waiting(), 0.001)
    await anext(stream)

    await stream.aclose()  # type: ignore[attr-defined] # the port of iterators has none

    assert closed.is_set()
