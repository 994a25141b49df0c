"""Two stores are walked through side by side, a few sessions at a time."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from app.domain.identity import SessionKey
from app.errors import StoreError, StoreUnavailableError
from app.store.memory import MemoryStore
from app.store.walking import KeyOfTwo, for_each, keys_of_both, patiently
from tests.factories import make_new_session


async def store_of(*ids: str) -> MemoryStore:
    store = MemoryStore()
    for id_ in ids:
        await store.insert(make_new_session(SessionKey(*id_.split("/"))))
    return store


async def numbers(count: int) -> AsyncGenerator[int]:
    for number in range(count):
        yield number


async def test_every_key_of_either_store_comes_once_and_in_order() -> None:
    source = await store_of("a/2", "a/1", "b/1", "c/é")
    target = await store_of("a/0", "a/2", "b/1", "b/2", "d/1")

    found = [one async for one in keys_of_both(source, target, ())]

    assert found == [
        KeyOfTwo(SessionKey("a", "0"), is_in_source=False, is_in_target=True),
        KeyOfTwo(SessionKey("a", "1"), is_in_source=True, is_in_target=False),
        KeyOfTwo(SessionKey("a", "2"), is_in_source=True, is_in_target=True),
        KeyOfTwo(SessionKey("b", "1"), is_in_source=True, is_in_target=True),
        KeyOfTwo(SessionKey("b", "2"), is_in_source=False, is_in_target=True),
        KeyOfTwo(SessionKey("c", "é"), is_in_source=True, is_in_target=False),
        KeyOfTwo(SessionKey("d", "1"), is_in_source=False, is_in_target=True),
    ]


async def test_two_empty_stores_have_no_keys() -> None:
    assert [one async for one in keys_of_both(MemoryStore(), MemoryStore(), ())] == []


async def test_what_is_put_behind_does_not_show_up() -> None:
    source = await store_of(*(f"a/{number:05}" for number in range(2500)))
    target = await store_of("a/00500", "a/01500", "a/02600")
    found: list[tuple[str, bool]] = []

    async for key, _, is_in_target in keys_of_both(source, target, ()):
        found.append((key.session_id, is_in_target))
        if not is_in_target:
            await target.insert(make_new_session(key))

    assert len(found) == 2501
    assert [id_ for id_, is_in_target in found if is_in_target] == ["00500", "01500", "02600"]


async def test_a_few_are_worked_on_at_once() -> None:
    running: set[int] = set()
    most = 0
    done: list[int] = []

    async def work(number: int) -> None:
        nonlocal most
        running.add(number)
        most = max(most, len(running))
        await asyncio.sleep(0)
        running.remove(number)
        done.append(number)

    await for_each(numbers(100), work)

    assert sorted(done) == list(range(100))
    assert 2 <= most <= 8


async def test_the_first_error_ends_the_work_and_is_raised_as_it_is() -> None:
    done: list[int] = []

    async def work(number: int) -> None:
        if number == 3:
            raise StoreError("the fourth")
        done.append(number)

    with pytest.raises(StoreError, match="the fourth"):
        await for_each(numbers(1000), work)

    assert len(done) < 100


async def test_an_error_of_the_walk_is_raised_as_it_is() -> None:
    async def two_and_no_more() -> AsyncGenerator[int]:
        yield 1
        yield 2
        raise StoreError("the list")

    async def work(_number: int) -> None:
        await asyncio.sleep(0)

    with pytest.raises(StoreError, match="the list"):
        await for_each(two_and_no_more(), work)


async def test_patience_has_an_end() -> None:
    calls = 0

    async def call() -> None:
        nonlocal calls
        calls += 1
        raise StoreUnavailableError("away")

    with pytest.raises(StoreUnavailableError):
        await patiently(call, (0, 0, 0))

    assert calls == 4
