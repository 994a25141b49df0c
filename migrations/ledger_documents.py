"""What a ledger says of documents beside sessions, which a run makes of what a source tells."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from app.domain.identity import Version
from app.domain.owned_document import DocumentKey, OwnedDocument


class DocumentState(StrEnum):
    """What a run does with a document."""

    CREATED = "created"
    REPLACED = "replaced"
    """An earlier run had made it, and the source says something else by now."""
    UNCHANGED = "unchanged"
    CHANGED_SINCE = "changed_since"
    """An earlier run had made it, and its user has changed it; it is left as it is."""
    DELETED = "deleted"
    """An earlier run had made it, and its user has deleted it."""
    REFUSED = "refused"
    """Something else is in its place, which no run of the job has made."""

    @property
    def is_written(self) -> bool:
        """Whether the run has stored it."""
        return self in {DocumentState.CREATED, DocumentState.REPLACED}

    @property
    def is_left(self) -> bool:
        """Whether it is not what the source says, and stays so."""
        return self in {DocumentState.CHANGED_SINCE, DocumentState.REFUSED}


class EarlierDocument(BaseModel):
    """A document as it was before a run replaced it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    generation: str
    revision: int
    group: str
    order: str
    body: str

    @classmethod
    def of(cls, document: OwnedDocument) -> "EarlierDocument":
        """That document."""
        return cls(
            generation=document.version.generation,
            revision=document.version.revision,
            group=document.group,
            order=document.order,
            body=document.body.decode(),
        )

    def document(self, key: DocumentKey) -> OwnedDocument:
        """It again."""
        version = Version(self.generation, self.revision)
        return OwnedDocument(key, version, self.group, self.order, self.body.encode())


class DocumentRecord(BaseModel):
    """What a batch does with a document; belongs to its user."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str
    id: str
    session_id: str
    """Of the session that it was made of."""
    before: EarlierDocument | None = None
    """None for one that the run makes."""
    state: str | None = None
    """Of `DocumentState`; None as long as the batch is only begun."""
    undone: str | None = None
    """Of `Undone`: what a rollback has made of it."""
    left: str | None = None
    """Why a rollback has left it alone."""

    @property
    def is_there(self) -> bool:
        """Whether the run has stored it, and no rollback has undone that."""
        is_stored = self.state is not None and DocumentState(self.state).is_written
        return is_stored and self.undone is None


def left_document(key: DocumentKey, record: DocumentRecord) -> dict[str, str]:
    """A document that a rollback has left alone, for reports."""
    named = {"user_id": key.user_id, "session_id": record.session_id}
    return {**named, "kind": key.kind, "id": key.id, "why": record.left or ""}
