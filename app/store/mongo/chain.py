"""The chain: which segments a head stands on, and its sealed messages as they are now.

A segment that is not on the chain from the head's `newest_segment` does not exist. Corrections lie
in later segments than what they correct, or in the head; the latest one holds.
"""

from bisect import bisect_left
from collections.abc import Callable, Collection, Generator, Iterable, Sequence
from contextlib import contextmanager

from bson.errors import BSONError
from pymongo.asynchronous.collection import AsyncCollection

from app.errors import CorruptDocumentError
from app.store.mongo.encoding import Document
from app.store.mongo.head import Head
from app.store.mongo.segments import message_key

Places = dict[int, Document]
"""Messages by their places, in no order."""

_LINKS = ("previous", "previous_until", "first_seq", "end_seq", "forgotten_revision")
_BODY: Document = dict.fromkeys((*_LINKS, "messages", "corrections"), 1)
_OUTLINE: Document = dict.fromkeys((*_LINKS, "corrections.seq"), 1)


class HeadMovedError(Exception):
    """What a head says does not fit to what was found: the session has changed, read it again."""


class Chain:
    """Reads segments of the sessions of one store."""

    def __init__(self, segments: AsyncCollection[Document]) -> None:
        self._segments = segments

    async def from_place(self, head: Head, start: int) -> Places:
        """The sealed messages from a place on; one query.

        Raises:
            HeadMovedError: the head is not the session's any more.
        """
        if start >= head.sealed_count:
            return {}
        with damage_named():
            found = await self._find(head, {"end_seq": {"$gt": start}}, _BODY)
            on_chain = _on_chain(head, found, lambda segment: segment["first_seq"] <= start)
            return _composed(head, on_chain, lambda seq: seq >= start)

    async def since(self, head: Head, revision: int) -> Places:
        """The sealed messages appended or changed after a revision; at most one query.

        Raises:
            HeadMovedError: the head is not the session's any more.
        """
        if revision >= head.sealed_until:
            # A seal without messages moves `sealed_revision` on, and no segment says anything new.
            known = head.changes_until(max(revision, head.sealed_revision))
            return {
                correction["seq"]: correction
                for correction in head.corrections
                if correction["change"] > known
            }
        # Of what came before the last seal a part may be in the head still, and the changes of it
        # in a segment.
        places: Places = {}
        with damage_named():
            for segment in await self.segments_since(head, revision):
                for seq, message in enumerate(segment["messages"], segment["first_seq"]):
                    if max(message["revision"], message.get("changed_revision", 0)) > revision:
                        places[seq] = message
                for correction in segment["corrections"]:
                    if correction["changed_revision"] > revision:
                        places[correction["seq"]] = correction
            places.update((correction["seq"], correction) for correction in head.corrections)
        return places

    async def segments_since(self, head: Head, revision: int) -> list[Document]:
        """The segments that may tell of what came after a revision, oldest first.

        Raises:
            HeadMovedError: the head is not the session's any more.
        """
        if revision >= head.sealed_until:
            return []
        found = await self._find(head, {"until_revision": {"$gt": revision}}, _BODY)
        return _on_chain(head, found, lambda one: one["previous_until"] <= revision)

    async def at_places(self, head: Head, wanted: Iterable[int]) -> Places:
        """The sealed messages at some places; two queries, however long the session is.

        Raises:
            HeadMovedError: the head is not the session's any more.
        """
        sealed = sorted({seq for seq in wanted if seq < head.sealed_count})
        if not sealed:
            return {}
        with damage_named():
            outline = await self._find(head, {"end_seq": {"$gt": sealed[0]}}, _OUTLINE)
            on_chain = _on_chain(head, outline, lambda segment: segment["first_seq"] <= sealed[0])
            ids = [segment["_id"] for segment in on_chain if _concerns(segment, sealed)]
            found = await self._find(head, {"_id": {"$in": ids}}, _BODY)
            bodies = {segment["_id"]: segment for segment in found}
            if len(bodies) != len(ids):
                raise HeadMovedError
            _check_not_later(head, found)
            return _composed(head, [bodies[id_] for id_ in ids], set(sealed).__contains__)

    async def find_places(self, head: Head, message_ids: Iterable[str]) -> dict[str, int]:
        """Those of the ids that are sealed, with their places; one query where there are none.

        Raises:
            HeadMovedError: the head is not the session's any more.
        """
        keys = {message_key(head.generation, id_): id_ for id_ in message_ids}
        if head.newest_segment is None or not keys:
            return {}
        places = await self.search_places(head.document["user_id"], head.generation, keys)
        # A lost segment tells the truth too: a message never leaves its place.
        if any(seq >= head.sealed_count for seq in places.values()):
            raise HeadMovedError
        return places

    async def search_places(
        self, user_id: str, generation: str, keys: dict[int, str]
    ) -> dict[str, int]:
        """As `find_places`, by `message_key`s and without a head; may tell of lost segments too."""
        wanted = set(keys.values())
        places: dict[str, int] = {}
        cursor = self._segments.find(
            {"user_id": user_id, "generation": generation, "message_keys": {"$in": list(keys)}},
            {"first_seq": 1, "messages.id": 1},
        )
        async for segment in cursor:
            with damage_named():
                found = {
                    message["id"]: seq
                    for seq, message in enumerate(segment["messages"], segment["first_seq"])
                    if message["id"] in wanted
                }
                if not found:
                    raise KeyError("id")
            places |= found
        return places

    async def on_chain(self, head: Head, projection: Document) -> list[Document]:
        """All segments of a head, oldest first, with what a projection shows beside their links.

        Raises:
            HeadMovedError: the head is not the session's any more.
        """
        if head.newest_segment is None:
            return []
        with damage_named():
            found = await self._find(head, {}, {**dict.fromkeys(_LINKS, 1), **projection})
            return _on_chain(head, found, lambda segment: segment["previous"] is None)

    async def unmerged(self, head: Head) -> list[Document]:
        """The small segments at the end of a chain that are to become one, whole, oldest first.

        Raises:
            HeadMovedError: the head is not the session's any more.
        """
        # Some may have corrections only, and so no place of their own.
        from_there = {"$gte": head.unmerged_from}
        found = await self._find(head, {"end_seq": from_there, "first_seq": from_there}, None)
        remaining_bytes = head.unmerged_bytes

        def is_last(segment: Document) -> bool:
            nonlocal remaining_bytes
            remaining_bytes -= int(segment["size_bytes"])
            return remaining_bytes <= 0

        return _on_chain(head, found, is_last)

    async def under(self, user_id: str, generation: str, newest_segment: str) -> list[Document]:
        """The segments under one, and the places of their past texts; for who removes them.

        All of the generation where one of them is missing, so that what is damaged can go, too.
        """
        found = await self._segments.find(
            {"user_id": user_id, "generation": generation}, {"previous": 1, "past_texts.seq": 1}
        ).to_list()
        by_id = {segment["_id"]: segment for segment in found}
        under: list[Document] = []
        link: str | None = newest_segment
        while link is not None:
            segment = by_id.pop(link, None)
            if segment is None:
                return found
            under.append(segment)
            link = segment.get("previous")
        return under

    async def _find(
        self, head: Head, condition: Document, projection: Document | None
    ) -> list[Document]:
        of_session = {"user_id": head.document["user_id"], "generation": head.generation}
        return await self._segments.find({**of_session, **condition}, projection).to_list()


def _on_chain(
    head: Head, found: Sequence[Document], is_last: Callable[[Document], bool]
) -> list[Document]:
    """The segments from the newest down to the last one needed; returned oldest first.

    Raises:
        HeadMovedError: one is missing, or tells of a later revision.
        CorruptDocumentError: they do not join.
    """
    by_id = {segment["_id"]: segment for segment in found}
    on_chain: list[Document] = []
    link: str | None = head.newest_segment
    next_seq = head.sealed_count
    while link is not None:
        segment = by_id.pop(link, None)
        if segment is None:
            raise HeadMovedError
        on_chain.append(segment)
        link = segment["previous"]
        if segment["end_seq"] != next_seq or (link is None and segment["first_seq"] != 0):
            raise CorruptDocumentError("session")
        next_seq = segment["first_seq"]
        if is_last(segment):
            break
    _check_not_later(head, on_chain)
    on_chain.reverse()
    return on_chain


def _concerns(segment: Document, places: Sequence[int]) -> bool:
    """Whether a segment holds one of some sorted places, or a correction of one."""
    first, end = (bisect_left(places, segment[name]) for name in ("first_seq", "end_seq"))
    return first < end or any(
        places[min(bisect_left(places, correction["seq"]), len(places) - 1)] == correction["seq"]
        for correction in segment["corrections"]
    )


def _composed(
    head: Head, segments: Collection[Document], is_wanted: Callable[[int], bool]
) -> Places:
    """Messages of segments, each in its latest text."""
    places: Places = {}
    corrections: list[Document] = []
    for segment in segments:
        for seq, message in enumerate(segment["messages"], segment["first_seq"]):
            if is_wanted(seq):
                places[seq] = message
        corrections.extend(segment["corrections"])
    for correction in (*corrections, *head.corrections):
        if is_wanted(correction["seq"]):
            places[correction["seq"]] = correction
    return places


def _check_not_later(head: Head, segments: Iterable[Document]) -> None:
    """A deleted text is overwritten where it is sealed; an older head does not know of it yet."""
    if any(segment["forgotten_revision"] > head.revision for segment in segments):
        raise HeadMovedError


@contextmanager
def damage_named(what: str = "session") -> Generator[None]:
    """What is not as we store it is a damaged document, not an error of the program."""
    try:
        yield
    except BSONError:  # a ValueError, too, and another layer's to name
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CorruptDocumentError(what) from error


def sort_places(places: Places) -> list[tuple[int, Document]]:
    """Messages with their places, in their order."""
    return sorted(places.items(), key=lambda placed: placed[0])
