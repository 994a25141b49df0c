"""A real HTTP server that speaks the chat-completions protocol, well or badly, as a test wants."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

EVENTS = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
HEAD = f"{EVENTS}Connection: close\r\n\r\n".encode()
DONE = b"data: [DONE]\n\n"


def chunk(text: str | None = None, *, finish: str | None = None, **members: Any) -> bytes:
    """One event of a reply."""
    delta = {} if text is None else {"content": text}
    body = {
        "id": "c1",
        "object": "chat.completion.chunk",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        **members,
    }
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def usage(prompt: int, completion: int) -> bytes:
    counts = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }
    return chunk_of({"choices": [], "usage": counts})


def chunk_of(body: Any) -> bytes:
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def whole(*texts: str) -> bytes:
    """A whole reply in these pieces."""
    pieces = b"".join(map(chunk, texts))
    return HEAD + pieces + chunk(finish="stop") + usage(11, len(texts)) + DONE


class Exchange:
    """One request that a test answers as it likes."""

    def __init__(self, writer: asyncio.StreamWriter, head: str, body: bytes) -> None:
        self.head = head
        self.body: dict[str, Any] = json.loads(body)
        self._writer = writer
        self.left = asyncio.Event()
        """Set once the client has hung up."""

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()


Answer = Callable[[Exchange], Awaitable[None]]


def sends(data: bytes) -> Answer:
    """Sends this, and closes."""

    async def answer(exchange: Exchange) -> None:
        await exchange.send(data)

    return answer


def refuses(status: int, *headers: str) -> Answer:
    lines = "".join(f"{header}\r\n" for header in headers)
    return sends(f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\n{lines}\r\n".encode())


class Gate:
    """An answer that sends what a test tells it to, when it does."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.exchange: Exchange | None = None
        self._pieces: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def __call__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.asked.set()
        await exchange.send(HEAD)
        while (piece := await self._pieces.get()) is not None:
            await exchange.send(piece)

    def say(self, *texts: str) -> None:
        for text in texts:
            self._pieces.put_nowait(chunk(text))

    def end(self) -> None:
        for piece in (chunk(finish="stop"), usage(11, 3), DONE, None):
            self._pieces.put_nowait(piece)

    def break_off(self) -> None:
        self._pieces.put_nowait(None)


class Upstream:
    """The server; answers its requests one after the other by its list, the last one for ever."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.exchanges: list[Exchange] = []
        self.url = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
        except asyncio.IncompleteReadError:
            return  # the client has thought better of it
        length = next(
            int(line.partition(":")[2])
            for line in head.splitlines()
            if line.lower().startswith("content-length:")
        )
        exchange = Exchange(writer, head, await reader.readexactly(length))
        self.exchanges.append(exchange)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        answering = asyncio.ensure_future(answer(exchange))
        leaving = asyncio.ensure_future(reader.read())
        try:
            await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if leaving.done():
                exchange.left.set()
        finally:
            if answering.done():
                writer.close()
            else:
                writer.transport.abort()
            answering.cancel()
            leaving.cancel()
            await asyncio.gather(answering, leaving, return_exceptions=True)


@asynccontextmanager
async def upstream(*answers: Answer) -> AsyncIterator[Upstream]:
    """The server at work on a free port of this machine."""
    served = Upstream(*answers)
    tasks: set[asyncio.Task[None]] = set()
    writers: list[asyncio.StreamWriter] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        writers.append(writer)
        await served.answer(reader, writer)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    served.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield served
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in writers:
            writer.transport.abort()
            with suppress(OSError):
                await writer.wait_closed()
