"""Sealing: the oldest part of a head becomes segments, so that the head stays small.

A session is one document until it passes the budget. Once it has segments, its head is kept far
smaller, so that an append costs the same however long the session has become. What is sealed then
is a small segment; some of these become one of full size as soon as there are enough, so that each
message is written twice and most seals read nothing but the head.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import Context
from dataclasses import dataclass
from itertools import accumulate

import pymongo
from pymongo.errors import PyMongoError

from app.errors import AppError
from app.store.mongo.chain import Chain, HeadMovedError, damage_named
from app.store.mongo.chain_ends import ChainEnds
from app.store.mongo.chores import Chores
from app.store.mongo.collections import Collections
from app.store.mongo.encoding import STEP_BYTES, Document, message_size_bytes
from app.store.mongo.head import IN_PLACE, Head, head_of
from app.store.mongo.segments import Link, SealedContent, chained_segments

_HARD_FACTOR = 4
_LIVE_SHARE = 16
_KEPT_SHARE = 64
_LINK_TRIES = 5

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Budget:
    """How large heads and segments may grow, in bytes of what they embed."""

    segment_bytes: int
    document_bytes: int = 16 * 1024 * 1024
    """What the server allows a document."""

    @property
    def hard_bytes(self) -> int:
        """Beyond this nobody appends to a head that has anything to seal."""
        return min(_HARD_FACTOR * self.segment_bytes, self.document_bytes // 2)

    @property
    def kept_bytes(self) -> int:
        """What a seal leaves in the head, for those who ask only for what is new."""
        return self.segment_bytes // _KEPT_SHARE

    def is_merge_due(self, unmerged_bytes: int, live_bytes: int) -> bool:
        """Whether small segments are to become one: another such seal after this would not fit."""
        return unmerged_bytes > 0 and unmerged_bytes + 2 * live_bytes > self.segment_bytes

    def is_passed_by(self, live_bytes: int, newest_segment: str | None) -> bool:
        """Whether a head should be sealed."""
        share = 1 if newest_segment is None else _LIVE_SHARE
        return live_bytes > self.segment_bytes // share


@dataclass(frozen=True, slots=True)
class SealPlan:
    """Segments to insert, oldest first, and what becomes of the head after that."""

    segments: list[Document]
    replaced: list[str]
    """Ids of the segments whose content is in the new ones."""
    count: int
    """How many of the head's messages are in there."""
    chain_members: Document
    """What to set in the head of where the chain ends."""

    def trimmed(self, head: Head) -> Document:
        """What to set in the head, to which messages may have been appended since."""
        rest = head.messages[self.count :]
        sealed_revision, steps = _after(head, self.count)
        return {
            **self.chain_members,
            "messages": rest,
            "steps": steps,
            "corrections": [],
            "past_texts": [],
            "live_bytes": sum(map(message_size_bytes, rest)) + STEP_BYTES * len(steps),
            "sealed_count": head.sealed_count + self.count,
            "sealed_revision": sealed_revision,
        }


def plan_seal(
    head: Head,
    *,
    keep_bytes: int,
    segment_bytes: int,
    merged: list[Document] | None = None,
    further_past_text: Document | None = None,
) -> SealPlan:
    """How to seal all but the newest messages of a head, of which `keep_bytes` may stay.

    `merged` are the newest segments of its chain, oldest first, whose content moves into the new
    ones.
    """
    if STEP_BYTES * len(head.steps) > head.live_bytes // 2:
        keep_bytes = 0  # what takes the room are steps, which go with the messages before them
    sizes = [message_size_bytes(message) for message in head.messages]
    from_the_end = accumulate(reversed(sizes))
    count = len(sizes) - sum(size <= keep_bytes for size in from_the_end)
    revision_of_change = head.revisions_of_changes()

    def sealed(message: Document) -> Document:
        members = {name: value for name, value in message.items() if name != "change"}
        if "change" in message:
            members["changed_revision"] = revision_of_change[message["change"]]
        return members

    merged = merged or []
    content = SealedContent(merged[0]["first_seq"] if merged else head.sealed_count)
    for segment in merged:
        content.take_in_segment(segment)
    further = [] if further_past_text is None else [further_past_text]
    content.take_in(
        [
            {**sealed(message), "revision": revision}
            for message, revision in zip(
                head.messages[:count], head.appended_revisions(), strict=False
            )
        ],
        map(sealed, head.corrections),
        [*head.past_texts, *further],
    )
    content.forget_deleted()
    segments = chained_segments(
        _link(head, merged), content, until_revision=head.revision, segment_bytes=segment_bytes
    )
    members: Document = {}
    if segments:
        members = {
            "newest_segment": segments[-1]["_id"],
            "sealed_until": head.revision,
            **_unmerged(head, segments, segment_bytes, has_merged=bool(merged)),
        }
    return SealPlan(segments, [segment["_id"] for segment in merged], count, members)


def _link(head: Head, merged: list[Document]) -> Link:
    user_id = head.document["user_id"]
    if merged:
        oldest = merged[0]
        return Link(user_id, head.generation, oldest["previous"], oldest["previous_until"])
    return Link(user_id, head.generation, head.newest_segment, head.sealed_until)


def _unmerged(
    head: Head, segments: list[Document], segment_bytes: int, *, has_merged: bool
) -> Document:
    """Where the small segments begin once others have come, and how large they are together."""
    newest = segments[-1]
    size_bytes = newest["size_bytes"]
    if size_bytes > segment_bytes // 2:
        return {"unmerged_from": newest["end_seq"], "unmerged_bytes": 0}
    if has_merged or len(segments) > 1:
        return {"unmerged_from": newest["first_seq"], "unmerged_bytes": size_bytes}
    return {
        "unmerged_from": head.unmerged_from,
        "unmerged_bytes": head.unmerged_bytes + size_bytes,
    }


def _after(head: Head, count: int) -> tuple[int, list[int]]:
    """The sealed revision and the steps that are left once `count` messages have gone."""
    steps = head.steps
    accounted = len(head.messages) - sum(steps)
    taken = 0
    while accounted < count:
        accounted += steps[taken]
        taken += 1
    # Changes that came before the next append say nothing of messages that stay.
    while accounted == count and taken < len(steps) and steps[taken] == 0:
        taken += 1
    return head.sealed_revision + taken, steps[taken:]


class Sealer:
    """Seals heads of one store; those of one session one after the other in this process."""

    def __init__(
        self,
        collections: Collections,
        chain: Chain,
        chain_ends: ChainEnds,
        chores: Chores,
        budget: Budget,
        timeout_seconds: float,
    ) -> None:
        self.budget = budget
        self._timeout_seconds = timeout_seconds
        self._collections = collections
        self._chain = chain
        self._chain_ends = chain_ends
        self._chores = chores
        self._running: dict[str, asyncio.Task[None]] = {}
        self._linking: dict[str, asyncio.Future[None]] = {}
        self._appends: defaultdict[str, set[asyncio.Future[None]]] = defaultdict(set)

    def start(self, user_id: str, head_id: str) -> None:
        """Seal a head in the background."""
        if head_id not in self._running:
            # In a context of its own: the time that the request has left is not the seal's.
            task = asyncio.create_task(self._seal_by_id(user_id, head_id), context=Context())
            self._running[head_id] = task
            task.add_done_callback(lambda _: self._running.pop(head_id, None))

    async def pause(self, head_id: str) -> None:
        """Return once no seal of this head is running here: a change would make it fail."""
        task = self._running.get(head_id)
        if task is not None:
            await asyncio.wait([task])

    @asynccontextmanager
    async def appending(self, head_id: str) -> AsyncGenerator[None]:
        """Within this, a seal does not come to its update of the head, which would fail."""
        while (linking := self._linking.get(head_id)) is not None:
            await asyncio.wait([linking])
        ended = asyncio.get_running_loop().create_future()
        appends = self._appends[head_id]
        appends.add(ended)
        try:
            yield
        finally:
            ended.set_result(None)
            appends.remove(ended)
            if not appends:
                del self._appends[head_id]

    async def settle(self) -> None:
        """Return once nothing is running."""
        while self._running:
            await asyncio.wait(list(self._running.values()))

    async def seal(self, head: Head, *, keep_bytes: int) -> bool:
        """Seal all but the newest `keep_bytes`; False if the head was changed meanwhile."""
        plan = await self._planned(head, keep_bytes)
        return await self._carry_out(head, plan, lambda: self._link(head, plan)) is not None

    async def carry_out(self, head: Head, plan: SealPlan, update: Document) -> Document | None:
        """Insert segments, then update the head as it was read; None if it was changed meanwhile.

        What an error leaves behind is found by its note.
        """
        condition = head.same_revision()
        return await self._carry_out(
            head, plan, lambda: self._collections.change_head(condition, update, IN_PLACE)
        )

    async def _planned(self, head: Head, keep_bytes: int) -> SealPlan:
        with damage_named():
            merged = await self._mergeable(head)
            return plan_seal(
                head, keep_bytes=keep_bytes, segment_bytes=self.budget.segment_bytes, merged=merged
            )

    async def _carry_out(
        self, head: Head, plan: SealPlan, link: Callable[[], Awaitable[Document | None]]
    ) -> Document | None:
        ids = [segment["_id"] for segment in plan.segments]
        note = await self._chores.note(head, segment_ids=[*ids, *plan.replaced])
        for segment in plan.segments:
            await self._collections.segments.insert_one(segment)
        updated = await link()
        if updated is None:
            await self._collections.segments.delete_many(
                {"user_id": head.document["user_id"], "_id": {"$in": ids}}
            )
        else:
            self._chain_ends.learn(head.id, updated["generation"], updated["newest_segment"])
        await self._chores.done(note, replaced=plan.replaced if updated else ())
        return updated

    async def _link(self, head: Head, plan: SealPlan) -> Document | None:
        """Trim the head, with all that was appended since; None if it was changed meanwhile."""
        for _ in range(_LINK_TRIES):
            now = head_of(await self._collections.sessions.find_one(head.same_content()))
            if now is None:
                return None
            with damage_named():
                members = plan.trimmed(now)
            condition = now.same_revision()
            updated = await self._collections.change_head(condition, {"$set": members}, IN_PLACE)
            if updated is not None:
                return updated
        return None

    async def _link_undisturbed(self, head: Head, plan: SealPlan) -> Document | None:
        """As `_link`, when the appends of this process have ended; others wait for it."""
        linked = asyncio.get_running_loop().create_future()
        self._linking[head.id] = linked
        try:
            if head.id in self._appends:
                await asyncio.wait(self._appends[head.id])
            return await self._link(head, plan)
        finally:
            del self._linking[head.id]
            linked.set_result(None)

    async def _mergeable(self, head: Head) -> list[Document]:
        """The small segments that become one with what is sealed now; mostly none."""
        if not self.budget.is_merge_due(head.unmerged_bytes, head.live_bytes):
            return []
        try:
            return await self._chain.unmerged(head)
        except HeadMovedError:
            return []  # the seal will find that out

    async def _seal_by_id(self, user_id: str, head_id: str) -> None:
        condition = {"_id": head_id, "user_id": user_id}
        try:
            with pymongo.timeout(self._timeout_seconds):
                head = head_of(await self._collections.sessions.find_one(condition))
                if head is None:
                    return
                if self.budget.is_passed_by(head.live_bytes, head.newest_segment):
                    plan = await self._planned(head, self.budget.kept_bytes)
                    await self._carry_out(head, plan, lambda: self._link_undisturbed(head, plan))
        except (AppError, PyMongoError) as error:
            _log.warning("A session was not sealed; later appends will: %s", type(error).__name__)
