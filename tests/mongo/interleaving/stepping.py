"""A database whose every call waits for its turn, then happens at once; or not, or unheard."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextvars import ContextVar
from typing import Any, Self, cast

from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import AutoReconnect

from tests.mongo.facade import Document, as_sent

BACKGROUND = "in the background"

owner: ContextVar[str] = ContextVar("owner", default=BACKGROUND)
"""On whose behalf a task calls the database; a seal that nobody waits for has no owner."""

_READING = {"find", "find_one", "index_information", "count_documents", "list_collection_names"}


class Step:
    """One call of the database that waits for its turn."""

    def __init__(self, process: str, words: str, act: Callable[[], Any], *, writes: bool) -> None:
        self.process = process
        self.owner = owner.get()
        self.words = words
        self.writes = writes
        self.answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._act = act

    def __str__(self) -> str:
        return f"{self.process}, {self.owner}: {self.words}"

    @property
    def task(self) -> tuple[str, str]:
        """Who waits for it."""
        return self.process, self.owner

    def happen(self) -> Any:
        """Do what was asked for; returns or raises what the server answers."""
        return self._act()

    def take_turn(self) -> Any:
        """Happen, and be answered; returns the answer."""
        try:
            answer = self.happen()
        except Exception as error:  # noqa: BLE001 - whatever the server answers is for the caller
            self.answer.set_exception(error)
            return error
        self.answer.set_result(answer)
        return answer

    def fail(self) -> None:
        """Be answered by a broken connection."""
        self.answer.set_exception(AutoReconnect("the connection broke"))


class SteppedDatabase:
    """One process's connection to a database that it shares with others."""

    def __init__(
        self, database: Any, process: str, waiting: list[Step], *, documents_at_once: int | None
    ) -> None:
        self.name = database.name
        self.client = self.admin = self
        self._database = database
        self._process = process
        self._waiting = waiting
        self._documents_at_once = documents_at_once

    def as_async_database(self) -> AsyncDatabase[Document]:
        return cast("AsyncDatabase[Document]", self)

    def append_metadata(self, driver: object) -> None:
        """A client names itself to its server; there is none."""

    def with_options(self, **_options: object) -> Self:
        return self

    def get_collection(self, name: str, **_options: object) -> "_Collection":
        return _Collection(self, name, self._database[name], self._documents_at_once)

    __getitem__ = get_collection

    async def close(self) -> None:
        """Nothing is held."""

    async def list_collection_names(self, **options: object) -> Any:
        return await self.in_turn("list", lambda: self._database.list_collection_names(**options))

    async def command(self, *arguments: Any, **options: Any) -> Any:
        return await self.in_turn("command", lambda: self._database.command(*arguments, **options))

    async def in_turn(self, words: str, call: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """What a call answers, once it has had its turn."""
        writes = words.rpartition(".")[2] not in _READING
        step = Step(self._process, words, lambda: at_once(call()), writes=writes)
        self._waiting.append(step)
        return await step.answer


class _Collection:
    def __init__(
        self,
        database: SteppedDatabase,
        name: str,
        collection: Any,
        documents_at_once: int | None,
    ) -> None:
        self.name = name
        self._database = database
        self._collection = collection
        self._documents_at_once = documents_at_once

    def with_options(self, **_options: object) -> Self:
        return self

    def find(self, *arguments: Any, **options: Any) -> "_Cursor":
        arguments = as_sent(arguments)

        def find() -> Any:
            return self._collection.find(*arguments, **options)

        return _Cursor(self._database, self.name, find, self._documents_at_once)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._collection, name)

        async def call(*arguments: Any, **options: Any) -> Any:
            # Copied now: a command that arrives late says what it said when it was sent.
            sent = as_sent(arguments)
            return await self._database.in_turn(
                f"{self.name}.{name}", lambda: method(*sent, **options)
            )

        return call


class _Cursor:
    """Asks when it is first read, and for a part at a time where the database gives no more."""

    def __init__(
        self,
        database: SteppedDatabase,
        name: str,
        find: Callable[[], Any],
        documents_at_once: int | None,
    ) -> None:
        self._database = database
        self._name = name
        self._find = find
        self._documents_at_once = documents_at_once

    def _then(self, name: str, *arguments: Any) -> Self:
        before = self._find
        self._find = lambda: getattr(before(), name)(*arguments)
        return self

    def sort(self, *arguments: Any) -> Self:
        return self._then("sort", *arguments)

    def limit(self, limit: int) -> Self:
        return self._then("limit", limit)

    async def to_list(self) -> list[Document]:
        return [document async for document in self]

    async def __aiter__(self) -> AsyncIterator[Document]:
        found = await self._next_part()
        at_once = self._documents_at_once or len(found)
        left = [document["_id"] for document in found[at_once:]]
        for document in found[:at_once]:
            yield document
        while left:
            # A cursor is no snapshot: what changes before it gets there is met as it is by then.
            by_id = {document["_id"]: document for document in await self._next_part()}
            part, left = left[:at_once], left[at_once:]
            for document_id in part:
                if document_id in by_id:
                    yield by_id[document_id]

    async def close(self) -> None:
        """Nothing is held."""

    async def _next_part(self) -> list[Document]:
        found: list[Document] = await self._database.in_turn(
            f"{self._name}.find", lambda: self._find().to_list()
        )
        return found


def at_once(call: Coroutine[Any, Any, Any]) -> Any:
    """Run a call of the facade, which waits for nothing but for others to go first."""
    try:
        while True:
            call.send(None)
    except StopIteration as done:
        return done.value
