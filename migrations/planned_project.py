"""PlannedProject: what a run would do with the documents of one session's project."""

from collections import Counter

from app.domain.identity import SessionKey
from app.domain.projecting import ProjectFold
from app.store.port import SessionStore
from migrations.document_targets import look_at_document
from migrations.folds import Part
from migrations.job import Job
from migrations.project_report import LeftDocument
from migrations.targets import look_at_target


class PlannedProject:
    """Gathers the parts of a session, and looks at the places of what they become.

    A document that a run has made and its user deleted counts as one to create.
    """

    def __init__(self, job: Job, store: SessionStore, key: SessionKey) -> None:
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
            user_id, kind, document_id = document.key
            counts[f"{kind}.{state}"] += 1
            if state.is_left:
                left.append(
                    LeftDocument(user_id, self._key.session_id, kind, document_id, str(state))
                )
        return counts
