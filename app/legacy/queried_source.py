"""QueriedSource: a live source of messages or sessions, asked anew at every read."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import TypeVar

from app.domain.identity import SessionKey
from app.domain.limits import StoreLimits
from app.domain.session import NewSession
from app.errors import LegacySourceUnavailableError, SourceError
from app.formats.port import LiveSource, RawRecord
from app.legacy.gathered_records import GatheredRecords
from app.legacy.legacy_format import LegacyFormat
from app.legacy.live_queries import LiveQueries, all_of
from app.legacy.port import LegacySummary

_THREADS = 8

_log = logging.getLogger(__name__)

_Answer = TypeVar("_Answer")


class QueriedSource:
    """The sessions of a collection or container that has indexes by session and by user.

    Nothing is kept: what the product writes is seen at once, and a list reads all of its user's
    documents that are still there.
    """

    def __init__(
        self,
        source_format: LegacyFormat,
        queries: LiveQueries,
        source: LiveSource,
        limits: StoreLimits,
    ) -> None:
        self.label = source_format.name
        self._format = source_format
        self._limits = limits
        self._queries = queries
        self._source = source
        self._is_open = False
        self._opening = Lock()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="legacy-source")

    async def check(self) -> None:
        """See the port."""
        await self._asked(lambda source: source.fingerprint())

    async def find(self, key: SessionKey) -> NewSession | None:
        """See the port."""

        def question(source: LiveSource) -> NewSession | None:
            return self._of_sessions(source, [key.session_id]).session(key)

        return await self._asked(question)

    async def list_of(self, user_id: str) -> list[LegacySummary]:
        """See the port."""

        def question(source: LiveSource) -> list[LegacySummary]:
            found = self._gathered(source, self._queries.of_user(source, user_id))
            if self._format.is_nested:  # the query may have found a part of a session only
                found = self._of_sessions(source, found.session_ids)
            keys = (SessionKey(user_id, session_id) for session_id in found.session_ids)
            sessions = map(found.session, keys)
            return [LegacySummary.of(session) for session in sessions if session is not None]

        return await self._asked(question)

    async def find_owners(self, session_id: str) -> list[str]:
        """See the port."""

        def question(source: LiveSource) -> list[str]:
            found = self._of_sessions(source, [session_id])
            return [key.user_id for key in found.session_keys() if key.session_id == session_id]

        return await self._asked(question)

    async def list_keys(self, *, after: SessionKey | None, limit: int) -> list[SessionKey]:
        """See the port; reads the whole source."""

        def question(source: LiveSource) -> list[SessionKey]:
            keys = self._gathered(source, all_of(source)).session_keys()
            return sorted(key for key in keys if after is None or key > after)[:limit]

        return await self._asked(question)

    async def aclose(self) -> None:
        """See the port; what is being asked now is answered first."""
        await asyncio.to_thread(self._close)

    def _of_sessions(self, source: LiveSource, session_ids: list[str]) -> GatheredRecords:
        return self._gathered(source, self._queries.of_sessions(source, session_ids))

    def _gathered(self, source: LiveSource, found: Iterator[RawRecord]) -> GatheredRecords:
        return GatheredRecords(
            self._format, self._limits, self._format.records(found, source.notation)
        )

    async def _asked(self, question: Callable[[LiveSource], _Answer]) -> _Answer:
        def answer() -> _Answer:
            try:
                return question(self._opened())
            except SourceError as error:
                _log.warning("A legacy source cannot be read: %s", error)
                raise LegacySourceUnavailableError(self.label) from error

        return await asyncio.get_running_loop().run_in_executor(self._threads, answer)

    def _close(self) -> None:
        self._threads.shutdown()
        if self._is_open:
            self._source.__exit__(None, None, None)

    def _opened(self) -> LiveSource:
        with self._opening:
            if not self._is_open:
                self._source.__enter__()
                self._is_open = True
        return self._source
