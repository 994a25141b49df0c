"""Domain → wire for the old session routes; pure."""

from typing import Any, cast

from app.api.v1.session_schemas import WorkspaceSessionMessage, WorkspaceSessionView
from app.domain.folding import KEPT_NAME
from app.domain.message import ChatMessage
from app.service.workspace_sessions import WorkspaceSession

_UNTITLED = "New Chat"


def session_view(session: WorkspaceSession) -> WorkspaceSessionView:
    """A session on the wire."""
    summary = session.summary
    return WorkspaceSessionView(
        id=summary.id,
        project_id=summary.project_id,
        workspace_id=summary.workspace_id,
        title=_UNTITLED if summary.session_name is None else summary.session_name,
        status=session.status,
        skill_id=session.skill_id,
        message_count=summary.message_count,
        created_at=summary.created_at,
        updated_at=summary.updated_at,
    )


def message_view(session_id: str, message: ChatMessage) -> WorkspaceSessionMessage:
    """A message on the wire, with what old messages had beside their text."""
    return WorkspaceSessionMessage(
        id=message.id,
        session_id=session_id,
        role=message.message_type,
        content=message.content,
        thinking=_kept(message, "thinking"),
        tool_calls=_kept(message, "tool_calls"),
        citations=_kept(message, "citations"),
        tokens_used=_kept(message, "tokens_used") or 0,
        created_at=message.created_at,
    )


def _kept(message: ChatMessage, name: str) -> Any:
    """A value of the metadata, or of what a fold has kept of the source there."""
    if name in message.metadata:
        return message.metadata[name]
    kept = message.metadata.get(KEPT_NAME)
    return cast("dict[str, Any]", kept).get(name) if isinstance(kept, dict) else None
