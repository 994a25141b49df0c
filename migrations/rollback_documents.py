"""Rollback of documents: what a run has made goes or is what it was; what users use stays."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping

from app.domain.artifact import KIND as ARTIFACT
from app.domain.artifact import VERSION_KIND
from app.domain.encoded import decoded_summary
from app.domain.identity import SessionKey, Version
from app.domain.owned_document import DocumentKey, OwnedDocument
from app.domain.page import Position
from app.domain.project import KIND as PROJECT
from app.domain.project_context import KIND as CONTEXT_ENTRY
from app.domain.projecting import made_generation
from app.store.port import PAGE_LIMIT, ListFilter, SessionStore
from migrations.ledger import BatchEntry, BatchState, RunLedger
from migrations.ledger_documents import DocumentRecord, left_document
from migrations.undone import Undone

_EXAMPLE_LIMIT = 1000
_INSIDE: Mapping[str, tuple[str, ...]] = {
    PROJECT: (CONTEXT_ENTRY, ARTIFACT),
    ARTIFACT: (VERSION_KIND,),
}
"""What may lie in a document of a kind, so that it goes only where nothing of others is left."""


class UndoingDocuments:
    """Undoes one batch after the other, the first one first: a project goes after what is in it.

    The sessions of the run are undone already; those that were left alone keep their projects.
    """

    def __init__(
        self,
        store: SessionStore,
        ledger: RunLedger,
        left_sessions: frozenset[SessionKey],
        *,
        is_dry: bool,
    ) -> None:
        self.documents: Counter[Undone] = Counter()
        self.left: list[dict[str, str]] = []
        self._store = store
        self._ledger = ledger
        self._left_sessions = left_sessions
        self._left_documents: set[DocumentKey] = set()
        self._is_dry = is_dry

    async def undo(self, entry: BatchEntry) -> None:
        """Undo a batch."""
        for key, record in entry.documents.items():
            if record.undone is None:
                undone, why = await self._undo_document(key, record)
                entry.documents[key] = record.model_copy(
                    update={"undone": str(undone), "left": why}
                )
            self._count(key, entry.documents[key])
        if not self._is_dry:
            entry.record = entry.record.model_copy(update={"state": BatchState.ROLLED_BACK})
            await self._ledger.write(entry)

    def _count(self, key: DocumentKey, record: DocumentRecord) -> None:
        self.documents[Undone(record.undone or Undone.UNTOUCHED)] += 1
        if record.undone != Undone.LEFT:
            return
        self._left_documents.add(key)
        if len(self.left) < _EXAMPLE_LIMIT:
            self.left.append(left_document(key, record))

    async def _undo_document(
        self, key: DocumentKey, record: DocumentRecord
    ) -> tuple[Undone, str | None]:
        if record.state is not None and not record.is_there:
            return Undone.UNTOUCHED, None
        stored = await self._store.read_document(key)
        before = None if record.before is None else record.before.document(key)
        if stored is not None and stored.version == self._made(key):
            return await self._undo_present(stored, record, before)
        if record.state is None:  # killed before it was stored
            return Undone.UNTOUCHED, None
        if stored == before:  # by this rollback, before it was killed
            return (Undone.REMOVED if before is None else Undone.RESTORED), None
        if stored is None:
            return Undone.GONE, None
        return Undone.LEFT, "Its user, or a later run, has changed it since."

    async def _undo_present(
        self, stored: OwnedDocument, record: DocumentRecord, before: OwnedDocument | None
    ) -> tuple[Undone, str | None]:
        """What becomes of a document that is as the run has left it."""
        if before is None and await self._is_in_use(stored, record):
            return Undone.LEFT, "Its user has added something to it since."
        if self._is_dry:
            is_undone = True
        elif before is None:
            is_undone = await self._store.remove_document(stored.key, stored.version)
        else:
            is_undone = await self._store.put_document(before, replaces=stored.version)
        if not is_undone:
            return Undone.LEFT, "It is being changed at this moment."
        return (Undone.REMOVED if before is None else Undone.RESTORED), None

    def _made(self, key: DocumentKey) -> Version:
        return Version(made_generation(self._ledger.run_id, key), 1)

    async def _is_in_use(self, document: OwnedDocument, record: DocumentRecord) -> bool:
        """Whether something lies in it that this run has not made, or that users have changed.

        A version is in use where its artifact is, or has a newer one: numbers have no gaps.
        """
        key = document.key
        if key.kind == VERSION_KIND:
            return await self._is_version_in_use(document)
        for kind in _INSIDE.get(key.kind, ()):
            async for one in self._inside(key, kind):
                if one.key in self._left_documents or one.version != self._made(one.key):
                    return True
        if key.kind != PROJECT:
            return False
        own = SessionKey(key.user_id, record.session_id)
        if own in self._left_sessions:
            return True
        wanted = ListFilter(project_id=key.id)
        page = await self._store.list_summaries(key.user_id, filter=wanted, limit=2)
        return any(decoded_summary(one).key != own for one in page.items)

    async def _is_version_in_use(self, version: OwnedDocument) -> bool:
        user_id, artifact_id = version.key.user_id, version.group
        if DocumentKey(user_id, ARTIFACT, artifact_id) in self._left_documents:
            return True
        newest_first = await self._store.list_documents(
            user_id, VERSION_KIND, group=artifact_id, limit=1
        )
        return any(newest.version != self._made(newest.key) for newest in newest_first.items)

    async def _inside(self, key: DocumentKey, kind: str) -> AsyncIterator[OwnedDocument]:
        after: Position | None = None
        while True:
            page = await self._store.list_documents(
                key.user_id, kind, group=key.id, limit=PAGE_LIMIT, after=after
            )
            for one in page.items:
                yield one
            after = page.next_position
            if after is None:
                return
