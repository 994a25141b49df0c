"""Appends to short and to long sessions: with segments, and into one document without them."""

import asyncio
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

import bson
import httpx
from pymongo import MongoClient

from app.domain.identity import new_id
from app.store.mongo.encoding import Document
from bench.figures import Figure
from bench.loading import CONNECTIONS, in_turn, load_append, write_texts
from bench.markdown import table
from bench.mongo.served import BARE
from bench.mongo.servers import Server
from bench.serving import URL, USER, fill, served
from bench.texts import texts

CHARACTERS = (100, 500)
SESSIONS = {10: 3000, 1_000: 50, 10_000: 4, 100_000: 2}
"""Messages in a session → how many such sessions take turns, so that they stay about as long."""
_SESSIONS_WHERE_SCANNED = {10: 50, 1_000: 4}
"""Where each command reads all sessions, more of them would take hours."""

_TEXTS = 1000
_FILLING_AT_ONCE = 4
_DRAINED_SECONDS = 60
_DOCUMENT_LIMIT_BYTES = 16 * 1024 * 1024
_NOW = datetime(2026, 11, 20)  # noqa: DTZ001 - as the driver takes it


@dataclass(frozen=True, slots=True)
class Curve:
    """Appends per second by the length of the session, for messages of about one length."""

    characters: int
    with_segments: dict[int, float]
    with_client_ids: dict[int, float]
    without_segments: dict[int, float]
    """Only as far as one document can hold so many."""
    fits: int
    """How many messages one document holds."""

    def figure(self) -> Figure:
        """The longest beside the shortest."""
        shortest, longest = min(self.with_segments), max(self.with_segments)
        return Figure(
            f"append at {longest:,} messages ÷ append at {shortest}, {self.characters} characters",
            self.with_segments[longest],
            self.with_segments[shortest],
            0.9,
        )

    def table(self) -> str:
        """A row per length, in Markdown."""
        header = (
            f"appends per second, {self.characters} characters each, at … messages",
            "with segments",
            "÷ at the shortest",
            "with ids of the client",
            "one document, bare `$push`",
        )
        at_shortest = self.with_segments[min(self.with_segments)]
        rows = (
            (
                f"{length:,}",
                f"{rate:,.0f}",
                f"{rate / at_shortest:.2f}",
                f"{self.with_client_ids[length]:,.0f}",
                f"{self.without_segments[length]:,.0f}"
                if length in self.without_segments
                else f"not possible: 16 MiB are full at {self.fits:,}",
            )
            for length, rate in self.with_segments.items()
        )
        return table(header, rows)


async def measure(server: Server, seconds: int, characters: int) -> Curve:
    """Fill, then let all kinds of appends take turns."""
    said = texts(characters, _TEXTS)
    fits = _fitting(said)
    sessions = _SESSIONS_WHERE_SCANNED if server.is_scanning else SESSIONS
    possible = [length for length in sessions if length < fits]
    with tempfile.TemporaryDirectory() as folder, server.database() as url:
        said_file = write_texts(Path(folder) / "texts", said)
        async with served("bench.mongo.served:app", {"CHATFOLD_STORE": url}) as client:
            await _fill(client, sessions, said)
            _fill_bare(url, {length: sessions[length] for length in possible}, said)
            load = partial(_load, said_file, seconds)
            loads: dict[tuple[str, int], Callable[[], float]] = {}
            # One kind after the other, so that what is compared is measured close together.
            for length, count in sessions.items():
                path = f"/api/chat/sessions/of-{length}-"
                loads["fresh", length] = partial(load, path, count)
            for length, count in sessions.items():
                path = f"/api/chat/sessions/of-{length}-"
                loads["client", length] = partial(load, path, count, has_ids=True)
            for length in possible:
                loads["bare", length] = partial(load, f"/limit/push/{length}", sessions[length])
            medians = await in_turn(*loads.values())
    rates = dict(zip(loads, medians, strict=True))

    def by_length(kind: str) -> dict[int, float]:
        return {length: rate for (one, length), rate in rates.items() if one == kind}

    return Curve(characters, by_length("fresh"), by_length("client"), by_length("bare"), fits)


def _load(said: Path, seconds: int, path: str, count: int, *, has_ids: bool = False) -> float:
    rate = load_append(path, said, seconds, sessions=count, has_ids=has_ids)
    # What wrk has left behind still runs, and must not count against whoever comes next.
    body = {"content": "the last"}
    with httpx.Client(base_url=URL, timeout=_DRAINED_SECONDS, headers=USER) as client:
        for number in range(min(count, CONNECTIONS)):
            client.post(f"{path}{number}/messages", json=body).raise_for_status()
    return rate


async def _fill(client: httpx.AsyncClient, sessions: dict[int, int], said: Sequence[str]) -> None:
    places = asyncio.Semaphore(_FILLING_AT_ONCE)

    async def fill_one(session_id: str, length: int) -> None:
        async with places:
            await fill(client, session_id, length, said)

    await asyncio.gather(
        *(
            fill_one(f"of-{length}-{number}", length)
            for length, count in sessions.items()
            for number in range(count)
        )
    )


def _fill_bare(url: str, sessions: dict[int, int], said: Sequence[str]) -> None:
    with MongoClient[Document](url) as client:
        bare = client.get_default_database()[BARE]
        for length, count in sessions.items():
            messages = [_message(said[place % len(said)]) for place in range(length)]
            for number in range(count):
                _id = int(f"{length}{number}")
                bare.insert_one({"_id": _id, "revision": 1, "messages": messages})


def _message(text: str) -> Document:
    """As the store embeds it."""
    return {
        "id": new_id(),
        "content": text,
        "message_type": "user",
        "created_at": _NOW,
        "digest": bytes(16),
    }


def _fitting(said: Sequence[str]) -> int:
    """How many of such messages a server takes in one document."""
    element_bytes = len("_00000_") + sum(len(bson.encode(_message(text))) for text in said) / len(
        said
    )
    return int(_DOCUMENT_LIMIT_BYTES / element_bytes)
