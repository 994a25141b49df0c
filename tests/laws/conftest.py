"""The whole application in the test's own process, on every store, asked by Ada and by Bob."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

import httpx
import pytest
from fastapi import FastAPI

from app.main import create_app
from app.settings import Settings
from app.store.port import SessionStore
from tests.fake_clock import FakeClock
from tests.half_migrated import KINDS_BEHIND_DOORS
from tests.store_kind import StoreKind

SETTINGS = Settings(store="memory://")


@pytest.fixture(params=list(KINDS_BEHIND_DOORS))
def store_kind(request: pytest.FixtureRequest) -> StoreKind:
    return KINDS_BEHIND_DOORS[request.param]


@pytest.fixture
def app(store: SessionStore, clock: FakeClock) -> FastAPI:
    return create_app(SETTINGS, store, clock)


def client_of(app: FastAPI, user_id: str) -> AbstractAsyncContextManager[httpx.AsyncClient]:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app, raise_app_exceptions=False),
        base_url="http://chatfold.test",
        headers={"X-User-Id": user_id},
    )


@pytest.fixture
async def ada(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app, "ada") as client:
        yield client


@pytest.fixture
async def bob(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app, "bob") as client:
        yield client
