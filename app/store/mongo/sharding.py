"""Operators' commands on a database: what a store needs to begin, and what a cluster divides it by.

Both may be given again: they do what is missing.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pymongo
from pymongo import IndexModel
from pymongo.asynchronous.database import AsyncDatabase

from app.errors import ConfigurationError
from app.store.mongo.connection import is_cosmos
from app.store.mongo.documents import (
    CHORES,
    LEDGERS,
    META,
    OWNED_DOCUMENTS,
    SEGMENTS,
    SESSIONS,
)
from app.store.mongo.encoding import Document
from app.store.mongo.failures import translated_failures
from app.store.mongo.schema import (
    ServerFacts,
    collections_of,
    create_indexes,
    open_database,
    store_secret,
)

_SHARD_KEYS: dict[str, dict[str, int | str]] = {
    SESSIONS: {"user_id": 1, "_id": 1},
    SEGMENTS: {"user_id": 1, "generation": 1},
    CHORES: {"_id": "hashed"},
    LEDGERS: {"_id": "hashed"},
    OWNED_DOCUMENTS: {"user_id": 1, "_id": 1},
}
_COSMOS_KEYS = {name: next(iter(key)) for name, key in _SHARD_KEYS.items()}
"""It divides by one field, and hashes that."""

_DAY_SECONDS = 24 * 60 * 60.0
"""Building an index over much data may take hours."""


async def init_database(url: str, *, timeout_seconds: float) -> list[str]:
    """Create what names the store, and the indexes; returns what was missing, a phrase each.

    Raises:
        ConfigurationError: the URL is not one of a MongoDB.
        StoreError: the database cannot be used, or is not one of ours.
    """
    async with _opened(url, timeout_seconds) as (database, facts):
        collections = collections_of(database, facts)
        is_new = await collections.meta.find_one({"_id": "store"}) is None
        await store_secret(collections, None)
        with pymongo.timeout(_DAY_SECONDS):
            indexes = await create_indexes(database)
    identity = [f"the store's identity in {META}"] if is_new else []
    return identity + [f"the index {name}" for name in indexes]


async def shard_database(url: str, *, timeout_seconds: float) -> list[str]:
    """Divide the collections among the shards of a cluster; returns which were not, with their key.

    Raises:
        ConfigurationError: the URL is not one of a cluster, or it is too late to divide.
        StoreError: the database cannot be used.
    """
    async with _opened(url, timeout_seconds) as (database, _):
        with pymongo.timeout(_DAY_SECONDS):
            divide = _divide_cosmos if is_cosmos(url) else _divide_cluster
            return await divide(database)


async def _divide_cluster(database: AsyncDatabase[Document]) -> list[str]:
    admin = database.client.admin
    if (await admin.command("hello")).get("msg") != "isdbgrid":
        raise ConfigurationError(
            "The store's URL is not one of a sharded cluster: only a mongos can divide collections."
        )
    divided: list[str] = []
    await admin.command("enableSharding", database.name)
    await create_indexes(database)
    for name, key in _SHARD_KEYS.items():
        namespace = f"{database.name}.{name}"
        known = database.client["config"]["collections"]
        if await known.find_one({"_id": namespace, "dropped": {"$ne": True}}) is not None:
            continue
        if name != SEGMENTS:  # their index `chain` begins with the key
            index = IndexModel(list(key.items()), name="shard_key")
            await database[name].create_indexes([index])
        await admin.command({"shardCollection": namespace, "key": key})
        fields = ", ".join(f"{field}: {order}" for field, order in key.items())
        divided.append(f"{namespace} by {{{fields}}}")
    return divided


async def _divide_cosmos(database: AsyncDatabase[Document]) -> list[str]:
    """There, a collection is divided when it is made, or never."""
    divided: list[str] = []
    existing = await database.list_collection_names()
    for name, field in _COSMOS_KEYS.items():
        namespace = f"{database.name}.{name}"
        if name in existing:
            made = await database.command({"customAction": "GetCollection", "collection": name})
            if not made.get("shardKeyDefinition"):
                raise ConfigurationError(
                    f"{namespace} was made without a shard key, and gets none any more: begin with "
                    "`chatfold store shard` on an empty database, then copy the store there."
                )
            continue
        await database.command(
            {"customAction": "CreateCollection", "collection": name, "shardKey": field}
        )
        divided.append(f"{namespace} by {{{field}: hashed}}")
    return divided


@asynccontextmanager
async def _opened(
    url: str, timeout_seconds: float
) -> AsyncGenerator[tuple[AsyncDatabase[Document], ServerFacts]]:
    with translated_failures():
        database, facts = await open_database(url, timeout_seconds=timeout_seconds)
        try:
            yield database, facts
        finally:
            await database.client.close()
