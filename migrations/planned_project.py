"""PlannedProject: what a run would do with the documents of one session's project."""

import asyncio
from collections import Counter
from time import monotonic

from app.domain.identity import SessionKey
from app.domain.owned_document import DocumentKey, OwnedDocument
from app.domain.projecting import ProjectFold
from app.store.port import SessionStore
from migrations.document_targets import look_at_document
from migrations.folds import Part
from migrations.job import Job
from migrations.project_report import LeftDocument
from migrations.space import ScratchStore
from migrations.targets import look_at_target

TIMED_DOCUMENTS = 400
"""How many documents are stored in a scratch store to see how long it takes."""


class DocumentSample:
    """Some of the documents that will be made, to see how long it takes to store one."""

    def __init__(self) -> None:
        self._documents: dict[DocumentKey, OwnedDocument] = {}

    def offer(self, document: OwnedDocument) -> None:
        """Keep a document, if there are not enough yet."""
        if len(self._documents) < TIMED_DOCUMENTS:
            self._documents[document.key] = document

    async def cost(self, scratch: ScratchStore, count: int) -> tuple[float, int]:
        """About how many seconds and bytes it takes to store so many."""
        if not self._documents:
            return 0.0, 0
        size_before = scratch.size_bytes()
        began_at_seconds = monotonic()
        put = scratch.store.put_document
        await asyncio.gather(*(put(one, replaces=None) for one in self._documents.values()))
        seconds = monotonic() - began_at_seconds
        ratio = count / len(self._documents)
        return seconds * ratio, round((scratch.size_bytes() - size_before) * ratio)


class PlannedProject:
    """Gathers the parts of a session, and looks at the places of what they become.

    A document that a run has made and its user deleted counts as one to create.
    """

    def __init__(
        self, job: Job, store: SessionStore, key: SessionKey, sample: DocumentSample
    ) -> None:
        self._sample = sample
        self._store = store
        self._format = job.format
        self._key = key
        self._fold = ProjectFold(key, job.format.name)
        self._has_told = False

    def take(self, part: Part) -> None:
        """Take the next part."""
        self._has_told = self._has_told or part.session is not None
        self._fold.take(part.messages, part.session, part.artifacts)

    async def documents(self, left: list[LeftDocument]) -> Counter[str]:
        """How many of each kind and state there will be; tells those that will be left."""
        counts: Counter[str] = Counter()
        if not self._has_told:
            return counts
        target, _ = await look_at_target(self._store, self._format, self._key)
        if target.refusal is not None:
            return counts
        for document in self._fold.documents():
            state = look_at_document(await self._store.read_document(document.key), document)
            if state.is_written:
                self._sample.offer(document)
            user_id, kind, document_id = document.key
            counts[f"{kind}.{state}"] += 1
            if state.is_left:
                left.append(
                    LeftDocument(user_id, self._key.session_id, kind, document_id, str(state))
                )
        return counts
