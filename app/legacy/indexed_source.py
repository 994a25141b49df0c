"""IndexedSource: files that are still in use, read once and again whenever they have changed."""

import asyncio
import logging
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import TypeVar

import apsw

from app.domain.identity import SessionKey
from app.domain.limits import StoreLimits
from app.domain.session import NewSession
from app.errors import LegacySourceUnavailableError, SourceError
from app.legacy.legacy_format import LegacyFormat
from app.legacy.port import LegacySummary
from app.legacy.readable_files import ReadableFiles
from app.legacy.source_index import SourceIndex

RETRY_SECONDS = 10.0
"""After so long files that cannot be read are tried again, though nothing seems to have changed."""

_log = logging.getLogger(__name__)

_Answer = TypeVar("_Answer")


class IndexedSource:
    """The sessions of files, by an index that lies on this machine's disk.

    One thread reads and asks, so that nothing is asked of an index that is being made.
    """

    def __init__(
        self,
        source_format: LegacyFormat,
        files: ReadableFiles,
        limits: StoreLimits,
        *,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self.label = source_format.name
        self._format = source_format
        self._files = files
        self._limits = limits
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="legacy-files")
        self._index: SourceIndex | None = None
        self._state: Hashable | None = None
        """Of the files when it was read."""
        self._failure = ""
        """Why they could not be read in that state."""
        self._failed_at_seconds = 0.0
        self._retry_seconds = retry_seconds

    async def check(self) -> None:
        """See the port."""
        await self._asked(lambda index: index.list_keys(None, 1))

    async def find(self, key: SessionKey) -> NewSession | None:
        """See the port."""
        return await self._asked(lambda index: index.find(key))

    async def list_of(self, user_id: str) -> list[LegacySummary]:
        """See the port."""
        return await self._asked(lambda index: index.list_of(user_id))

    async def find_owners(self, session_id: str) -> list[str]:
        """See the port."""
        return await self._asked(lambda index: index.find_owners(session_id))

    async def list_keys(self, *, after: SessionKey | None, limit: int) -> list[SessionKey]:
        """See the port."""
        return await self._asked(lambda index: index.list_keys(after, limit))

    async def aclose(self) -> None:
        """See the port; what is being read now is read to its end."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._forget)
        self._thread.shutdown()

    async def _asked(self, question: Callable[[SourceIndex], _Answer]) -> _Answer:
        def answer() -> _Answer:
            try:
                return question(self._index_of_now())
            except SourceError as error:
                _log.warning("A legacy source cannot be read: %s", error)
                raise LegacySourceUnavailableError(self.label) from error
            except apsw.Error as error:
                self._forget()  # what is wrong with it may be mended by making it anew
                _log.warning("The index of %s cannot be used: %s", self._files.name, error)
                raise LegacySourceUnavailableError(self.label) from error

        return await asyncio.get_running_loop().run_in_executor(self._thread, answer)

    def _index_of_now(self) -> SourceIndex:
        state = self._files.state()
        if state != self._state or self._is_due_again():
            self._forget()
            # Before it is read: what is written to it meanwhile makes it another one.
            self._state = state
            try:
                self._index = self._read()
            except (SourceError, apsw.Error) as error:
                # Kept, so that a large file that cannot be read is not read for every request.
                self._failure = f"{self._files.name} cannot be indexed: {error}"
                self._failed_at_seconds = monotonic()
        if self._index is None:
            raise SourceError(self._failure)
        return self._index

    def _is_due_again(self) -> bool:
        """Whether what could not be read may have become readable, as by another permission."""
        has_failed = self._index is None and bool(self._failure)
        return has_failed and monotonic() - self._failed_at_seconds >= self._retry_seconds

    def _read(self) -> SourceIndex:
        default_user = self._format.options.default_user
        index = SourceIndex(self._format.name, self._limits, default_user=default_user)
        try:
            with self._files.opened() as source:
                index.fill(self._format.records(source, source.notation))
        except BaseException:
            index.close()
            raise
        return index

    def _forget(self) -> None:
        if self._index is not None:
            self._index.close()
        self._index = None
        self._state = None
        self._failure = ""
