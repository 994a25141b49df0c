"""Wire ↔ domain for the legacy door; pure."""

from typing import Any

from app.api.legacy.schemas import PostedFlatMessage
from app.domain.instants import instant_text
from app.domain.message import ChatMessage, MessageType
from app.service.drafts import MessageDraft

LIMIT_MAXIMUM = 1000
_OFFSET_MAXIMUM = 2**31 - 1


def clamped_limit(limit: int) -> int:
    """A limit that was never refused, only bounded."""
    return min(max(limit, 1), LIMIT_MAXIMUM)


def clamped_offset(offset: int) -> int:
    """An offset from the newest end; a negative one is none."""
    return min(max(offset, 0), _OFFSET_MAXIMUM)


def draft_of(posted: PostedFlatMessage) -> MessageDraft:
    """What was posted, as the service takes it."""
    return MessageDraft(
        content=posted.content,
        id=posted.id,
        message_type=posted.message_type or MessageType.USER,
        user_id=posted.user_id,
        metadata=posted.metadata or {},
        created_at=posted.created_at,
    )


def flat_message(owner_id: str, session_id: str, message: ChatMessage) -> dict[str, Any]:
    """A stored message of the owner's session, as a `FlatMessage` in JSON."""
    return {
        "id": message.id,
        "session_id": session_id,
        "user_id": owner_id if message.user_id is None else message.user_id,
        "content": message.content,
        "message_type": message.message_type,
        "metadata": message.metadata,
        "created_at": instant_text(message.created_at),
    }
