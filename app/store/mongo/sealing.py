"""Sealing: the oldest part of a head becomes segments, so that the head stays small."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import Context

import pymongo
from pymongo.errors import PyMongoError

from app.errors import AppError
from app.store.mongo.chain import Chain, HeadMovedError, damage_named
from app.store.mongo.chain_ends import ChainEnds
from app.store.mongo.chores import Chores
from app.store.mongo.collections import Collections
from app.store.mongo.encoding import Document
from app.store.mongo.head import IN_PLACE, Head, head_of
from app.store.mongo.seal_plans import Budget, SealPlan, plan_seal

_LINK_TRIES = 5

_log = logging.getLogger(__name__)


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
