"""An export walks a living store: what is deleted meanwhile is left out, what fails is no end."""

import json

import pytest

from app.domain.encoded import EncodedSession
from app.domain.identity import SessionKey
from app.errors import StoreUnavailableError
from app.service.read_cache import ReadCache
from app.service.users import UserService
from app.store.memory import MemoryStore
from app.store.port import WHOLE, ReadSelection
from tests.factories import make_new_session
from tests.fake_clock import START, FakeClock, instant


class FailingStore(MemoryStore):
    """A store that loses its connection when the session `s1` is read."""

    async def read(self, key: SessionKey, selection: ReadSelection = WHOLE) -> EncodedSession:
        if key.session_id == "s1":
            raise StoreUnavailableError("Gone.")
        return await super().read(key, selection)


async def filled(store: MemoryStore) -> UserService:
    """Three sessions of Ada, a second apart."""
    for number in range(3):
        await store.insert(
            make_new_session(SessionKey("ada", f"s{number}"), created_at=instant(number))
        )
    return UserService(store, FakeClock(), ReadCache(0))


async def test_a_session_deleted_on_the_way_is_left_out() -> None:
    store = MemoryStore()
    sessions = (await filled(store)).export("ada")
    first = await anext(sessions)
    await store.delete(SessionKey("ada", "s1"), START)

    rest = [session async for session in sessions]

    assert [json.loads(session)["id"] for session in [first, *rest]] == ["s0", "s2"]


async def test_a_store_that_fails_on_the_way_ends_the_export_with_its_error() -> None:
    sessions = (await filled(FailingStore())).export("ada")
    assert json.loads(await anext(sessions))["id"] == "s0"

    with pytest.raises(StoreUnavailableError):
        await anext(sessions)
