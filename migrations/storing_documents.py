"""Storing documents: what old sessions become beside their conversations, in batches behind them.

The ledger knows the documents of a batch before they are stored, with the images of those that are
replaced. Their generations come from the run, so that one that was killed knows its own again.
"""

import asyncio
from collections import Counter
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

from app.domain.identity import SessionKey
from app.domain.owned_document import OwnedDocument
from app.domain.project import KIND as PROJECT
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

T = TypeVar("T")

BATCH_DOCUMENTS = 200
BATCH_BYTES = 4 * 1024 * 1024
"""What goes to the store together."""


class StoringDocuments:
    """Brings the documents of a run to the store, once its sessions are there."""

    def __init__(
        self,
        job: Job,
        store: SessionStore,
        ledger: RunLedger,
        progress: Progress,
        place: Place,
        number: int,
        begun: dict[int, BatchEntry],
    ) -> None:
        self.counts = Counts()
        self._format = job.format
        self._store = store
        self._ledger = ledger
        self._progress = progress
        self._place = place
        self._number = number
        self._begun = begun
        self._earlier = EarlierDocuments()
        self._batch: list[tuple[SessionKey, OwnedDocument]] = []
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
        self._batch.append((key, document))
        self._size_bytes += len(document.body)
        documents = self._place.documents + 1
        self._place = self._place.model_copy(update={"documents": documents})
        if len(self._batch) >= BATCH_DOCUMENTS or self._size_bytes >= BATCH_BYTES:
            await self._close_batch()

    async def _close_batch(self) -> None:
        if not self._batch:
            return
        batch, self._batch, self._size_bytes = self._batch, [], 0
        storing = asyncio.create_task(self._store_batch(batch, self._place))
        try:
            # Shielded, so that an interruption of ours waits for the batch instead of tearing it.
            await asyncio.shield(storing)
        except asyncio.CancelledError:
            await storing
            raise

    async def _store_batch(
        self, batch: Sequence[tuple[SessionKey, OwnedDocument]], place: Place
    ) -> None:
        begun = self._begun.pop(self._number, None)
        entry = BatchEntry(
            number=self._number,
            record=BatchRecord(state=BatchState.BEGUN),
            sessions={},
            revision=0 if begun is None else begun.revision,
        )
        self._number += 1
        known = {} if begun is None else begun.documents
        stored = await _all(self._store.read_document(document.key) for _, document in batch)
        for (key, document), one in zip(batch, stored, strict=True):
            record = known.get(document.key)
            if record is None:
                record = DocumentRecord(
                    kind=document.key.kind, id=document.key.id, session_id=key.session_id
                )
            if one is not None and look_at_document(one, document) is DocumentState.REPLACED:
                record = record.model_copy(update={"before": EarlierDocument.of(one)})
            entry.documents[document.key] = record
        await self._ledger.write(entry)
        # A project is seen with all that it has: it comes behind everything else.
        for is_project in (False, True):
            await _all(
                self._store_document(document, one, entry)
                for (_, document), one in zip(batch, stored, strict=True)
                if (document.key.kind == PROJECT) is is_project
            )
        states = Counter(f"{one.kind}.{one.state}" for one in entry.documents.values())
        counts = Counts(documents=dict(states))
        entry.record = BatchRecord(state=BatchState.DONE, place=place, counts=counts)
        await self._ledger.write(entry)
        self.counts = self.counts.plus(counts)

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
