"""A client of the whole service, in this process, on every store."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from app.assistant.chat_completions import ChatCompletions
from app.assistant.chat_completions import Upstream as Address
from app.main import create_app
from app.settings import Settings
from app.store.port import SessionStore
from tests.assistant.upstream import Upstream, sends, upstream, whole
from tests.fake_clock import FakeClock
from tests.half_migrated import KINDS_BEHIND_DOORS
from tests.store_kind import StoreKind

SETTINGS = Settings(store="memory://", body_limit_bytes=10 * 1024 * 1024)


@pytest.fixture(params=list(KINDS_BEHIND_DOORS))
def store_kind(request: pytest.FixtureRequest) -> StoreKind:
    return KINDS_BEHIND_DOORS[request.param]


@pytest.fixture
def app(store: SessionStore, clock: FakeClock) -> FastAPI:
    return create_app(SETTINGS, store, clock)


@pytest.fixture
async def anyone(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client that says nothing of who it is."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://chatfold.test") as client:
        yield client


@pytest.fixture
async def ada(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://chatfold.test", headers={"X-User-Id": "ada"}
    ) as client:
        yield client


@pytest.fixture
async def bob(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://chatfold.test", headers={"X-User-Id": "bob"}
    ) as client:
        yield client


@pytest.fixture
async def server() -> AsyncIterator[Upstream]:
    async with upstream(sends(whole("Be", "cause", " 😀"))) as server:
        yield server


@pytest.fixture
async def asking(
    store: SessionStore, clock: FakeClock, server: Upstream
) -> AsyncIterator[httpx.AsyncClient]:
    """Ada's client of a service that has an assistant."""
    assistant = ChatCompletions(Address(server.url, "model-1", retry_pause_seconds=0))
    app = create_app(SETTINGS, store, clock, assistant=assistant)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://chatfold.test",
        headers={"X-User-Id": "ada"},
    ) as client:
        yield client
    await app.state.replies.aclose()
    await assistant.aclose()
