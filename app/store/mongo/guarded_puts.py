"""Guarded puts: a whole document in place of a state of it that the writer has seen, or of none."""

from collections.abc import Awaitable, Callable
from enum import Enum, auto

from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import DuplicateKeyError, PyMongoError

from app.errors import StoreBusyError
from app.store.mongo.appending import MAYBE_WRITTEN
from app.store.mongo.encoding import Document

_TRIES = 20


class Standing(Enum):
    """What is found where a put was not answered, or was refused."""

    STORED = auto()
    """The very state that was to be put: it is there already, or an earlier try has stored it."""
    AS_BEFORE = auto()
    """What it replaces still stands."""
    OTHER = auto()
    """Someone has written since."""


async def put_guarded(
    collection: AsyncCollection[Document],
    document: Document,
    replaces: Document | None,
    look: Callable[[], Awaitable[Standing]],
    *,
    what: str,
) -> bool:
    """Store a document in place of the one that `replaces` finds, or of none; says whether.

    What became of a write whose answer was lost is read, and the write done again where what it
    replaces still stands.
    """
    broken: PyMongoError | None = None
    for _ in range(_TRIES):
        try:
            if replaces is None:
                await collection.insert_one(document)
                return True
            if (await collection.replace_one(replaces, document)).matched_count:
                return True
        except DuplicateKeyError:
            pass
        except MAYBE_WRITTEN as error:
            broken = error
        standing = await look()
        if standing is Standing.STORED:
            return True
        if standing is Standing.OTHER:
            if broken is not None:
                raise broken  # someone has written since, and hides what became of ours
            return False
    raise broken or StoreBusyError(f"{what} is being changed by too many others; try again.")
