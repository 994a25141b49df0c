"""EventStream: server-sent events as a response; quiet times have heartbeats, slow readers wait."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, NamedTuple

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from app.api.framing import IS_LIVE

MEDIA_TYPE = "text/event-stream"
HEARTBEAT_SECONDS = 15.0
"""Proxies close what is silent, often after 30 or 60 seconds."""

_HEARTBEAT = b": still here\n\n"


class ServerEvent(NamedTuple):
    """One event of a stream, as the HTML standard (§9.2) has them."""

    name: str
    data: dict[str, Any] | bytes
    """Bytes are JSON already, in one line."""
    id: str | None = None
    """What a reader who goes on after this event sends back as `Last-Event-ID`."""

    def encoded(self) -> bytes:
        """As it is sent."""
        data = self.data
        if not isinstance(data, bytes):
            data = json.dumps(data, ensure_ascii=False).encode()
        id_line = "" if self.id is None else f"id: {self.id}\n"
        return b"%sdata: %s\n\n" % (f"event: {self.name}\n{id_line}".encode(), data)


class EventStream(StreamingResponse):
    """Asks for an event only when the one before is on its way, so that none pile up here."""

    def __init__(self, events: AsyncGenerator[ServerEvent]) -> None:
        super().__init__(
            with_heartbeats(events, HEARTBEAT_SECONDS),
            media_type=MEDIA_TYPE,
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events, and tell the framing that it is no slow request."""
        scope["state"][IS_LIVE] = True
        await super().__call__(scope, receive, send)


async def with_heartbeats(
    events: AsyncGenerator[ServerEvent], heartbeat_seconds: float
) -> AsyncIterator[bytes]:
    """The events encoded; a comment whenever there is none for so long."""
    next_event = asyncio.ensure_future(anext(events, None))
    try:
        while True:
            # Not `wait_for`, which would break off the generator at each heartbeat.
            await asyncio.wait({next_event}, timeout=heartbeat_seconds)
            if not next_event.done():
                yield _HEARTBEAT
                continue
            event = next_event.result()
            if event is None:
                return
            yield event.encoded()
            next_event = asyncio.ensure_future(anext(events, None))
    finally:
        next_event.cancel()
        await asyncio.gather(next_event, return_exceptions=True)
        await events.aclose()
