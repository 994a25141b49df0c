"""MemoryStore: the contract in its plainest form; other stores are compared with it.

Messages are kept encoded and headers are copied, so that nothing handed in or out is aliased.
Nothing here awaits, so each method is atomic on its event loop by construction.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from datetime import datetime

from app.domain.encoded import EncodedSession, EncodedSummary, header_json, summary_json
from app.domain.following import Bookmark, Gap, SessionChanges
from app.domain.identity import SessionKey, Version
from app.domain.image import SessionImage
from app.domain.instants import instant_text, whole_milliseconds
from app.domain.ledger import LedgerEntry, LedgerPlace
from app.domain.limits import StoreLimits
from app.domain.message import (
    ChatMessage,
    EncodedMessage,
    MessageEdit,
    NewMessage,
    PastText,
    placed_json,
)
from app.domain.owned_document import DocumentKey, OwnedDocument
from app.domain.page import Page, Position
from app.domain.search import SearchHit, SearchHits, SearchQuery
from app.domain.session import HeaderChange, NewSession, Precondition, SessionHeader
from app.errors import (
    MessageIdConflictError,
    MessageNotFoundError,
    ParentNotFoundError,
    SessionExistsError,
    SessionNotEmptyError,
    SessionNotFoundError,
)
from app.store.marking import Marking
from app.store.memory_documents import MemoryDocuments
from app.store.memory_entries import Entry, Place
from app.store.memory_ledgers import MemoryLedgers
from app.store.port import (
    NO_FILTER,
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
    StoreSizes,
    UserStats,
)

_LOOK_SECONDS = 0.02


class MemoryStore:
    """A store that lasts as long as the process; for tests, and as the reference."""

    def __init__(
        self, limits: StoreLimits | None = None, *, new_secret: bytes | None = None
    ) -> None:
        self.limits = limits or StoreLimits()
        self.marking_secret = new_secret or os.urandom(32)
        self._marking = Marking(self.marking_secret)
        self._entries: dict[SessionKey, Entry] = {}
        self._marked_at: dict[bytes, datetime] = {}
        self._documents = MemoryDocuments()
        self._ledgers = MemoryLedgers()

    # --- sessions ---------------------------------------------------------------------------

    async def insert(self, session: NewSession) -> SessionHeader:
        entry = Entry.of(session, self.limits)
        existing = self._entries.get(session.key)
        if existing is not None:
            if (
                session.creation_digest is None
                or session.creation_digest != existing.creation_digest
            ):
                raise SessionExistsError(session.key.session_id)
            return existing.header.model_copy(deep=True)
        self._entries[session.key] = entry
        self._marked_at.pop(self._marking.mark(*session.key), None)
        return entry.header.model_copy(deep=True)

    async def insert_absent(self, sessions: Sequence[NewSession]) -> list[bool]:
        entries = [Entry.of(session, self.limits) for session in sessions]
        stored: list[bool] = []
        for session, entry in zip(sessions, entries, strict=True):
            is_free = session.key not in self._entries and not self._is_deleted(session.key)
            if is_free:
                self._entries[session.key] = entry
            stored.append(is_free)
        return stored

    async def find_version(self, key: SessionKey) -> Version | None:
        entry = self._entries.get(key)
        return entry.header.version if entry else None

    async def read(self, key: SessionKey, selection: ReadSelection = WHOLE) -> EncodedSession:
        entry = self._get(key)
        header = entry.header
        encoded = header_json(header)
        if not selection.with_messages:
            return EncodedSession(header.version, encoded, None)
        since = selection.since
        if since and (since.generation != header.generation or since.revision > header.revision):
            since = None
        selected = [
            place.stored
            for seq, place in enumerate(entry.places)
            if (selection.after_seq is None or seq > selection.after_seq)
            and (since is None or place.revision > since.revision)
        ]
        return EncodedSession(header.version, encoded, b",".join(selected))

    async def change_header(
        self, key: SessionKey, change: HeaderChange, precondition: Precondition | None = None
    ) -> SessionHeader:
        entry = self._guarded(key, precondition)
        changed = entry.header.changed(change)
        self.limits.check_header(changed.size_bytes())
        entry.header = changed.model_copy(deep=True)
        return changed.model_copy(deep=True)

    async def delete(
        self,
        key: SessionKey,
        at: datetime,
        precondition: Precondition | None = None,
        *,
        only_empty: bool = False,
    ) -> None:
        entry = self._guarded(key, precondition)
        if only_empty and entry.header.message_count:
            raise SessionNotEmptyError(key.session_id)
        del self._entries[key]
        self._marked_at[self._marking.mark(*key)] = whole_milliseconds(at)

    async def list_summaries(
        self,
        user_id: str,
        *,
        order: ListOrder = ListOrder.ACTIVITY,
        filter: ListFilter = NO_FILTER,  # noqa: A002 - the word of the domain
        limit: int = 50,
        after: Position | None = None,
    ) -> Page[EncodedSummary]:
        def position(header: SessionHeader) -> Position:
            is_activity = order is ListOrder.ACTIVITY
            return (
                instant_text(header.updated_at if is_activity else header.created_at),
                header.id,
            )

        headers = [entry.header for entry in self._of(user_id) if filter.admits(entry.header)]
        headers.sort(key=position, reverse=order is ListOrder.ACTIVITY)
        if after is not None:
            headers = [
                header
                for header in headers
                if (
                    position(header) < after
                    if order is ListOrder.ACTIVITY
                    else position(header) > after
                )
            ]
        return Page(
            tuple(map(summary_json, headers[:limit])),
            position(headers[limit - 1]) if len(headers) > limit else None,
        )

    async def list_keys(
        self, *, after: SessionKey | None = None, limit: int = 1000
    ) -> list[SessionKey]:
        keys = sorted(key for key in self._entries if after is None or key > after)
        return keys[:limit]

    async def find_owners(self, session_id: str, *, limit: int = 2) -> list[str]:
        return sorted(key.user_id for key in self._entries if key.session_id == session_id)[:limit]

    async def find_deleted(self, keys: Sequence[SessionKey]) -> set[SessionKey]:
        return {key for key in keys if self._is_deleted(key)}

    # --- messages ---------------------------------------------------------------------------

    async def append(
        self,
        key: SessionKey,
        messages: Sequence[NewMessage | EncodedMessage],
        *,
        at: datetime,
        precondition: Precondition | None = None,
    ) -> Appended:
        encoded = [message.encoded() for message in messages]
        self.limits.check_batch([len(message.unplaced_json) for message in encoded])
        entry = self._get(key)
        seqs: list[int] = []
        fresh: dict[str, tuple[int, bytes]] = {}  # id → its place to be, its digest
        places: list[Place] = []
        for index, message in enumerate(encoded):
            digest = message.digest
            if message.id in entry.seq_of:
                seq = entry.seq_of[message.id]
                known_digest = entry.places[seq].digest
            elif message.id in fresh:
                seq, known_digest = fresh[message.id]
            else:
                if message.parent_id is not None and not (
                    message.parent_id in entry.seq_of or message.parent_id in fresh
                ):
                    raise ParentNotFoundError(message.parent_id, index)
                seq = len(entry.places) + len(places)
                known_digest = digest
                fresh[message.id] = (seq, digest)
                stored = placed_json(seq, message.unplaced_json)
                places.append(Place(stored, digest, entry.header.revision + 1))
            if known_digest != digest:
                raise MessageIdConflictError(message.id, index)
            seqs.append(seq)
        if places:
            if precondition is not None:
                precondition.check(key.session_id, entry.header.version)
            entry.places.extend(places)
            entry.seq_of.update((id_, seq) for id_, (seq, _) in fresh.items())
            entry.counted(at=at, change=False)
        return Appended(tuple(entry.places[seq].stored for seq in seqs), entry.header.version)

    async def list_messages(self, key: SessionKey, window: MessageWindow) -> MessagePage:
        entry = self._get(key)
        count = len(entry.places)
        if window.before_seq is not None:
            stop = max(0, min(window.before_seq, count))
            start = max(0, stop - window.limit)
        else:
            start = window.offset or 0
            if window.after_seq is not None:
                start = max(0, window.after_seq + 1)
            stop = start + window.limit
        return MessagePage(
            tuple(place.stored for place in entry.places[start:stop]), count, entry.header.version
        )

    async def edit_message(
        self,
        key: SessionKey,
        message_id: str,
        edit: MessageEdit,
        precondition: Precondition | None = None,
    ) -> tuple[bytes, Version]:
        entry = self._guarded(key, precondition)
        place = entry.place_of(message_id)
        message = place.message
        if message.is_deleted:
            raise MessageNotFoundError(key.session_id, message_id)
        edited = message.edited(edit)
        if edited is not message:
            stored = edited.to_json()
            self.limits.check_batch([len(stored)])
            if edit.keeps_past:
                past = PastText(
                    content=message.content, metadata=message.metadata, replaced_at=edit.at
                )
                place.past_texts.append(past)
            place.stored = stored
            place.changed_revision = entry.header.revision + 1
            entry.counted(at=edit.at, change=True)
        return place.stored, entry.header.version

    async def delete_message(
        self,
        key: SessionKey,
        message_id: str,
        at: datetime,
        precondition: Precondition | None = None,
    ) -> Version:
        entry = self._guarded(key, precondition)
        place = entry.place_of(message_id)
        message = place.message
        if not message.is_deleted:
            place.stored = message.tombstone(whole_milliseconds(at)).to_json()
            place.past_texts.clear()
            place.changed_revision = entry.header.revision + 1
            entry.counted(at=at, change=True)
        return entry.header.version

    async def read_message(self, key: SessionKey, message_id: str) -> tuple[bytes, Version]:
        entry = self._get(key)
        return entry.place_of(message_id).stored, entry.header.version

    async def list_past_texts(self, key: SessionKey, message_id: str) -> list[PastText]:
        place = self._get(key).place_of(message_id)
        if place.message.is_deleted:
            raise MessageNotFoundError(key.session_id, message_id)
        return [past.model_copy(deep=True) for past in place.past_texts]

    # --- following sessions -----------------------------------------------------------------

    async def find_bookmarks(self, keys: Sequence[SessionKey]) -> dict[SessionKey, Bookmark]:
        return {key: self._entries[key].bookmark for key in keys if key in self._entries}

    async def read_changes(self, key: SessionKey, after: Bookmark) -> SessionChanges:
        entry = self._get(key)
        gap = Gap(after, entry.bookmark, entry.header.version)
        if not gap.can_be_told:
            return SessionChanges(entry.bookmark, None)
        return gap.told(
            entry.histories(),
            header_json=lambda: header_json(entry.header),
            message_json=lambda seq: entry.places[seq].stored,
        )

    async def watch(self) -> AsyncGenerator[None]:
        return _looking_now_and_then()

    # --- across a user's sessions -----------------------------------------------------------

    async def list_recent_messages(
        self, user_id: str, *, limit: int, offset: int = 0
    ) -> list[OwnedMessage]:
        owned = sorted(
            (OwnedMessage(entry.header.id, message) for entry, message in self._living(user_id)),
            key=lambda one: (one.message.created_at, one.session_id, one.message.seq),
        )
        stop = max(0, len(owned) - offset)
        return owned[max(0, stop - limit) : stop]

    async def search(
        self, user_id: str, query: SearchQuery, *, limit: int = 50, after: Position | None = None
    ) -> SearchHits:
        hits = [
            SearchHit(
                entry.header.id,
                entry.header.session_name,
                message.seq,
                message.id,
                message.message_type,
                message.content,
                message.created_at,
            )
            for entry, message in self._living(user_id)
            if query.matches(message.content)
        ]
        for entry in self._of(user_id):
            header = entry.header
            name = header.session_name
            if name is not None and query.matches(name):
                hits.append(SearchHit(header.id, name, None, None, None, name, header.created_at))

        def position(hit: SearchHit) -> Position:
            return (
                instant_text(hit.created_at),
                hit.session_id,
                -1 if hit.seq is None else hit.seq,
            )

        hits = [hit for hit in hits if after is None or position(hit) < after]
        hits.sort(key=position, reverse=True)
        return SearchHits(
            tuple(hits[:limit]), position(hits[limit - 1]) if len(hits) > limit else None
        )

    async def stats(self, user_id: str) -> UserStats:
        headers = [entry.header for entry in self._of(user_id)]
        return UserStats(
            session_count=len(headers),
            message_count=sum(header.message_count for header in headers),
            first_activity_at=min((header.created_at for header in headers), default=None),
            last_activity_at=max((header.updated_at for header in headers), default=None),
        )

    async def erase_user(self, user_id: str, at: datetime) -> Erasure:
        entries = list(self._of(user_id))
        for entry in entries:
            del self._entries[entry.header.key]
        self._marked_at[self._marking.mark(user_id)] = whole_milliseconds(at)
        return Erasure(
            session_count=len(entries),
            message_count=sum(len(entry.places) for entry in entries),
            past_text_count=sum(len(p.past_texts) for entry in entries for p in entry.places),
            document_count=self._documents.forget(user_id),
            ledger_part_count=self._ledgers.forget(user_id),
            not_reached=("Memory that the process has freed and not yet used again.",),
        )

    # --- documents beside sessions ----------------------------------------------------------

    async def put_document(self, document: OwnedDocument, *, replaces: Version | None) -> bool:
        document.check_size()
        return self._documents.put(document, replaces)

    async def read_document(self, key: DocumentKey) -> OwnedDocument | None:
        return self._documents.find(key)

    async def list_documents(
        self,
        user_id: str,
        kind: str,
        *,
        group: str | None = None,
        limit: int = 50,
        after: Position | None = None,
    ) -> Page[OwnedDocument]:
        return self._documents.page(user_id, kind, group, limit, after)

    async def remove_document(self, key: DocumentKey, version: Version) -> bool:
        return self._documents.remove(key, version)

    async def list_document_keys(
        self, *, after: DocumentKey | None = None, limit: int = 1000
    ) -> list[DocumentKey]:
        return self._documents.keys(after)[:limit]

    # --- copies of a store ------------------------------------------------------------------

    async def read_image(self, key: SessionKey) -> SessionImage:
        return self._get(key).image()

    async def put_image(self, image: SessionImage) -> PutOutcome:
        entry = Entry.of_image(image, self.limits)
        key = image.header.key
        existing = self._entries.get(key)
        if existing is not None:
            if existing.header.version == image.header.version:
                return PutOutcome.PRESENT
            if not image.continues(existing.image()):
                raise SessionExistsError(key.session_id)
        self._entries[key] = entry
        self._marked_at.pop(self._marking.mark(*key), None)
        return PutOutcome.STORED if existing is None else PutOutcome.REPLACED

    async def take_back(
        self, key: SessionKey, version: Version, earlier: SessionImage | None = None
    ) -> bool:
        restored: Entry | None = None
        if earlier is not None:
            earlier.check_replaces(key, version)
            restored = Entry.of_image(earlier, self.limits)
        existing = self._entries.get(key)
        if existing is None or existing.header.version != version:
            return False
        if restored is None:
            del self._entries[key]
        else:
            self._entries[key] = restored
        self._marked_at.pop(self._marking.mark(*key), None)
        return True

    async def list_marks(
        self, *, after: bytes | None = None, limit: int = 1000
    ) -> list[DeletionMark]:
        marks = sorted(mark for mark in self._marked_at if after is None or mark > after)
        return [DeletionMark(mark, self._marked_at[mark]) for mark in marks[:limit]]

    async def put_marks(self, marks: Sequence[DeletionMark]) -> None:
        for one in marks:
            at = whole_milliseconds(one.at)
            self._marked_at[one.mark] = max(at, self._marked_at.get(one.mark, at))

    # --- ledgers ----------------------------------------------------------------------------

    async def put_ledger_entry(self, entry: LedgerEntry, *, replaces: int | None = None) -> bool:
        entry.check_size()
        erased = {id_ for id_ in entry.parts if self._marking.mark(id_) in self._marked_at}
        return self._ledgers.put(
            entry.without_users(erased), entry.revision - 1 if replaces is None else replaces
        )

    async def read_ledger_entry(self, run_id: str, number: int) -> LedgerEntry | None:
        return self._ledgers.find(run_id, number)

    async def list_ledger_entries(
        self, run_id: str, *, after: int = -1, limit: int = 100
    ) -> list[LedgerEntry]:
        return self._ledgers.of_run(run_id, after)[:limit]

    async def list_ledger_runs(self) -> list[LedgerEntry]:
        return self._ledgers.runs()

    async def list_ledger_places(
        self, *, after: LedgerPlace | None = None, limit: int = 1000
    ) -> list[LedgerPlace]:
        return self._ledgers.places(after)[:limit]

    async def remove_ledger(self, run_id: str) -> None:
        self._ledgers.remove(run_id)

    # --- life -------------------------------------------------------------------------------

    async def check(self) -> None:
        return

    async def sizes(self) -> StoreSizes:
        return StoreSizes({}, unknown={"store": "It is in the memory of this process."})

    async def aclose(self) -> None:
        self._entries.clear()
        self._documents = MemoryDocuments()
        self._ledgers = MemoryLedgers()

    # --- inside -----------------------------------------------------------------------------

    def _get(self, key: SessionKey) -> Entry:
        if key not in self._entries:
            raise SessionNotFoundError(key.session_id)
        return self._entries[key]

    def _guarded(self, key: SessionKey, precondition: Precondition | None) -> Entry:
        entry = self._get(key)
        if precondition is not None:
            precondition.check(key.session_id, entry.header.version)
        return entry

    def _of(self, user_id: str) -> Iterable[Entry]:
        return [entry for key, entry in self._entries.items() if key.user_id == user_id]

    def _living(self, user_id: str) -> Iterator[tuple[Entry, ChatMessage]]:
        for entry in self._of(user_id):
            for place in entry.places:
                message = place.message
                if not message.is_deleted:
                    yield entry, message

    def _is_deleted(self, key: SessionKey) -> bool:
        marks = {self._marking.mark(*key), self._marking.mark(key.user_id)}
        return key not in self._entries and not marks.isdisjoint(self._marked_at)


async def _looking_now_and_then() -> AsyncGenerator[None]:
    while True:
        yield
        await asyncio.sleep(_LOOK_SECONDS)
