"""The service with its own limits on MongoDB beside it: the bare commands, without the work."""

import os
from typing import Any

from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from fastapi import FastAPI, Response
from pymongo.asynchronous.database import AsyncDatabase

from app.api.chat.schemas import PostedMessage
from app.clock import SystemClock
from app.domain.identity import new_id
from app.domain.message import NewMessage
from app.main import serving_app
from app.store.mongo.encoding import Document, stored_new_message
from app.store.mongo.schema import collections_of, open_database

BARE = "bare"
"""A collection of documents that grow by `$push` and nothing else."""

_RAW: CodecOptions[Any] = CodecOptions(document_class=RawBSONDocument)
_TIMEOUT_SECONDS = 10.0
_ACCEPTED = b'{"messages":[]}'


def app() -> FastAPI:
    """The whole service, and under `/limit` what a route of the same application can reach."""
    application = serving_app()
    bare = _Bare(os.environ["CHATFOLD_STORE"])
    application.add_api_route("/limit/read/{session_id}", bare.read, methods=["GET"])
    application.add_api_route("/limit/push/{number}/messages", bare.push, methods=["POST"])
    return application


class _Bare:
    """Commands with the same client, and the same concerns, as those of the store."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connected: tuple[AsyncDatabase[Document], Any, Any] | None = None
        self._heads: dict[str, Document] = {}

    async def read(self, session_id: str) -> Response:
        """The `find_one` of a whole read, and the bytes of it as they came."""
        _, sessions, _ = self._connected or await self._connect()
        if session_id not in self._heads:
            members = {"_id": 1, "user_id": 1}
            self._heads[session_id] = dict(
                await sessions.find_one({"session_id": session_id}, members)
            )
        found = await sessions.find_one(self._heads[session_id])
        return Response(found.raw, media_type="application/bson")

    async def push(self, number: int, message: PostedMessage) -> Response:
        """What a document without segments would need at least."""
        _, _, pushed = self._connected or await self._connect()
        stored = stored_new_message(
            NewMessage(
                id=new_id(),
                content=message.content,
                message_type=message.message_type,
                created_at=SystemClock().now(),
            ).encoded()
        )
        update = {"$push": {"messages": stored}, "$inc": {"revision": 1}}
        done = await pushed.update_one({"_id": number}, update)
        assert done.matched_count == 1
        return Response(_ACCEPTED, status_code=201, media_type="application/json")

    async def _connect(self) -> tuple[AsyncDatabase[Document], Any, Any]:
        database, facts = await open_database(self._url, timeout_seconds=_TIMEOUT_SECONDS)
        sessions = collections_of(database, facts).sessions
        raw = sessions.with_options(codec_options=_RAW)
        pushed = database.get_collection(BARE, write_concern=sessions.write_concern)
        self._connected = database, raw, pushed
        return self._connected
