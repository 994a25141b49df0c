"""A store that is away for a while is waited for; one that stays away ends a copy for now."""

from typing import Any, cast

import pytest

from app.errors import (
    AppError,
    CorruptStoreError,
    StoreBusyError,
    StoreFullError,
    StoreReadOnlyError,
    StoreUnavailableError,
)
from app.store.comparing import compare_stores
from app.store.copying import copy_store
from app.store.memory import MemoryStore
from app.store.port import SessionStore
from tests.copying.stores_of_kin import fill, kin_of, whole

AT_ONCE = (0, 0, 0, 0)
"""Again and again, without waiting."""


class FailingStore:
    """Fails each call of some methods so often before it works."""

    def __init__(self, store: SessionStore, error: AppError, times: int, *methods: str) -> None:
        self._store = store
        self._error = error
        self._times = times
        self._methods = methods
        self._failed: dict[Any, int] = {}

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._store, name)
        if name not in self._methods:
            return value

        async def call(*arguments: Any, **named: Any) -> Any:
            which = repr((name, arguments, named))
            self._failed[which] = self._failed.get(which, 0) + 1
            if self._failed[which] <= self._times:
                raise self._error
            return await value(*arguments, **named)

        return call


def failing(store: SessionStore, error: AppError, times: int, *methods: str) -> SessionStore:
    return cast("SessionStore", FailingStore(store, error, times, *methods))


READING = ("list_keys", "list_marks", "find_version", "read_image", "read")
WRITING = ("list_keys", "list_marks", "find_deleted", "put_image", "put_marks", "read_image")


async def filled() -> MemoryStore:
    store = MemoryStore()
    await fill(store)
    return store


@pytest.mark.parametrize("error", [StoreUnavailableError("away"), StoreBusyError("held")])
async def test_a_store_that_comes_back_is_waited_for(error: AppError) -> None:
    source = await filled()
    target = kin_of(source)
    seldom = failing(source, error, 1, *READING), failing(target, error, 1, *WRITING)

    copied = await copy_store(*seldom, patience=AT_ONCE)
    compared = await compare_stores(*seldom, patience=AT_ONCE)

    assert (copied.stored, copied.marks, compared.equal) == (4, 2, 4)
    assert await whole(target) == await whole(source)


@pytest.mark.parametrize("method", ["list_keys", "list_marks", "read_image", "put_image"])
async def test_a_store_that_stays_away_ends_the_copy_which_then_goes_on(method: str) -> None:
    source = await filled()
    target = kin_of(source)
    error = StoreUnavailableError("away")
    away = failing(source, error, 99, method), failing(target, error, 99, method)

    with pytest.raises(StoreUnavailableError, match="away"):
        await copy_store(*away, patience=AT_ONCE)
    copied = await copy_store(source, target)

    assert copied.stored + copied.present == 4
    assert (await compare_stores(source, target)).equal == 4


@pytest.mark.parametrize(
    "error", [StoreFullError("full"), StoreReadOnlyError("fixed"), CorruptStoreError("broken")]
)
async def test_what_waiting_does_not_mend_is_not_waited_for(error: AppError) -> None:
    source = await filled()
    target = failing(kin_of(source), error, 1, "put_image")

    with pytest.raises(type(error)):
        await copy_store(source, target, patience=AT_ONCE)


async def test_a_session_deleted_while_it_is_copied_is_no_failure() -> None:
    source = await filled()
    target = kin_of(source)

    class Deleting(MemoryStore):
        """Deletes each session at the moment it is to be read."""

        async def read_image(self, key: Any) -> Any:
            await self.delete(key, (await self.read(key)).header().updated_at)
            return await super().read_image(key)

    vanishing = Deleting(new_secret=source.marking_secret)
    await copy_store(source, vanishing)

    copied = await copy_store(vanishing, target)
    again = await copy_store(vanishing, target)

    assert (copied.sessions, copied.stored, copied.left.counts) == (4, 0, {})
    assert (again.sessions, again.marks) == (0, 6)
    assert await target.list_keys() == []
