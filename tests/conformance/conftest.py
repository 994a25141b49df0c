"""Sessions that live beside the one a test is about, and the moments at which to look."""

from collections.abc import Awaitable, Callable

import pytest

from app.store.port import SessionStore
from tests.conformance.state import Neighbours
from tests.conftest import OpenStore


@pytest.fixture
async def neighbours(store: SessionStore) -> Neighbours:
    return await Neighbours.move_in(store)


@pytest.fixture(params=["at once", "later"])
def pause(request: pytest.FixtureRequest, open_store: OpenStore) -> Callable[[], Awaitable[None]]:
    """Comes before a search: one that must be exact with and without what is left for later."""

    async def pause_() -> None:
        if request.param == "later":
            await open_store.settle()

    return pause_
