"""Wire models of the canonical door: what it takes, and what its document says it gives."""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    FailFast,
    Field,
    StrictBool,
    model_validator,
)

from app.domain.free_json import FreeJSON, Text
from app.domain.identity import Id
from app.domain.instants import Instant
from app.domain.message import ChatMessage, MessageType
from app.domain.session import SessionStatus, SessionSummary, Tag
from app.store.port import MESSAGE_PAGE_LIMIT, PAGE_LIMIT, ListOrder

PLACE_LIMIT = 2**53 - 1
"""The largest integer that every reader of JSON keeps (RFC 8259 §6), far beyond any session."""

Place = Annotated[int, Field(ge=0, le=PLACE_LIMIT)]
PlaceBefore = Annotated[int, Field(ge=-1, le=PLACE_LIMIT)]


_DATE = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]", re.ASCII)


def _date_text(value: Any) -> Any:
    # Pydantic would also take numbers, and guess whether they are seconds or milliseconds.
    if not isinstance(value, str) or not _DATE.match(value):
        raise ValueError("must be a date with a time and an offset (RFC 3339)")
    return value


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


# --- bodies -------------------------------------------------------------------------------------


class SessionChange(_Body):
    """The members of a session that its owner writes; those not named stay as they are."""

    session_name: Text | None = None
    status: SessionStatus | None = None
    is_active: StrictBool | None = None
    context: FreeJSON | None = None
    metadata: FreeJSON | None = None
    tags: Annotated[list[Tag] | None, FailFast()] = None
    is_pinned: StrictBool | None = None
    project_id: Id | None = None
    workspace_id: Id | None = None

    def members(self) -> dict[str, Any]:
        """What was named, by its name."""
        return self.model_dump(include=self.model_fields_set & set(SessionChange.model_fields))


class SessionCreation(SessionChange):
    """A new session; everything may be left to the service."""

    id: Id | None = None
    user_id: Id | None = None


class PostedMessage(_Body):
    """A new message."""

    id: Id | None = None
    content: Text
    message_type: MessageType = MessageType.USER
    user_id: Id | None = None
    metadata: FreeJSON = Field(default_factory=dict)
    created_at: Annotated[Instant, BeforeValidator(_date_text)] | None = None
    parent_id: Id | None = None


class MessageChange(_Body):
    """A new text or new metadata for a message; what is not named stays."""

    content: Text | None = None
    metadata: FreeJSON | None = None

    @model_validator(mode="after")
    def _has_something(self) -> Self:
        if self.content is None and self.metadata is None:
            raise ValueError("must have content or metadata")
        return self


# --- query parameters ---------------------------------------------------------------------------


class SessionRead(BaseModel):
    """What of a session a read brings; everything by default."""

    after_seq: PlaceBefore | None = Field(None, description="Only what was appended after it.")
    since: str | None = Field(
        None,
        description="An ETag: only messages appended, edited or deleted since. If the session has "
        "another generation by now, all messages: the copy under the old ETag is of no use.",
    )
    messages: Literal["all", "none"] = Field("all", description="`none`: the header alone.")


class SessionList(BaseModel):
    """Which sessions a list shows, in which order, from where."""

    order: ListOrder = ListOrder.ACTIVITY
    status: SessionStatus | None = None
    is_active: bool | None = None
    project_id: str | None = None
    tag: str | None = None
    is_pinned: bool | None = None
    q: str | None = Field(None, description="Part of the name, in any case.", max_length=1000)
    limit: int = Field(50, ge=1, le=PAGE_LIMIT)
    cursor: str | None = None


class MessageList(BaseModel):
    """Which places of a session a page shows."""

    after_seq: PlaceBefore | None = None
    before_seq: Place | None = None
    offset: Place | None = None
    limit: int = Field(100, ge=1, le=MESSAGE_PAGE_LIMIT)


class Search(BaseModel):
    """What to find."""

    q: str = Field(description="Words, all of which must be there, in any order.")
    limit: int = Field(50, ge=1, le=PAGE_LIMIT)
    cursor: str | None = None


class SessionExport(BaseModel):
    """How one session is exported."""

    format: Literal["json", "markdown"] = "json"


# --- answers ------------------------------------------------------------------------------------


class ListedSession(SessionSummary):
    """A session as lists show it."""

    is_legacy: bool = Field(
        default=False,
        description="True while the session is served from a legacy source; else it is not there.",
    )


class SessionPage(BaseModel):
    """Summaries without messages."""

    items: list[ListedSession]
    next_cursor: str | None


class StoredMessages(BaseModel):
    """Messages as they are stored, in the order of the request."""

    messages: list[ChatMessage]


class MessagePage(BaseModel):
    """Some places of a session, tombstones included."""

    items: list[ChatMessage]
    next_seq: int
    """How many places the session has."""


class PastTextView(BaseModel):
    """What a message said before an edit."""

    content: str
    metadata: dict[str, Any]
    replaced_at: Instant


class MessageHistory(BaseModel):
    """What a message said before each edit, oldest first."""

    items: list[PastTextView]


class SearchHitView(BaseModel):
    """A message or, where `seq` is null, a session's name that was found."""

    session_id: str
    session_name: str | None
    seq: int | None
    message_id: str | None
    message_type: str | None
    snippet: str
    created_at: Instant


class SearchPage(BaseModel):
    """What was found, newest first."""

    items: list[SearchHitView]
    next_cursor: str | None
    sessions_left_out: int = Field(
        0,
        description="How many sessions, the longest unchanged, were not looked at: some stores "
        "search only so much for one answer.",
    )


class Stats(BaseModel):
    """What the caller has."""

    session_count: int
    message_count: int
    first_activity_at: Instant | None
    last_activity_at: Instant | None


class ErasureReceipt(BaseModel):
    """What an erasure removed, and what it could not reach."""

    session_count: int
    message_count: int
    past_text_count: int
    document_count: int
    ledger_part_count: int
    not_reached: list[str]
    erased_at: Instant
