"""WireServer: a MongoDB of a few commands, for real drivers; it fails as a test wants it to."""

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple

import bson
import mongomock
from pymongo.errors import DuplicateKeyError, OperationFailure

Document = dict[str, Any]

_OP_REPLY, _OP_QUERY, _OP_MSG = 1, 2004, 2013
"""`mongodb.com/docs/manual/reference/mongodb-wire-protocol`; the first greeting is a query."""
_AWAITS_NO_REPLY = 2
_DOCUMENT, _SEQUENCE = 0, 1
_GREETINGS = {"hello", "ismaster", "isMaster"}


class Command(NamedTuple):
    """A command as it arrived and was answered; greetings are not counted."""

    name: str
    body: Document
    request_bytes: int
    reply_bytes: int


class HangUpError(Exception):
    """The connection ends without an answer."""


Answer = Callable[[Document], Document]
"""What the server would do by itself."""
Failure = Callable[[Document, Answer], Awaitable[Document]]
"""What it does instead: gets the command, and what would be done."""


def refusal(code: int, message: str = "refused", *, labels: tuple[str, ...] = ()) -> Failure:
    """Nothing is done, and an error says why."""

    async def refuse(_command: Document, _answer: Answer) -> Document:
        return _error(code, message) | ({"errorLabels": list(labels)} if labels else {})

    return refuse


def unconfirmed(code: int) -> Failure:
    """It is done, but not by as many servers as it should."""

    async def leave_unconfirmed(command: Document, answer: Answer) -> Document:
        return answer(command) | {"writeConcernError": {"code": code, "errmsg": "unconfirmed"}}

    return leave_unconfirmed


async def never_answers(_command: Document, _answer: Answer) -> Document:
    """The server is there and does nothing at all."""
    await asyncio.Event().wait()
    raise AssertionError


async def answers_never_what_it_did(command: Document, answer: Answer) -> Document:
    """It is done, and nobody is told."""
    answer(command)
    return await never_answers(command, answer)


async def hangs_up_before(_command: Document, _answer: Answer) -> Document:
    """The connection breaks before anything was done."""
    raise HangUpError


async def hangs_up_after(command: Document, answer: Answer) -> Document:
    """It is done, and the connection breaks before the answer."""
    answer(command)
    raise HangUpError


class WireServer:
    """Its data is in memory and goes with it; all of it runs in the test's own event loop."""

    def __init__(self) -> None:
        self.url = ""
        self.commands: list[Command] = []
        self.greeted: list[Document] = []
        """The greetings that came, which tell who is asking."""
        self.greeting: Document = {
            "isWritablePrimary": True,
            "ismaster": True,
            "helloOk": True,
            "maxBsonObjectSize": 16 * 1024 * 1024,
            "maxMessageSizeBytes": 48_000_000,
            "maxWriteBatchSize": 100_000,
            "minWireVersion": 0,
            "maxWireVersion": 21,
            "logicalSessionTimeoutMinutes": 30,
        }
        self.answers: dict[str, Document] = {}
        """To commands that this server does not know by itself."""
        self.failures: dict[str, Failure] = {}
        """By command; `*` for all. They last until they are taken out."""
        self.garbled: dict[bytes, bytes] = {}
        """Bytes that answers have in the place of others of the same number."""
        self.data: Any = mongomock.MongoClient(tz_aware=False)
        self._connections: set[asyncio.Task[None]] = set()
        self._listening: asyncio.Server | None = None

    def fail_once(self, name: str, failure: Failure) -> None:
        """Let the next command of this name fail, and those after it succeed."""

        async def fail(command: Document, answer: Answer) -> Document:
            del self.failures[name]
            return await failure(command, answer)

        self.failures[name] = fail

    def names(self) -> list[str]:
        """The commands that have come, in their order."""
        return [command.name for command in self.commands]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection until it ends."""
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            with suppress(
                asyncio.IncompleteReadError, ConnectionError, HangUpError, asyncio.CancelledError
            ):
                while True:
                    await self._answer_one(reader, writer)
        finally:
            self._connections.discard(task)
            writer.close()

    async def listen(self) -> None:
        """Take connections, on a free port of the loopback."""
        self._listening = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        port = self._listening.sockets[0].getsockname()[1]
        self.url = f"mongodb://127.0.0.1:{port}/chatfold"

    async def stop(self) -> None:
        """Take no more connections, and end those there are."""
        assert self._listening is not None
        self._listening.close()
        await self.hang_up()
        await self._listening.wait_closed()

    async def hang_up(self) -> None:
        """End all connections, whatever they are waiting for."""
        for task in list(self._connections):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _answer_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        header = await reader.readexactly(16)
        length, request_id, _, operation = struct.unpack("<iiii", header)
        payload = await reader.readexactly(length - 16)
        if operation == _OP_QUERY:
            end_of_name = payload.index(b"\0", 4)
            command: Document = bson.decode(payload[end_of_name + 9 :])
            reply = await self._outcome(command)
            answer = struct.pack("<iqii", 8, 0, 0, 1) + bson.encode(reply)
            answered = _OP_REPLY
        else:
            command = _command_of(payload)
            reply = await self._outcome(command)
            answer = struct.pack("<iB", 0, _DOCUMENT) + bson.encode(reply)
            for sound, garbled in self.garbled.items():
                answer = answer.replace(sound, garbled)
            answered = _OP_MSG
        name = next(iter(command))
        if name in _GREETINGS:
            self.greeted.append(command)
        else:
            self.commands.append(Command(name, command, length, 16 + len(answer)))
        writer.write(struct.pack("<iiii", 16 + len(answer), 1, request_id, answered) + answer)
        await writer.drain()

    async def _outcome(self, command: Document) -> Document:
        name = next(iter(command))
        fail = self.failures.get(name)
        if fail is None and name not in _GREETINGS:
            fail = self.failures.get("*")
        return self._done(command) if fail is None else await fail(command, self._done)

    def _done(self, command: Document) -> Document:
        name = next(iter(command))
        if name in _GREETINGS:
            return {"ok": 1.0, **self.greeting}
        if name in self.answers:
            return {"ok": 1.0, **self.answers[name]}
        do = _COMMANDS.get(name)
        if do is None:
            return _error(59, f"no such command: '{name}'")
        database = self.data[command["$db"]]
        try:
            return {"ok": 1.0, **do(database, command)}
        except OperationFailure as error:
            return _error(error.code or 8, str(error))


@asynccontextmanager
async def serving_wire() -> AsyncIterator[WireServer]:
    """A server on a free port of the loopback."""
    server = WireServer()
    await server.listen()
    try:
        yield server
    finally:
        await server.stop()


def _command_of(payload: bytes) -> Document:
    """The command in a message: one document, and arrays that come beside it."""
    (flags,) = struct.unpack_from("<i", payload)
    assert not flags & _AWAITS_NO_REPLY
    command: Document = {}
    at = 4
    while at < len(payload):
        kind = payload[at]
        (size,) = struct.unpack_from("<i", payload, at + 1)
        section = payload[at + 1 : at + 1 + size]
        at += 1 + size
        if kind == _DOCUMENT:
            command |= bson.decode(section)
        else:
            assert kind == _SEQUENCE
            end_of_name = section.index(b"\0", 4)
            items = bson.decode_all(section[end_of_name + 1 :])
            command[section[4:end_of_name].decode()] = items
    return command


def _error(code: int, message: str) -> Document:
    return {"ok": 0.0, "code": code, "errmsg": message}


# --- the commands -------------------------------------------------------------------------------


def _find(database: Any, command: Document) -> Document:
    collection = database[command["find"]]
    found = collection.find(command.get("filter"), command.get("projection"))
    if command.get("sort"):
        found = found.sort(list(command["sort"].items()))
    return _cursor(list(found.limit(command.get("limit", 0))))


def _aggregate(database: Any, command: Document) -> Document:
    return _cursor(list(database[command["aggregate"]].aggregate(command["pipeline"])))


def _cursor(documents: list[Document]) -> Document:
    return {"cursor": {"id": 0, "ns": "of.no.interest", "firstBatch": documents}}


def _insert(database: Any, command: Document) -> Document:
    collection = database[command["insert"]]
    refused: list[Document] = []
    for index, document in enumerate(command["documents"]):
        try:
            collection.insert_one(document)
        except DuplicateKeyError as error:
            refused.append({"index": index, "code": 11000, "errmsg": str(error)})
            if command.get("ordered", True):
                break
    stored = len(command["documents"]) - len(refused)
    return {"n": stored, **({"writeErrors": refused} if refused else {})}


def _update(database: Any, command: Document) -> Document:
    collection = database[command["update"]]
    count = changed_count = 0
    upserted: list[Document] = []
    for index, one in enumerate(command["updates"]):
        change, upsert = one["u"], one.get("upsert", False)
        if not next(iter(change)).startswith("$"):
            result = collection.replace_one(one["q"], change, upsert=upsert)
        elif one.get("multi"):
            result = collection.update_many(one["q"], change, upsert=upsert)
        else:
            result = collection.update_one(one["q"], change, upsert=upsert)
        count += result.matched_count
        changed_count += result.modified_count
        if result.upserted_id is not None:
            upserted.append({"index": index, "_id": result.upserted_id})
    reply: Document = {"n": count + len(upserted), "nModified": changed_count}
    return reply | ({"upserted": upserted} if upserted else {})


def _delete(database: Any, command: Document) -> Document:
    collection = database[command["delete"]]
    count = 0
    for one in command["deletes"]:
        delete = collection.delete_one if one["limit"] else collection.delete_many
        count += delete(one["q"]).deleted_count
    return {"n": count}


def _find_and_modify(database: Any, command: Document) -> Document:
    collection = database[command["findAndModify"]]
    found = collection.find_one_and_update(
        command["query"],
        command["update"],
        projection=command.get("fields"),
        return_document=command.get("new", False),
    )
    return {"value": found, "lastErrorObject": {"n": int(found is not None)}}


def _create_indexes(database: Any, command: Document) -> Document:
    for index in command["indexes"]:
        collection = database[command["createIndexes"]]
        collection.create_index(list(index["key"].items()), name=index["name"])
    return {}


def _list_indexes(database: Any, command: Document) -> Document:
    if command["listIndexes"] not in database.list_collection_names():
        return _error(26, "no such collection")
    known = database[command["listIndexes"]].index_information()
    return _cursor(
        [{"v": 2, "name": name, "key": dict(index["key"])} for name, index in known.items()]
    )


def _list_collections(database: Any, _command: Document) -> Document:
    return _cursor([{"name": name} for name in database.list_collection_names()])


def _nothing(_database: Any, _command: Document) -> Document:
    return {}


_COMMANDS: dict[str, Callable[[Any, Document], Document]] = {
    "aggregate": _aggregate,
    "buildInfo": lambda _database, _command: {"version": "7.0.0"},
    "createIndexes": _create_indexes,
    "delete": _delete,
    "endSessions": _nothing,
    "find": _find,
    "findAndModify": _find_and_modify,
    "insert": _insert,
    "killCursors": _nothing,
    "listCollections": _list_collections,
    "listIndexes": _list_indexes,
    "ping": _nothing,
    "update": _update,
}
