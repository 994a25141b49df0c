"""What requests cost on the wire: commands, and the bytes of their documents.

The service runs in this process, where PyMongo tells of every command. The protocol has some twenty
bytes more around each document, which are not counted.
"""

from dataclasses import dataclass, field
from typing import Any

import bson
import httpx
from pymongo import AsyncMongoClient
from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)

from app.clock import SystemClock
from app.main import create_app
from app.settings import Settings
from app.store.mongo.encoding import Document
from app.store.mongo.store import MongoStore
from bench.markdown import table
from bench.mongo.servers import Server
from bench.serving import USER, fill
from bench.texts import texts

_CHARACTERS = 500
_MESSAGES, _SEALED_MESSAGES = 200, 2000
_SESSIONS = 50
_PATH = "/api/chat/sessions"


class _Traffic(CommandListener):
    """What has gone over the wire since it was last taken."""

    def __init__(self) -> None:
        self.commands: list[str] = []
        self.sent_bytes = self.received_bytes = 0

    def started(self, event: CommandStartedEvent) -> None:
        self.commands.append(event.command_name)
        self.sent_bytes += len(bson.encode(event.command))

    def succeeded(self, event: CommandSucceededEvent) -> None:
        self.received_bytes += len(bson.encode(event.reply))

    def failed(self, event: CommandFailedEvent) -> None:
        self.received_bytes += len(bson.encode(event.failure))


@dataclass(frozen=True, slots=True)
class _Step:
    name: str
    method: str
    path: str
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict[str, str])


def _steps(said: str) -> list[_Step]:
    fresh = {"content": said}
    return [
        _Step("append", "POST", f"{_PATH}/short/messages", fresh),
        _Step("append with an id", "POST", f"{_PATH}/short/messages", {"id": "a", **fresh}),
        _Step("append with an id, again", "POST", f"{_PATH}/short/messages", {"id": "a", **fresh}),
        _Step("append, sealed", "POST", f"{_PATH}/long/messages", fresh),
        _Step("append with an id, sealed", "POST", f"{_PATH}/long/messages", {"id": "a", **fresh}),
        _Step(f"whole read of {_MESSAGES} messages", "GET", f"{_PATH}/short"),
        _Step("whole read, nothing new", "GET", f"{_PATH}/short", headers={"If-None-Match": "?"}),
        _Step(f"whole read of {_SEALED_MESSAGES:,} messages, sealed", "GET", f"{_PATH}/long"),
        _Step("header alone", "GET", f"{_PATH}/short?messages=none"),
        _Step(f"list of {_SESSIONS} sessions", "GET", f"{_PATH}?limit={_SESSIONS}"),
        _Step("edit", "PATCH", f"{_PATH}/short/messages/a", {"content": said[:100]}),
        _Step("edit, sealed", "PATCH", f"{_PATH}/long/messages/first", {"content": said[:100]}),
        _Step("deletion of a message", "DELETE", f"{_PATH}/short/messages/a"),
        _Step("deletion of a message, sealed", "DELETE", f"{_PATH}/long/messages/first"),
        _Step("change of the header", "PATCH", f"{_PATH}/short", {"session_name": "Another"}),
        _Step("deletion of the session", "DELETE", f"{_PATH}/short"),
        _Step("deletion of the session, sealed", "DELETE", f"{_PATH}/long"),
    ]


async def measure(server: Server) -> str:
    """A row per request, in Markdown."""
    said = texts(_CHARACTERS, _MESSAGES)
    traffic = _Traffic()
    with server.database() as url:
        client = AsyncMongoClient[Document](url, event_listeners=[traffic], tz_aware=False)
        settings = Settings(store=url, read_cache_bytes=0)
        store = await MongoStore.over(
            client.get_default_database(), segment_bytes=settings.segment_bytes
        )
        app = create_app(settings, store, SystemClock())
        try:
            async with httpx.AsyncClient(
                transport=httpx.ASGITransport(app), base_url="http://bench", headers=USER
            ) as requests:
                await _fill(requests, said)
                await store.settle()
                rows = [await _row(requests, store, step, traffic) for step in _steps(said[0])]
        finally:
            await store.aclose()
    return table(("request", "commands", "sent, bytes", "received, bytes"), rows)


async def _fill(client: httpx.AsyncClient, said: list[str]) -> None:
    for number in range(_SESSIONS):
        await fill(client, f"other-{number}", 1, said)
    await fill(client, "short", _MESSAGES, said)
    await fill(client, "long", 0, said)
    first = {"id": "first", "content": said[0]}
    await client.post(f"{_PATH}/long/messages", json=first)
    for _ in range(_SEALED_MESSAGES // _MESSAGES):
        body = [{"content": one} for one in said]
        (await client.post(f"{_PATH}/long/messages", json=body)).raise_for_status()


async def _row(
    client: httpx.AsyncClient, store: MongoStore, step: _Step, traffic: _Traffic
) -> tuple[str, ...]:
    headers = dict(step.headers)
    if "If-None-Match" in headers:
        headers["If-None-Match"] = (await client.get(step.path)).headers["etag"]
    traffic.commands.clear()
    traffic.sent_bytes = traffic.received_bytes = 0
    answer = await client.request(step.method, step.path, json=step.body, headers=headers)
    assert answer.is_success or answer.status_code == httpx.codes.NOT_MODIFIED, answer.text
    commands = list(traffic.commands)
    row = (
        step.name,
        f"{len(commands)}: {', '.join(commands)}",
        f"{traffic.sent_bytes:,}",
        f"{traffic.received_bytes:,}",
    )
    await store.settle()
    return row
