"""A collection of session documents is asked anew at every read, by every name of an id."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from app.domain.identity import SessionKey
from app.domain.source_options import SourceOptions
from app.errors import LegacySourceUnavailableError
from app.legacy.folding_store import FoldingStore
from app.legacy.opening import open_sources
from app.store.memory import MemoryStore
from app.store.port import SessionStore
from migrations.jobs.fold_sessions import FOLD_SESSIONS
from tests.factories import make_message
from tests.fake_clock import instant
from tests.legacy.comparing import content_of
from tests.migrations.sources import fold
from tests.mongo.wire.server import WireServer, refusal, serving_wire

_AT = {"timestamp": 1700000000}
DOCUMENTS: list[dict[str, Any]] = [
    {
        "_id": 1,
        "id": "trip",
        "user_id": "ada",
        "title": "A trip",
        "messages": [{"content": "a", **_AT}],
    },
    {"_id": 2, "session_id": "home", "user_id": "ada", "messages": [{"content": "b", **_AT}]},
    {"_id": "bare", "user_id": "ada", "messages": [{"content": "c", **_AT}]},
    {"_id": 4, "id": "trip", "messages": [{"content": "More of it.", **_AT}]},
    {"_id": 5, "id": 7, "user_id": 12, "messages": [{"content": "d", **_AT}]},
    {"_id": 6, "id": "bobs", "messages": [{"content": "e", "user_id": "bob", **_AT}]},
    {"_id": 7, "id": "both", "user_id": "ada", "messages": [{"content": "f", **_AT}]},
    {"_id": 8, "id": "both", "user_id": "bob", "messages": [{"content": "g", **_AT}]},
    {"_id": 9, "id": "nobodys", "messages": [{"content": "h", **_AT}]},
    {"_id": 10, "id": "dateless", "user_id": "ada", "messages": []},
]


@pytest.fixture
async def wire() -> AsyncIterator[WireServer]:
    async with serving_wire() as server:
        server.answers["count"] = {"n": 1, "ok": 1}
        server.data["product"]["sessions"].insert_many([dict(one) for one in DOCUMENTS])
        yield server


@asynccontextmanager
async def served(wire: WireServer, options: str = "") -> AsyncIterator[SessionStore]:
    base = wire.url.partition("?")[0].rstrip("/").rpartition("/")[0]
    url = f"{base}/product.sessions?serverSelectionTimeoutMS=300&retryReads=false{options}"
    behind = MemoryStore()
    (source,) = await open_sources([f"session-documents={url}"], behind.limits)
    try:
        yield FoldingStore(behind, [source])
    finally:
        await source.aclose()


@pytest.mark.parametrize("default_user", [None, "eve"])
async def test_all_sessions_are_the_same_before_they_are_folded(
    wire: WireServer, tmp_path: Path, default_user: str | None
) -> None:
    path = tmp_path / "sessions.json"
    path.write_text(json.dumps(DOCUMENTS), encoding="utf-8")
    folded = MemoryStore()
    await fold(path, folded, job=FOLD_SESSIONS.told(SourceOptions(default_user=default_user)))
    keys = await folded.list_keys()
    options = "" if default_user is None else f"&default_user={default_user}"

    async with served(wire, options) as store:
        assert await store.list_keys() == keys
        for key in keys:
            assert await content_of(store, key) == await content_of(folded, key)
        for user_id in ("ada", "bob", "12", "eve", "nobody"):
            listed = [json.loads(one) for one in (await store.list_summaries(user_id)).items]
            expected = {key.session_id for key in keys if key.user_id == user_id}
            assert {one["id"] for one in listed} == expected
            assert all(one["is_legacy"] for one in listed)
        for key in keys:
            assert key.user_id in await store.find_owners(key.session_id)

    assert len(keys) == (7 if default_user is None else 8)


async def test_what_the_product_writes_is_seen_at_once(wire: WireServer) -> None:
    key = SessionKey("ada", "home")
    async with served(wire) as store:
        before = await store.find_version(key)
        wire.data["product"]["sessions"].update_one(
            {"_id": 2}, {"$push": {"messages": {"content": "new", **_AT}}}
        )

        messages = (await store.read(key)).messages()

        assert [one.content for one in messages] == ["b", "new"]
        assert await store.find_version(key) != before


async def test_the_first_write_folds(wire: WireServer) -> None:
    key = SessionKey("ada", "trip")
    async with served(wire) as store:
        await store.append(key, [make_message("new", "three")], at=instant(0))
        wire.data["product"]["sessions"].delete_many({})

        messages = (await store.read(key)).messages()
        listed = (await store.list_summaries("ada")).items

    assert [one.content for one in messages] == ["a", "More of it.", "three"]
    assert len(listed) == 1
    assert b"is_legacy" not in listed[0]


async def test_no_query_asks_for_more_than_the_session(wire: WireServer) -> None:
    async with served(wire) as store:
        wire.commands.clear()
        await store.read(SessionKey("ada", "trip"))

    filters = [one.body["filter"] for one in wire.commands if one.name == "find"]
    names = ("id", "session_id", "_id")
    assert filters == [{"$or": [{name: {"$in": ["trip"]}} for name in names]}]


async def test_a_server_that_fails_is_never_an_absence(wire: WireServer) -> None:
    async with served(wire) as store:
        await store.append(SessionKey("ada", "trip"), [make_message("new")], at=instant(0))
        wire.failures["*"] = refusal(11600, "The server is shutting down.")

        assert (await store.read(SessionKey("ada", "trip"))).header().message_count == 3
        with pytest.raises(LegacySourceUnavailableError):
            await store.read(SessionKey("ada", "home"))
        with pytest.raises(LegacySourceUnavailableError):
            await store.list_summaries("ada")


async def test_what_was_deleted_stays_deleted(wire: WireServer) -> None:
    key = SessionKey("ada", "trip")
    async with served(wire) as store:
        await store.delete(key, instant(0))

        assert await store.find_version(key) is None
        assert key not in await store.list_keys()
        assert await store.find_owners("trip") == []
