"""The database's layout: who it is, what its server can do, and its indexes."""

import logging
import os
from contextlib import suppress
from typing import NamedTuple, get_origin

from beanie import Document as BeanieDocument
from beanie import init_beanie  # pyright: ignore[reportUnknownVariableType] - untyped part
from pymongo import IndexModel, ReadPreference
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError, OperationFailure
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from app.errors import CorruptStoreError, StoreVersionError
from app.store.mongo.collections import Collections
from app.store.mongo.connection import connect, document_bytes_of
from app.store.mongo.documents import (
    CHORES,
    DOCUMENTS,
    LEDGERS,
    META,
    OWNED_DOCUMENTS,
    SEGMENTS,
    SESSIONS,
)
from app.store.mongo.encoding import Document
from app.store.mongo.failures import THROTTLED

LAYOUT = 1
"""Raised with every change that an older Chatfold could not read."""

_SECRET_BYTES = 32
_NOT_THERE = {26}  # NamespaceNotFound
_NOT_IMPLEMENTED = {2, 9, 59, 115, 238}  # BadValue, FailedToParse, CommandNotFound, and its kin
_NO_RETRYABLE_WRITES = {20, 301}  # "Transaction numbers are only allowed on …", and Cosmos DB's own
_NOT_FOR_THE_INDEX = {13, 18, 50, 85, 86, THROTTLED}
"""Refusals of an index that have other reasons than what it is made of."""

_log = logging.getLogger(__name__)


class ServerFacts(NamedTuple):
    """What a server has said of itself."""

    has_replicas: bool
    """Replica set or sharded: a read can ask for what most of its members have."""
    document_bytes: int
    can_project_changes: bool


async def open_database(
    url: str, *, timeout_seconds: float
) -> tuple[AsyncDatabase[Document], ServerFacts]:
    """Connect, and learn what the server is; without retryable writes where it has none.

    Raises:
        ConfigurationError: the URL is not one of a MongoDB.
    """
    database = connect(url, timeout_seconds=timeout_seconds)
    try:
        try:
            facts = await learn_server(database)
        except OperationFailure as error:
            if error.code not in _NO_RETRYABLE_WRITES:
                raise
            _log.info("The database has no retryable writes: what became of one is read instead.")
            await database.client.close()
            database = connect(url, timeout_seconds=timeout_seconds, retry_writes=False)
            facts = await learn_server(database)
    except BaseException:
        await database.client.close()
        raise
    document_bytes = document_bytes_of(url)
    if document_bytes is not None:
        facts = facts._replace(document_bytes=min(document_bytes, facts.document_bytes))
    return database, facts


async def learn_server(database: AsyncDatabase[Document]) -> ServerFacts:
    """Ask the server what it is; what it lacks is replaced, and the log says so."""
    said = await database.client.admin.command("hello")
    has_replicas = "setName" in said or said.get("msg") == "isdbgrid"
    if not has_replicas:
        _log.info("The database is a single server: writes are confirmed by it alone.")
    try:
        await database[META].find_one_and_update(
            {"_id": "no such document"}, {"$set": {"probed": 1}}, projection={"_id": 1}
        )
        can_project_changes = True
    except OperationFailure as error:
        if error.code not in _NOT_IMPLEMENTED:
            raise
        can_project_changes = False
        _log.info("The database cannot answer a change with a part: whole heads come instead.")
    return ServerFacts(
        has_replicas, int(said.get("maxBsonObjectSize", 16 * 1024 * 1024)), can_project_changes
    )


def collections_of(database: AsyncDatabase[Document], facts: ServerFacts) -> Collections:
    """The store's collections, with writes that last and reads that show only such."""
    read_concern = ReadConcern("majority") if facts.has_replicas else ReadConcern()

    def collection(name: str) -> AsyncCollection[Document]:
        return database.get_collection(
            name,
            read_preference=ReadPreference.PRIMARY,
            write_concern=WriteConcern("majority", j=True),
            read_concern=read_concern,
        )

    return Collections(
        sessions=collection(SESSIONS),
        segments=collection(SEGMENTS),
        chores=collection(CHORES),
        ledgers=collection(LEDGERS),
        documents=collection(OWNED_DOCUMENTS),
        meta=collection(META),
        can_project_changes=facts.can_project_changes,
    )


async def store_secret(collections: Collections, new_secret: bytes | None) -> bytes:
    """The secret of this store; it is made, with the store, where there is none.

    Raises:
        StoreVersionError: a newer Chatfold has made this store.
        CorruptStoreError: there are sessions, and nothing to find them by.
    """
    meta = await collections.meta.find_one({"_id": "store"})
    if meta is None:
        if await collections.sessions.find_one({}, {"_id": 1}) is not None:
            raise CorruptStoreError(
                "The database holds sessions but not the document that they are found by; "
                "restore the collection `meta` from a backup."
            )
        fresh = new_secret or os.urandom(_SECRET_BYTES)
        with suppress(DuplicateKeyError):  # another process was faster
            await collections.meta.insert_one({"_id": "store", "layout": LAYOUT, "secret": fresh})
        meta = await collections.meta.find_one({"_id": "store"})
    secret = None if meta is None else meta.get("secret")
    if meta is None or not isinstance(secret, bytes):
        raise CorruptStoreError("The document that names the store is damaged.")
    if meta.get("layout") != LAYOUT:
        raise StoreVersionError("The database was laid out by another version of Chatfold.")
    return secret


async def create_indexes(database: AsyncDatabase[Document]) -> list[str]:
    """Create the declared indexes that are missing; returns their names.

    One by one, since some servers fail at a list of which a part exists.
    """
    await init_beanie(database=database, document_models=list(DOCUMENTS), skip_indexes=True)
    created: list[str] = []
    for model in DOCUMENTS:
        collection = database[model.get_settings().name or ""]
        existing = await _index_names(collection)
        for index in model.get_settings().indexes:
            name = str(index.index.document["name"])
            if name not in existing:
                await _create_index(collection, index.index, arrays=_arrays_of(model))
                created.append(f"{collection.name}.{name}")
    return created


async def _create_index(
    collection: AsyncCollection[Document], index: IndexModel, *, arrays: set[str]
) -> None:
    """Create an index; by its array alone where a server has no others with arrays."""
    try:
        await collection.create_indexes([index])
    except OperationFailure as error:
        fields: dict[str, int] = index.document["key"]
        narrower = [(field, order) for field, order in fields.items() if field in arrays]
        if error.code in _NOT_FOR_THE_INDEX or not 0 < len(narrower) < len(fields):
            raise
        _log.info(
            "The index %s.%s is made of %s alone: the database has none with more beside an array.",
            *(collection.name, index.document["name"], narrower[0][0]),
        )
        await collection.create_indexes([IndexModel(narrower, name=index.document["name"])])


def _arrays_of(model: type[BeanieDocument]) -> set[str]:
    fields = model.model_fields.items()
    return {name for name, field in fields if get_origin(field.annotation) is list}


async def _index_names(collection: AsyncCollection[Document]) -> set[str]:
    try:
        return set(await collection.index_information())
    except OperationFailure as error:
        if error.code in _NOT_THERE:
            return set()
        raise


async def create_indexes_if_allowed(database: AsyncDatabase[Document]) -> None:
    """Create missing indexes at start; who may not is told what to do."""
    try:
        created = await create_indexes(database)
    except OperationFailure as error:
        _log.warning(
            "Indexes could not be created (code %s); run `chatfold store init` as one who may.",
            error.code,
        )
    else:
        if created:
            _log.info("Created the indexes %s.", ", ".join(created))
