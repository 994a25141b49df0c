"""Measuring: how much the collections hold, as far as their server tells, in little time."""

from dataclasses import fields
from typing import Any

import pymongo
from bson.errors import BSONError
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import OperationFailure, PyMongoError

from app.store.mongo.collections import Collections
from app.store.mongo.encoding import Document
from app.store.mongo.failures import translated
from app.store.port import PartSizes, StoreSizes

PATIENCE_SECONDS = 2.0
"""For all of it together: who asks how a store is must be answered, above all by a slow one."""

_UNKNOWN_COMMANDS = {59, 115, 238}  # CommandNotFound, CommandNotSupported, NotImplemented
_NO_COLLECTION = 26
_DISK = {"store_disk": "fsTotalSize", "store_disk_used": "fsUsedSize"}


async def measured(collections: Collections, *, timeout_seconds: float) -> StoreSizes:
    """The sizes of all collections, and of the disk where the server sees it.

    Raises nothing, since one answer may come and another one not.
    """
    parts: list[PartSizes] = []
    unknown: dict[str, str] = {}
    sizes_bytes: dict[str, int] = {}
    with pymongo.timeout(min(PATIENCE_SECONDS, timeout_seconds)):
        for collection in _each(collections):
            said = await _told(collection, {"collStats": collection.name})
            if isinstance(said, str):
                unknown[collection.name] = said
            else:
                parts.append(_part(collection.name, said))
        said = await _told(collections.sessions, {"dbStats": 1})
    if isinstance(said, str):
        unknown.update(dict.fromkeys(_DISK, said))
    else:
        for name, theirs in _DISK.items():
            size = _whole(said.get(theirs))
            if size:
                sizes_bytes[name] = size
            else:
                unknown[name] = "The server does not say it."
    return StoreSizes(sizes_bytes, parts, unknown)


def _each(collections: Collections) -> list[AsyncCollection[Document]]:
    values = [getattr(collections, field.name) for field in fields(collections)]
    return [value for value in values if not isinstance(value, bool)]


async def _told(collection: AsyncCollection[Document], command: Document) -> Document | str:
    """What the server says, or why it does not."""
    try:
        return await collection.database.command(command)
    except OperationFailure as error:
        if error.code in _UNKNOWN_COMMANDS:
            return f"The server has no {next(iter(command))}."
        if error.code == _NO_COLLECTION:
            return "There is no such collection."
        return str(translated(error))
    except (PyMongoError, BSONError) as error:
        return str(translated(error))


def _part(name: str, said: Document) -> PartSizes:
    indexes: Document = said.get("indexSizes") or {}
    sizes = {index: _whole(size) for index, size in indexes.items()}
    return PartSizes(
        name,
        documents=_whole(said.get("count")),
        documents_bytes=_whole(said.get("size")),
        storage_bytes=_whole(said.get("storageSize")),
        indexes_bytes=_whole(said.get("totalIndexSize")),
        index_sizes_bytes={index: size for index, size in sizes.items() if size is not None},
    )


def _whole(value: Any) -> int | None:
    """A number as a whole one: servers send any of BSON's kinds."""
    return int(value) if isinstance(value, int | float) else None
