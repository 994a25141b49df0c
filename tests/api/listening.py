"""Listeners: what a client hears of a session that it follows."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import httpx

_TIMEOUT_SECONDS = 20


class Event(NamedTuple):
    """One event as a client gets it."""

    name: str
    id: str | None
    data: dict[str, Any]


class Listener:
    """Hears the events of one stream, one by one; comments are no events."""

    def __init__(self, answer: httpx.Response) -> None:
        self._lines = answer.aiter_lines()

    async def next(self) -> Event | None:
        """The next event, or None where the stream ends."""
        fields: dict[str, str] = {}
        async for line in self._lines:
            if not line and fields:
                return Event(fields["event"], fields.get("id"), json.loads(fields["data"]))
            name, _, value = line.partition(": ")
            if name:
                fields[name] = value
        assert not fields, "the stream ended within an event"
        return None

    async def heard(self, *names: str) -> Event:
        """The next event, which is one of these."""
        event = await self.next()
        assert event is not None
        assert event.name in names
        return event

    async def rest(self) -> list[Event]:
        """All that comes until the stream ends."""
        events: list[Event] = []
        while (event := await self.next()) is not None:
            events.append(event)
        return events


@asynccontextmanager
async def listening(
    client: httpx.AsyncClient,
    path: str,
    *,
    since: str | None = None,
    last_event_id: str | None = None,
) -> AsyncIterator[Listener]:
    """A listener that is connected."""
    async with client.stream(
        "GET",
        path,
        params={} if since is None else {"since": since},
        headers={} if last_event_id is None else {"Last-Event-ID": last_event_id},
        timeout=_TIMEOUT_SECONDS,
    ) as answer:
        assert answer.status_code == httpx.codes.OK
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield Listener(answer)


def bookmark_of(session: dict[str, Any]) -> str:
    """The id of the event after which nothing has happened yet, by what a read has shown."""
    return f"{session['generation']}.{session['next_seq']}.{session['changes']}"
