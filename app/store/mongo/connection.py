"""Connecting: from a URL to a database, and what its kind of server allows."""

import warnings
from dataclasses import dataclass
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import InvalidName, InvalidURI, PyMongoError

from app.domain.limits import MEBIBYTE, StoreLimits
from app.errors import ConfigurationError
from app.store.mongo.collections import Collections
from app.store.mongo.encoding import Document

DATABASE = "chatfold"
"""The database of a URL that names none."""

_COSMOS_HOST = ".mongo.cosmos.azure.com"
_COSMOS_DOCUMENT_BYTES = 2 * MEBIBYTE
"""Azure Cosmos DB for MongoDB (RU), "Service quotas": 2 MB a document."""


@dataclass(frozen=True, slots=True)
class Connection:
    """A client, what it was opened for, and how long one call may take."""

    client: AsyncMongoClient[Document]
    collections: Collections
    document_bytes: int
    timeout_seconds: float
    has_replicas: bool


def connect(
    url: str, *, timeout_seconds: float, retry_writes: bool | None = None
) -> AsyncDatabase[Document]:
    """The database that a URL names; nothing is sent yet.

    Raises:
        ConfigurationError: the URL is not one of a MongoDB. It is not repeated: it has a password.
    """
    options: dict[str, Any] = {} if retry_writes is None else {"retryWrites": retry_writes}
    if "appname=" not in url.lower():  # some servers tell accounts by it
        options["appname"] = "chatfold"
    try:
        with warnings.catch_warnings():
            # The driver would leave out an option that it does not know, or whose value is wrong.
            warnings.simplefilter("error", UserWarning)
            warnings.filterwarnings("ignore", "You appear to be connected to")  # advertisements
            client: AsyncMongoClient[Document] = AsyncMongoClient(
                url,
                tz_aware=False,
                timeoutMS=int(timeout_seconds * 1000),
                **options,
            )
        return client.get_default_database(DATABASE)
    except (InvalidURI, PyMongoError, UserWarning, ValueError, TypeError) as error:
        is_named = isinstance(error, InvalidURI | InvalidName)
        reason = type(error).__name__ if is_named else "an option does not fit"
        raise ConfigurationError(f"The store's mongodb: URL cannot be used: {reason}.") from None


def is_cosmos(url: str) -> bool:
    """Whether the URL names Azure Cosmos DB with request units."""
    return _COSMOS_HOST in url


def document_bytes_of(url: str) -> int | None:
    """What a document may have where the URL tells more of it than the server says."""
    return _COSMOS_DOCUMENT_BYTES if is_cosmos(url) else None


def limits_of(document_bytes: int) -> StoreLimits:
    """What a store may keep whose server allows documents of this size."""
    if document_bytes <= _COSMOS_DOCUMENT_BYTES:
        return StoreLimits(message_bytes=MEBIBYTE, batch_bytes=MEBIBYTE)
    return StoreLimits()
