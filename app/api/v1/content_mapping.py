"""Wire ↔ domain for what projects have learnt and made; pure."""

from typing import Any

from app.api.v1.content_schemas import (
    ArtifactView,
    ContextEntryCreation,
    ContextEntryView,
    ListedArtifactView,
    ListedVersionView,
    ProjectContext,
    VersionView,
)
from app.domain.artifact import Artifact, ArtifactVersion
from app.domain.project_context import ContextEntry, ContextKind
from app.service.artifact_versions import ListedVersion
from app.service.artifacts import ArtifactState, ListedArtifact
from app.service.project_context import ContextDraft, ContextView


def draft_of(kind: ContextKind, posted: ContextEntryCreation) -> ContextDraft:
    """What was posted, as the service takes it."""
    return ContextDraft(
        kind=kind,
        text=posted.text,
        details=posted.details,
        conversation_id=posted.conversation_id,
        message_id=posted.message_id,
        supersedes=posted.supersedes,
    )


def entry_view(entry: ContextEntry, *, is_superseded: bool = False) -> ContextEntryView:
    """An entry on the wire."""
    return ContextEntryView(
        id=entry.id,
        kind=entry.kind,
        text=entry.text,
        details=entry.details,
        conversation_id=entry.conversation_id,
        message_id=entry.message_id,
        supersedes=entry.supersedes,
        is_superseded=is_superseded,
        created_at=entry.created_at,
    )


def context_view(project_id: str, view: ContextView) -> ProjectContext:
    """Entries by kind, on the wire."""
    by_kind: dict[ContextKind, list[ContextEntryView]] = {kind: [] for kind in ContextKind}
    for entry in view.entries:
        shown = entry_view(entry, is_superseded=entry.id not in view.holding)
        by_kind[entry.kind].append(shown)
    return ProjectContext(
        project_id=project_id,
        decisions=by_kind[ContextKind.DECISION],
        failures=by_kind[ContextKind.FAILURE],
        findings=by_kind[ContextKind.FINDING],
    )


def listed_artifact(listed: ListedArtifact) -> ListedArtifactView:
    """An artifact in a list, on the wire."""
    return ListedArtifactView(
        **_shared(listed.artifact), version=listed.number, updated_at=listed.updated_at
    )


def artifact_view(state: ArtifactState) -> ArtifactView:
    """An artifact with one of its texts, on the wire."""
    return ArtifactView(
        **_shared(state.artifact),
        version=state.shown.number,
        updated_at=state.shown.created_at,
        content=state.shown.content,
    )


def listed_version(listed: ListedVersion) -> ListedVersionView:
    """A version in a list, on the wire."""
    return ListedVersionView(**_told(listed.version), size_characters=listed.size_characters)


def version_view(version: ArtifactVersion) -> VersionView:
    """A version on the wire."""
    return VersionView(
        **_told(version),
        size_characters=len(version.content),
        artifact_id=version.artifact_id,
        content=version.content,
    )


def _shared(artifact: Artifact) -> dict[str, Any]:
    return {
        "id": artifact.id,
        "project_id": artifact.project_id,
        "name": artifact.name,
        "artifact_type": artifact.artifact_type,
        "metadata": artifact.metadata,
        "created_at": artifact.created_at,
    }


def _told(version: ArtifactVersion) -> dict[str, Any]:
    return {
        "version": version.number,
        "restored_from": version.restored_from,
        "conversation_id": version.conversation_id,
        "message_id": version.message_id,
        "metadata": version.metadata,
        "created_at": version.created_at,
    }
