"""Comparing: whether two stores hold the same, by the hashes of all that they hold."""

from collections.abc import AsyncGenerator
from functools import partial

from app.domain.image import SessionImage
from app.errors import SessionNotFoundError
from app.progress import Progress, SilentProgress
from app.store.copy_report import Compared, Example, Finding
from app.store.copying_documents import compare_documents
from app.store.copying_ledgers import compare_ledgers
from app.store.lives import came_before, find_end, is_deleted_in
from app.store.port import DeletionMark, SessionStore
from app.store.sides import DamagedSideError, Side
from app.store.walking import (
    PATIENCE,
    KeyOfTwo,
    Patience,
    for_each,
    keys_of_both,
    marks_of,
    patiently,
)


async def compare_stores(
    source: SessionStore,
    target: SessionStore,
    *,
    sessions: int | None = None,
    progress: Progress | None = None,
    patience: Patience = PATIENCE,
) -> Compared:
    """Compare all that two stores hold, and name what is not the same.

    `sessions` is how many there should be, for the progress.

    Raises:
        StoreError: one of the stores fails, and goes on failing.
    """
    comparing = _Comparing(source, target, progress or SilentProgress(), patience)
    await comparing.run(sessions)
    return comparing.compared


class _Comparing:
    def __init__(
        self, source: SessionStore, target: SessionStore, progress: Progress, patience: Patience
    ) -> None:
        self.compared = Compared()
        self._source = Side(source, Finding.DAMAGED_IN_SOURCE)
        self._target = Side(target, Finding.DAMAGED_IN_TARGET)
        self._progress = progress
        self._patience = patience
        self._done = 0

    async def run(self, sessions: int | None) -> None:
        self._progress.begin("verifying", sessions)
        keys = keys_of_both(self._source.store, self._target.store, self._patience)
        await for_each(keys, self._handle)
        self.compared.differences.examples.sort()
        await self._compare_marks()
        both = (self._source.store, self._target.store)
        await compare_documents(*both, self.compared, self._patience)
        await compare_ledgers(*both, self.compared, self._patience)

    async def _handle(self, one: KeyOfTwo) -> None:
        finding = await patiently(partial(self._find, one), self._patience)
        if finding is not None:
            self.compared.differences.add(Example(finding, *one.key))
        self._done += one.is_in_source
        self._progress.advance(self._done, self.compared.messages)

    async def _find(self, one: KeyOfTwo) -> Finding | None:
        """What is not the same under this key; what is the same is counted."""
        try:
            if not one.is_in_target:
                is_deleted = await is_deleted_in(self._target.store, self._source, one.key)
                return Finding.DELETED_IN_TARGET if is_deleted else Finding.MISSING
            if not one.is_in_source:
                header = await self._target.header(one.key)
                is_deleted = await find_end(self._source.store, header) is not None
                return Finding.WRITTEN_SINCE if is_deleted else Finding.ONLY_IN_TARGET
            image = await self._source.image(one.key)
            image_there = await self._target.image(one.key)
        except SessionNotFoundError:
            return Finding.WRITTEN_SINCE  # deleted this very moment
        except DamagedSideError as error:
            return error.finding
        if image.digest() != image_there.digest():
            return _difference(image, image_there)
        self.compared.equal += 1
        self.compared.messages += len(image.messages)
        return None

    async def _compare_marks(self) -> None:
        of_target = _each(self._target.store, self._patience)
        there = await anext(of_target, None)
        async for mark in _each(self._source.store, self._patience):
            while there is not None and there.mark < mark.mark:
                there = await anext(of_target, None)
            if there is None or there.mark != mark.mark:
                self.compared.missing_marks += 1


def _difference(image: SessionImage, image_there: SessionImage) -> Finding:
    if image.header.version == image_there.header.version:
        return Finding.DIFFERENT
    if image.continues(image_there) or came_before(image_there.header, image.header):
        return Finding.WRITTEN_SINCE
    return Finding.OTHER_IN_TARGET


async def _each(store: SessionStore, patience: Patience) -> AsyncGenerator[DeletionMark]:
    async for marks in marks_of(store, patience):
        for mark in marks:
            yield mark
