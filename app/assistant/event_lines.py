"""Event lines: the data of a stream of server-sent events, read with bounded memory."""

import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator

from app.errors import AssistantFailedError

LINE_LIMIT_BYTES = 1024 * 1024
"""A chunk of a reply has some hundred bytes; who sends much more in a line means no good."""

_LINE_COST_BYTES = 64
"""What a line takes in memory besides its own bytes, so that a million short ones count, too."""
_LINE_END = re.compile(rb"\r\n|\r|\n")


async def event_data(
    chunks: AsyncIterator[bytes], limit_bytes: int = LINE_LIMIT_BYTES
) -> AsyncGenerator[bytes]:
    """The `data` of each event; of fields, comments and line ends as the HTML standard has them.

    An event that the stream breaks off in is dropped, as the standard wants it.

    Raises:
        AssistantFailedError: an event has more bytes than the limit.
    """
    data: list[bytes] = []
    size_bytes = 0
    async for line in _lines(chunks, limit_bytes):
        if not line:
            if data:
                yield b"\n".join(data)
            data.clear()
            size_bytes = 0
            continue
        name, _, value = line.partition(b":")
        if name == b"data":
            data.append(value.removeprefix(b" "))
            size_bytes += len(data[-1]) + _LINE_COST_BYTES
            if size_bytes > limit_bytes:
                raise _too_long()


async def _lines(chunks: AsyncIterator[bytes], limit_bytes: int) -> AsyncGenerator[bytes]:
    rest = bytearray()
    ends_in_return = False
    async for chunk in chunks:
        # The two halves of a line's end may come apart.
        start = int(ends_in_return and chunk.startswith(b"\n"))
        ends_in_return = chunk.endswith(b"\r")
        for end, after in _ends(chunk, start):
            if len(rest) + end - start > limit_bytes:
                raise _too_long()
            yield bytes(rest) + chunk[start:end]
            rest.clear()
            start = after
        rest += chunk[start:]
        if len(rest) > limit_bytes:
            raise _too_long()


def _ends(chunk: bytes, start: int) -> Iterator[tuple[int, int]]:
    """Where each line of a chunk ends, and where the next one begins."""
    for found in _LINE_END.finditer(chunk, start):
        yield found.span()


def _too_long() -> AssistantFailedError:
    return AssistantFailedError("broken", "The assistant sends an event without end.")
