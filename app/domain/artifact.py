"""Artifact: what a project makes, in versions that are added and never overwritten."""

from typing import Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from app.domain.free_json import FreeJSON, Text
from app.domain.identity import Id, derived_id
from app.domain.instants import Instant, instant_text
from app.domain.owned_document import DocumentKey, OwnedDocument
from app.domain.session import Origin

KIND = "artifact"
VERSION_KIND = "artifact_version"
REQUEST_KIND = "artifact_request"
KINDS_OF_PARTS = (REQUEST_KIND, VERSION_KIND)
"""What is kept in the group of an artifact."""

VERSION_LIMIT = 10**9 - 1
"""The highest number of a version; nine digits order as text."""


class ArtifactKey(NamedTuple):
    """What names an artifact: whose it is, in which project, and its id."""

    user_id: str
    project_id: str
    artifact_id: str


class Artifact(BaseModel):
    """One thing that a project makes; its text is that of its newest version.

    It is there when it has a version: making one writes this document first.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    id: Id
    user_id: Id
    project_id: Id
    name: Annotated[Text, Field(min_length=1, max_length=1000)]
    artifact_type: Annotated[Text, Field(max_length=200)] | None = None
    """What it is, in the words of its maker: `document`, `code`, …"""
    metadata: FreeJSON = Field(default_factory=dict)
    origin: Origin | None = None
    """Where an artifact came from that a migration has made."""
    created_at: Instant

    @property
    def key(self) -> DocumentKey:
        """Where stores keep it."""
        return artifact_key(self.user_id, self.id)

    def document(self) -> OwnedDocument:
        """Its one state; a project lists its artifacts by time."""
        return OwnedDocument.new(
            self.key,
            self.model_dump(mode="json"),
            group=self.project_id,
            order=instant_text(self.created_at),
        )

    @classmethod
    def from_document(cls, document: OwnedDocument) -> "Artifact":
        """The artifact that a document holds.

        Raises:
            CorruptDocumentError: it holds none.
        """
        return document.read_as(cls)


class ArtifactVersion(BaseModel):
    """One text of an artifact; it never changes.

    Its number is part of its key, and storing it takes the number: whoever is too late is told so.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    user_id: Id
    artifact_id: Id
    number: Annotated[int, Field(ge=1, le=VERSION_LIMIT)]
    """1, 2, 3, … without gaps."""
    content: Text
    restored_from: int | None = None
    """The number of the version whose text it has again."""
    conversation_id: Id | None = None
    """The session in which it was made, and with `message_id` the message."""
    message_id: Id | None = None
    metadata: FreeJSON = Field(default_factory=dict)
    request_id: Id | None = None
    """What made it, where that can be repeated; a repetition finds this version."""
    origin: Origin | None = None
    """Where a version came from that a migration has made."""
    created_at: Instant

    @property
    def key(self) -> DocumentKey:
        """Where stores keep it."""
        return version_key(self.user_id, self.artifact_id, self.number)

    def document(self) -> OwnedDocument:
        """Its one state; an artifact lists its versions by number, the newest first."""
        return OwnedDocument.new(
            self.key,
            self.model_dump(mode="json"),
            group=self.artifact_id,
            order=f"{self.number:09d}",
        )

    @classmethod
    def from_document(cls, document: OwnedDocument) -> "ArtifactVersion":
        """The version that a document holds.

        Raises:
            CorruptDocumentError: it holds none.
        """
        return document.read_as(cls)


class RequestNote(BaseModel):
    """Which number a request for a new version is trying to take."""

    model_config = ConfigDict(frozen=True, extra="allow")

    number: int
    said: str
    """A digest of what a repetition must repeat."""


def version_key(user_id: str, artifact_id: str, number: int) -> DocumentKey:
    """Where stores keep the version of an artifact that has this number."""
    return DocumentKey(user_id, VERSION_KIND, derived_id(VERSION_KIND, artifact_id, str(number)))


def artifact_key(user_id: str, artifact_id: str) -> DocumentKey:
    """Where stores keep an artifact."""
    return DocumentKey(user_id, KIND, artifact_id)
