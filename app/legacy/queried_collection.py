"""QueriedCollection: a live collection of message documents, asked anew at every read."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import TypeVar

from app.domain.folding import SourceMessage
from app.domain.identity import SessionKey
from app.domain.limits import StoreLimits
from app.domain.session import NewSession
from app.domain.source_options import AS_IT_IS, SourceOptions
from app.errors import LegacySourceUnavailableError, SourceError
from app.formats.collection_source import CollectionSource
from app.formats.port import Record
from app.legacy.legacy_format import LegacyFormat
from app.legacy.port import LegacySummary
from app.legacy.served_session import served_session

_THREADS = 8

_log = logging.getLogger(__name__)

_Answer = TypeVar("_Answer")
_Records = dict[str, dict[str | None, list[SourceMessage]]]
"""By session and user."""


class QueriedCollection:
    """The sessions of a collection that has indexes by `session_id` and by `user_id`.

    Nothing is kept: what the product writes is seen at once, and a list reads all of its user's
    documents that are still there.

    Raises:
        ConfigurationError: the URL names no collection, or cannot be used.
    """

    def __init__(self, source_format: LegacyFormat, url: str, limits: StoreLimits) -> None:
        self.label = source_format.name
        self._format = source_format
        self._limits = limits
        self._source = CollectionSource(url, AS_IT_IS)
        self._is_open = False
        self._opening = Lock()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="legacy-collection")

    async def check(self) -> None:
        """See the port."""
        await self._asked(CollectionSource.fingerprint)

    async def find(self, key: SessionKey) -> NewSession | None:
        """See the port."""

        def question(source: CollectionSource) -> NewSession | None:
            wanted = SourceOptions(session=key.session_id)
            return self._session(key, self._records(source, wanted))

        return await self._asked(question)

    async def list_of(self, user_id: str) -> list[LegacySummary]:
        """See the port."""

        def question(source: CollectionSource) -> list[LegacySummary]:
            records = self._records(source, SourceOptions(user=user_id))
            keys = (SessionKey(user_id, session_id) for session_id in records)
            sessions = (self._session(key, records) for key in keys)
            return [LegacySummary.of(session) for session in sessions if session is not None]

        return await self._asked(question)

    async def find_owners(self, session_id: str) -> list[str]:
        """See the port."""

        def question(source: CollectionSource) -> list[str]:
            records = self._records(source, SourceOptions(session=session_id))
            return [key.user_id for key in self._keys(records)]

        return await self._asked(question)

    async def list_keys(self, *, after: SessionKey | None, limit: int) -> list[SessionKey]:
        """See the port; reads the whole collection."""

        def question(source: CollectionSource) -> list[SessionKey]:
            keys = self._keys(self._records(source, AS_IT_IS))
            return sorted(key for key in keys if after is None or key > after)[:limit]

        return await self._asked(question)

    async def aclose(self) -> None:
        """See the port; what is being asked now is answered first."""
        await asyncio.to_thread(self._close)

    def _records(self, source: CollectionSource, wanted: SourceOptions) -> _Records:
        records: _Records = {}
        for record in self._format.records(source.wanted(wanted), source.notation):
            if isinstance(record, Record):
                of_session = records.setdefault(record.session_id, {})
                of_session.setdefault(record.user_id, []).append(record.message)
        return records

    def _keys(self, records: _Records) -> Iterator[SessionKey]:
        """Those of which a session can be made."""
        for session_id, by_user in records.items():
            for user_id in by_user:
                if user_id is not None:
                    key = SessionKey(user_id, session_id)
                    if self._session(key, records) is not None:
                        yield key

    def _session(self, key: SessionKey, records: _Records) -> NewSession | None:
        by_user = records.get(key.session_id, {})
        messages = by_user.get(key.user_id)
        if messages is None:
            return None
        if by_user.keys() <= {key.user_id, None}:  # nobody else is named
            messages = messages + by_user.get(None, [])
        return served_session(key, self._format.name, messages, (), self._limits)

    async def _asked(self, question: Callable[[CollectionSource], _Answer]) -> _Answer:
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

    def _opened(self) -> CollectionSource:
        with self._opening:
            if not self._is_open:
                self._source.__enter__()
                self._is_open = True
        return self._source
