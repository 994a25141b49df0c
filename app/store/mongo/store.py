"""MongoStore: for where one machine is outgrown; one document per session, on any MongoDB."""

import asyncio
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime

import pymongo
from pymongo.asynchronous.database import AsyncDatabase

from app.clock import Clock, SystemClock
from app.domain.encoded import EncodedSession, EncodedSummary
from app.domain.following import Bookmark, SessionChanges
from app.domain.identity import SessionKey, Version
from app.domain.image import SessionImage
from app.domain.instants import instant_text, whole_milliseconds
from app.domain.ledger import LedgerEntry, LedgerPlace
from app.domain.message import EncodedMessage, MessageEdit, NewMessage, PastText
from app.domain.owned_document import DocumentKey, OwnedDocument
from app.domain.page import Page, Position
from app.domain.search import SearchHits, SearchQuery
from app.domain.session import HeaderChange, NewSession, Precondition, SessionHeader
from app.errors import StoreError
from app.store.marking import Marking
from app.store.mongo.appending import Appender
from app.store.mongo.chain import Chain
from app.store.mongo.chain_ends import ChainEnds
from app.store.mongo.changing import Changer
from app.store.mongo.chores import Chores
from app.store.mongo.connection import Connection, limits_of
from app.store.mongo.deletion import Deleter
from app.store.mongo.encoding import Document
from app.store.mongo.failures import translated_failures
from app.store.mongo.following import LOOK_SECONDS, Follower
from app.store.mongo.images import ImageKeeper
from app.store.mongo.inserting import Inserter
from app.store.mongo.ledgers import LedgerKeeper
from app.store.mongo.listing import Lister
from app.store.mongo.marks import Marks
from app.store.mongo.measuring import measured
from app.store.mongo.owned_documents import DocumentKeeper
from app.store.mongo.reading import Reader
from app.store.mongo.restoring import Restorer
from app.store.mongo.schema import (
    ServerFacts,
    collections_of,
    create_indexes_if_allowed,
    learn_server,
    open_database,
    store_secret,
)
from app.store.mongo.seal_plans import Budget
from app.store.mongo.sealing import Sealer
from app.store.mongo.searching import SEARCH_LIMIT_BYTES, Searcher
from app.store.mongo.segment_notes import SegmentNotes
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


class MongoStore:
    """Sessions in one database, which any number of processes may share."""

    def __init__(
        self,
        connection: Connection,
        marking: Marking,
        clock: Clock,
        *,
        segment_bytes: int,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        collections = connection.collections
        self.limits = limits_of(connection.document_bytes)
        self.marking_secret = marking.secret
        self._connection = connection
        self._meta = collections.meta
        budget = Budget(segment_bytes, connection.document_bytes)
        chain = Chain(collections.segments)
        self._chores = Chores(collections, chain, clock)
        self._marks = Marks(collections, marking)
        self._reader = Reader(collections, chain, marking)
        chain_ends = ChainEnds()
        self._segment_notes = SegmentNotes(self._chores, clock)
        self._sealer = Sealer(
            *(collections, chain, chain_ends, self._chores, self._segment_notes),
            budget,
            connection.timeout_seconds,
        )
        self._appender = Appender(collections, self._reader, chain, chain_ends, self._sealer)
        self._changer = Changer(
            collections, self._reader, chain, self._sealer, self._chores, self.limits
        )
        self._inserter = Inserter(
            collections, self._reader, self._marks, self._chores, self.limits, budget
        )
        self._ledgers = LedgerKeeper(collections, self._chores, self._marks)
        self._documents = DocumentKeeper(collections)
        self._deleter = Deleter(
            *(collections, self._reader, self._chores, self._marks), self._ledgers, self._documents
        )
        self._follower = Follower(
            *(collections, self._reader, chain),
            has_change_streams=connection.has_replicas,
            look_seconds=look_seconds,
            timeout_seconds=connection.timeout_seconds,
        )
        self._lister = Lister(collections, self._reader)
        self._searcher = Searcher(collections, self._reader, SEARCH_LIMIT_BYTES)
        self._images = ImageKeeper(
            collections, self._reader, chain, self._inserter, self._chores, self.limits, budget
        )
        self._restorer = Restorer(
            collections, self._reader, self._chores, self._marks, self._inserter, self._images
        )
        self._tidying: asyncio.Task[None] | None = None

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        write_timeout_seconds: float = 10.0,
        segment_bytes: int,
        look_seconds: float = LOOK_SECONDS,
        new_secret: bytes | None = None,
    ) -> "MongoStore":
        """Open the database that a URL names, `chatfold` where it names none.

        No call takes longer than `write_timeout_seconds`, a search for servers included. The
        indexes are created where that is allowed. A server without change streams is asked for
        followed sessions every `look_seconds`.

        Raises:
            ConfigurationError: the URL is not one of a MongoDB.
            StoreError: the database cannot be used, or is not one of ours.
        """
        with translated_failures():
            database, facts = await open_database(url, timeout_seconds=write_timeout_seconds)
        try:
            with translated_failures():
                return await cls.over(
                    database,
                    facts=facts,
                    write_timeout_seconds=write_timeout_seconds,
                    segment_bytes=segment_bytes,
                    look_seconds=look_seconds,
                    new_secret=new_secret,
                )
        except BaseException:
            await database.client.close()
            raise

    @classmethod
    async def over(
        cls,
        database: AsyncDatabase[Document],
        *,
        facts: ServerFacts | None = None,
        write_timeout_seconds: float = 10.0,
        segment_bytes: int,
        look_seconds: float = LOOK_SECONDS,
        new_secret: bytes | None = None,
        clock: Clock | None = None,
    ) -> "MongoStore":
        """The store in a database that is connected; it is closed with the store."""
        facts = facts or await learn_server(database)
        collections = collections_of(database, facts)
        secret = await store_secret(collections, new_secret)
        await create_indexes_if_allowed(database)
        connection = Connection(
            database.client,
            collections,
            facts.document_bytes,
            write_timeout_seconds,
            facts.has_replicas,
        )
        store = cls(
            *(connection, Marking(secret), clock or SystemClock()),
            segment_bytes=segment_bytes,
            look_seconds=look_seconds,
        )
        store._tidying = asyncio.create_task(store._chores.keep_tidy())
        return store

    # --- sessions ---------------------------------------------------------------------------

    async def insert(self, session: NewSession) -> SessionHeader:
        with self._bounded():
            return await self._inserter.insert(session)

    async def insert_absent(self, sessions: Sequence[NewSession]) -> list[bool]:
        with self._bounded():
            return await self._inserter.insert_absent(sessions)

    async def find_version(self, key: SessionKey) -> Version | None:
        with self._bounded():
            return await self._reader.find_version(key)

    async def read(self, key: SessionKey, selection: ReadSelection = WHOLE) -> EncodedSession:
        with self._bounded():
            return await self._reader.read(key, selection)

    async def change_header(
        self, key: SessionKey, change: HeaderChange, precondition: Precondition | None = None
    ) -> SessionHeader:
        with self._bounded():
            return await self._changer.change_header(key, change, precondition)

    async def delete(
        self,
        key: SessionKey,
        at: datetime,
        precondition: Precondition | None = None,
        *,
        only_empty: bool = False,
    ) -> None:
        with self._bounded():
            await self._deleter.delete(
                key, whole_milliseconds(at), precondition, only_empty=only_empty
            )

    async def list_summaries(
        self,
        user_id: str,
        *,
        order: ListOrder = ListOrder.ACTIVITY,
        filter: ListFilter = NO_FILTER,  # noqa: A002 - the word of the domain
        limit: int = 50,
        after: Position | None = None,
    ) -> Page[EncodedSummary]:
        with self._bounded():
            return await self._lister.list_summaries(user_id, order, filter, limit, after)

    async def list_keys(
        self, *, after: SessionKey | None = None, limit: int = 1000
    ) -> list[SessionKey]:
        with self._bounded():
            return await self._lister.list_keys(after, limit)

    async def find_owners(self, session_id: str, *, limit: int = 2) -> list[str]:
        with self._bounded():
            return await self._lister.find_owners(session_id, limit)

    async def find_deleted(self, keys: Sequence[SessionKey]) -> set[SessionKey]:
        with self._bounded():
            return await self._marks.find_deleted(keys)

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
        with self._bounded():
            return await self._appender.append(key, encoded, at=at_text, precondition=precondition)

    async def list_messages(self, key: SessionKey, window: MessageWindow) -> MessagePage:
        with self._bounded():
            return await self._reader.read_page(key, window)

    async def edit_message(
        self,
        key: SessionKey,
        message_id: str,
        edit: MessageEdit,
        precondition: Precondition | None = None,
    ) -> tuple[bytes, Version]:
        with self._bounded():
            return await self._changer.edit_message(key, message_id, edit, precondition)

    async def delete_message(
        self,
        key: SessionKey,
        message_id: str,
        at: datetime,
        precondition: Precondition | None = None,
    ) -> Version:
        with self._bounded():
            return await self._changer.delete_message(
                key, message_id, whole_milliseconds(at), precondition
            )

    async def read_message(self, key: SessionKey, message_id: str) -> tuple[bytes, Version]:
        with self._bounded():
            return await self._changer.read_message(key, message_id)

    async def list_past_texts(self, key: SessionKey, message_id: str) -> list[PastText]:
        with self._bounded():
            return await self._changer.list_past_texts(key, message_id)

    # --- following sessions -----------------------------------------------------------------

    async def find_bookmarks(self, keys: Sequence[SessionKey]) -> dict[SessionKey, Bookmark]:
        with self._bounded():
            return await self._follower.find_bookmarks(keys)

    async def read_changes(self, key: SessionKey, after: Bookmark) -> SessionChanges:
        with self._bounded():
            return await self._follower.read_changes(key, after)

    async def watch(self) -> AsyncGenerator[None]:
        with self._bounded():
            return await self._follower.watch()

    # --- across a user's sessions -----------------------------------------------------------

    async def list_recent_messages(
        self, user_id: str, *, limit: int, offset: int = 0
    ) -> list[OwnedMessage]:
        with self._bounded():
            return await self._lister.list_recent_messages(user_id, limit, offset)

    async def search(
        self, user_id: str, query: SearchQuery, *, limit: int = 50, after: Position | None = None
    ) -> SearchHits:
        with self._bounded():
            return await self._searcher.search(user_id, query, limit, after)

    async def stats(self, user_id: str) -> UserStats:
        with self._bounded():
            return await self._lister.stats(user_id)

    async def erase_user(self, user_id: str, at: datetime) -> Erasure:
        with translated_failures():  # as long as it takes; each command has its own end
            return await self._deleter.erase_user(user_id, whole_milliseconds(at))

    # --- documents beside sessions ----------------------------------------------------------

    async def put_document(self, document: OwnedDocument, *, replaces: Version | None) -> bool:
        document.check_size()
        with self._bounded():
            return await self._documents.put(document, replaces)

    async def read_document(self, key: DocumentKey) -> OwnedDocument | None:
        with self._bounded():
            return await self._documents.find(key)

    async def list_documents(
        self,
        user_id: str,
        kind: str,
        *,
        group: str | None = None,
        limit: int = 50,
        after: Position | None = None,
    ) -> Page[OwnedDocument]:
        with self._bounded():
            return await self._documents.list_page(user_id, kind, group, limit, after)

    async def remove_document(self, key: DocumentKey, version: Version) -> bool:
        with self._bounded():
            return await self._documents.remove(key, version)

    async def list_document_keys(
        self, *, after: DocumentKey | None = None, limit: int = 1000
    ) -> list[DocumentKey]:
        with self._bounded():
            return await self._documents.list_keys(after, limit)

    # --- copies of a store ------------------------------------------------------------------

    async def read_image(self, key: SessionKey) -> SessionImage:
        with self._bounded():
            return await self._images.read_image(key)

    async def put_image(self, image: SessionImage) -> PutOutcome:
        with self._bounded():
            return await self._images.put_image(image)

    async def take_back(
        self, key: SessionKey, version: Version, earlier: SessionImage | None = None
    ) -> bool:
        with self._bounded():
            return await self._restorer.take_back(key, version, earlier)

    async def list_marks(
        self, *, after: bytes | None = None, limit: int = 1000
    ) -> list[DeletionMark]:
        with self._bounded():
            return await self._marks.list(after, limit)

    async def put_marks(self, marks: Sequence[DeletionMark]) -> None:
        with translated_failures():
            await self._marks.put(marks)

    # --- ledgers ----------------------------------------------------------------------------

    async def put_ledger_entry(self, entry: LedgerEntry, *, replaces: int | None = None) -> bool:
        entry.check_size()
        with self._bounded():
            return await self._ledgers.put(
                entry, entry.revision - 1 if replaces is None else replaces
            )

    async def read_ledger_entry(self, run_id: str, number: int) -> LedgerEntry | None:
        with self._bounded():
            return await self._ledgers.find(run_id, number)

    async def list_ledger_entries(
        self, run_id: str, *, after: int = -1, limit: int = 100
    ) -> list[LedgerEntry]:
        with self._bounded():
            return await self._ledgers.list_entries(run_id, after, limit)

    async def list_ledger_runs(self) -> list[LedgerEntry]:
        with self._bounded():
            return await self._ledgers.list_runs()

    async def list_ledger_places(
        self, *, after: LedgerPlace | None = None, limit: int = 1000
    ) -> list[LedgerPlace]:
        with self._bounded():
            return await self._ledgers.list_places(after, limit)

    async def remove_ledger(self, run_id: str) -> None:
        with translated_failures():  # as long as it takes, like an erasure
            await self._ledgers.remove(run_id)

    # --- life -------------------------------------------------------------------------------

    async def check(self) -> None:
        with self._bounded():
            await self._meta.update_one({"_id": "check"}, {"$inc": {"count": 1}}, upsert=True)

    async def sizes(self) -> StoreSizes:
        connection = self._connection
        return await measured(connection.collections, timeout_seconds=connection.timeout_seconds)

    async def tidy(self) -> int:
        """Sweep up, as happens by itself twice a minute, what earlier writes have left behind.

        Returns how many notes of such writes were due.
        """
        with self._bounded():
            return await self._chores.tidy()

    async def settle(self) -> None:
        """Return when nothing is left of what earlier calls have begun."""
        await self._sealer.settle()

    async def aclose(self) -> None:
        if self._tidying is not None:
            self._tidying.cancel()
            with suppress(asyncio.CancelledError):
                await self._tidying
        await self._sealer.settle()
        with suppress(StoreError), self._bounded():  # else they are removed when they are due
            await self._segment_notes.aclose()
        await self._connection.client.close()

    @contextmanager
    def _bounded(self) -> Generator[None]:
        """All commands of one call together end in time, and what they raise is named."""
        with translated_failures(), pymongo.timeout(self._connection.timeout_seconds):
            yield
