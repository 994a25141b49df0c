"""Wire ↔ domain for the project door; pure."""

from collections.abc import Iterable
from typing import Any

from app.api.projects.schemas import (
    FlatSession,
    FlatSessionSummary,
    PostedMessage,
    ProjectMessage,
    ProjectSession,
    ProjectSessionSummary,
    SessionStats,
    SessionUpdate,
)
from app.domain.message import ChatMessage
from app.domain.session import SessionHeader, SessionSummary
from app.service.drafts import MessageDraft
from app.service.project_sessions import ProjectStats, description_of


def draft_of(posted: PostedMessage) -> MessageDraft:
    """What was posted, as the service takes it."""
    return MessageDraft(
        content=posted.content,
        id=posted.id,
        message_type=posted.role,
        metadata=posted.metadata or {},
    )


def members_of(update: SessionUpdate) -> dict[str, Any]:
    """The members of a session's header that an update sets."""
    members = {
        "session_name": update.title,
        "metadata": update.metadata,
        "is_active": update.is_active,
    }
    return {name: value for name, value in members.items() if value is not None}


def summary_view(summary: SessionSummary) -> ProjectSessionSummary:
    """A session in a list, on the wire."""
    return ProjectSessionSummary(**_shared(summary))


def session_view(header: SessionHeader) -> ProjectSession:
    """A session without its messages, on the wire."""
    return ProjectSession(
        **_shared(header), description=description_of(header), metadata=header.metadata
    )


def flat_summary_view(summary: SessionSummary) -> FlatSessionSummary:
    """A session in a list that is not one project's, on the wire."""
    return FlatSessionSummary(**_shared(summary))


def flat_session_view(header: SessionHeader) -> FlatSession:
    """A session without its messages, whatever project it is in, on the wire."""
    return FlatSession(
        **_shared(header), description=description_of(header), metadata=header.metadata
    )


def _shared(summary: SessionSummary) -> dict[str, Any]:
    return {
        "id": summary.id,
        "project_id": summary.project_id,
        "title": summary.session_name,
        "is_active": summary.is_active,
        "message_count": summary.message_count,
        "created_at": summary.created_at,
        "updated_at": summary.updated_at,
    }


def message_view(session_id: str, message: ChatMessage) -> ProjectMessage:
    """A message on the wire."""
    return ProjectMessage(
        id=message.id,
        session_id=session_id,
        role=message.message_type,
        content=message.content,
        metadata=message.metadata,
        created_at=message.created_at,
    )


def living_views(session_id: str, messages: Iterable[ChatMessage]) -> list[ProjectMessage]:
    """The messages that are not deleted: this door knows no tombstones."""
    return [message_view(session_id, one) for one in messages if not one.is_deleted]


def stats_view(project_id: str, stats: ProjectStats) -> SessionStats:
    """Counts on the wire."""
    return SessionStats(
        project_id=project_id,
        total_sessions=stats.session_count,
        active_sessions=stats.active_session_count,
        total_messages=stats.message_count,
        first_activity_at=stats.first_activity_at,
        last_activity_at=stats.last_activity_at,
    )
