"""Copying: everything of one store into another; done again, it only brings what is missing.

Deletion marks go first, then sessions in the order of their keys, a few at a time, then documents
beside them, then what runs of folds have noted, so that no note comes before what it is about. What
the target has in the same version is left alone: a copy that was interrupted goes on cheaply, and a
second one brings what has happened since. What the target has of its own is reported and never
touched.

Dates decide nothing but which of two lives under one key came first, where a session was deleted
and made anew between two copies; where they leave a doubt, the target's is left as it is.
"""

from datetime import datetime
from functools import partial

from app.domain.identity import SessionKey
from app.domain.session import Precondition, SessionHeader
from app.errors import (
    ConfigurationError,
    DocumentTooLargeError,
    RevisionMismatchError,
    SessionExistsError,
    SessionNotFoundError,
)
from app.progress import Progress, SilentProgress
from app.store.copy_report import Copied, Example, Finding
from app.store.copying_documents import copy_documents
from app.store.copying_ledgers import copy_ledgers
from app.store.lives import came_before, find_end, is_deleted_in
from app.store.port import PutOutcome, SessionStore
from app.store.sides import DamagedSideError, Side
from app.store.walking import (
    PATIENCE,
    KeyOfTwo,
    Patience,
    for_each,
    keys_of,
    keys_of_both,
    marks_of,
    patiently,
    with_deletions,
)


async def copy_store(
    source: SessionStore,
    target: SessionStore,
    *,
    progress: Progress | None = None,
    patience: Patience = PATIENCE,
) -> Copied:
    """Bring everything from the source into the target, and tell what became of it.

    Raises:
        ConfigurationError: the source has deletion marks that the target could not read.
        StoreError: one of the stores fails, and goes on failing; what was copied is whole.
    """
    copying = _Copying(source, target, progress or SilentProgress(), patience)
    await copying.run()
    return copying.copied


class _Copying:
    def __init__(
        self, source: SessionStore, target: SessionStore, progress: Progress, patience: Patience
    ) -> None:
        self.copied = Copied()
        self._source = Side(source, Finding.DAMAGED_IN_SOURCE)
        self._target = Side(target, Finding.DAMAGED_IN_TARGET)
        self._progress = progress
        self._patience = patience
        self._is_kin = source.marking_secret == target.marking_secret
        self._done = 0

    async def run(self) -> None:
        await self._carry_marks()
        self._progress.begin("counting", None)
        async for _ in keys_of(self._source.store, self._patience):
            self.copied.sessions += 1
            self._progress.advance(self.copied.sessions, 0)
        self._progress.begin("copying", self.copied.sessions)
        keys = keys_of_both(self._source.store, self._target.store, self._patience)
        marked = with_deletions(keys, self._target.store, self._patience)
        await for_each(marked, self._handle)
        self.copied.left.examples.sort()
        both = (self._source.store, self._target.store)
        await copy_documents(*both, self.copied, self._patience)
        await copy_ledgers(*both, self.copied, self._patience)

    async def _carry_marks(self) -> None:
        self._progress.begin("marks", None)
        async for marks in marks_of(self._source.store, self._patience):
            if not self._is_kin:
                raise ConfigurationError(
                    "The target keys its deletion marks with another secret than the source, so"
                    " that it could not tell what was deleted there: copy into a store that holds"
                    " nothing yet, which takes over the secret."
                )
            await patiently(partial(self._target.store.put_marks, marks), self._patience)
            self.copied.marks += len(marks)
            self._progress.advance(self.copied.marks, 0)

    async def _handle(self, marked: tuple[KeyOfTwo, bool]) -> None:
        one, is_marked = marked
        finding = await patiently(partial(self._bring, one, is_marked=is_marked), self._patience)
        if finding is not None:
            self.copied.left.add(Example(finding, *one.key))
        self._done += one.is_in_source
        self._progress.advance(self._done, self.copied.messages)

    async def _bring(self, one: KeyOfTwo, *, is_marked: bool) -> Finding | None:
        """See to one key, and tell why it is left alone, where it is.

        Nothing is counted before it is done, so that all of it may be repeated.
        """
        try:
            if not one.is_in_source:
                return await self._follow_deletion(one.key)
            if one.is_in_target:
                return await self._bring_up_to_date(one.key)
            if is_marked and await is_deleted_in(self._target.store, self._source, one.key):
                return Finding.DELETED_IN_TARGET
            return await self._put(one.key)
        except SessionNotFoundError:
            return None  # deleted this very moment; the next copy brings the mark
        except DamagedSideError as error:
            return error.finding

    async def _follow_deletion(self, key: SessionKey) -> Finding | None:
        """Delete what the source has deleted since it was copied."""
        if await self._source.store.find_version(key) is not None:
            return None  # made after its keys were listed; the next copy brings it
        header = await self._target.header(key)
        deleted_at = await find_end(self._source.store, header)
        if deleted_at is None or not await self._remove(header, deleted_at):
            return Finding.ONLY_IN_TARGET
        self.copied.removed += 1
        return None

    async def _bring_up_to_date(self, key: SessionKey) -> Finding | None:
        version = await self._source.store.find_version(key)
        version_there = await self._target.store.find_version(key)
        if version is None or version_there is None:
            raise SessionNotFoundError(key.session_id)
        if version == version_there:
            self.copied.present += 1
            return None
        if version.generation == version_there.generation or await self._remove_former(key):
            return await self._put(key)
        return Finding.OTHER_IN_TARGET

    async def _remove_former(self, key: SessionKey) -> bool:
        """Delete the target's session if the source had it before the one that it has now."""
        header, former = await self._source.header(key), await self._target.header(key)
        is_former = self._is_kin and came_before(former, header)
        return is_former and await self._remove(former, header.created_at)

    async def _remove(self, header: SessionHeader, at: datetime) -> bool:
        """Delete a session of the target; False where someone has just written to it."""
        unchanged = Precondition(versions=frozenset({header.version}))
        try:
            await self._target.store.delete(header.key, at, unchanged)
        except RevisionMismatchError:
            return False
        return True

    async def _put(self, key: SessionKey) -> Finding | None:
        image = await self._source.image(key)
        try:
            outcome = await self._target.put(image)
        except SessionExistsError:
            return Finding.OTHER_IN_TARGET
        except DocumentTooLargeError:
            return Finding.TOO_LARGE
        if outcome is PutOutcome.PRESENT:
            self.copied.present += 1
            return None
        self.copied.stored += outcome is PutOutcome.STORED
        self.copied.replaced += outcome is PutOutcome.REPLACED
        self.copied.messages += len(image.messages)
        return None
