"""SourceArtifact: what a source says of an artifact of a session, and of its versions."""

from pydantic import BaseModel, ConfigDict, Field

from app.domain.free_json import FreeJSON, Text
from app.domain.identity import Id
from app.domain.instants import Instant


class SourceVersion(BaseModel):
    """One text of an artifact."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    content: Text
    created_at: Instant | None = None
    """None: that of its artifact."""
    extras: FreeJSON = Field(default_factory=dict)
    """What no field of a version can hold, under the source's own names."""


class SourceArtifact(BaseModel):
    """Values of a source that are fit to be stored."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Id | None = None
    """As the source has it."""
    previous_id: Id | None = None
    """Of the artifact whose next version this is; some sources keep each version as an artifact."""
    number: int | None = None
    """Of that version, where the source counts them."""
    name: Text
    artifact_type: Text | None = None
    metadata: FreeJSON = Field(default_factory=dict)
    versions: tuple[SourceVersion, ...]
    """At least one; the oldest first."""
    created_at: Instant | None = None
    """None: that of its session."""
    extras: FreeJSON = Field(default_factory=dict)
    """What no field of an artifact can hold, under the source's own names."""
