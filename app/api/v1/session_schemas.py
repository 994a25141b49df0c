"""Wire models of the old session routes, as their clients know them."""

from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from app.domain.free_json import Text
from app.domain.identity import Id
from app.domain.instants import Instant
from app.domain.message import MessageType
from app.service.workspace_sessions import OldStatus

OLD_PAGE_LIMIT = 100
OLD_MESSAGE_LIMIT = 1000


class WorkspaceSessionCreation(BaseModel):
    """A new session; members that we do not know are ignored, as they always were."""

    model_config = ConfigDict(extra="ignore")

    workspace_id: Id
    title: Annotated[Text, Field(max_length=1000)] = "New Chat"
    skill_id: Text | None = None


class WorkspaceSessionList(BaseModel):
    """Which sessions a list shows."""

    workspace_id: Id
    status: OldStatus | None = None
    limit: int = Field(20, ge=1, le=OLD_PAGE_LIMIT)
    offset: int = Field(0, ge=0, le=2**31 - 1)


class SessionChat(BaseModel):
    """What is said in a session; members that we do not know are ignored, as they always were."""

    model_config = ConfigDict(extra="ignore")

    message: Annotated[Text, Field(validation_alias=AliasChoices("message", "content"))]
    """Older clients call it `content`."""


class WorkspaceSessionView(BaseModel):
    """A session, which is a conversation now."""

    id: str
    """The id of the conversation, too."""
    project_id: str | None
    """New: the project that the conversation is in; null where it is in none yet."""
    workspace_id: str | None
    title: str
    status: OldStatus
    skill_id: str | None
    total_tokens_used: int = 0
    message_count: int
    created_at: Instant
    updated_at: Instant
    completed_at: Instant | None = None


class WorkspaceSessionPage(BaseModel):
    """Sessions of a workspace, the most recently changed first."""

    items: list[WorkspaceSessionView]
    total: int
    limit: int
    offset: int


class WorkspaceSessionMessage(BaseModel):
    """A message of a session."""

    id: str
    session_id: str
    role: MessageType
    content: str
    thinking: Any
    tool_calls: Any
    citations: Any
    tokens_used: Any
    created_at: Instant


class WorkspaceSessionMessages(BaseModel):
    """The messages of a session in their order."""

    items: list[WorkspaceSessionMessage]
    total: int
