"""Project: what groups sessions, and where it is in its life."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.domain.free_json import FreeJSON, Text, canonical_json, merged
from app.domain.identity import Id
from app.domain.instants import Instant, instant_text
from app.domain.owned_document import DocumentKey, OwnedDocument
from app.domain.session import Origin, faults_of
from app.errors import InvalidInputError, StatusTransitionError

KIND = "project"


class ProjectStatus(StrEnum):
    """Where a project is in its life; nothing becomes a draft again."""

    DRAFT = "draft"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    """May be taken up again."""
    ARCHIVED = "archived"
    """May be brought back, into work."""

    @property
    def successors(self) -> "frozenset[ProjectStatus]":
        """What it may become next."""
        return _SUCCESSORS[self]


_SUCCESSORS = {
    ProjectStatus.DRAFT: frozenset({ProjectStatus.IN_PROGRESS, ProjectStatus.ARCHIVED}),
    ProjectStatus.IN_PROGRESS: frozenset({ProjectStatus.COMPLETED, ProjectStatus.ARCHIVED}),
    ProjectStatus.COMPLETED: frozenset({ProjectStatus.IN_PROGRESS, ProjectStatus.ARCHIVED}),
    ProjectStatus.ARCHIVED: frozenset({ProjectStatus.IN_PROGRESS}),
}


class Project(BaseModel):
    """A project of one user."""

    model_config = ConfigDict(frozen=True, extra="allow")

    id: Id
    user_id: Id
    workspace_id: Id | None = None
    title: Annotated[Text, Field(max_length=1000)] | None = None
    intent: Text | None = None
    """What its owner wants of it, in a sentence or a page."""
    project_type: Annotated[Text, Field(max_length=200)] | None = None
    status: ProjectStatus = ProjectStatus.DRAFT
    settings: FreeJSON = Field(default_factory=dict)
    origin: Origin | None = None
    """Where a project came from that a migration has made."""
    created_at: Instant
    updated_at: Instant
    creation_digest: str | None = None
    """What a repeated creation must match to be answered as the first one; None: never."""
    deleted_at: Instant | None = None
    """Set while a deletion is under way: nobody sees the project any more."""

    @property
    def key(self) -> DocumentKey:
        """Where stores keep it."""
        return DocumentKey(self.user_id, KIND, self.id)

    def new_document(self) -> OwnedDocument:
        """Its first state; lists are by creation, and by workspace."""
        return OwnedDocument.new(
            self.key,
            self._members(),
            group=self.workspace_id or "",
            order=instant_text(self.created_at),
        )

    def next_document(self, document: OwnedDocument) -> OwnedDocument:
        """Its state after that document's."""
        return document.changed(self._members())

    @classmethod
    def from_document(cls, document: OwnedDocument) -> "Project":
        """The project that a document holds.

        Raises:
            CorruptDocumentError: it holds none.
        """
        return document.read_as(cls)

    def changed(self, patch: dict[str, Any], at: Instant) -> "Project":
        """The project after a JSON Merge Patch (RFC 7396); itself where that changes nothing.

        Raises:
            InvalidInputError: a member would break a rule.
            StatusTransitionError: it cannot become that from where it is.
        """
        try:
            wanted = Project.model_validate(merged(dict(self), patch))
        except ValidationError as error:
            raise InvalidInputError(*faults_of(error)) from None
        before, after = self._members(), wanted.model_dump(mode="json")
        if canonical_json(after) == canonical_json(before):
            return self
        if wanted.status is not self.status and wanted.status not in self.status.successors:
            raise StatusTransitionError(self.status, wanted.status)
        return wanted.model_copy(update={"updated_at": max(self.updated_at, at)})

    def leaving(self, at: Instant) -> "Project":
        """The project while its deletion is under way."""
        return self.model_copy(update={"deleted_at": at})

    def staying(self) -> "Project":
        """The project after a deletion was given up."""
        return self.model_copy(update={"deleted_at": None})

    def _members(self) -> dict[str, Any]:
        return self.model_dump(mode="json")
