"""Wire models of the legacy door: flat messages that carry the id of their session."""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

from app.domain.free_json import FreeJSON, Text
from app.domain.identity import Id
from app.domain.instants import whole_milliseconds
from app.domain.message import MessageType


def _none_if_empty(value: Any) -> Any:
    return None if value == "" else value


def _in_utc(value: datetime) -> datetime:
    return whole_milliseconds(value if value.tzinfo else value.replace(tzinfo=UTC))


OptionalId = Annotated[Id | None, BeforeValidator(_none_if_empty)]
"""An id, or none; old clients also send an empty one where they have none."""

LenientInstant = Annotated[datetime, AfterValidator(_in_utc)]
"""A date without an offset was always meant as UTC."""


class PostedFlatMessage(BaseModel):
    """What old clients post; members that we do not know are ignored."""

    model_config = ConfigDict(extra="ignore")

    content: Text
    message_type: MessageType | None = None
    """None: `user`."""
    session_id: OptionalId = None
    """None: a new session."""
    user_id: OptionalId = None
    id: OptionalId = None
    """Posting the same id again gives the stored message and stores nothing."""
    metadata: FreeJSON | None = None
    created_at: LenientInstant | None = None


class FlatMessage(BaseModel):
    """A message as old clients know it."""

    id: str
    session_id: str
    user_id: str
    """The author where the message names one, else the owner of the session."""
    content: str
    message_type: MessageType
    metadata: dict[str, Any]
    created_at: datetime


class AnsweredMessage(FlatMessage):
    """A message whose reply was waited for."""

    reply: FlatMessage | None
    """None where there is no assistant; one that broke off says so in its metadata."""
