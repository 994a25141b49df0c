"""What the tests of the legacy door share: a client on a store that they may also write."""

from collections.abc import AsyncIterator

import pytest
from httpx import AsyncClient

from app.store.port import SessionStore
from tests.api.auth.credentials import settings
from tests.api.serving import client_of
from tests.fake_clock import FakeClock


@pytest.fixture
async def client(store: SessionStore, clock: FakeClock) -> AsyncIterator[AsyncClient]:
    async with client_of(settings(), store, clock) as client:
        yield client
