"""IndexedFile: a file that is still in use, read once and again whenever it has changed."""

import asyncio
import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import apsw

from app.domain.identity import SessionKey
from app.domain.limits import StoreLimits
from app.domain.session import NewSession
from app.errors import LegacySourceUnavailableError, SourceError
from app.formats.file_source import FileSource
from app.legacy.legacy_format import LegacyFormat
from app.legacy.port import LegacySummary
from app.legacy.source_index import SourceIndex

_log = logging.getLogger(__name__)

_Answer = TypeVar("_Answer")
_State = tuple[int, ...]


class IndexedFile:
    """The sessions of a file of any form and size, by an index that lies on this machine's disk.

    One thread reads and asks, so that nothing is asked of an index that is being made.
    """

    def __init__(self, source_format: LegacyFormat, path: Path, limits: StoreLimits) -> None:
        self.label = source_format.name
        self._format = source_format
        self._path = path
        self._limits = limits
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="legacy-file")
        self._index: SourceIndex | None = None
        self._state: _State | None = None
        """Of the file when it was read."""
        self._failure = ""
        """Why it could not be read in that state."""

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
                _log.warning("The index of %s cannot be used: %s", self._path, error)
                raise LegacySourceUnavailableError(self.label) from error

        return await asyncio.get_running_loop().run_in_executor(self._thread, answer)

    def _index_of_now(self) -> SourceIndex:
        state = self._state_of_now()
        if state != self._state:
            self._forget()
            # Before it is read: what is written to it meanwhile makes it another one.
            self._state = state
            try:
                self._index = self._read()
            except (SourceError, apsw.Error) as error:
                # Kept, so that a large file that cannot be read is not read for every request.
                self._failure = f"{self._path} cannot be indexed: {error}"
        if self._index is None:
            raise SourceError(self._failure)
        return self._index

    def _state_of_now(self) -> _State:
        try:
            stat = os.stat(self._path)  # noqa: PTH116 - the same, and asked for at every read
        except OSError as error:
            raise SourceError(f"{self._path} cannot be opened: {error.strerror}.") from error
        return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns

    def _read(self) -> SourceIndex:
        index = SourceIndex(self._format.name, self._limits)
        try:
            with FileSource(self._path) as source:
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
