"""FoldingStore: a store that serves what only sources have, and folds it when it is written to."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from app.domain.encoded import EncodedSession, EncodedSummary
from app.domain.following import Bookmark, SessionChanges
from app.domain.identity import SessionKey, Version
from app.domain.image import SessionImage
from app.domain.instants import instant_text
from app.domain.ledger import LedgerEntry, LedgerPlace
from app.domain.message import EncodedMessage, MessageEdit, NewMessage, PastText
from app.domain.owned_document import DocumentKey, OwnedDocument
from app.domain.page import Page, Position
from app.domain.search import SearchHits, SearchQuery
from app.domain.session import HeaderChange, NewSession, Precondition, SessionHeader
from app.errors import SessionExistsError, SessionNotFoundError, StoreBusyError
from app.legacy.looking import looking_at_least
from app.legacy.merging import in_order, merged_hits, merged_summaries
from app.legacy.port import LegacySource, LegacySummary
from app.store.memory import MemoryStore
from app.store.port import (
    MESSAGE_PAGE_LIMIT,
    NO_FILTER,
    PAGE_LIMIT,
    WHOLE,
    Appended,
    DeletionMark,
    Erasure,
    ListFilter,
    ListOrder,
    MessagePage,
    MessageWindow,
    OwnedMessage,
    PutOutcome,
    ReadSelection,
    SessionStore,
    StoreSizes,
    UserStats,
)

SEARCH_LIMIT_MESSAGES = 20_000
"""A search looks at so many messages in sources at most, and says how many sessions that left."""

_TRIES = 5

_LOOK_SECONDS = 2.0
"""Sources do not tell of their changes: who follows a session that is still there looks often."""

_Answer = TypeVar("_Answer")


class FoldingStore:
    """Another store, and before it what is still in sources; of several, the first one counts.

    The store is always asked first, and only who is absent there and not marked as deleted is
    looked for in the sources; so what is in the store is served whatever becomes of them. What
    they have is served from a memory store of one session: the contract as it is, without a second
    reading of it.
    """

    def __init__(self, store: SessionStore, sources: Sequence[LegacySource]) -> None:
        self.limits = store.limits
        self.marking_secret = store.marking_secret
        self._store = store
        self._sources = sources

    # --- sessions ---------------------------------------------------------------------------

    async def insert(self, session: NewSession) -> SessionHeader:
        key = session.key
        if await self._store.find_version(key) is None and await self._find(key) is not None:
            raise SessionExistsError(key.session_id)
        return await self._store.insert(session)

    async def insert_absent(self, sessions: Sequence[NewSession]) -> list[bool]:
        return await self._store.insert_absent(sessions)

    async def find_version(self, key: SessionKey) -> Version | None:
        version = await self._store.find_version(key)
        if version is not None:
            return version
        session = await self._find(key)
        # A run may have folded it, and its source be gone since: then it is in the store by now.
        return session.header().version if session else await self._store.find_version(key)

    async def read(self, key: SessionKey, selection: ReadSelection = WHOLE) -> EncodedSession:
        return await self._read(key, lambda store: store.read(key, selection))

    async def change_header(
        self, key: SessionKey, change: HeaderChange, precondition: Precondition | None = None
    ) -> SessionHeader:
        return await self._write(key, lambda: self._store.change_header(key, change, precondition))

    async def delete(
        self,
        key: SessionKey,
        at: datetime,
        precondition: Precondition | None = None,
        *,
        only_empty: bool = False,
    ) -> None:
        async def delete() -> None:
            await self._store.delete(key, at, precondition, only_empty=only_empty)

        await self._write(key, delete)

    async def list_summaries(
        self,
        user_id: str,
        *,
        order: ListOrder = ListOrder.ACTIVITY,
        filter: ListFilter = NO_FILTER,  # noqa: A002 - the word of the domain
        limit: int = 50,
        after: Position | None = None,
    ) -> Page[EncodedSummary]:
        legacy, page = await self._beside_the_rest(
            user_id,
            lambda: self._store.list_summaries(
                user_id, order=order, filter=filter, limit=limit, after=after
            ),
        )
        if not legacy:
            return page
        return merged_summaries(page, legacy, order=order, filter=filter, limit=limit, after=after)

    async def list_keys(
        self, *, after: SessionKey | None = None, limit: int = 1000
    ) -> list[SessionKey]:
        keys: set[SessionKey] = set()
        for source in self._sources:
            keys.update(await self._living_keys(source, after, limit))
        keys.update(await self._store.list_keys(after=after, limit=limit))
        return sorted(keys)[:limit]

    async def find_owners(self, session_id: str, *, limit: int = 2) -> list[str]:
        keys = {
            SessionKey(user_id, session_id)
            for source in self._sources
            for user_id in await source.find_owners(session_id)
        }
        deleted = await self._store.find_deleted(list(keys))
        owners = {key.user_id for key in keys - deleted}
        return sorted(owners.union(await self._store.find_owners(session_id, limit=limit)))[:limit]

    async def find_deleted(self, keys: Sequence[SessionKey]) -> set[SessionKey]:
        return await self._store.find_deleted(keys)

    # --- messages ---------------------------------------------------------------------------

    async def append(
        self,
        key: SessionKey,
        messages: Sequence[NewMessage | EncodedMessage],
        *,
        at: datetime,
        precondition: Precondition | None = None,
    ) -> Appended:
        return await self._write(
            key, lambda: self._store.append(key, messages, at=at, precondition=precondition)
        )

    async def list_messages(self, key: SessionKey, window: MessageWindow) -> MessagePage:
        return await self._read(key, lambda store: store.list_messages(key, window))

    async def edit_message(
        self,
        key: SessionKey,
        message_id: str,
        edit: MessageEdit,
        precondition: Precondition | None = None,
    ) -> tuple[bytes, Version]:
        return await self._write(
            key, lambda: self._store.edit_message(key, message_id, edit, precondition)
        )

    async def delete_message(
        self,
        key: SessionKey,
        message_id: str,
        at: datetime,
        precondition: Precondition | None = None,
    ) -> Version:
        return await self._write(
            key, lambda: self._store.delete_message(key, message_id, at, precondition)
        )

    async def read_message(self, key: SessionKey, message_id: str) -> tuple[bytes, Version]:
        return await self._read(key, lambda store: store.read_message(key, message_id))

    async def list_past_texts(self, key: SessionKey, message_id: str) -> list[PastText]:
        return await self._read(key, lambda store: store.list_past_texts(key, message_id))

    # --- following sessions -----------------------------------------------------------------

    async def find_bookmarks(self, keys: Sequence[SessionKey]) -> dict[SessionKey, Bookmark]:
        found = await self._store.find_bookmarks(keys)
        for key in keys:
            if key not in found and (session := await self._find(key)) is not None:
                header = session.header()
                found[key] = Bookmark(header.generation, header.next_seq, header.changes)
        return found

    async def read_changes(self, key: SessionKey, after: Bookmark) -> SessionChanges:
        return await self._read(key, lambda store: store.read_changes(key, after))

    async def watch(self) -> AsyncGenerator[None]:
        return looking_at_least(await self._store.watch(), every_seconds=_LOOK_SECONDS)

    # --- across a user's sessions -----------------------------------------------------------

    async def list_recent_messages(
        self, user_id: str, *, limit: int, offset: int = 0
    ) -> list[OwnedMessage]:
        if not await self._remaining(user_id):
            return await self._store.list_recent_messages(user_id, limit=limit, offset=offset)
        legacy, newest = await self._beside_the_rest(
            user_id, lambda: _newest_messages(self._store, user_id, limit + offset)
        )
        for one in sorted(legacy, key=lambda one: one.newest_message_at, reverse=True):
            if len(newest) >= limit + offset:
                newest = newest[-limit - offset :]
                if instant_text(newest[0].message.created_at) > one.newest_message_at:
                    break  # neither this session nor those after it have any that is newer
            view = await self._view(SessionKey(user_id, one.summary.id))
            newest = in_order(newest + await _newest_messages(view, user_id, limit + offset))
        stop = max(0, len(newest) - offset)
        return newest[max(0, stop - limit) : stop]

    async def search(
        self, user_id: str, query: SearchQuery, *, limit: int = 50, after: Position | None = None
    ) -> SearchHits:
        legacy, hits = await self._beside_the_rest(
            user_id, lambda: self._store.search(user_id, query, limit=limit, after=after)
        )
        if not legacy:
            return hits
        parts = [hits]
        legacy.sort(key=lambda one: one.position(ListOrder.ACTIVITY), reverse=True)
        messages_left = SEARCH_LIMIT_MESSAGES
        left_out = 0
        for one in legacy:
            messages_left -= one.summary.message_count
            if messages_left < 0:
                left_out += 1
                continue
            view = await self._view(SessionKey(user_id, one.summary.id))
            found = await view.search(user_id, query, limit=limit, after=after)
            parts = [merged_hits([*parts, found], limit=limit, left_out=0)]
        return merged_hits(parts, limit=limit, left_out=left_out)

    async def stats(self, user_id: str) -> UserStats:
        legacy, stats = await self._beside_the_rest(user_id, lambda: self._store.stats(user_id))
        first, last = stats.first_activity_at, stats.last_activity_at
        for one in legacy:
            created_at, updated_at = one.summary.created_at, one.summary.updated_at
            first = created_at if first is None else min(first, created_at)
            last = updated_at if last is None else max(last, updated_at)
        return UserStats(
            session_count=stats.session_count + len(legacy),
            message_count=stats.message_count + sum(one.summary.message_count for one in legacy),
            first_activity_at=first,
            last_activity_at=last,
        )

    async def erase_user(self, user_id: str, at: datetime) -> Erasure:
        erasure = await self._store.erase_user(user_id, at)
        sources = tuple(
            f"The legacy source of {source.label}, which is only read; nothing of the user is"
            " served from it any more."
            for source in self._sources
        )
        return replace(erasure, not_reached=(*erasure.not_reached, *sources))

    # --- documents beside sessions ----------------------------------------------------------

    async def put_document(self, document: OwnedDocument, *, replaces: Version | None) -> bool:
        return await self._store.put_document(document, replaces=replaces)

    async def read_document(self, key: DocumentKey) -> OwnedDocument | None:
        return await self._store.read_document(key)

    async def list_documents(
        self,
        user_id: str,
        kind: str,
        *,
        group: str | None = None,
        limit: int = 50,
        after: Position | None = None,
    ) -> Page[OwnedDocument]:
        return await self._store.list_documents(
            user_id, kind, group=group, limit=limit, after=after
        )

    async def remove_document(self, key: DocumentKey, version: Version) -> bool:
        return await self._store.remove_document(key, version)

    async def list_document_keys(
        self, *, after: DocumentKey | None = None, limit: int = 1000
    ) -> list[DocumentKey]:
        return await self._store.list_document_keys(after=after, limit=limit)

    # --- copies of a store ------------------------------------------------------------------

    async def read_image(self, key: SessionKey) -> SessionImage:
        return await self._read(key, lambda store: store.read_image(key))

    async def put_image(self, image: SessionImage) -> PutOutcome:
        return await self._store.put_image(image)

    async def take_back(
        self, key: SessionKey, version: Version, earlier: SessionImage | None = None
    ) -> bool:
        return await self._store.take_back(key, version, earlier)

    async def list_marks(
        self, *, after: bytes | None = None, limit: int = 1000
    ) -> list[DeletionMark]:
        return await self._store.list_marks(after=after, limit=limit)

    async def put_marks(self, marks: Sequence[DeletionMark]) -> None:
        await self._store.put_marks(marks)

    # --- ledgers ----------------------------------------------------------------------------

    async def put_ledger_entry(self, entry: LedgerEntry, *, replaces: int | None = None) -> bool:
        return await self._store.put_ledger_entry(entry, replaces=replaces)

    async def read_ledger_entry(self, run_id: str, number: int) -> LedgerEntry | None:
        return await self._store.read_ledger_entry(run_id, number)

    async def list_ledger_entries(
        self, run_id: str, *, after: int = -1, limit: int = 100
    ) -> list[LedgerEntry]:
        return await self._store.list_ledger_entries(run_id, after=after, limit=limit)

    async def list_ledger_runs(self) -> list[LedgerEntry]:
        return await self._store.list_ledger_runs()

    async def list_ledger_places(
        self, *, after: LedgerPlace | None = None, limit: int = 1000
    ) -> list[LedgerPlace]:
        return await self._store.list_ledger_places(after=after, limit=limit)

    async def remove_ledger(self, run_id: str) -> None:
        await self._store.remove_ledger(run_id)

    # --- life -------------------------------------------------------------------------------

    async def check(self) -> None:
        await self._store.check()
        for source in self._sources:
            await source.check()

    async def sizes(self) -> StoreSizes:
        return await self._store.sizes()

    async def aclose(self) -> None:
        try:
            for source in self._sources:
                await source.aclose()
        finally:
            await self._store.aclose()

    # --- inside -----------------------------------------------------------------------------

    async def _find(self, key: SessionKey) -> NewSession | None:
        """A session that is not in the store: the first source's, unless it was deleted."""
        if await self._store.find_deleted([key]):
            return None
        for source in self._sources:
            session = await source.find(key)
            if session is not None:
                return session
        return None

    async def _read(
        self, key: SessionKey, ask: Callable[[SessionStore], Awaitable[_Answer]]
    ) -> _Answer:
        try:
            return await ask(self._store)
        except SessionNotFoundError:
            view = await self._view(key)
        return await ask(view)

    async def _view(self, key: SessionKey) -> SessionStore:
        """A store that has the session as a source has it, where one has it."""
        session = await self._find(key)
        if session is None:
            # A run may have folded it, and its source be gone since: then it is here by now.
            return self._store
        view = MemoryStore(self.limits, new_secret=self.marking_secret)
        await view.insert(session)
        return view

    async def _write(self, key: SessionKey, write: Callable[[], Awaitable[_Answer]]) -> _Answer:
        try:
            return await write()
        except SessionNotFoundError:
            session = await self._find(key)
        if session is not None:
            # Whoever loses the race for its place finds it there, and one who has deleted it wins.
            await self._store.insert_absent([session])
        return await write()

    async def _remaining(self, user_id: str) -> list[LegacySummary]:
        """The user's sessions that only sources have."""
        found: dict[str, LegacySummary] = {}
        for source in self._sources:
            for one in await source.list_of(user_id):
                found.setdefault(one.summary.id, one)
        if not found:
            return []
        stored = await self._stored_ids(user_id)
        keys = [SessionKey(user_id, session_id) for session_id in found.keys() - stored]
        deleted = await self._store.find_deleted(keys)
        return [found[key.session_id] for key in keys if key not in deleted]

    async def _stored_ids(self, user_id: str) -> set[str]:
        stored: set[str] = set()
        after = SessionKey(user_id, "")  # before every id
        while True:
            keys = await self._store.list_keys(after=after, limit=PAGE_LIMIT)
            stored.update(key.session_id for key in keys if key.user_id == user_id)
            if len(keys) < PAGE_LIMIT or keys[-1].user_id != user_id:
                return stored
            after = keys[-1]

    async def _beside_the_rest(
        self, user_id: str, ask: Callable[[], Awaitable[_Answer]]
    ) -> tuple[list[LegacySummary], _Answer]:
        """What only sources have, and what the store answers, so that nothing is in both.

        The sources are asked first, so that what a run brings over meanwhile is missed by neither.

        Raises:
            StoreBusyError: again and again a session came over while we were looking.
        """
        for _ in range(_TRIES):
            remaining = await self._remaining(user_id)
            answer = await ask()
            if not remaining:
                return remaining, answer
            stored = await self._stored_ids(user_id)
            if all(one.summary.id not in stored for one in remaining):
                return remaining, answer
        raise StoreBusyError("Sessions of this user are being folded; try again.")

    async def _living_keys(
        self, source: LegacySource, after: SessionKey | None, limit: int
    ) -> set[SessionKey]:
        """The next keys of a source, so many where it has them, without those that are deleted."""
        living: set[SessionKey] = set()
        while len(living) < limit:
            keys = await source.list_keys(after=after, limit=limit)
            living.update(set(keys) - await self._store.find_deleted(keys))
            if len(keys) < limit:
                break
            after = keys[-1]
        return living


async def _newest_messages(store: SessionStore, user_id: str, count: int) -> list[OwnedMessage]:
    """The newest messages of a store, however many."""
    newest: list[OwnedMessage] = []
    while len(newest) < count:
        some = await store.list_recent_messages(
            user_id, limit=min(count - len(newest), MESSAGE_PAGE_LIMIT), offset=len(newest)
        )
        if not some:
            break
        newest = some + newest
    return newest
