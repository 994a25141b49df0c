"""Walking through two stores side by side: every key, a few sessions at a time, and patiently."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import NamedTuple, TypeVar

from app.domain.identity import SessionKey
from app.errors import StoreFullError, StoreReadOnlyError, StoreUnavailableError
from app.store.port import DeletionMark, SessionStore

T = TypeVar("T")
P = TypeVar("P", bound=tuple[str | int, ...])

Patience = Sequence[float]
"""How many seconds to wait before a store that is not available is asked again, and again."""

PATIENCE: Patience = (1, 2, 4, 8, 16, 32)

_KEYS_AT_ONCE = 500

_IN_FLIGHT = 8
"""Sessions in memory at once: enough that a commit is shared and a round trip is not waited for."""


class KeyOfTwo(NamedTuple):
    """A key, and which of two stores has a session under it."""

    key: SessionKey
    is_in_source: bool
    is_in_target: bool


async def in_pages(
    list_page: Callable[[T | None], Awaitable[Sequence[T]]], patience: Patience
) -> AsyncGenerator[T]:
    """Everything of a list that is given page by page, each page after the last one's end."""
    page = await patiently(partial(list_page, None), patience)
    while page:
        for one in page:
            yield one
        page = await patiently(partial(list_page, page[-1]), patience)


def keys_of(store: SessionStore, patience: Patience) -> AsyncGenerator[SessionKey]:
    """Every key of a store, in order."""
    return in_pages(lambda after: store.list_keys(after=after), patience)


async def marks_of(store: SessionStore, patience: Patience) -> AsyncGenerator[list[DeletionMark]]:
    """Every deletion mark of a store, in order, page by page."""
    marks = await patiently(store.list_marks, patience)
    while marks:
        yield marks
        marks = await patiently(partial(store.list_marks, after=marks[-1].mark), patience)


async def keys_of_both(
    source: SessionStore, target: SessionStore, patience: Patience
) -> AsyncGenerator[KeyOfTwo]:
    """Every key that one of the stores has, in order.

    What is put into the target on the way does not show up again: that is behind the place which
    has been reached.
    """
    both = side_by_side(keys_of(source, patience), keys_of(target, patience), lambda key: key)
    async for key, of_source, of_target in both:
        yield KeyOfTwo(key, of_source is not None, of_target is not None)


async def side_by_side(
    of_source: AsyncGenerator[T], of_target: AsyncGenerator[T], place_of: Callable[[T], P]
) -> AsyncGenerator[tuple[P, T | None, T | None]]:
    """Every place that one of two walks in order comes to, with what each of them has there."""
    one, other = await anext(of_source, None), await anext(of_target, None)
    while one is not None or other is not None:
        place = min(place_of(found) for found in (one, other) if found is not None)
        found = one if one is not None and place_of(one) == place else None
        found_there = other if other is not None and place_of(other) == place else None
        yield place, found, found_there
        if found is not None:
            one = await anext(of_source, None)
        if found_there is not None:
            other = await anext(of_target, None)


async def with_deletions(
    keys: AsyncIterator[KeyOfTwo], target: SessionStore, patience: Patience
) -> AsyncGenerator[tuple[KeyOfTwo, bool]]:
    """The keys, each with whether it is absent from the target and marked as deleted there.

    Asked for many at once: nearly always none is, and to find that out should cost nothing.
    """
    some: list[KeyOfTwo] = []

    async def asked() -> list[tuple[KeyOfTwo, bool]]:
        absent = [one.key for one in some if not one.is_in_target]
        deleted = await patiently(partial(target.find_deleted, absent), patience)
        return [(one, one.key in deleted) for one in some]

    async for one in keys:
        some.append(one)
        if len(some) == _KEYS_AT_ONCE:
            for pair in await asked():
                yield pair
            some.clear()
    for pair in await asked():
        yield pair


async def for_each(items: AsyncIterator[T], work: Callable[[T], Awaitable[None]]) -> None:
    """Work on all items, a few at a time; the first error ends it and is raised."""
    slots = asyncio.Semaphore(_IN_FLIGHT)

    async def work_in_a_slot(item: T) -> None:
        try:
            await work(item)
        finally:
            slots.release()

    try:
        async with asyncio.TaskGroup() as tasks:
            async for item in items:
                await slots.acquire()
                tasks.create_task(work_in_a_slot(item))
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None


async def patiently(call: Callable[[], Awaitable[T]], patience: Patience) -> T:
    """What the call gives; while a store is not available, it is made again, so it must bear that.

    A store that is full or cannot be written is not waited for: someone has to do something.
    """
    for seconds in patience:
        try:
            return await call()
        except (StoreFullError, StoreReadOnlyError):
            raise
        except StoreUnavailableError:
            await asyncio.sleep(seconds)
    return await call()
