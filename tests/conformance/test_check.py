"""A store that can be read and written says so, as often as it is asked."""

import asyncio

from app.store.port import SessionStore
from tests.conformance.state import Neighbours


async def test_a_working_store_passes_its_check(
    store: SessionStore, neighbours: Neighbours
) -> None:
    await store.check()
    await asyncio.gather(*(store.check() for _ in range(10)))

    assert await neighbours.are_untouched()


async def test_a_store_can_be_closed_twice(store: SessionStore) -> None:
    await store.aclose()
    await store.aclose()
