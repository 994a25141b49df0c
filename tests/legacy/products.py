"""A product in the middle of its migration: its messages in a source, some of them folded."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from app.legacy.folding_store import FoldingStore
from app.legacy.opening import open_sources
from app.main import create_app
from app.store.port import SessionStore
from tests.api.conftest import SETTINGS
from tests.fake_clock import FakeClock
from tests.migrations.sources import at, document, fold, write_source

ADAS_SESSIONS = 10

_WORDS = ("train", "Kraków", "日本語の電車", "nothing")


def documents() -> list[dict[str, Any]]:
    """Ten sessions of Ada and one of Bob with the id of one of hers; some oddities."""
    messages = [
        document(
            f"m{session}-{number}",
            f"Message {number} of {session}: {_WORDS[(session + number) % len(_WORDS)]}",
            session_id=f"s{session}",
            message_type=("user", "assistant", "human")[number % 3],
            metadata={"number": number, "deep": {"a": [1.5, None]}},
            created_at=at(session * 5 + number),
        )
        for session in range(ADAS_SESSIONS)
        for number in range(session + 1)
    ]
    return [
        *reversed(messages),
        messages[7],  # again
        document("m3-0", "Another content.", session_id="s3", created_at=at(59)),
        document(None, "Without an id.", session_id="s4", created_at=at(58)),
        document("m-nobodys", "Of the only user.", session_id="s5", user_id=None),
        document("b", "Bob's train.", session_id="s6", user_id="bob", created_at=at(1)),
        document("n", "Of one of the two.", session_id="s6", user_id=None),
        document("o", "Old.", session_id="a/b ~ü", user_id="bob", created_at=at(2)),
    ]


@dataclass
class Product:
    """What is open of it."""

    path: Path
    """Of the source."""
    store: SessionStore
    """What is behind, folded sessions only."""
    folding: FoldingStore
    clock: FakeClock
    ada: httpx.AsyncClient
    bob: httpx.AsyncClient


@asynccontextmanager
async def migrating(
    store: SessionStore,
    folder: Path,
    records: Sequence[dict[str, Any] | bytes],
    *,
    folded_first: Sequence[dict[str, Any] | bytes] = (),
) -> AsyncIterator[Product]:
    """A product whose source holds these records, of which some are folded already."""
    path = write_source(folder / "messages.jsonl", records)
    if folded_first:
        await fold(write_source(folder / "before.jsonl", folded_first), store)
    clock = FakeClock()
    sources = await open_sources([f"message-documents={path}"], store.limits)
    folding = FoldingStore(store, sources)
    transport = httpx.ASGITransport(
        create_app(SETTINGS, folding, clock), raise_app_exceptions=False
    )

    def client(user_id: str) -> httpx.AsyncClient:
        headers = {"X-User-Id": user_id}
        return httpx.AsyncClient(
            transport=transport, base_url="http://chatfold.test", headers=headers
        )

    try:
        async with client("ada") as ada, client("bob") as bob:
            yield Product(path, store, folding, clock, ada, bob)
    finally:
        for source in sources:
            await source.aclose()


def of_sessions(
    records: Sequence[dict[str, Any]], session_ids: set[str]
) -> list[dict[str, Any] | bytes]:
    """The records of these sessions."""
    return [one for one in records if one["session_id"] in session_ids]
