"""Wire models of the project door: sessions with a title and description, messages with a role."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from app.domain.free_json import FreeJSON, Text
from app.domain.identity import Id
from app.domain.instants import Instant
from app.domain.message import MessageType

Title = Annotated[Text, Field(max_length=1000)]
Description = Annotated[Text, Field(max_length=10_000)]


class SessionCreation(BaseModel):
    """A session to be made in the path's project; members that we do not know are ignored."""

    model_config = ConfigDict(extra="ignore")

    title: Title | None = None
    description: Description | None = None
    metadata: FreeJSON | None = None
    project_id: Id | None = None
    """May be said again here; then it is the path's."""


class SessionUpdate(BaseModel):
    """What is to be changed; what is absent or null stays."""

    model_config = ConfigDict(extra="ignore")

    title: Title | None = None
    description: Description | None = None
    metadata: FreeJSON | None = None
    is_active: bool | None = None


class ProjectSessionSummary(BaseModel):
    """A session in a list."""

    id: str
    project_id: str
    title: str | None
    is_active: bool
    message_count: int
    created_at: Instant
    updated_at: Instant


class ProjectSession(ProjectSessionSummary):
    """A session without its messages."""

    description: str | None
    metadata: dict[str, Any]


class PostedMessage(BaseModel):
    """A message to be added."""

    model_config = ConfigDict(extra="ignore")

    role: MessageType
    content: Text
    metadata: FreeJSON | None = None
    id: Id | None = None
    """Posting the same id again gives the stored message and stores nothing."""


class ProjectMessage(BaseModel):
    """A message."""

    id: str
    session_id: str
    role: MessageType
    content: str
    metadata: dict[str, Any]
    created_at: Instant


class ProjectSessionWithMessages(BaseModel):
    """A session with all its messages, in one version."""

    session: ProjectSession
    messages: list[ProjectMessage]


class FlatSessionSummary(BaseModel):
    """A session in a list that is not one project's."""

    id: str
    project_id: str | None
    title: str | None
    is_active: bool
    message_count: int
    created_at: Instant
    updated_at: Instant


class FlatSession(FlatSessionSummary):
    """A session without its messages, whatever project it is in."""

    description: str | None
    metadata: dict[str, Any]


class FlatSessionWithMessages(BaseModel):
    """A session with all its messages, whatever project it is in."""

    session: FlatSession
    messages: list[ProjectMessage]


class SessionStats(BaseModel):
    """What is in a project."""

    project_id: str
    total_sessions: int
    active_sessions: int
    total_messages: int
    first_activity_at: Instant | None
    last_activity_at: Instant | None


class Done(BaseModel):
    """That it was done, in a sentence."""

    message: str
