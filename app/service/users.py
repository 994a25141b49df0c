"""UserService: the use cases that concern all sessions of one user at once."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime

from app.clock import Clock
from app.domain import artifact, project, project_context
from app.domain.encoded import EncodedSummary
from app.domain.free_json import encode_json
from app.domain.page import Page, Position
from app.domain.search import SearchHits, SearchQuery
from app.errors import SessionNotFoundError
from app.service.left_copies import left_copies
from app.service.listed_sessions import summaries_of
from app.service.project_contents import documents_of
from app.service.read_cache import ReadCache
from app.store.port import (
    NO_FILTER,
    Erasure,
    ListFilter,
    ListOrder,
    SessionStore,
    UserStats,
)

_OTHER_PROCESSES = (
    "Reads held in the memory of other server processes, until newer ones take their room."
)


_EXPORTED_KINDS = (
    project.KIND,
    project_context.KIND,
    artifact.KIND,
    artifact.VERSION_KIND,
)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What an erasure removed, when, and what it could not reach."""

    erasure: Erasure
    erased_at: datetime


class UserService:
    """What a user does with all sessions. Any method may raise a `StoreError`."""

    def __init__(self, store: SessionStore, clock: Clock, cache: ReadCache) -> None:
        self._store = store
        self._clock = clock
        self._cache = cache

    async def list_sessions(
        self,
        user_id: str,
        *,
        order: ListOrder = ListOrder.ACTIVITY,
        filter: ListFilter = NO_FILTER,  # noqa: A002 - the word of the domain
        limit: int = 50,
        after: Position | None = None,
    ) -> Page[EncodedSummary]:
        """A page of summaries without messages; positions are (instant text, id)."""
        return await self._store.list_summaries(
            user_id, order=order, filter=filter, limit=limit, after=after
        )

    async def search(
        self, user_id: str, query: SearchQuery, *, limit: int, after: Position | None = None
    ) -> SearchHits:
        """Messages and names that match, newest first; positions are (instant, session, place)."""
        return await self._store.search(user_id, query, limit=limit, after=after)

    async def stats(self, user_id: str) -> UserStats:
        """Counts of what the user has."""
        return await self._store.stats(user_id)

    async def export(self, user_id: str) -> AsyncIterator[bytes]:
        """Every session whole, a JSON object each, in the order of their creation.

        One session is in memory at a time. A session that is deleted meanwhile is left out.
        """
        async for summary in summaries_of(self._store, user_id, order=ListOrder.CREATED):
            try:
                encoded = await self._store.read(summary.key)
            except SessionNotFoundError:
                continue
            yield encoded.to_json()

    async def export_documents(self, user_id: str) -> AsyncIterator[bytes]:
        """What the user has beside sessions: kind, id and body of each, as a JSON object.

        Projects first, then what they have learnt and made, each kind from its newest on.
        """
        for kind in _EXPORTED_KINDS:
            async for document in documents_of(self._store, user_id, kind):
                yield b'{"document_kind":%b,"id":%b,"body":%b}' % (
                    encode_json(kind),
                    encode_json(document.key.id),
                    document.body,
                )

    async def erase(self, user_id: str) -> Receipt:
        """Remove everything of the user, and say what could not be reached."""
        erased_at = self._clock.now()
        copies = await left_copies(self._store)
        erasure = await self._store.erase_user(user_id, erased_at)
        self._cache.forget_user(user_id)
        not_reached = (*erasure.not_reached, *copies, _OTHER_PROCESSES)
        return Receipt(replace(erasure, not_reached=not_reached), erased_at)
