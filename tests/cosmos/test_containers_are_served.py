"""A container that is still in use is asked anew at every read, for one session or one user."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from app.domain.identity import SessionKey
from app.errors import ConfigurationError, LegacySourceUnavailableError
from app.legacy.folding_store import FoldingStore
from app.legacy.opening import named_source, open_sources
from app.main import create_app
from app.store.memory import MemoryStore
from migrations.jobs.group_messages import GROUP_MESSAGES
from migrations.runner import run
from tests.api.conftest import SETTINGS
from tests.cosmos.server import KEY, CosmosContainer, CosmosServer
from tests.factories import ADA, make_message
from tests.fake_clock import FakeClock, instant

_AT = {"timestamp": 1_700_000_000}
_SESSIONS: list[dict[str, Any]] = [
    {"id": "trip", "user_id": "ada", "title": "A trip", "messages": [{"content": "a", **_AT}]},
    {"id": "home", "owner_id": 1, "user_id": "ada", "messages": [{"content": "b", **_AT}]},
    {"id": "7", "user_id": 12, "messages": [{"content": "d", **_AT}]},
    {"id": "bobs", "messages": [{"content": "e", "user_id": "bob", **_AT}]},
    {"id": "nulls", "user_id": None, "messages": [{"content": "f", "user_id": "bob", **_AT}]},
    {"id": "nobodys", "messages": [{"content": "h", **_AT}]},
]


def document(number: int, session_id: Any, user_id: Any, content: str) -> dict[str, Any]:
    return {
        "id": f"m{number}",
        "session_id": session_id,
        "user_id": user_id,
        "content": content,
        "message_type": "user",
        "metadata": {},
        "created_at": f"2024-01-01T12:{number:02}:00Z",
    }


@asynccontextmanager
async def served(
    account: CosmosServer, format_name: str = "message-documents", options: str = ""
) -> AsyncIterator[FoldingStore]:
    behind = MemoryStore()
    sources = await open_sources(
        [f"{format_name}={account.url}{options}"], behind.limits, cosmos_key=SecretStr(KEY)
    )
    try:
        yield FoldingStore(behind, sources)
    finally:
        for source in sources:
            await source.aclose()


@pytest.fixture
async def store(account: CosmosServer) -> AsyncIterator[FoldingStore]:
    account.container.put(
        [
            document(1, "trip", "ada", "one"),
            document(2, "trip", None, "two"),
            document(3, "other", "ada", "three"),
            document(4, "other", "bob", "four"),
            document(5, "other", None, "whose?"),
            document(6, 7, "ada", "a number"),
        ]
    )
    async with served(account) as folding:
        yield folding


async def contents(store: FoldingStore, user_id: str, session_id: str) -> list[str]:
    encoded = await store.read(SessionKey(user_id, session_id))
    return [message.content for message in encoded.messages()]


async def ids(store: FoldingStore, user_id: str) -> set[str]:
    listed = await store.list_summaries(user_id)
    shown = {one.decode().partition('"id":"')[2].partition('"')[0] for one in listed.items}
    assert shown == {key.session_id for key in await store.list_keys() if key.user_id == user_id}
    return shown


async def test_sessions_are_served_as_a_run_would_fold_them(
    store: FoldingStore, account: CosmosServer
) -> None:
    assert await contents(store, "ada", "trip") == ["one", "two"]
    assert await contents(store, "ada", "other") == ["three"]
    assert await contents(store, "bob", "other") == ["four"]
    assert await contents(store, "ada", "7") == ["a number"]
    assert await ids(store, "ada") == {"7", "other", "trip"}
    assert await ids(store, "bob") == {"other"}
    assert await ids(store, "eve") == set()
    assert await store.find_owners("other") == ["ada", "bob"]
    folded = MemoryStore()
    await run(GROUP_MESSAGES, GROUP_MESSAGES.open(account.url), folded)
    for key in await folded.list_keys():
        assert (await store.read(key)).messages() == (await folded.read(key)).messages()
    assert await store.list_keys() == await folded.list_keys()


async def test_no_query_asks_for_more_than_the_session(
    store: FoldingStore, account: CosmosServer
) -> None:
    sent_before = account.documents_sent

    await store.read(SessionKey(ADA, "trip"))

    assert account.documents_sent == sent_before + 2


async def test_what_the_product_writes_and_removes_is_seen_at_once(
    store: FoldingStore, account: CosmosServer
) -> None:
    assert await contents(store, "ada", "trip") == ["one", "two"]

    account.container.put([document(9, "trip", "ada", "nine")])
    account.container.remove("m1")

    assert await contents(store, "ada", "trip") == ["two", "nine"]


async def test_the_first_write_folds(store: FoldingStore, account: CosmosServer) -> None:
    key = SessionKey(ADA, "trip")
    version = await store.find_version(key)

    await store.append(key, [make_message("new", "three")], at=instant(0))
    account.containers["chat/messages"] = CosmosContainer()

    assert await contents(store, "ada", "trip") == ["one", "two", "three"]
    assert version is not None
    assert await store.find_version(key) == (version.generation, 2)


async def test_sessions_are_found_by_whoever_they_or_their_messages_name(
    account: CosmosServer,
) -> None:
    account.container.put(_SESSIONS)
    async with served(account, "session-documents") as store:
        assert await contents(store, "ada", "trip") == ["a"]
        assert await contents(store, "ada", "home") == ["b"]
        assert await contents(store, "12", "7") == ["d"]
        assert await ids(store, "ada") == {"trip", "home"}
        assert await ids(store, "bob") == {"bobs", "nulls"}
        assert await ids(store, "12") == {"7"}


async def test_options_say_what_the_container_does_not(account: CosmosServer) -> None:
    theirs = document(1, "trip", "ada", "one")
    theirs["owner"] = theirs.pop("user_id")
    nobodys = document(2, "whose", "", "two")
    del nobodys["user_id"]
    account.container.put([theirs, nobodys], partition_key="session_id")
    async with served(account, options="&field.user_id=owner&default_user=eve") as store:
        assert await contents(store, "ada", "trip") == ["one"]
        assert await contents(store, "eve", "whose") == ["two"]
        assert await ids(store, "eve") == {"whose"}


async def test_an_account_that_fails_never_looks_empty(
    store: FoldingStore, account: CosmosServer
) -> None:
    app = create_app(SETTINGS, store, FakeClock())
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://chatfold.test") as client:
        headers = {"X-User-Id": "ada"}
        found = await client.get("/api/chat/sessions/trip", headers=headers)
        account.forbidden = HTTPStatus.FORBIDDEN
        answers = [
            await client.get(path, headers=headers)
            for path in ("/api/chat/sessions/trip", "/api/chat/sessions/no", "/api/chat/sessions")
        ]

    assert found.json()["message_count"] == 2
    assert [answer.status_code for answer in answers] == [503, 503, 503]
    assert {answer.json()["code"] for answer in answers} == {LegacySourceUnavailableError.code}
    assert KEY not in "".join(answer.text for answer in answers)


def test_a_container_needs_a_key_and_a_format_that_it_can_have() -> None:
    limits = MemoryStore().limits
    url = "cosmos://host/chat/messages"
    with pytest.raises(ConfigurationError, match="CHATFOLD_COSMOS_KEY must have a key"):
        named_source(f"message-documents={url}", limits)
    with pytest.raises(ConfigurationError, match="no database holds a json-tree"):
        named_source(f"json-tree={url}", limits, cosmos_key=SecretStr(KEY))
