"""A collection of message documents is asked anew at every read, for one session or one user."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest

from app.domain.identity import SessionKey
from app.errors import LegacySourceUnavailableError
from app.legacy.folding_store import FoldingStore
from app.legacy.opening import open_sources
from app.store.memory import MemoryStore
from tests.factories import ADA, make_message
from tests.fake_clock import instant
from tests.mongo.wire.server import WireServer, refusal, serving_wire

COLLECTION = "product.messages"


@pytest.fixture
async def wire() -> AsyncIterator[WireServer]:
    async with serving_wire() as server:
        server.answers["count"] = {"n": 1, "ok": 1}
        yield server


@pytest.fixture
async def store(wire: WireServer) -> AsyncIterator[FoldingStore]:
    behind = MemoryStore()
    messages(wire).insert_many(
        [
            document(1, "trip", "ada", "one"),
            document(2, "trip", None, "two"),
            document(3, "other", "ada", "three"),
            document(4, "other", "bob", "four"),
            document(5, "other", None, "whose?"),
            document(6, 7, "ada", "a number"),
        ]
    )
    base = wire.url.partition("?")[0].rstrip("/").rpartition("/")[0]
    url = f"{base}/{COLLECTION}?serverSelectionTimeoutMS=300&retryReads=false"
    sources = await open_sources([f"message-documents={url}"], behind.limits)
    yield FoldingStore(behind, sources)
    for source in sources:
        await source.aclose()


def messages(wire: WireServer) -> Any:
    database, _, name = COLLECTION.partition(".")
    return wire.data[database][name]


def document(number: int, session_id: Any, user_id: Any, content: str) -> dict[str, Any]:
    return {
        "_id": f"m{number}",
        "session_id": session_id,
        "user_id": user_id,
        "content": content,
        "message_type": "user",
        "metadata": {},
        "created_at": datetime(2024, 1, 1, 12, number, tzinfo=UTC),
    }


async def contents(store: FoldingStore, user_id: str, session_id: str) -> list[str]:
    encoded = await store.read(SessionKey(user_id, session_id))
    return [message.content for message in encoded.messages()]


async def ids(store: FoldingStore, user_id: str) -> list[str]:
    """Of the user's sessions, the newest first."""
    listed = await store.list_summaries(user_id)
    stored = {key.session_id for key in await store.list_keys() if key.user_id == user_id}
    shown = [one.decode().partition('"id":"')[2].partition('"')[0] for one in listed.items]
    assert set(shown) == stored
    return shown


async def test_sessions_are_served_as_a_run_would_fold_them(store: FoldingStore) -> None:
    assert await contents(store, "ada", "trip") == ["one", "two"]
    assert await contents(store, "ada", "other") == ["three"]
    assert await contents(store, "bob", "other") == ["four"]
    assert await contents(store, "ada", "7") == ["a number"]
    assert await ids(store, "ada") == ["7", "other", "trip"]
    assert await ids(store, "bob") == ["other"]
    assert await ids(store, "eve") == []
    assert await store.find_owners("other") == ["ada", "bob"]


async def test_what_the_product_writes_is_seen_at_once(
    store: FoldingStore, wire: WireServer
) -> None:
    assert await contents(store, "ada", "trip") == ["one", "two"]

    messages(wire).insert_one(document(9, "trip", "ada", "nine"))

    assert await contents(store, "ada", "trip") == ["one", "two", "nine"]


async def test_the_first_write_folds(store: FoldingStore, wire: WireServer) -> None:
    key = SessionKey(ADA, "trip")
    version = await store.find_version(key)

    await store.append(key, [make_message("new", "three")], at=instant(0))
    messages(wire).delete_many({})

    assert await contents(store, "ada", "trip") == ["one", "two", "three"]
    after = await store.find_version(key)
    assert version is not None
    assert after == (version.generation, 2)


async def test_no_query_asks_for_more_than_the_session(
    store: FoldingStore, wire: WireServer
) -> None:
    wire.commands.clear()

    await store.read(SessionKey(ADA, "trip"))

    filters = [one.body["filter"] for one in wire.commands if one.name == "find"]
    assert filters == [{"session_id": {"$in": ["trip"]}}]


async def test_a_server_that_fails_is_never_an_absence(
    store: FoldingStore, wire: WireServer
) -> None:
    await store.append(SessionKey(ADA, "trip"), [make_message("new")], at=instant(0))
    wire.failures["*"] = refusal(11600, "The server is shutting down.")

    assert len(await contents(store, "ada", "trip")) == 3
    with pytest.raises(LegacySourceUnavailableError):
        await store.read(SessionKey(ADA, "other"))
    with pytest.raises(LegacySourceUnavailableError):
        await store.list_summaries(ADA)
    with pytest.raises(LegacySourceUnavailableError):
        await store.check()

    wire.failures.clear()
    async with asyncio.timeout(20):
        while True:  # the driver finds out by itself, and waits 300 ms for that at a time
            with suppress(LegacySourceUnavailableError):
                assert await contents(store, "ada", "other") == ["three"]
                break
