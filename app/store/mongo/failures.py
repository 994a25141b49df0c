"""The driver's errors as ours, in one place, so that no failure looks like absence."""

import re
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from bson.errors import BSONError
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    ConfigurationError,
    DocumentTooLarge,
    ExecutionTimeout,
    NetworkTimeout,
    NotPrimaryError,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WaitQueueTimeoutError,
    WriteConcernError,
)

from app.errors import ConfigurationError as WrongSettingError
from app.errors import (
    CorruptDocumentError,
    DocumentTooLargeError,
    StoreAuthenticationError,
    StoreBusyError,
    StoreError,
    StoreFullError,
    StoreReadOnlyError,
    StoreUnavailableError,
)

THROTTLED = 16500
"""Azure Cosmos DB: the request units of this second are used up. Its own number, used for nothing
else by servers that we know (Cosmos DB for MongoDB, "Prevent rate-limiting errors")."""

_BAD_VALUE = 2
_RETRY_AFTER = re.compile(r"RetryAfterMs=(\d+)")

Meaning = Callable[[], StoreError | DocumentTooLargeError | WrongSettingError]


def _unavailable(reason: str) -> Meaning:
    return lambda: StoreUnavailableError(reason)


def _busy(reason: str) -> Meaning:
    return lambda: StoreBusyError(reason)


_STEPPED_DOWN = _unavailable("The primary of the database has stepped down.")


def _too_large() -> DocumentTooLargeError:
    return DocumentTooLargeError("A document", 16 * 1024 * 1024, "bytes")


_OF_CLASS: tuple[tuple[type[Exception], Meaning], ...] = (
    (NotPrimaryError, _STEPPED_DOWN),
    (WaitQueueTimeoutError, _busy("All connections to the database are in use.")),
    (ServerSelectionTimeoutError, _unavailable("No server of the database can be reached.")),
    (NetworkTimeout, _busy("The database did not answer in time.")),
    (ExecutionTimeout, _busy("The database did not answer in time.")),
    (AutoReconnect, _unavailable("The connection to the database broke.")),
    (WriteConcernError, _unavailable("Too few servers of the database confirmed a write.")),
    (DocumentTooLarge, _too_large),
    (
        ConfigurationError,
        lambda: WrongSettingError(
            "The store's mongodb: URL cannot be used: its host or its options do not fit."
        ),
    ),
    (BSONError, lambda: CorruptDocumentError("document")),
)
"""From the special to the general."""

_OF_CODE: dict[int, Meaning] = {
    **dict.fromkeys((13, 18), StoreAuthenticationError),  # Unauthorized, AuthenticationFailed
    **dict.fromkeys((91, 189, 10107, 11600, 11602, 13435, 13436), _STEPPED_DOWN),
    **dict.fromkeys((10334, 17419, 17420), _too_large),  # BSONObjectTooLarge, and its kin
    20: lambda: StoreReadOnlyError("The database cannot be written."),  # IllegalOperation
    14: lambda: CorruptDocumentError("session"),  # TypeMismatch: a number that is none
    14031: lambda: StoreFullError("The disk of the database has no room left."),
}
"""Numbers of the server's `error_codes.yml`."""


@contextmanager
def translated_failures() -> Generator[None]:
    """Raise an error of ours for whatever the driver raises inside."""
    try:
        yield
    except (PyMongoError, BSONError) as error:
        raise translated(error) from error


def translated(error: Exception) -> StoreError | DocumentTooLargeError | WrongSettingError:
    """What a driver's error means. Messages of servers may quote stored text, so none is kept."""
    if isinstance(error, ConfigurationError) and "wire version" in str(error):
        return StoreUnavailableError("The database is too old or too new for this service.")
    for kind, meaning in _OF_CLASS:
        if isinstance(error, kind):
            return meaning()
    code = error.code if isinstance(error, OperationFailure) else None
    if isinstance(error, BulkWriteError):
        failures: list[dict[str, Any]] = (error.details or {}).get("writeErrors", [])
        code = failures[0].get("code") if failures else None
    if code == THROTTLED:
        found = _RETRY_AFTER.search(str(error))
        seconds = -(-int(found[1]) // 1000) if found else 1
        return StoreBusyError(
            "The database's request units are used up for now.", retry_after_seconds=max(1, seconds)
        )
    if code == _BAD_VALUE and "must be an array" in str(error):
        return CorruptDocumentError("session")
    if code in _OF_CODE:
        return _OF_CODE[code]()
    return StoreUnavailableError(f"The database cannot be used: {type(error).__name__} {code}.")
