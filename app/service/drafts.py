"""MessageDraft: what a door knows of a new message, and how drafts become messages with ids."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from app.domain.identity import SessionKey, derived_id, new_id
from app.domain.message import MessageType, NewMessage


@dataclass(frozen=True, slots=True)
class MessageDraft:
    """A message as a caller sends it; what is None the service decides."""

    content: str
    id: str | None = None
    message_type: MessageType = MessageType.USER
    user_id: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])
    created_at: datetime | None = None
    """None: the instant of the append."""
    parent_id: str | None = None


def messages_of(
    drafts: Sequence[MessageDraft], key: SessionKey, *, at: datetime, idempotency_key: str | None
) -> list[NewMessage]:
    """The drafts as messages: a client's id stands, else the key gives one, else we draw one."""
    return [
        _message(draft, key, position, at=at, idempotency_key=idempotency_key)
        for position, draft in enumerate(drafts)
    ]


def _message(
    draft: MessageDraft,
    key: SessionKey,
    position: int,
    *,
    at: datetime,
    idempotency_key: str | None,
) -> NewMessage:
    message_id = draft.id
    if message_id is None and idempotency_key is not None:
        message_id = derived_id("message", *key, idempotency_key, str(position))
    return NewMessage(
        id=new_id() if message_id is None else message_id,
        content=draft.content,
        message_type=draft.message_type,
        user_id=draft.user_id,
        metadata=draft.metadata,
        created_at=at if draft.created_at is None else draft.created_at,
        parent_id=draft.parent_id,
        is_id_fresh=message_id is None,
    )
