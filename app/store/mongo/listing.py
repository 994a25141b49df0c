"""Listing: summaries, keys, owners, counts, the newest messages; none reads more than it shows."""

import heapq
from collections.abc import AsyncIterator
from datetime import datetime

from pymongo import ASCENDING, DESCENDING

from app.domain.encoded import EncodedSummary, summary_json
from app.domain.identity import SessionKey
from app.domain.instants import instant_text
from app.domain.message import ChatMessage
from app.domain.page import Page, Position
from app.domain.session import SessionHeader, SessionStatus
from app.errors import CorruptDocumentError
from app.store.mongo.chain import damage_named
from app.store.mongo.collections import Collections
from app.store.mongo.encoding import (
    SUMMARY_FIELDS,
    Document,
    aware_instant,
    loaded_summary,
    message_json,
    stored_instant,
)
from app.store.mongo.head import Head
from app.store.mongo.reading import Reader
from app.store.port import ListFilter, ListOrder, OwnedMessage, UserStats

_SUMMARY: Document = dict.fromkeys(SUMMARY_FIELDS, 1)
EVER = datetime(1, 1, 1)  # noqa: DTZ001 - as the driver gives instants
"""No instant comes before it: what has one at all is not earlier."""
HEADS: Document = {"deleted_at": None}
"""A filter: sessions, no deletion marks. A session whose dates are damaged is one of them."""


class Lister:
    """Lists what the users of one store have."""

    def __init__(self, collections: Collections, reader: Reader) -> None:
        self._sessions = collections.sessions
        self._reader = reader

    async def list_summaries(
        self,
        user_id: str,
        order: ListOrder,
        wanted: ListFilter,
        limit: int,
        after: Position | None,
    ) -> Page[EncodedSummary]:
        """A page of the user's sessions; see the port."""
        field, direction, comes_after = (
            ("updated_at", DESCENDING, "$lt")
            if order is ListOrder.ACTIVITY
            else ("created_at", ASCENDING, "$gt")
        )
        condition: Document = {"user_id": user_id, **HEADS, **_conditions(wanted)}
        if after is not None:
            instant, session_id = stored_instant(str(after[0])), after[1]
            # The bound is for the index, which then begins there; the rest is for equal instants.
            condition[field] = {f"{comes_after}e": instant}
            condition["$or"] = [
                {field: {comes_after: instant}},
                {field: instant, "session_id": {comes_after: session_id}},
            ]
        cursor = self._sessions.find(condition, _SUMMARY).sort(
            [("user_id", ASCENDING), (field, direction), ("session_id", direction)]
        )
        name_part = None if wanted.name_contains is None else wanted.name_contains.casefold()
        if name_part is None:
            cursor = cursor.limit(limit + 1)
        found: list[SessionHeader] = []
        async for document in cursor:
            header = loaded_summary(document)
            # Here and not by the server's expressions: they fold case in ways of their own.
            if name_part is not None and name_part not in (header.session_name or "").casefold():
                continue
            found.append(header)
            if len(found) > limit:
                break
        await cursor.close()
        items = tuple(map(summary_json, found[:limit]))
        if len(found) <= limit:
            return Page(items, None)
        last = found[limit - 1]
        at = last.updated_at if order is ListOrder.ACTIVITY else last.created_at
        return Page(items, (instant_text(at), last.id))

    async def list_keys(self, after: SessionKey | None, limit: int) -> list[SessionKey]:
        """The next keys of the whole store."""
        condition: Document = {"session_id": {"$gt": ""}}
        if after is not None:
            condition = {
                "user_id": {"$gte": after.user_id},
                "$or": [
                    {"user_id": {"$gt": after.user_id}, "session_id": {"$gt": ""}},
                    {"user_id": after.user_id, "session_id": {"$gt": after.session_id}},
                ],
            }
        cursor = self._sessions.find(condition, {"user_id": 1, "session_id": 1})
        cursor = cursor.sort([("user_id", ASCENDING), ("session_id", ASCENDING)]).limit(limit)
        return [SessionKey(one["user_id"], one["session_id"]) for one in await cursor.to_list()]

    async def find_owners(self, session_id: str, limit: int) -> list[str]:
        """Up to `limit` users who own a session with this id."""
        cursor = self._sessions.find({"session_id": session_id}, {"user_id": 1})
        cursor = cursor.sort([("session_id", ASCENDING), ("user_id", ASCENDING)]).limit(limit)
        return [one["user_id"] for one in await cursor.to_list()]

    async def stats(self, user_id: str) -> UserStats:
        """Counts of what the user has, from the headers."""
        sessions = messages = 0
        first: datetime | None = None
        last: datetime | None = None
        cursor = self._sessions.find(
            {"user_id": user_id, **HEADS}, {"message_count": 1, "created_at": 1, "updated_at": 1}
        )
        async for one in cursor:
            try:
                sessions += 1
                messages += one["message_count"]
                first = one["created_at"] if first is None else min(first, one["created_at"])
                last = one["updated_at"] if last is None else max(last, one["updated_at"])
            except (KeyError, TypeError) as error:
                raise CorruptDocumentError("session header") from error
        return UserStats(sessions, messages, aware_instant(first), aware_instant(last))

    async def list_recent_messages(
        self, user_id: str, limit: int, offset: int
    ) -> list[OwnedMessage]:
        """The user's newest messages; sessions that can have none of them are not read."""
        wanted = limit + offset
        newest: list[tuple[datetime, str, int, ChatMessage]] = []
        async for head in self._newest_heads(user_id):
            newest_at = aware_instant(head.document["newest_message_at"])
            if len(newest) == wanted and newest_at is not None and newest_at < newest[0][0]:
                break
            session_id = head.key.session_id
            with damage_named():
                messages = await self._reader.settled_messages(head)
            for seq, stored in messages:
                if "deleted_at" in stored:
                    continue
                message = ChatMessage.from_json(message_json(seq, stored))
                entry = (message.created_at, session_id, seq, message)
                if len(newest) < wanted:
                    heapq.heappush(newest, entry)
                else:
                    heapq.heappushpop(newest, entry)
        newest.sort()
        stop = max(0, len(newest) - offset)
        return [
            OwnedMessage(session_id, message)
            for _, session_id, _, message in newest[max(0, stop - limit) : stop]
        ]

    async def _newest_heads(self, user_id: str) -> AsyncIterator[Head]:
        """Heads that ever had messages, the one with the newest of them first."""
        cursor = self._sessions.find(
            {"user_id": user_id, "newest_message_at": {"$gte": EVER}}
        ).sort([("user_id", ASCENDING), ("newest_message_at", DESCENDING)])
        async for document in cursor:
            yield Head(document)


def _conditions(wanted: ListFilter) -> Document:
    conditions: list[Document] = []
    if wanted.status is not None:
        conditions.append({"status": wanted.status.value})
    if wanted.is_active is not None:
        active = SessionStatus.ACTIVE.value
        others = [status.value for status in SessionStatus if status is not SessionStatus.ACTIVE]
        conditions.append({"status": {"$in": [active] if wanted.is_active else others}})
    if wanted.project_id is not None:
        conditions.append({"project_id": wanted.project_id})
    if wanted.workspace_id is not None:
        conditions.append({"workspace_id": wanted.workspace_id})
    if wanted.is_pinned is not None:
        conditions.append({"is_pinned": wanted.is_pinned})
    if wanted.tag is not None:
        conditions.append({"tags": wanted.tag})
    return {"$and": conditions} if conditions else {}
