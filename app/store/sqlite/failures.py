"""SQLite's errors as ours, in one place, so that no failure looks like absence."""

from collections.abc import Generator
from contextlib import contextmanager

import apsw

from app.errors import (
    CorruptStoreError,
    StoreBusyError,
    StoreError,
    StoreFullError,
    StoreReadOnlyError,
    StoreUnavailableError,
)


@contextmanager
def translated_failures() -> Generator[None]:
    """Raise a `StoreError` for whatever SQLite or the operating system raises inside."""
    try:
        yield
    except (apsw.Error, OSError) as error:
        raise translated(error) from error


def translated(error: Exception) -> StoreError:
    """The `StoreError` that says what a driver's error means."""
    match error:
        case apsw.BusyError() | apsw.LockedError():
            return StoreBusyError("Another process holds the store; try again.")
        case apsw.FullError():
            return StoreFullError("The disk that holds the store has no room left.")
        case apsw.ReadOnlyError() | apsw.PermissionsError() | PermissionError():
            return StoreReadOnlyError("The store's file or its folder cannot be written.")
        case apsw.CorruptError() | apsw.NotADBError():
            return CorruptStoreError(
                "The store's file is damaged or not a SQLite database; restore it from a backup."
            )
        case apsw.CantOpenError():
            return StoreUnavailableError("The store's file cannot be opened.")
        case _:
            # The class's name and no more: messages may quote stored text.
            return StoreUnavailableError(f"The store cannot be used: {type(error).__name__}.")
