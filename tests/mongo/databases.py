"""Databases for tests: each is dropped in the end, or is emptied and used again.

Making one with all its indexes, and dropping it, takes longer than most tests.
"""

import atexit
import hashlib
import secrets
from collections import deque
from functools import cache
from itertools import count
from pathlib import Path
from typing import Protocol

from pymongo import AsyncMongoClient, MongoClient

from app.store.mongo.documents import (
    CHORES,
    LEDGERS,
    META,
    OWNED_DOCUMENTS,
    SEGMENTS,
    SESSIONS,
)
from tests.mongo.facade import Document

_OF_THIS_RUN = secrets.token_hex(4)
_LAID_OUT = {SESSIONS, SEGMENTS, CHORES, LEDGERS, OWNED_DOCUMENTS, META}
_AT_REST = 8
"""So many tests later, nothing that was under way in a database is so any more."""


class Databases(Protocol):
    """Which database of a server belongs to which folder."""

    def name_of(self, folder: Path, server: str) -> str:
        """Of the folder's database, the same until it is let go; with nothing in it at first."""
        ...

    def share(self, folder: Path) -> None:
        """Processes that may outlive the test work on it, too."""
        ...

    async def let_go(self, folder: Path, server: str) -> None:
        """The folder needs it no more."""
        ...


class DroppedDatabases:
    """Each is dropped in the end: on a server of somebody, nothing of ours stays."""

    def name_of(self, folder: Path, server: str) -> str:
        del server
        digest = hashlib.sha256(str(folder).encode()).hexdigest()
        return f"chatfold-test-{_OF_THIS_RUN}-{digest[:16]}"

    def share(self, folder: Path) -> None:
        """They are made for one test, whoever works on them."""

    async def let_go(self, folder: Path, server: str) -> None:
        await _drop(self.name_of(folder, server), server)


class ReusedDatabases:
    """Each rests for a while, and is emptied when another folder gets it: its indexes stay."""

    def __init__(self) -> None:
        self._numbers = count()
        self._names: dict[Path, str] = {}
        self._resting: deque[str] = deque()
        self._shared: set[Path] = set()

    def name_of(self, folder: Path, server: str) -> str:
        if folder not in self._names:
            if len(self._resting) < _AT_REST:
                name = f"chatfold-test-{_OF_THIS_RUN}-{next(self._numbers)}"
            else:
                name = self._resting.popleft()
                _empty(name, server)
            self._names[folder] = name
        return self._names[folder]

    def share(self, folder: Path) -> None:
        self._shared.add(folder)

    async def let_go(self, folder: Path, server: str) -> None:
        name = self._names.pop(folder, None)
        if name is None:
            return
        if folder in self._shared:
            await _drop(name, server)
        else:
            self._resting.append(name)


async def _drop(name: str, server: str) -> None:
    async with AsyncMongoClient[Document](server) as client:
        await client.drop_database(name)


def _empty(name: str, server: str) -> None:
    database = _client(server)[name]
    for collection in database.list_collection_names():
        if collection in _LAID_OUT:
            database[collection].delete_many({})
        else:
            database.drop_collection(collection)


@cache
def _client(server: str) -> MongoClient[Document]:
    """One for the whole run, whatever loops come and go."""
    client = MongoClient[Document](server)
    atexit.register(client.close)
    return client
