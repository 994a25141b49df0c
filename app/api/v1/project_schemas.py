"""Wire models of projects and their conversations: what the door takes and what it gives."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from app.domain.free_json import FreeJSON, Text
from app.domain.identity import Id
from app.domain.instants import Instant
from app.domain.message import MessageType
from app.domain.project import ProjectStatus
from app.domain.session import Origin, SessionStatus
from app.store.port import MESSAGE_PAGE_LIMIT, PAGE_LIMIT

Title = Annotated[Text, Field(max_length=1000)]
Intent = Annotated[Text, Field(min_length=1)]
ProjectType = Annotated[Text, Field(min_length=1, max_length=200)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


# --- bodies -------------------------------------------------------------------------------------


class ProjectCreation(_Body):
    """A new project, which is a draft."""

    workspace_id: Id
    intent: Intent
    """What its owner wants of it."""
    project_type: ProjectType | None = None
    title: Title | None = None
    settings: FreeJSON = Field(default_factory=dict)


class ProjectChange(_Body):
    """What is to be changed; what is not named stays, and null removes what may be absent."""

    title: Title | None = None
    intent: Intent | None = None
    project_type: ProjectType | None = None
    status: ProjectStatus | None = None
    settings: FreeJSON | None = None
    """Merged into what is there (RFC 7396)."""

    @field_validator("intent", "status")
    @classmethod
    def _stays(cls, value: str | None) -> str | None:
        if value is None:
            raise ValueError("must not be null")
        return value

    def members(self) -> dict[str, Any]:
        """What was named, by its name."""
        return self.model_dump(include=self.model_fields_set)


class ConversationCreation(_Body):
    """A new conversation; everything may be left out."""

    title: Title | None = None
    metadata: FreeJSON = Field(default_factory=dict)


# --- query parameters ---------------------------------------------------------------------------


class ProjectList(BaseModel):
    """Which projects a page shows."""

    workspace_id: Id | None = None
    status: ProjectStatus | None = None
    project_type: str | None = None
    limit: int = Field(50, ge=1, le=PAGE_LIMIT)
    cursor: str | None = None


class ConversationList(BaseModel):
    """Where a page of conversations begins, and how long it is."""

    limit: int = Field(50, ge=1, le=PAGE_LIMIT)
    cursor: str | None = None


class MessageList(BaseModel):
    """Where a page of messages begins, and how long it is."""

    limit: int = Field(100, ge=1, le=MESSAGE_PAGE_LIMIT)
    cursor: str | None = None


# --- answers ------------------------------------------------------------------------------------


class ProjectView(BaseModel):
    """A project."""

    id: str
    workspace_id: str | None
    title: str | None
    intent: str | None
    project_type: str | None
    status: ProjectStatus
    settings: dict[str, Any]
    origin: Origin | None
    created_at: Instant
    updated_at: Instant
    revision: int


class ProjectPage(BaseModel):
    """Projects, the newest first."""

    items: list[ProjectView]
    next_cursor: str | None


class ListedConversation(BaseModel):
    """A conversation in a list."""

    id: str
    project_id: str
    title: str | None
    status: SessionStatus
    message_count: int
    last_message_at: Instant | None
    created_at: Instant
    updated_at: Instant


class Conversation(ListedConversation):
    """A conversation without its messages; it is the session of the same id."""

    metadata: dict[str, Any]
    origin: Origin | None


class ConversationPage(BaseModel):
    """Conversations, the most recently changed first."""

    items: list[ListedConversation]
    next_cursor: str | None


class ConversationMessage(BaseModel):
    """A message of a conversation."""

    id: str
    conversation_id: str
    seq: int
    """Its place in the conversation."""
    role: MessageType
    content: str
    metadata: dict[str, Any]
    created_at: Instant
    edited_at: Instant | None


class ConversationMessagePage(BaseModel):
    """Messages in their order; the places of deleted ones show nothing."""

    items: list[ConversationMessage]
    next_cursor: str | None
