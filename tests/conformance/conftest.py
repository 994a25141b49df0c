"""Sessions that live beside the one a test is about."""

import pytest

from app.store.port import SessionStore
from tests.conformance.state import Neighbours


@pytest.fixture
async def neighbours(store: SessionStore) -> Neighbours:
    return await Neighbours.move_in(store)
