"""Storing documents: what old sessions become beside their conversations, in batches behind them.

The ledger knows the documents of a batch before they are stored, with the images of those that are
replaced. Their generations come from the run, so that one that was killed knows its own again.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from app.domain.artifact import KIND as ARTIFACT
from app.domain.artifact import VERSION_KIND
from app.domain.identity import SessionKey
from app.domain.owned_document import OwnedDocument
from app.domain.project import KIND as PROJECT
from app.domain.project_context import KIND as CONTEXT_ENTRY
from app.domain.projecting import ProjectFold
from app.progress import Progress
from app.store.port import SessionStore
from migrations.document_targets import look_at_document
from migrations.earlier_documents import EarlierDocuments
from migrations.folds import PartedSession
from migrations.job import Job
from migrations.ledger import BatchEntry, BatchRecord, BatchState, Counts, Place, RunLedger
from migrations.ledger_documents import DocumentRecord, DocumentState, EarlierDocument
from migrations.targets import Target, look_at_target
from migrations.throttle import Throttle

T = TypeVar("T")

_TURNS = ({ARTIFACT}, {VERSION_KIND, CONTEXT_ENTRY}, {PROJECT})
"""A deletion finds versions by their artifact; a project is seen with all that it has."""

BATCH_DOCUMENTS = 200
BATCH_BYTES = 4 * 1024 * 1024
"""What goes to the store together."""
IMAGES_BYTES = 512 * 1024
"""How much of what is replaced an entry of the ledger has, unless a single image is larger."""


class _Taken(NamedTuple):
    """A document on its way."""

    key: SessionKey
    """Of the session that it is made of."""
    document: OwnedDocument
    place: Place
    """Behind it."""


_Looked = tuple[_Taken, OwnedDocument | None]
"""With what is stored in its place."""


class StoringDocuments:
    """Brings the documents of a run to the store, once its sessions are there."""

    def __init__(
        self,
        job: Job,
        store: SessionStore,
        ledger: RunLedger,
        progress: Progress,
        throttle: Throttle,
        place: Place,
        number: int,
        begun: dict[int, BatchEntry],
    ) -> None:
        self.counts = Counts()
        self._format = job.format
        self._store = store
        self._ledger = ledger
        self._progress = progress
        self._throttle = throttle
        self._place = place
        self._number = number
        self._begun = begun
        self._earlier = EarlierDocuments()
        self._batch: list[_Taken] = []
        self._size_bytes = 0

    def close(self) -> None:
        """Let go of everything."""
        self._earlier.close()

    async def store_all(self, sessions: Iterator[PartedSession], session_count: int) -> None:
        """Store what is not stored yet; the sessions come in the order in which they always do."""
        self._progress.begin("making projects", session_count)
        await self._earlier.load(self._store, self._format.name, self._ledger.run_id)
        for key, parts in islice(sessions, self._place.projects, None):
            fold = ProjectFold(key, self._format.name, self._ledger.run_id)
            has_told = False
            for part in parts:
                has_told = has_told or part.session is not None
                fold.take(part.messages, part.session, part.artifacts)
            if has_told and await self._is_ours(key):
                for document in islice(fold.documents(), self._place.documents, None):
                    await self._take(key, document)
            self._place = self._place.model_copy(
                update={"projects": self._place.projects + 1, "documents": 0}
            )
            self._progress.advance(self._place.projects, self._place.projects)
            await asyncio.sleep(0)  # where an interruption can take effect
        await self._close_batch()

    async def _is_ours(self, key: SessionKey) -> bool:
        target, _ = await look_at_target(self._store, self._format, key)
        return target is Target.OURS

    async def _take(self, key: SessionKey, document: OwnedDocument) -> None:
        documents = self._place.documents + 1
        self._place = self._place.model_copy(update={"documents": documents})
        self._batch.append(_Taken(key, document, self._place))
        self._size_bytes += len(document.body)
        limit = self._throttle.batch_messages(BATCH_DOCUMENTS)
        if len(self._batch) >= limit or self._size_bytes >= BATCH_BYTES:
            await self._close_batch()

    async def _close_batch(self) -> None:
        if not self._batch:
            return
        batch, self._batch, self._size_bytes = self._batch, [], 0
        storing = asyncio.create_task(self._store_batch(batch))
        try:
            # Shielded, so that an interruption of ours waits for the batch instead of tearing it.
            await asyncio.shield(storing)
        except asyncio.CancelledError:
            await storing
            raise

    async def _store_batch(self, batch: Sequence[_Taken]) -> None:
        await self._throttle.take(len(batch))
        stored = await _all(self._store.read_document(taken.document.key) for taken in batch)
        waiting = deque(zip(batch, stored, strict=True))
        while waiting:
            entry, some = self._entry(waiting)
            await self._ledger.write(entry)
            for kinds in _TURNS:
                await _all(
                    self._store_document(taken.document, one, entry)
                    for taken, one in some
                    if taken.document.key.kind in kinds
                )
            states = Counter(f"{one.kind}.{one.state}" for one in entry.documents.values())
            counts = Counts(documents=dict(states))
            place = some[-1][0].place
            entry.record = BatchRecord(state=BatchState.DONE, place=place, counts=counts)
            await self._ledger.write(entry)
            self.counts = self.counts.plus(counts)

    def _entry(self, waiting: deque[_Looked]) -> tuple[BatchEntry, list[_Looked]]:
        """The entry of the next documents, and these: as many as it can have the images of."""
        begun = self._begun.pop(self._number, None)
        entry = BatchEntry(
            number=self._number,
            record=BatchRecord(state=BatchState.BEGUN),
            sessions={},
            revision=0 if begun is None else begun.revision,
        )
        self._number += 1
        known = {} if begun is None else begun.documents
        some: list[_Looked] = []
        size_bytes = 0
        while waiting:
            (key, document, _), stored = waiting[0]
            record = known.get(document.key) or DocumentRecord(
                kind=document.key.kind, id=document.key.id, session_id=key.session_id
            )
            if stored and look_at_document(stored, document) is DocumentState.REPLACED:
                record = record.model_copy(update={"before": EarlierDocument.of(stored)})
            size_bytes += 0 if record.before is None else len(record.before.body.encode())
            if some and size_bytes > IMAGES_BYTES:
                break
            entry.documents[document.key] = record
            some.append(waiting.popleft())
        return entry, some

    async def _store_document(
        self, document: OwnedDocument, stored: OwnedDocument | None, entry: BatchEntry
    ) -> None:
        record = entry.documents[document.key]
        state = look_at_document(stored, document)
        if stored is None and self._earlier.has(document.key):
            state = DocumentState.DELETED
        elif state.is_written:
            is_own = stored is not None and stored.version == document.version
            replaces = None if stored is None else stored.version
            if is_own:
                state = DocumentState.REPLACED if record.before else DocumentState.CREATED
            elif not await self._store.put_document(document, replaces=replaces):
                state = DocumentState.CHANGED_SINCE if stored else DocumentState.REFUSED
        members = {"state": str(state), **({} if state.is_written else {"before": None})}
        entry.documents[document.key] = record.model_copy(update=members)


async def _all(works: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """What they give, together; a failure is told once all of them have ended."""
    tasks = [asyncio.ensure_future(work) for work in works]
    await asyncio.gather(*tasks, return_exceptions=True)
    return [task.result() for task in tasks]
