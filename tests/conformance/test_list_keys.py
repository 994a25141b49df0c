"""All keys of a store, page by page, in (user, id) order by code point."""

from app.domain.identity import SessionKey
from app.store.port import SessionStore
from tests.factories import make_new_session
from tests.fake_clock import START

KEYS = [
    SessionKey("B", "z"),
    SessionKey("a", "1"),
    SessionKey("a", "10"),
    SessionKey("a", "2"),
    SessionKey("a", "é"),
    SessionKey("a b", "1"),
    SessionKey("aa", "0"),
    SessionKey("é", "1"),
    SessionKey("\uff5e", "1"),
    SessionKey("\U0001f600", "1"),
]


async def test_an_empty_store_has_no_keys(store: SessionStore) -> None:
    assert await store.list_keys() == []


async def test_keys_come_by_code_point(store: SessionStore) -> None:
    for key in KEYS[::2] + KEYS[1::2]:
        await store.insert(make_new_session(key))

    assert await store.list_keys() == KEYS
    assert all(isinstance(key, SessionKey) for key in await store.list_keys())


async def test_pages_together_are_all_keys(store: SessionStore) -> None:
    for key in reversed(KEYS):
        await store.insert(make_new_session(key))

    for limit in (1, 3, 10):
        keys: list[SessionKey] = []
        while page := await store.list_keys(after=keys[-1] if keys else None, limit=limit):
            assert len(page) <= limit
            keys.extend(page)
        assert keys == KEYS


async def test_keys_begin_after_one_that_need_not_exist(store: SessionStore) -> None:
    for key in KEYS:
        await store.insert(make_new_session(key))
    await store.delete(KEYS[3], START)

    assert await store.list_keys(after=KEYS[3], limit=2) == KEYS[4:6]
    assert await store.list_keys(after=SessionKey("a", "1\x01"), limit=1) == [KEYS[2]]
    assert await store.list_keys(after=KEYS[-1]) == []
