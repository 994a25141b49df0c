"""The documents that Beanie declares, and the indexes their queries need: just those, and why.

They are declarations: what a stored document has, and what `chatfold store init` creates. Beanie
binds a class to one database for the whole process, and validating what we stored ourselves would
only cost time, so the adapter itself works on the collections.
"""

from datetime import datetime
from typing import Any

from beanie import Document as BeanieDocument
from pydantic import BaseModel, ConfigDict, Field
from pymongo import ASCENDING, DESCENDING, IndexModel

SESSIONS = "sessions"
SEGMENTS = "segments"
CHORES = "chores"
LEDGERS = "ledgers"
OWNED_DOCUMENTS = "documents"
META = "meta"


class StoredMessage(BaseModel):
    """A message as heads and segments embed it; its place is where it stands."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: str
    content: str
    message_type: str
    created_at: datetime
    digest: bytes
    """Of what was first accepted; see `message_digest`."""
    user_id: str | None = None
    parent_id: str | None = None
    edited_at: datetime | None = None
    deleted_at: datetime | None = None
    metadata: dict[str, Any] | str | None = None
    """A string holds JSON that BSON would not keep as it is."""
    extras: dict[str, Any] | str | None = None
    change: int | None = None
    """In a head: which of the session's changes was the last one of this message."""
    revision: int | None = None
    """In a segment: the revision that appended it."""
    changed_revision: int | None = None
    """In a segment: the revision that changed it last."""


class Correction(StoredMessage):
    """A sealed message as it is since an edit or deletion."""

    seq: int


class StoredPastText(BaseModel):
    """What the message at a place said before an edit."""

    model_config = ConfigDict(extra="forbid", strict=True)

    seq: int
    content: str
    metadata: dict[str, Any] | str
    replaced_at: datetime


class SessionHead(BeanieDocument):
    """A session: its header, its newest messages, and the manifest of those that are sealed."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: str  # type: ignore[assignment] # `_id`: a keyed hash of user and session id
    user_id: str
    session_id: str
    session_name: str | None
    status: str
    tags: list[str]
    is_pinned: bool
    project_id: str | None
    workspace_id: str | None
    created_at: datetime
    generation: str
    message_count: int
    next_seq: int
    last_message_at: datetime | None
    updated_at: datetime
    newest_message_at: datetime | None = None
    """The latest date of any message it ever had: an upper bound, for the newest messages. Absent
    where there was none: some servers cannot compare null with what comes later."""
    revision: int
    changes: int
    context: dict[str, Any] | str
    metadata: dict[str, Any] | str
    origin: dict[str, Any] | str | None = None
    extras: dict[str, Any] | str | None = None
    creation_digest: bytes | None
    header_change: dict[str, Any] | None = None
    """`number` and `token` of the last change of the header, by which its writer knows it again."""

    messages: list[StoredMessage]
    steps: list[int]
    """A number per revision after `sealed_revision`: how many messages it appended; 0: a change."""
    corrections: list[Correction]
    past_texts: list[StoredPastText]
    live_bytes: int
    """Of the four arrays above, about."""
    sealed_count: int
    sealed_revision: int
    """The revision of all messages here that no step accounts for."""
    newest_segment: str | None
    unmerged_from: int
    """Where the first of the small segments begins that no merge has taken in yet; all that come
    after it are such."""
    unmerged_bytes: int
    """The sizes of these together."""
    sealed_until: int
    """The session's revision at the last seal; 0 where there was none."""

    class Settings:
        """Where they are kept, and how they are found."""

        name = SESSIONS
        indexes = [  # noqa: RUF012 - Beanie reads a plain list
            # Lists by activity and by creation, each with its keyset; statistics.
            IndexModel(
                [("user_id", ASCENDING), ("updated_at", DESCENDING), ("session_id", DESCENDING)],
                name="activity",
            ),
            IndexModel(
                [("user_id", ASCENDING), ("created_at", ASCENDING), ("session_id", ASCENDING)],
                name="creation",
            ),
            # The newest messages of a user, without looking at every session.
            IndexModel(
                [("user_id", ASCENDING), ("newest_message_at", DESCENDING)], name="newest_messages"
            ),
            # All keys in order, for operators: verifying, copying.
            IndexModel([("user_id", ASCENDING), ("session_id", ASCENDING)], name="keys"),
            # Whose session is this? Asked where a request names no user.
            IndexModel([("session_id", ASCENDING), ("user_id", ASCENDING)], name="owners"),
        ]


class DeletionMarkDocument(BaseModel):
    """What stands in a head's place once its session was deleted, or for an erased user."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: str = Field(alias="_id")
    user_id: str | None
    """The shard key; null in marks of users, and in those that came from another store."""
    deleted_at: datetime
    deleted_generation: str | None = None


class Segment(BeanieDocument):
    """Sealed messages; not changed any more, but to forget a deleted text."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: str  # type: ignore[assignment] # `_id`: random
    user_id: str
    generation: str
    previous: str | None
    previous_until: int
    """`until_revision` of the one before; 0 where there is none."""
    first_seq: int
    end_seq: int
    until_revision: int
    """The session's revision when it was sealed: nothing in here is later."""
    size_bytes: int
    messages: list[StoredMessage]
    corrections: list[Correction]
    past_texts: list[StoredPastText]
    message_keys: list[int]
    terms: list[str]
    forgotten_revision: int
    """The last deletion of a message that was overwritten in here; 0 where there was none."""

    class Settings:
        """Where they are kept, and how they are found."""

        name = SEGMENTS
        indexes = [  # noqa: RUF012 - Beanie reads a plain list
            # Those of a session, or of its end.
            IndexModel(
                [("user_id", ASCENDING), ("generation", ASCENDING), ("end_seq", ASCENDING)],
                name="chain",
            ),
            # A message's id → its segment.
            IndexModel([("message_keys", ASCENDING)], name="message_keys"),
            # A word of a search → the user's segments that have it.
            IndexModel([("user_id", ASCENDING), ("terms", ASCENDING)], name="terms"),
        ]


class Chore(BeanieDocument):
    """A note made before a write of several documents: look whether this generation is tidy."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: str  # type: ignore[assignment] # `_id`: random
    user_id: str | None = None
    head: str | None = None
    """The `_id` of the head."""
    generation: str | None = None
    segment_ids: list[str] | None = None
    """Those that may lie on no chain."""
    deleted_ids: list[str] | None = None
    """Messages whose text may still lie in segments."""
    folded: list[dict[str, str]] | None = None
    """Instead of all that: heads of a fold, whose users may be erased meanwhile."""
    ledger_entry: str | None = None
    """Instead of all that: the `_id` of an entry, with the users of its parts."""
    users: list[dict[str, str]] | None = None
    due_at: datetime

    class Settings:
        """Where they are kept, and how they are found."""

        name = CHORES
        indexes = [  # noqa: RUF012 - Beanie reads a plain list
            IndexModel([("due_at", ASCENDING)], name="due"),
        ]


class StoredLedgerPart(BaseModel):
    """What an entry of a ledger says of what a user owns."""

    model_config = ConfigDict(extra="forbid", strict=True)

    user_id: str
    body: bytes


class StoredLedgerEntry(BeanieDocument):
    """An entry of a ledger, which a job keeps beside the sessions."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: str  # type: ignore[assignment] # `_id`: the run's id and the number
    run_id: str
    number: int
    revision: int
    state: str
    """Random with each write, so that who removes a part can tell that nobody else has written."""
    body: bytes
    parts: list[StoredLedgerPart]

    class Settings:
        """Where they are kept, and how they are found."""

        name = LEDGERS
        indexes = [  # noqa: RUF012 - Beanie reads a plain list
            # A run's entries, in order.
            IndexModel([("run_id", ASCENDING), ("number", ASCENDING)], name="run"),
            # All runs: their entries 0.
            IndexModel([("number", ASCENDING), ("run_id", ASCENDING)], name="runs"),
            # What goes with a user who is erased.
            IndexModel([("parts.user_id", ASCENDING)], name="owners"),
        ]


class StoredOwnedDocument(BeanieDocument):
    """What a user has beside sessions: a project, or what belongs to one."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: str  # type: ignore[assignment] # `_id`: made of the three that identify it
    user_id: str
    kind: str
    document_id: str
    generation: str
    revision: int
    group: str
    list_order: str
    body: dict[str, Any] | str
    """A string holds JSON that BSON would not keep as it is."""

    class Settings:
        """Where they are kept, and how they are found."""

        name = OWNED_DOCUMENTS
        indexes = [  # noqa: RUF012 - Beanie reads a plain list
            # Lists of a kind, and of one group of it.
            IndexModel(
                [
                    *(("user_id", DESCENDING), ("kind", DESCENDING)),
                    *(("list_order", DESCENDING), ("document_id", DESCENDING)),
                ],
                name="kinds",
            ),
            IndexModel(
                [
                    *(("user_id", DESCENDING), ("kind", DESCENDING), ("group", DESCENDING)),
                    *(("list_order", DESCENDING), ("document_id", DESCENDING)),
                ],
                name="groups",
            ),
            # All keys in order, for operators: copying.
            IndexModel(
                [("user_id", ASCENDING), ("kind", ASCENDING), ("document_id", ASCENDING)],
                name="keys",
            ),
        ]


class Meta(BeanieDocument):
    """What the store is: its layout's version and the secret that its keys are made with."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: str  # type: ignore[assignment] # `_id`: always "store"
    layout: int
    secret: bytes

    class Settings:
        """Where it is kept; found by its id."""

        name = META


class CheckDocument(BaseModel):
    """What is written to see whether the database can be: how often that was asked."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: str = Field(alias="_id")
    """Always "check"; it lies beside what the store is."""
    count: int


DOCUMENTS: tuple[type[BeanieDocument], ...] = (
    *(SessionHead, Segment, Chore),
    *(StoredLedgerEntry, StoredOwnedDocument, Meta),
)
