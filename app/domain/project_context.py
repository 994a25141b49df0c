"""Project context: what a project has learnt, in entries that are added and never overwritten."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from app.domain.free_json import FreeJSON, Text
from app.domain.identity import Id
from app.domain.instants import Instant, instant_text
from app.domain.owned_document import DocumentKey, OwnedDocument
from app.domain.session import Origin

KIND = "context_entry"

TEXT_LIMIT_CHARACTERS = 100_000


class ContextKind(StrEnum):
    """What an entry tells."""

    DECISION = "decision"
    """What was settled, and is not to be asked again."""
    FAILURE = "failure"
    """What went wrong, and is not to be tried again."""
    FINDING = "finding"
    """What was found out."""


class ContextEntry(BaseModel):
    """One thing that a project has learnt; it never changes, a later entry may supersede it."""

    model_config = ConfigDict(frozen=True, extra="allow")

    id: Id
    user_id: Id
    project_id: Id
    kind: ContextKind
    text: Annotated[Text, Field(min_length=1, max_length=TEXT_LIMIT_CHARACTERS)]
    details: FreeJSON = Field(default_factory=dict)
    conversation_id: Id | None = None
    """The session in which it was learnt, and with `message_id` the message."""
    message_id: Id | None = None
    supersedes: Id | None = None
    """An earlier entry of the project that no longer holds."""
    origin: Origin | None = None
    """Where an entry came from that a migration has made."""
    created_at: Instant

    @property
    def key(self) -> DocumentKey:
        """Where stores keep it."""
        return DocumentKey(self.user_id, KIND, self.id)

    def document(self) -> OwnedDocument:
        """Its one state; a project lists its entries by time."""
        return OwnedDocument.new(
            self.key,
            self.model_dump(mode="json"),
            group=self.project_id,
            order=instant_text(self.created_at),
        )

    @classmethod
    def from_document(cls, document: OwnedDocument) -> "ContextEntry":
        """The entry that a document holds.

        Raises:
            CorruptDocumentError: it holds none.
        """
        return document.read_as(cls)


def current_entries(entries: Iterable[ContextEntry]) -> list[ContextEntry]:
    """The entries that hold, oldest first: those that no later one supersedes.

    Only a later entry supersedes, so that entries which supersede each other in a circle, as only
    a damaged source can bring them, leave the latest of them.
    """
    latest_first = sorted(entries, key=lambda entry: (entry.created_at, entry.id), reverse=True)
    superseded: set[str | None] = set()
    current: list[ContextEntry] = []
    for entry in latest_first:
        if entry.id not in superseded:
            current.append(entry)
        superseded.add(entry.supersedes)
    return current[::-1]
