"""Searching: heads are looked at, the newest first, up to a limit; segments are found by terms.

What is sealed has its terms in an index. So a long session costs a search only those segments that
have all of the terms, and a user's many sessions cost their heads.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC

from pymongo import ASCENDING, DESCENDING

from app.domain.instants import instant_text
from app.domain.message import MessageType
from app.domain.page import Position
from app.domain.search import SearchHit, SearchHits, SearchQuery
from app.errors import SessionNotFoundError
from app.store.mongo.chain import HeadMovedError, damage_named
from app.store.mongo.collections import Collections
from app.store.mongo.encoding import Document
from app.store.mongo.head import Head
from app.store.mongo.listing import HEADS
from app.store.mongo.reading import Reader
from app.store.mongo.segments import ANY

SEARCH_LIMIT_BYTES = 64 * 1024 * 1024
"""How much of a user's messages one search looks at."""

_HEADER_BYTES = 2048  # about what a head takes beside its messages


class Searcher:
    """Searches the sessions of one store."""

    def __init__(self, collections: Collections, reader: Reader, limit_bytes: int) -> None:
        self._sessions = collections.sessions
        self._segments = collections.segments
        self._reader = reader
        self._limit_bytes = limit_bytes

    async def search(
        self, user_id: str, query: SearchQuery, limit: int, after: Position | None
    ) -> SearchHits:
        """Living messages and names that match; see the port."""
        # Heads before segments: what is sealed in between is then in one of the two.
        hits: list[SearchHit] = []
        long_sessions: dict[str, Head] = {}
        seen_count, bytes_left = 0, self._limit_bytes
        by_activity = [
            ("user_id", ASCENDING),
            ("updated_at", DESCENDING),
            ("session_id", DESCENDING),
        ]
        cursor = self._sessions.find({"user_id": user_id, **HEADS}).sort(by_activity)
        async for document in cursor:
            head = Head(document)
            bytes_left -= head.live_bytes + _HEADER_BYTES
            if bytes_left < 0:
                break
            seen_count += 1
            hits.extend(_hits_in_head(head, query))
            if head.newest_segment is not None:
                long_sessions[head.generation] = head
        await cursor.close()
        left_out: set[str] = set()
        if long_sessions:
            candidates, left_out = await self._sealed_candidates(user_id, query, bytes_left)
            for generation, head in long_sessions.items():
                with damage_named():
                    places = {correction["seq"] for correction in head.corrections}
                    places |= candidates.get(generation, set())
                    found = await self._sealed_now(head, sorted(places))
                    hits.extend(_hits_among(head, query, found))
        is_short = bytes_left < 0
        heads_left_out = (
            await self._sessions.count_documents({"user_id": user_id, **HEADS}) - seen_count
            if is_short
            else 0
        )
        hits = [hit for hit in hits if after is None or _position(hit) < after]
        hits.sort(key=_position, reverse=True)
        return SearchHits(
            tuple(hits[:limit]),
            _position(hits[limit - 1]) if len(hits) > limit else None,
            max(0, heads_left_out) + len(left_out & long_sessions.keys()),
        )

    async def _sealed_candidates(
        self, user_id: str, query: SearchQuery, bytes_left: int
    ) -> tuple[dict[str, set[int]], set[str]]:
        """Places of sealed messages that matched when they were sealed, by generation.

        And the generations of segments that had to be left out.
        """
        conditions: list[Document] = []
        for phrase in query.phrases:
            *whole, last = phrase.terms
            conditions.extend({"terms": {"$in": [term, ANY]}} for term in whole)
            if phrase.is_prefix:
                prefix = {"$regex": "^" + re.escape(last)}
                conditions.append({"$or": [{"terms": prefix}, {"terms": ANY}]})
            else:
                conditions.append({"terms": {"$in": [last, ANY]}})
        candidates: defaultdict[str, set[int]] = defaultdict(set)
        left_out: set[str] = set()
        cursor = self._segments.find(
            {"user_id": user_id, "$and": conditions},
            dict.fromkeys(("generation", "first_seq", "size_bytes", "messages", "corrections"), 1),
        )
        async for segment in cursor:
            with damage_named():
                bytes_left -= segment["size_bytes"]
                if bytes_left < 0:
                    left_out.add(segment["generation"])
                    continue
                found = candidates[segment["generation"]]
                for seq, message in enumerate(segment["messages"], segment["first_seq"]):
                    if query.matches(message["content"]):
                        found.add(seq)
                for correction in segment["corrections"]:
                    if query.matches(correction["content"]):
                        found.add(correction["seq"])
        return candidates, left_out

    async def _sealed_now(self, head: Head, places: list[int]) -> list[tuple[int, Document]]:
        """Sealed messages as they are by now."""

        async def at_places(current: Head) -> list[tuple[int, Document]]:
            if current.generation != head.generation:
                return []
            found = await self._reader.at_places(current, places)
            return [(seq, stored) for seq, stored in found.items() if seq < head.sealed_count]

        try:
            return await at_places(head)
        except HeadMovedError:
            try:
                return await self._reader.with_head(head.key, at_places)
            except SessionNotFoundError:
                return []


def _hits_in_head(head: Head, query: SearchQuery) -> Iterator[SearchHit]:
    header = head.header
    name = header.session_name
    if name is not None and query.matches(name):
        yield SearchHit(header.id, name, None, None, None, name, header.created_at)
    yield from _hits_among(head, query, head.placed())


def _hits_among(
    head: Head, query: SearchQuery, placed: Iterable[tuple[int, Document]]
) -> Iterator[SearchHit]:
    with damage_named():
        for seq, message in placed:
            if "deleted_at" not in message and query.matches(message["content"]):
                yield SearchHit(
                    head.key.session_id,
                    head.document["session_name"],
                    seq,
                    message["id"],
                    MessageType(message["message_type"]),
                    message["content"],
                    message["created_at"].replace(tzinfo=UTC),
                )


def _position(hit: SearchHit) -> Position:
    return (instant_text(hit.created_at), hit.session_id, -1 if hit.seq is None else hit.seq)
