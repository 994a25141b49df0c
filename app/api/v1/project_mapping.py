"""Wire ↔ domain for projects and their conversations; pure."""

from typing import Any

from app.api.cursors import Listing
from app.api.v1.project_schemas import (
    Conversation,
    ConversationMessage,
    ListedConversation,
    ProjectList,
    ProjectView,
)
from app.domain.message import ChatMessage
from app.domain.session import SessionHeader, SessionSummary
from app.service.projects import ProjectFilter, ProjectState


def filter_of(wanted: ProjectList) -> ProjectFilter:
    """What a list's parameters let through."""
    return ProjectFilter(
        workspace_id=wanted.workspace_id,
        status=wanted.status,
        project_type=wanted.project_type,
    )


def listing_of(user_id: str, wanted: ProjectList) -> Listing:
    """The listing that a list's cursors belong to."""
    return Listing(
        "projects",
        user_id,
        wanted.workspace_id,
        wanted.status,
        wanted.project_type,
        kinds=(str, str),
    )


def project_view(state: ProjectState) -> ProjectView:
    """A project on the wire."""
    project, version = state
    return ProjectView(
        id=project.id,
        workspace_id=project.workspace_id,
        title=project.title,
        intent=project.intent,
        project_type=project.project_type,
        status=project.status,
        settings=project.settings,
        origin=project.origin,
        created_at=project.created_at,
        updated_at=project.updated_at,
        revision=version.revision,
    )


def listed_conversation(project_id: str, summary: SessionSummary) -> ListedConversation:
    """A conversation in a list, on the wire."""
    return ListedConversation(**_shared(project_id, summary))


def conversation_view(project_id: str, header: SessionHeader) -> Conversation:
    """A conversation without its messages, on the wire."""
    return Conversation(
        **_shared(project_id, header), metadata=header.metadata, origin=header.origin
    )


def message_view(conversation_id: str, message: ChatMessage) -> ConversationMessage:
    """A message on the wire."""
    return ConversationMessage(
        id=message.id,
        conversation_id=conversation_id,
        seq=message.seq,
        role=message.message_type,
        content=message.content,
        metadata=message.metadata,
        created_at=message.created_at,
        edited_at=message.edited_at,
    )


def _shared(project_id: str, summary: SessionSummary) -> dict[str, Any]:
    return {
        "id": summary.id,
        "project_id": project_id,
        "title": summary.session_name,
        "status": summary.status,
        "message_count": summary.message_count,
        "last_message_at": summary.last_message_at,
        "created_at": summary.created_at,
        "updated_at": summary.updated_at,
    }
