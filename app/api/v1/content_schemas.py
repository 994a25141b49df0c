"""Wire models of what projects have learnt and made: context, artifacts and their versions."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from app.domain.free_json import FreeJSON, Text
from app.domain.identity import Id
from app.domain.instants import Instant
from app.domain.project_context import TEXT_LIMIT_CHARACTERS, ContextKind
from app.domain.selection import Selection, SelectionRange

LISTED_LIMIT = 100
"""Listing artifacts and versions reads their texts, which may be a mebibyte each."""


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


# --- bodies -------------------------------------------------------------------------------------


class _Sourced(_Body):
    conversation_id: Id | None = None
    """Where it comes from, and with `message_id` from which message."""
    message_id: Id | None = None


class ContextEntryCreation(_Sourced):
    """What a project has learnt."""

    text: Annotated[Text, Field(min_length=1, max_length=TEXT_LIMIT_CHARACTERS)]
    details: FreeJSON = Field(default_factory=dict)
    supersedes: Id | None = None
    """An entry of the project that no longer holds by this."""


class ArtifactCreation(_Sourced):
    """A new artifact with its first text."""

    name: Annotated[Text, Field(min_length=1, max_length=1000)]
    content: Text
    artifact_type: Annotated[Text, Field(min_length=1, max_length=200)] | None = None
    metadata: FreeJSON = Field(default_factory=dict)


class VersionCreation(_Sourced):
    """Another text for an artifact."""

    content: Text


class SelectionEdit(_Sourced):
    """Another text for a part of an artifact's newest text."""

    artifact_id: Id | None = None
    """May be said again here; then it is the path's."""
    selection_range: SelectionRange
    """Counted in Unicode code points; `end` is not selected any more."""
    selected_text: Text
    replacement: Text

    def selection(self) -> Selection:
        """What is to be replaced."""
        return Selection(selection_range=self.selection_range, selected_text=self.selected_text)


class Restoration(_Sourced):
    """Where the wish to restore a version comes from."""


# --- query parameters ---------------------------------------------------------------------------


class ContextRead(BaseModel):
    """What of the context is shown."""

    kind: ContextKind | None = None
    include_superseded: bool = Field(default=False, description="Those that no longer hold, too.")


class ArtifactList(BaseModel):
    """Where a page begins, and how long it is."""

    limit: int = Field(50, ge=1, le=LISTED_LIMIT)
    cursor: str | None = None


# --- answers ------------------------------------------------------------------------------------


class ContextEntryView(BaseModel):
    """What a project has learnt; it never changes."""

    id: str
    kind: ContextKind
    text: str
    details: dict[str, Any]
    conversation_id: str | None
    message_id: str | None
    supersedes: str | None
    is_superseded: bool
    created_at: Instant


class ProjectContext(BaseModel):
    """What a project has learnt, oldest first."""

    project_id: str
    decisions: list[ContextEntryView]
    failures: list[ContextEntryView]
    findings: list[ContextEntryView]


class ListedArtifactView(BaseModel):
    """An artifact in a list."""

    id: str
    project_id: str
    name: str
    artifact_type: str | None
    metadata: dict[str, Any]
    version: int
    """The number of its newest version."""
    created_at: Instant
    updated_at: Instant


class ArtifactView(ListedArtifactView):
    """An artifact with the text of its newest version, or of the one that was just made."""

    content: str


class ArtifactPage(BaseModel):
    """Artifacts, the newest first."""

    items: list[ListedArtifactView]
    next_cursor: str | None


class ListedVersionView(BaseModel):
    """A version without its text."""

    version: int
    size_characters: int
    restored_from: int | None
    conversation_id: str | None
    message_id: str | None
    metadata: dict[str, Any]
    created_at: Instant


class VersionView(ListedVersionView):
    """A version; it never changes."""

    artifact_id: str
    content: str


class VersionPage(BaseModel):
    """Versions, the newest first."""

    items: list[ListedVersionView]
    next_cursor: str | None


class ArtifactDiff(BaseModel):
    """What differs between two versions."""

    artifact_id: str
    from_version: int
    to_version: int
    diff: str
    """A unified diff; empty where nothing differs."""
