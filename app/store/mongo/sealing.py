"""Sealing: the oldest part of a head becomes segments, so that the head stays small."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterable
from contextlib import asynccontextmanager, contextmanager
from contextvars import Context

import pymongo
from pymongo.errors import PyMongoError

from app.domain.identity import Version
from app.errors import AppError, CorruptDocumentError
from app.store.mongo.chain import Chain, HeadMovedError, damage_named
from app.store.mongo.chain_ends import ChainEnds
from app.store.mongo.chores import Chores
from app.store.mongo.collections import Collections
from app.store.mongo.encoding import Document
from app.store.mongo.head import IN_PLACE, Head, head_of
from app.store.mongo.seal_plans import Budget, SealPlan, plan_seal
from app.store.mongo.segment_notes import SegmentNotes

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
        notes: SegmentNotes,
        budget: Budget,
        timeout_seconds: float,
    ) -> None:
        self.budget = budget
        self._timeout_seconds = timeout_seconds
        self._collections = collections
        self._chain = chain
        self._chain_ends = chain_ends
        self._chores = chores
        self._notes = notes
        self._running: dict[str, asyncio.Task[None]] = {}
        self._linking: dict[str, asyncio.Future[None]] = {}
        self._appends: defaultdict[str, set[asyncio.Future[None]]] = defaultdict(set)
        self._since: dict[str, dict[Version, list[Document]]] = {}
        """What this process has appended since it set out to seal a head, by what came of it."""

    def start(self, user_id: str, head_id: str, document: Document | None = None) -> None:
        """Seal a head in the background; it is read first where it is not at hand."""
        if head_id in self._running or (document is None and head_id in self._since):
            return  # in the second case, whoever fills the head is about to bring it
        self._since.setdefault(head_id, {})
        # In a context of its own: the time that the request has left is not the seal's.
        task = asyncio.create_task(self._seal_by_id(user_id, head_id, document), context=Context())
        self._running[head_id] = task

        def end(_: asyncio.Task[None]) -> None:
            del self._running[head_id], self._since[head_id]

        task.add_done_callback(end)

    @contextmanager
    def filling(self, head_id: str, size_bytes: int) -> Generator[bool]:
        """Whether an append is to fill a head, so that it may as well bring all of it."""
        chain_end = self._chain_ends.find(head_id)
        if chain_end is not None:
            chain_end.live_bytes += size_bytes
        if (
            chain_end is None
            or head_id in self._since
            or not self.budget.is_passed_by(chain_end.live_bytes, chain_end.newest_segment)
        ):
            yield False
            return
        self._since[head_id] = {}
        try:
            yield True
        finally:
            if head_id not in self._running:
                del self._since[head_id]

    def note_append(self, head_id: str, version: Version, messages: list[Document]) -> None:
        """Keep what was appended where a seal will want to know it."""
        since = self._since.get(head_id)
        if since is not None:
            since[version] = messages

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
        merged = await self._mergeable(head)
        plan = self._planned(head, keep_bytes, merged)
        return await self._carry_out(head, plan, lambda: self._link(head, plan)) is not None

    async def carry_out(self, head: Head, plan: SealPlan, update: Document) -> Document | None:
        """Insert segments, then update the head as it was read; None if it was changed meanwhile.

        What an error leaves behind is found by its note.
        """
        condition = head.same_revision()
        return await self._carry_out(
            head, plan, lambda: self._collections.change_head(condition, update, IN_PLACE)
        )

    async def _seal_in_background(self, head: Head) -> None:
        """Seal what need not stay in a head; mostly under a note that was made in advance."""
        keep_bytes = self.budget.kept_bytes
        merged = await self._mergeable(head)
        if merged:
            plan = self._planned(head, keep_bytes, merged)
            await self._carry_out(head, plan, lambda: self._link_undisturbed(head, plan))
            return
        note = await self._notes.take(head)
        try:
            plan = self._planned(head, keep_bytes, ids=note.segment_ids)
        except CorruptDocumentError:
            await self._notes.give_back(head, note)  # nothing was stored
            raise
        count = len(plan.segments)
        if count > len(note.segment_ids):
            await self._carry_out(head, plan, lambda: self._link_undisturbed(head, plan))
        else:
            await self._store(head, plan, lambda: self._link_undisturbed(head, plan))
        del note.segment_ids[:count]
        await self._notes.give_back(head, note)

    def _planned(
        self,
        head: Head,
        keep_bytes: int,
        merged: list[Document] | None = None,
        ids: Iterable[str] = (),
    ) -> SealPlan:
        with damage_named():
            return plan_seal(
                head,
                keep_bytes=keep_bytes,
                segment_bytes=self.budget.segment_bytes,
                merged=merged,
                ids=ids,
            )

    async def _carry_out(
        self, head: Head, plan: SealPlan, link: Callable[[], Awaitable[Document | None]]
    ) -> Document | None:
        """As `_store`, under a note of its own."""
        ids = [segment["_id"] for segment in plan.segments]
        note = await self._chores.note(head, segment_ids=[*ids, *plan.replaced])
        updated = await self._store(head, plan, link)
        await self._chores.done(note, replaced=plan.replaced if updated else ())
        return updated

    async def _store(
        self, head: Head, plan: SealPlan, link: Callable[[], Awaitable[Document | None]]
    ) -> Document | None:
        """Insert segments that a note names, then let the head name them; or neither."""
        for segment in plan.segments:
            await self._collections.segments.insert_one(segment)
        updated = await link()
        if updated is None:
            ids = [segment["_id"] for segment in plan.segments]
            await self._collections.segments.delete_many(
                {"user_id": head.document["user_id"], "_id": {"$in": ids}}
            )
        else:
            self._chain_ends.learn(
                head.id, updated["generation"], updated["newest_segment"], updated["live_bytes"]
            )
        return updated

    async def _link(self, head: Head, plan: SealPlan) -> Document | None:
        """Trim the head, with all that was appended since; None if it was changed meanwhile."""
        now: Head | None = self._with_own_appends(head)
        for _ in range(_LINK_TRIES):
            if now is None:
                return None
            with damage_named():
                members = plan.trimmed(now)
            condition = now.same_revision()
            updated = await self._collections.change_head(condition, {"$set": members}, IN_PLACE)
            if updated is not None:
                return updated
            # Others have appended, too.
            now = head_of(await self._collections.sessions.find_one(head.same_content()))
        return None

    def _with_own_appends(self, head: Head) -> Head:
        """What has become of a head, if nobody but this process has written to it."""
        since = self._since.get(head.id, {})
        while (messages := since.get(Version(head.generation, head.revision + 1))) is not None:
            head = head.appended(messages)
        return head

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
            with damage_named():
                return await self._chain.unmerged(head)
        except HeadMovedError:
            return []  # the seal will find that out

    async def _seal_by_id(self, user_id: str, head_id: str, document: Document | None) -> None:
        condition = {"_id": head_id, "user_id": user_id}
        try:
            with pymongo.timeout(self._timeout_seconds):
                head = head_of(document or await self._collections.sessions.find_one(condition))
                if head is None:
                    return
                if self.budget.is_passed_by(head.live_bytes, head.newest_segment):
                    await self._seal_in_background(head)
        except (AppError, PyMongoError) as error:
            _log.warning("A session was not sealed; later appends will: %s", type(error).__name__)
