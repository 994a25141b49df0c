"""Reply: how far an assistant's message is, kept in its metadata; and who may go on with it."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from app.domain.identity import Id, SessionKey, derived_id
from app.domain.instants import Instant
from app.domain.message import ChatMessage, MessageType, Wording

MEMBER = "reply"
"""The member of a message's metadata that holds its state."""
USAGE_MEMBER = "usage"
"""The member beside it: how many tokens the reply has taken, as far as it was told."""

LEASE_LIMIT = timedelta(minutes=10)
"""Nobody leases a message for longer; metadata that say so are not of our making."""


class ReplyStatus(StrEnum):
    """How far a reply is."""

    STREAMING = "streaming"
    """Someone writes it, or did until the lease ran out."""
    COMPLETE = "complete"
    PARTIAL = "partial"
    """It ended before it was complete; what came is there."""
    FAILED = "failed"
    """It ended before anything came."""


class ReplyState(BaseModel):
    """What a reply's metadata say of it."""

    model_config = ConfigDict(frozen=True, extra="allow")

    status: ReplyStatus
    in_reply_to: Id
    """The message that it answers."""
    writer: str | None = None
    """Who holds the lease; random, so that no two writers take one reply for theirs."""
    lease_expires_at: Instant | None = None
    """Until when its writer is believed to be at work; each writing out moves it."""
    reason: str | None = None
    """Why it is partial or failed: the code of an error."""
    finish_reason: str | None = None
    """Why the assistant stopped, in its own word."""

    def is_running(self, now: datetime) -> bool:
        """Whether someone holds the lease and is at work."""
        return (
            self.status is ReplyStatus.STREAMING
            and self.lease_expires_at is not None
            and now < self.lease_expires_at <= now + LEASE_LIMIT
        )

    def has_expired(self, now: datetime) -> bool:
        """Whether whoever wrote it has gone without ending it."""
        return self.status is ReplyStatus.STREAMING and not self.is_running(now)

    def renewed(self, until: datetime) -> "ReplyState":
        """The state with its lease held until an instant."""
        return self.model_copy(update={"lease_expires_at": until})

    def ended(
        self, status: ReplyStatus, reason: str | None = None, finish_reason: str | None = None
    ) -> "ReplyState":
        """The state at the end, without a lease."""
        return self.model_copy(
            update={
                "status": status,
                "writer": None,
                "lease_expires_at": None,
                "reason": reason,
                "finish_reason": finish_reason,
            }
        )

    def members(self) -> dict[str, Any]:
        """The metadata that hold this state."""
        return {MEMBER: self.model_dump(mode="json", exclude_none=True)}


def reply_state(message: ChatMessage) -> ReplyState | None:
    """How far a message is as a reply; None where it is none, whatever its metadata hold."""
    if message.is_deleted or message.message_type is not MessageType.ASSISTANT:
        return None
    try:
        return ReplyState.model_validate(message.metadata.get(MEMBER))
    except ValidationError:
        return None


def reply_id(key: SessionKey, message_id: str, attempt: int = 0) -> str:
    """The id of the reply to a message, so that a retry finds it."""
    return derived_id("reply", *key, message_id, str(attempt))


def with_state(message: ChatMessage, state: ReplyState) -> Wording:
    """What a reply says once it is in another state; its text and other metadata stay."""
    return Wording(content=message.content, metadata={**message.metadata, **state.members()})
