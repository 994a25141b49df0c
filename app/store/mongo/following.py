"""Following: how far sessions are, what has happened since, and when it is time to look again."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from typing import Any

from pymongo.asynchronous.change_stream import AsyncChangeStream
from pymongo.errors import OperationFailure, PyMongoError

from app.domain.encoded import header_json
from app.domain.following import (
    Bookmark,
    Gap,
    PlaceHistory,
    SessionChanges,
)
from app.domain.identity import SessionKey
from app.store.mongo.chain import Chain, Places, damage_named
from app.store.mongo.collections import Collections
from app.store.mongo.encoding import Document, message_json
from app.store.mongo.head import Head
from app.store.mongo.reading import Reader

LOOK_SECONDS = 1.0
"""How often a server without change streams is asked for all sessions that are followed."""

_REST_SECONDS = 0.1
"""Between two looks, however much is written: what happens meanwhile is seen by one."""

_AWAIT_MILLISECONDS = 1000
_KEYS_AT_ONCE = 1000
_BOOKMARK: Document = dict.fromkeys(
    ("user_id", "session_id", "generation", "next_seq", "changes"), 1
)
_PIPELINE: list[Document] = [{"$project": {"_id": 1}}]
"""Only that something has happened: what it was is read where someone follows it."""

_log = logging.getLogger(__name__)


class Follower:
    """Tells what happens in the sessions of one store."""

    def __init__(
        self,
        collections: Collections,
        reader: Reader,
        chain: Chain,
        *,
        has_change_streams: bool,
        look_seconds: float,
        timeout_seconds: float,
    ) -> None:
        self._sessions = collections.sessions
        self._reader = reader
        self._chain = chain
        self._has_change_streams = has_change_streams
        self._look_seconds = look_seconds
        # The driver counts the server's waiting as a part of the call.
        self._await_milliseconds = min(_AWAIT_MILLISECONDS, int(timeout_seconds * 500))

    async def find_bookmarks(self, keys: Sequence[SessionKey]) -> dict[SessionKey, Bookmark]:
        """How far each session is."""
        found: dict[SessionKey, Bookmark] = {}
        for start in range(0, len(keys), _KEYS_AT_ONCE):
            some = keys[start : start + _KEYS_AT_ONCE]
            condition = {
                "_id": {"$in": [self._reader.head_id(key) for key in some]},
                "user_id": {"$in": sorted({key.user_id for key in some})},
                "deleted_at": None,
            }
            with damage_named():
                for one in await self._sessions.find(condition, _BOOKMARK).to_list():
                    key = SessionKey(one["user_id"], one["session_id"])
                    found[key] = Bookmark(one["generation"], one["next_seq"], one["changes"])
        return found

    async def read_changes(self, key: SessionKey, after: Bookmark) -> SessionChanges:
        """What has happened in a session since a reader came so far; see the port."""

        async def changes(head: Head) -> SessionChanges:
            return await self._changes(head, after)

        return await self._reader.with_head(key, changes)

    async def watch(self) -> AsyncGenerator[None]:
        """Yields when it is time to look; see the port."""
        if self._has_change_streams:
            try:
                stream = await self._sessions.watch(
                    _PIPELINE, max_await_time_ms=self._await_milliseconds
                )
            except OperationFailure as error:
                self._has_change_streams = False
                _log.info("The database has no change streams (%s): it is polled.", error.code)
            else:
                return _told(stream, self._look_seconds)
        return _polling(self._look_seconds)

    async def _changes(self, head: Head, after: Bookmark) -> SessionChanges:
        latest = Bookmark(head.generation, head.next_seq, head.changes)
        gap = Gap(after, latest, head.version)
        if not gap.can_be_told:
            return SessionChanges(latest, None)
        places: Places = {}
        appended: dict[int, int] = {}
        for segment in await self._chain.segments_since(head, gap.known_revision):
            for seq, message in enumerate(segment["messages"], segment["first_seq"]):
                places[seq] = message
                appended[seq] = message["revision"]
            for correction in segment["corrections"]:
                places[correction["seq"]] = correction
        places.update((correction["seq"], correction) for correction in head.corrections)
        places.update(head.placed())
        appended.update(enumerate(head.appended_revisions(), head.sealed_count))
        revision_of_change = head.revisions_of_changes()

        def history(seq: int, stored: Document) -> PlaceHistory:
            changed_revision = stored.get("changed_revision")
            if "change" in stored:
                changed_revision = revision_of_change[stored["change"]]
            return PlaceHistory(seq, appended.get(seq, 0), changed_revision, "deleted_at" in stored)

        return gap.told(
            [history(seq, stored) for seq, stored in places.items()],
            header_json=lambda: header_json(head.header),
            message_json=lambda seq: message_json(seq, places[seq]),
        )


async def _polling(look_seconds: float) -> AsyncGenerator[None]:
    while True:
        yield
        await asyncio.sleep(look_seconds)


async def _told(stream: AsyncChangeStream[Any], look_seconds: float) -> AsyncGenerator[None]:
    """Yields after changes that the server tells of; polls once it does not any more."""
    has_changed = asyncio.Event()
    has_changed.set()
    listening = asyncio.create_task(_listen(stream, has_changed))
    try:
        while not listening.done():
            has_changed.clear()
            yield
            await asyncio.sleep(_REST_SECONDS)
            await has_changed.wait()
    finally:
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await listening
    async for _ in _polling(look_seconds):
        yield


async def _listen(stream: AsyncChangeStream[Any], has_changed: asyncio.Event) -> None:
    """Say that something has changed, until the stream ends."""
    try:
        async with stream:
            while stream.alive:
                # Not `next`: it would end by the time that one call may take.
                if await stream.try_next() is not None:
                    has_changed.set()
    except PyMongoError as error:
        _log.warning("A change stream broke (%s): the database is polled.", type(error).__name__)
    finally:
        has_changed.set()
