"""mongomock in the asynchronous shape of PyMongo: a server in memory, each call one step."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Self, cast

import bson
import mongomock
from bson.codec_options import CodecOptions
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import OperationFailure

Document = dict[str, Any]

_AS_READ = CodecOptions[Document](tz_aware=False)
_NO_SUCH_COMMAND = 59
_NOT_IMPLEMENTED = 238
_TYPE_MISMATCH = 14


def database_in_memory() -> AsyncDatabase[Document]:
    """A database of its own, as the store takes it; nothing is left once it is let go."""
    client: Any = mongomock.MongoClient(tz_aware=False)
    return cast("AsyncDatabase[Document]", _Database(client["test"]))


class _Database:
    def __init__(self, database: Any) -> None:
        self.name = database.name
        self.client = self.admin = self  # their few commands are below
        self._database = database

    def append_metadata(self, driver: object) -> None:
        """A client names itself to its server; there is none."""

    def with_options(self, **_options: object) -> Self:
        """There are no majorities to wait for."""
        return self

    def get_collection(self, name: str, **_options: object) -> "_Collection":
        return _Collection(self, self._database[name])

    __getitem__ = get_collection

    async def close(self) -> None:
        """The database goes with whoever holds it."""

    async def list_collection_names(self, **_options: object) -> Any:
        return await _in_one_step(self._database.list_collection_names)

    async def command(self, command: str | Document, *_value: object, **_options: object) -> Any:
        match command if isinstance(command, str) else next(iter(command)):
            case "ping":
                return {"ok": 1.0}
            case "buildInfo":
                return {"ok": 1.0, "version": "7.0.0"}
            case "hello":
                return {"ok": 1.0, "maxBsonObjectSize": 16 * 1024 * 1024, "maxWireVersion": 21}
            case name:
                raise OperationFailure(f"no such command: {name!r}", _NO_SUCH_COMMAND)


class _Collection:
    def __init__(self, database: _Database, collection: Any) -> None:
        self.database = database
        self.name = collection.name
        self._collection = collection

    def with_options(self, **_options: object) -> Self:
        return self

    def find(self, *arguments: Any, **options: Any) -> "_Cursor":
        sent = {option: as_sent(value) for option, value in options.items()}
        arguments = as_sent(arguments)
        return _Cursor(lambda: self._collection.find(*arguments, **sent))

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._collection, name)

        async def call(*arguments: Any, **options: Any) -> Any:
            sent = {option: as_sent(value) for option, value in options.items()}
            return await _in_one_step(method, *as_sent(arguments), **sent)

        return call

    async def create_indexes(self, indexes: list[Any], **_options: object) -> Any:
        return await _in_one_step(self._collection.create_indexes, indexes)

    async def index_information(self) -> Any:
        found = await _in_one_step(self._collection.index_information)
        return {name: {**index, "key": list(index["key"])} for name, index in found.items()}


class _Cursor:
    """Asks when it is first read, and for all at once."""

    def __init__(self, find: Callable[[], Any]) -> None:
        self._cursor = find

    def _then(self, name: str, *arguments: Any) -> Self:
        before = self._cursor
        self._cursor = lambda: getattr(before(), name)(*arguments)
        return self

    def sort(self, *arguments: Any) -> Self:
        return self._then("sort", *arguments)

    def limit(self, limit: int) -> Self:
        return self._then("limit", limit)

    def skip(self, skip: int) -> Self:
        return self._then("skip", skip)

    def batch_size(self, _size: int) -> Self:
        return self

    async def to_list(self, length: int | None = None) -> list[Document]:
        found: list[Document] = await _in_one_step(lambda: list(self._cursor()))
        return found[:length]

    async def __aiter__(self) -> AsyncIterator[Document]:
        for document in await self.to_list():
            yield document

    async def close(self) -> None:
        """Nothing is held."""


def as_sent(value: Any) -> Any:
    """The documents within a call as a server would get them: copies, and nothing BSON refuses."""
    match value:
        case tuple() | list():
            return type(value)(as_sent(item) for item in value)
        case dict():
            return bson.decode(bson.encode(value), _AS_READ)
        case _:
            return value


async def _in_one_step(method: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Let others go first, as a network does, and then do it without a pause."""
    await asyncio.sleep(0)
    try:
        return method(*arguments, **options)
    except NotImplementedError as error:
        raise OperationFailure(str(error), _NOT_IMPLEMENTED) from error
    except (TypeError, AttributeError) as error:
        # So it says that a member is of another kind than an update or a comparison can take.
        raise OperationFailure(str(error), _TYPE_MISMATCH) from error
