"""Project: what groups sessions, and where it is in its life."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from app.domain.free_json import FreeJSON, Text
from app.domain.identity import Id
from app.domain.instants import Instant, instant_text
from app.domain.owned_document import DocumentKey, OwnedDocument

KIND = "project"


class ProjectStatus(StrEnum):
    """Where a project is in its life."""

    DRAFT = "draft"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    ARCHIVED = "archived"


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
    created_at: Instant
    updated_at: Instant

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

    def _members(self) -> dict[str, Any]:
        return self.model_dump(mode="json")
