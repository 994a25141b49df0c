"""SQLiteStore: the zero-setup default, a durable store for one machine."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

import apsw

from app.domain.encoded import EncodedSession, EncodedSummary
from app.domain.following import Bookmark, SessionChanges
from app.domain.free_json import encode_json
from app.domain.identity import SessionKey, Version
from app.domain.image import SessionImage
from app.domain.instants import instant_text, whole_milliseconds
from app.domain.ledger import LedgerEntry, LedgerPlace
from app.domain.limits import StoreLimits
from app.domain.message import (
    EncodedMessage,
    MessageEdit,
    NewMessage,
    PastText,
    placed_json,
)
from app.domain.owned_document import DocumentKey, OwnedDocument
from app.domain.page import Page, Position
from app.domain.search import TERMS_VERSION, SearchHits, SearchQuery
from app.domain.session import HeaderChange, NewSession, Precondition, SessionHeader
from app.errors import (
    MessageNotFoundError,
    SessionExistsError,
    SessionNotEmptyError,
    StoreUnavailableError,
)
from app.store.marking import Marking
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
from app.store.sqlite import (
    bodies,
    deletion,
    documents,
    following,
    headers,
    images,
    ledgers,
    message_rows,
    recent_messages,
    search_index,
)
from app.store.sqlite.connections import make_file, sync_folder
from app.store.sqlite.deletion import Markers
from app.store.sqlite.failures import translated_failures
from app.store.sqlite.file_sizes import file_sizes
from app.store.sqlite.headers import PreparedSession
from app.store.sqlite.reader import Reader
from app.store.sqlite.schema import check_library, meta, prepare
from app.store.sqlite.session_row import SessionRow, find_session, find_version, get_session
from app.store.sqlite.statements import find_row, get_row, rows
from app.store.sqlite.writer import Writer

_SMALL_READ_BYTES = 256 * 1024
"""A session up to this size is read where it is asked for; a larger one in a thread."""

_NOT_REACHED: tuple[str, ...] = (
    "Backups and snapshots of the store's file that were taken earlier.",
    "Sectors that the file system or the drive has remapped or keeps in a journal of its own.",
    "Answers already sent, and caches of clients and proxies.",
)


class SQLiteStore:
    """Sessions in one SQLite file, which several processes of one machine may share."""

    def __init__(self, path: Path, writer: Writer, reader: Reader, marking_secret: bytes) -> None:
        self.limits = StoreLimits()
        self.marking_secret = marking_secret
        self._path = path
        self._writer = writer
        self._reader = reader
        self._markers = Markers(Marking(marking_secret))

    @classmethod
    async def open(
        cls, path: Path, *, write_timeout_seconds: float = 10.0, new_secret: bytes | None = None
    ) -> "SQLiteStore":
        """Open the file, making it and its folder where they are missing.

        A file that is made, or that holds nothing yet, marks deletions with `new_secret` where one
        is given, else with a random one of its own.

        Raises:
            StoreVersionError: the library is too old, or the file is not one of ours or newer.
            StoreError: the file cannot be opened.
        """
        check_library()
        return await asyncio.to_thread(cls._open, path, write_timeout_seconds, new_secret)

    @classmethod
    def _open(
        cls, path: Path, write_timeout_seconds: float, new_secret: bytes | None
    ) -> "SQLiteStore":
        with translated_failures():
            is_new = not path.exists()
            if is_new:
                make_file(path)
            writer = Writer(
                path,
                chores=(search_index.Indexer().index_slice, deletion.sweep_slice),
                write_timeout_seconds=write_timeout_seconds,
            )
        writer.start(partial(prepare, terms_version=TERMS_VERSION, new_secret=new_secret))
        with translated_failures():
            if is_new:
                sync_folder(path)
            reader = Reader(path)
        secret = reader.run_inline(partial(meta, name="marker_secret"))
        if not isinstance(secret, bytes):
            raise TypeError(secret)
        return cls(path, writer, reader, secret)

    # --- sessions ---------------------------------------------------------------------------

    async def insert(self, session: NewSession) -> SessionHeader:
        prepared = self._prepared_session(session)

        def work(connection: apsw.Connection) -> SessionHeader:
            row = find_session(connection, session.key)
            if row is None:
                self._markers.clear(connection, session.key)
                headers.insert(connection, prepared)
                return prepared.header
            if session.creation_digest is None or (
                session.creation_digest != headers.creation_digest(connection, row)
            ):
                raise SessionExistsError(session.key.session_id)
            return headers.read_header(connection, row)

        return await self._writer.run(work)

    async def insert_absent(self, sessions: Sequence[NewSession]) -> list[bool]:
        prepared = [self._prepared_session(session) for session in sessions]

        def work(connection: apsw.Connection) -> list[bool]:
            stored: list[bool] = []
            for one in prepared:
                key = one.session.key
                is_free = find_session(connection, key) is None and not (
                    self._markers.has(connection, key)
                )
                if is_free:
                    headers.insert(connection, one)
                stored.append(is_free)
            return stored

        return await self._writer.run(work)

    async def find_version(self, key: SessionKey) -> Version | None:
        def query(connection: apsw.Connection) -> Version | None:
            return find_version(connection, key)

        return self._reader.run_inline(query, is_one_statement=True)

    async def read(self, key: SessionKey, selection: ReadSelection = WHOLE) -> EncodedSession:
        def query(connection: apsw.Connection) -> EncodedSession | None:
            row = get_session(connection, key)
            is_small = row.size_bytes <= _SMALL_READ_BYTES or not selection.with_messages
            return message_rows.read_session(connection, row, selection) if is_small else None

        small = self._reader.run_inline(query)
        if small is not None:
            return small

        def query_large(connection: apsw.Connection) -> EncodedSession:
            return message_rows.read_session(connection, get_session(connection, key), selection)

        return await self._reader.run(query_large)

    async def change_header(
        self, key: SessionKey, change: HeaderChange, precondition: Precondition | None = None
    ) -> SessionHeader:
        def work(connection: apsw.Connection) -> SessionHeader:
            row = _guarded(connection, key, precondition)
            header = headers.read_header(connection, row)
            changed = header.changed(change)
            if changed is not header:
                self.limits.check_header(changed.size_bytes())
                headers.put_header(connection, row, changed)
            return changed

        return await self._writer.run(work)

    async def delete(
        self,
        key: SessionKey,
        at: datetime,
        precondition: Precondition | None = None,
        *,
        only_empty: bool = False,
    ) -> None:
        def work(connection: apsw.Connection) -> None:
            row = _guarded(connection, key, precondition)
            if only_empty and headers.read_header(connection, row).message_count:
                raise SessionNotEmptyError(key.session_id)
            deletion.delete_session(connection, row)
            self._markers.add(connection, *key, at=instant_text(whole_milliseconds(at)))

        await self._writer.run(work)

    async def list_summaries(
        self,
        user_id: str,
        *,
        order: ListOrder = ListOrder.ACTIVITY,
        filter: ListFilter = NO_FILTER,  # noqa: A002 - the word of the domain
        limit: int = 50,
        after: Position | None = None,
    ) -> Page[EncodedSummary]:
        def query(connection: apsw.Connection) -> Page[EncodedSummary]:
            return headers.list_page(connection, user_id, order, filter, limit, after)

        # A filter may pass over any number of sessions; without one the limit bounds the work.
        if filter == NO_FILTER:
            return self._reader.run_inline(query, is_one_statement=True)
        return await self._reader.run(query)

    async def list_keys(
        self, *, after: SessionKey | None = None, limit: int = 1000
    ) -> list[SessionKey]:
        def query(connection: apsw.Connection) -> list[SessionKey]:
            found = rows(
                connection,
                "SELECT user_id, id FROM session WHERE (user_id, id) > (?, ?)"
                " ORDER BY user_id, id LIMIT ?",
                (*(after or ("", "")), limit),
            )
            return [SessionKey(*row) for row in found]

        return await self._reader.run(query)

    async def find_owners(self, session_id: str, *, limit: int = 2) -> list[str]:
        def query(connection: apsw.Connection) -> list[str]:
            statement = "SELECT user_id FROM session WHERE id = ? ORDER BY user_id LIMIT ?"
            return [user_id for (user_id,) in rows(connection, statement, (session_id, limit))]

        return self._reader.run_inline(query, is_one_statement=True)

    async def find_deleted(self, keys: Sequence[SessionKey]) -> set[SessionKey]:
        def query(connection: apsw.Connection) -> set[SessionKey]:
            return {key for key in keys if self._markers.has(connection, key)}

        return await self._reader.run(query)

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
        at_text = instant_text(whole_milliseconds(at))

        def work(connection: apsw.Connection) -> Appended:
            return message_rows.append(connection, key, encoded, at_text, precondition)

        return await self._writer.run(work)

    async def list_messages(self, key: SessionKey, window: MessageWindow) -> MessagePage:
        def query(connection: apsw.Connection) -> MessagePage:
            return message_rows.read_page(connection, get_session(connection, key), window)

        return await self._reader.run(query)

    async def edit_message(
        self,
        key: SessionKey,
        message_id: str,
        edit: MessageEdit,
        precondition: Precondition | None = None,
    ) -> tuple[bytes, Version]:
        def work(connection: apsw.Connection) -> tuple[bytes, Version]:
            row = _guarded(connection, key, precondition)
            message = message_rows.get_message(connection, key, row, message_id)
            if message.is_deleted:
                raise MessageNotFoundError(key.session_id, message_id)
            edited = message.edited(edit)
            body = edited.to_json()
            if edited is message:
                return body, row.version
            self.limits.check_batch([len(body)])
            past = None
            if edit.keeps_past:
                past = PastText(
                    content=message.content, metadata=message.metadata, replaced_at=edit.at
                )
            growth = message_rows.put_edited(connection, row, past, message.seq, body)
            search_index.replace_place(connection, key.user_id, row, edited)
            version = headers.count_change(
                connection, row, instant_text(edit.at), fewer_messages=0, growth=growth
            )
            return body, version

        return await self._writer.run(work)

    async def delete_message(
        self,
        key: SessionKey,
        message_id: str,
        at: datetime,
        precondition: Precondition | None = None,
    ) -> Version:
        at = whole_milliseconds(at)

        def work(connection: apsw.Connection) -> Version:
            row = _guarded(connection, key, precondition)
            message = message_rows.get_message(connection, key, row, message_id)
            if message.is_deleted:
                return row.version
            body = message.tombstone(at).to_json()
            growth = message_rows.put_tombstone(connection, row, message.seq, body)
            search_index.remove_place(connection, row.session_key, message.seq)
            return headers.count_change(
                connection, row, instant_text(at), fewer_messages=1, growth=growth
            )

        return await self._writer.run(work)

    async def read_message(self, key: SessionKey, message_id: str) -> tuple[bytes, Version]:
        def query(connection: apsw.Connection) -> tuple[bytes, Version]:
            row = get_session(connection, key)
            return message_rows.read_body(connection, key, row, message_id), row.version

        return await self._reader.run(query)

    async def list_past_texts(self, key: SessionKey, message_id: str) -> list[PastText]:
        def query(connection: apsw.Connection) -> list[PastText]:
            row = get_session(connection, key)
            message = message_rows.get_message(connection, key, row, message_id)
            if message.is_deleted:
                raise MessageNotFoundError(key.session_id, message_id)
            return message_rows.list_past_texts(connection, row, message.seq)

        return await self._reader.run(query)

    # --- following sessions -----------------------------------------------------------------

    async def find_bookmarks(self, keys: Sequence[SessionKey]) -> dict[SessionKey, Bookmark]:
        def query(connection: apsw.Connection) -> dict[SessionKey, Bookmark]:
            return following.find_bookmarks(connection, keys)

        if len(keys) == 1:
            return self._reader.run_inline(query, is_one_statement=True)
        return await self._reader.run(query)

    async def read_changes(self, key: SessionKey, after: Bookmark) -> SessionChanges:
        def query(connection: apsw.Connection) -> SessionChanges:
            return following.read_changes(connection, key, after)

        return await self._reader.run(query)

    async def watch(self) -> AsyncGenerator[None]:
        return following.commits(self._reader)

    # --- across a user's sessions -----------------------------------------------------------

    async def list_recent_messages(
        self, user_id: str, *, limit: int, offset: int = 0
    ) -> list[OwnedMessage]:
        def query(connection: apsw.Connection) -> list[OwnedMessage]:
            return recent_messages.list_recent(connection, user_id, limit, offset)

        return await self._reader.run(query)

    async def search(
        self, user_id: str, query: SearchQuery, *, limit: int = 50, after: Position | None = None
    ) -> SearchHits:
        def run(connection: apsw.Connection) -> SearchHits:
            return search_index.search(connection, user_id, query, limit, after)

        return await self._reader.run(run)

    async def stats(self, user_id: str) -> UserStats:
        def query(connection: apsw.Connection) -> UserStats:
            sessions, messages, first, last = get_row(
                connection,
                "SELECT count(*), coalesce(sum(message_count), 0), min(created_at), max(updated_at)"
                " FROM session WHERE user_id = ?",
                (user_id,),
            )
            return UserStats(
                session_count=sessions,
                message_count=messages,
                first_activity_at=first and datetime.fromisoformat(first),
                last_activity_at=last and datetime.fromisoformat(last),
            )

        return await self._reader.run(query)

    async def erase_user(self, user_id: str, at: datetime) -> Erasure:
        def remove_headers(connection: apsw.Connection) -> tuple[int, int, int, int, int]:
            counts = deletion.count_user(connection, user_id)
            self._markers.add(connection, user_id, at=instant_text(whole_milliseconds(at)))
            deletion.delete_user_sessions(connection, user_id)
            document_count = documents.forget_user(connection, user_id)
            return *counts, document_count, ledgers.forget_user(connection, user_id)

        counts = await self._writer.run(remove_headers)
        # Slice by slice, so that the appends of others get in between. All that waits to be swept
        # up goes, since some of it may be of sessions that this user deleted a moment ago.
        while await self._writer.run(deletion.sweep_slice):
            pass
        merge = partial(search_index.merge_slice, is_first=True)
        while await self._writer.run(merge):
            merge = partial(search_index.merge_slice, is_first=False)
        not_reached = _NOT_REACHED
        if not await self._writer.empty_log():
            not_reached += ("The write-ahead log, which a reader holds for now.",)
        return Erasure(*counts, not_reached)

    # --- documents beside sessions ----------------------------------------------------------

    async def put_document(self, document: OwnedDocument, *, replaces: Version | None) -> bool:
        document.check_size()

        def work(connection: apsw.Connection) -> bool:
            return documents.put(connection, document, replaces)

        return await self._writer.run(work)

    async def read_document(self, key: DocumentKey) -> OwnedDocument | None:
        def query(connection: apsw.Connection) -> OwnedDocument | None:
            return documents.find(connection, key)

        return self._reader.run_inline(query, is_one_statement=True)

    async def list_documents(
        self,
        user_id: str,
        kind: str,
        *,
        group: str | None = None,
        limit: int = 50,
        after: Position | None = None,
    ) -> Page[OwnedDocument]:
        def query(connection: apsw.Connection) -> Page[OwnedDocument]:
            return documents.list_page(connection, user_id, kind, group, limit, after)

        return await self._reader.run(query)

    async def remove_document(self, key: DocumentKey, version: Version) -> bool:
        def work(connection: apsw.Connection) -> bool:
            return documents.remove(connection, key, version)

        return await self._writer.run(work)

    async def list_document_keys(
        self, *, after: DocumentKey | None = None, limit: int = 1000
    ) -> list[DocumentKey]:
        def query(connection: apsw.Connection) -> list[DocumentKey]:
            return documents.list_keys(connection, after, limit)

        return await self._reader.run(query)

    # --- copies of a store ------------------------------------------------------------------

    async def read_image(self, key: SessionKey) -> SessionImage:
        def query(connection: apsw.Connection) -> SessionImage:
            return images.read_image(connection, get_session(connection, key))

        return await self._reader.run(query)

    async def put_image(self, image: SessionImage) -> PutOutcome:
        prepared = images.prepared(image, self.limits)

        def work(connection: apsw.Connection) -> PutOutcome:
            outcome = images.put_image(connection, prepared)
            if outcome is PutOutcome.STORED:
                self._markers.clear(connection, image.header.key)
            return outcome

        return await self._writer.run(work)

    async def take_back(
        self, key: SessionKey, version: Version, earlier: SessionImage | None = None
    ) -> bool:
        restored: images.PreparedImage | None = None
        if earlier is not None:
            earlier.check_replaces(key, version)
            restored = images.prepared(earlier, self.limits)

        def work(connection: apsw.Connection) -> bool:
            is_taken_back = images.take_back(connection, key, version, restored)
            if is_taken_back:
                self._markers.clear(connection, key)
            return is_taken_back

        return await self._writer.run(work)

    async def list_marks(
        self, *, after: bytes | None = None, limit: int = 1000
    ) -> list[DeletionMark]:
        def query(connection: apsw.Connection) -> list[DeletionMark]:
            return deletion.list_marks(connection, after, limit)

        return await self._reader.run(query)

    async def put_marks(self, marks: Sequence[DeletionMark]) -> None:
        def work(connection: apsw.Connection) -> None:
            deletion.put_marks(connection, marks)

        await self._writer.run(work)

    # --- ledgers ----------------------------------------------------------------------------

    async def put_ledger_entry(self, entry: LedgerEntry, *, replaces: int | None = None) -> bool:
        entry.check_size()
        revision = entry.revision - 1 if replaces is None else replaces

        def work(connection: apsw.Connection) -> bool:
            erased = {id_ for id_ in entry.parts if self._markers.has_user(connection, id_)}
            return ledgers.put(connection, entry.without_users(erased), revision)

        return await self._writer.run(work)

    async def read_ledger_entry(self, run_id: str, number: int) -> LedgerEntry | None:
        def query(connection: apsw.Connection) -> LedgerEntry | None:
            return ledgers.find(connection, run_id, number)

        return await self._reader.run(query)

    async def list_ledger_entries(
        self, run_id: str, *, after: int = -1, limit: int = 100
    ) -> list[LedgerEntry]:
        def query(connection: apsw.Connection) -> list[LedgerEntry]:
            return ledgers.list_entries(connection, run_id, after, limit)

        return await self._reader.run(query)

    async def list_ledger_runs(self) -> list[LedgerEntry]:
        return await self._reader.run(ledgers.list_runs)

    async def list_ledger_places(
        self, *, after: LedgerPlace | None = None, limit: int = 1000
    ) -> list[LedgerPlace]:
        def query(connection: apsw.Connection) -> list[LedgerPlace]:
            return ledgers.list_places(connection, after, limit)

        return await self._reader.run(query)

    async def remove_ledger(self, run_id: str) -> None:
        # Slice by slice, so that the appends of others get in between.
        while await self._writer.run(partial(ledgers.remove_slice, run_id=run_id)):
            pass

    # --- life -------------------------------------------------------------------------------

    async def check(self) -> None:
        def query(connection: apsw.Connection) -> None:
            find_row(connection, "SELECT 1 FROM session LIMIT 1")

        def work(_connection: apsw.Connection) -> None:
            """Nothing: taking the lock and the transaction is the test."""

        await self._reader.run(query)
        await self._writer.run(work)

    async def sizes(self) -> StoreSizes:
        try:
            return file_sizes(self._path)
        except OSError as error:
            raise StoreUnavailableError("The store's file cannot be looked at.") from error

    async def aclose(self) -> None:
        await self._reader.aclose()
        await self._writer.aclose()

    def _prepared_session(self, session: NewSession) -> PreparedSession:
        header = session.header()
        self.limits.check_header(header.size_bytes())
        encoded = session.encoded_messages()
        self.limits.check_messages(len(message.unplaced_json) for message in encoded)
        message_bodies = [placed_json(seq, one.unplaced_json) for seq, one in enumerate(encoded)]
        return PreparedSession(
            session,
            header,
            header.details_json().decode(),
            encode_json([one.id for one in encoded]).decode(),
            b"".join(one.digest for one in encoded),
            "".join(one.created_at for one in encoded).encode(),
            max((one.created_at for one in encoded), default=None),
            sum(map(len, message_bodies)),
            bodies.prepared_runs(message_bodies),
        )


def _guarded(
    connection: apsw.Connection, key: SessionKey, precondition: Precondition | None
) -> SessionRow:
    row = get_session(connection, key)
    if precondition is not None:
        precondition.check(key.session_id, row.version)
    return row
