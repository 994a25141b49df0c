"""ChatSession: the whole document, its header, and the transitions a header can make."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, cast

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SkipValidation,
    ValidationError,
    computed_field,
    model_validator,
)

from app.domain.free_json import FreeJSON, Text, canonical_json, encode_json, merged
from app.domain.identity import Id, SessionKey, Version
from app.domain.instants import Instant, instant_text
from app.domain.message import ChatMessage, EncodedMessage, NewMessage
from app.errors import (
    Fault,
    InvalidInputError,
    MessageIdConflictError,
    RevisionMismatchError,
)


class SessionStatus(StrEnum):
    """Where a session is in its life; no status blocks appends."""

    ACTIVE = "active"
    COMPLETED = "completed"
    ARCHIVED = "archived"


class Origin(BaseModel):
    """Where a folded session came from."""

    model_config = ConfigDict(frozen=True, extra="allow")

    format: str
    source_id: str
    run_id: str | None = None
    extras: FreeJSON = Field(default_factory=dict)
    """Unknown fields of the source, as they were."""


Tag = Annotated[Text, Field(min_length=1, max_length=200)]


class SessionFields(BaseModel):
    """The part of a header that its owner writes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    session_name: Annotated[Text, Field(max_length=1000)] | None = None
    status: SessionStatus = SessionStatus.ACTIVE
    tags: Annotated[tuple[Tag, ...], Field(max_length=100)] = ()
    is_pinned: bool = False
    project_id: Id | None = None
    workspace_id: Id | None = None
    context: FreeJSON = Field(default_factory=dict)
    metadata: FreeJSON = Field(default_factory=dict)


class SessionSummary(BaseModel):
    """A header without its free JSON: what a list shows."""

    model_config = ConfigDict(frozen=True, extra="allow")

    id: Id
    user_id: Id
    session_name: str | None = None
    status: SessionStatus = SessionStatus.ACTIVE
    tags: tuple[str, ...] = ()
    is_pinned: bool = False
    project_id: str | None = None
    workspace_id: str | None = None
    created_at: Instant
    generation: str
    """Random per creation: tells a session from a later one under the same id."""
    message_count: int = Field(default=0, ge=0)
    """The living messages; tombstones are not counted."""
    next_seq: int = Field(default=0, ge=0)
    """All places, tombstones included."""
    last_message_at: Instant | None = None
    """The date of the living message with the highest place."""
    updated_at: Instant
    """Never goes back, whatever the clock does; lists by activity rest on that."""
    revision: int = Field(default=1, ge=1)
    changes: int = Field(default=0, ge=0)
    """How many of the revisions were not appends."""

    @model_validator(mode="before")
    @classmethod
    def _without_derived(cls, stored: Any) -> Any:
        # `is_active` is written for the readers of the JSON; the status is what it is read from.
        if isinstance(stored, dict):
            fields = cast("dict[str, Any]", stored)
            return {name: value for name, value in fields.items() if name != "is_active"}
        return stored

    @computed_field  # type: ignore[prop-decorator] # mypy knows no decorated properties
    @property
    def is_active(self) -> bool:
        """The wire form of the status that older clients know."""
        return self.status is SessionStatus.ACTIVE

    @property
    def key(self) -> SessionKey:
        """What identifies the session."""
        return SessionKey(self.user_id, self.id)

    @property
    def version(self) -> Version:
        """This state of this session."""
        return Version(self.generation, self.revision)


class SessionHeader(SessionSummary):
    """The whole document but its messages."""

    context: FreeJSON = Field(default_factory=dict)
    metadata: FreeJSON = Field(default_factory=dict)
    origin: Origin | None = None

    def changed(self, change: "HeaderChange") -> "SessionHeader":
        """The header as the change leaves it; itself where the change changes nothing.

        Raises:
            InvalidInputError: the result would break a rule; nothing has changed.
        """
        before = {name: getattr(self, name) for name in SessionFields.model_fields}
        after = change.outcome(before)
        if canonical_json(after.model_dump(mode="json")) == canonical_json(
            SessionFields.model_construct(**before).model_dump(mode="json")
        ):
            return self
        return self.model_copy(
            update={
                **{name: getattr(after, name) for name in SessionFields.model_fields},
                "updated_at": max(self.updated_at, change.at),
                "revision": self.revision + 1,
                "changes": self.changes + 1,
            }
        )

    def lasting_json(self) -> bytes:
        """The members that appends leave alone and lists show, without braces."""
        return encode_json(
            {
                "id": self.id,
                "user_id": self.user_id,
                "session_name": self.session_name,
                "status": self.status,
                "is_active": self.is_active,
                "tags": self.tags,
                "is_pinned": self.is_pinned,
                "project_id": self.project_id,
                "workspace_id": self.workspace_id,
                "created_at": instant_text(self.created_at),
                "generation": self.generation,
            }
        )[1:-1]

    def counters_json(self) -> bytes:
        """The members that every append moves, without braces."""
        return encode_json(
            {
                "message_count": self.message_count,
                "next_seq": self.next_seq,
                "last_message_at": self.last_message_at and instant_text(self.last_message_at),
                "updated_at": instant_text(self.updated_at),
                "revision": self.revision,
                "changes": self.changes,
            }
        )[1:-1]

    def size_bytes(self) -> int:
        """What `StoreLimits.header_bytes` counts."""
        return len(self.lasting_json()) + len(self.details_json())

    def details_json(self) -> bytes:
        """The members that lists do not show, and those a later version wrote; without braces."""
        return encode_json(
            {
                "context": self.context,
                "metadata": self.metadata,
                "origin": self.origin and self.origin.model_dump(mode="json"),
                **(self.model_extra or {}),
            }
        )[1:-1]


class ChatSession(SessionHeader):
    """One chat, one document: the header with all its messages in `seq` order."""

    messages: tuple[ChatMessage, ...] = ()


class NewSession(BaseModel):
    """A session on its way into a store, with the messages it already has."""

    model_config = ConfigDict(frozen=True)

    key: SessionKey
    fields: SessionFields = Field(default_factory=SessionFields)
    messages: SkipValidation[tuple[NewMessage | EncodedMessage, ...]] = ()
    """May be more than a batch; the store places them in this order from 0."""
    origin: Origin | None = None
    generation: str
    created_at: Instant
    updated_at: Instant
    creation_digest: bytes | None = None
    """What a repeated creation must match to be answered as the first one; None: never."""

    def encoded_messages(self) -> list[EncodedMessage]:
        """The messages as stores take them in.

        Raises:
            MessageIdConflictError: two of them have the same id.
        """
        encoded = [message.encoded() for message in self.messages]
        ids: set[str] = set()
        for seq, message in enumerate(encoded):
            if message.id in ids:
                raise MessageIdConflictError(message.id, seq)
            ids.add(message.id)
        return encoded

    def header(self) -> SessionHeader:
        """The header of the stored session."""
        last = self.messages[-1].encoded() if self.messages else None
        return SessionHeader.model_construct(
            id=self.key.session_id,
            user_id=self.key.user_id,
            **{name: getattr(self.fields, name) for name in SessionFields.model_fields},
            created_at=self.created_at,
            generation=self.generation,
            message_count=len(self.messages),
            next_seq=len(self.messages),
            last_message_at=last and datetime.fromisoformat(last.created_at),
            updated_at=self.updated_at,
            revision=1,
            changes=0,
            origin=self.origin,
        )


class HeaderChange(BaseModel):
    """What an owner wants of a header; the store applies it to the state it finds."""

    model_config = ConfigDict(frozen=True)

    members: dict[str, Any]
    """Wire names and values: `SessionFields` and `is_active`. Their rules are checked in the
    outcome, so that a free value may have as many levels here as in a new session."""
    is_merge: bool = False
    """True: a JSON Merge Patch (RFC 7396), where null removes. False: named fields are set."""
    at: Instant

    def outcome(self, before: Mapping[str, Any]) -> SessionFields:
        """The fields after the change.

        Raises:
            InvalidInputError: an unknown or read-only member, or a value that breaks a rule.
        """
        members = dict(self.members)
        is_active = members.pop("is_active", None)
        if "is_active" in self.members and not isinstance(is_active, bool):
            raise InvalidInputError(Fault("/is_active", "must be true or false"))
        wanted = merged(before, members) if self.is_merge else {**before, **members}
        if is_active is not None:
            if "status" in members:
                status = wanted.get("status", SessionStatus.ACTIVE)
                if (status == SessionStatus.ACTIVE) is not is_active:
                    raise InvalidInputError(Fault("/is_active", "contradicts the status beside it"))
            elif is_active:
                wanted["status"] = SessionStatus.ACTIVE
            elif before["status"] != SessionStatus.COMPLETED:
                wanted["status"] = SessionStatus.ARCHIVED
        try:
            return SessionFields.model_validate(wanted)
        except ValidationError as error:
            raise InvalidInputError(*faults_of(error)) from error


class Precondition(BaseModel):
    """What `If-Match` asks: one of these versions, or (`versions` None) any that exists."""

    model_config = ConfigDict(frozen=True)

    versions: frozenset[Version] | None = None

    def admits(self, current: Version) -> bool:
        """Whether it holds at a version."""
        return self.versions is None or current in self.versions

    def check(self, session_id: str, current: Version) -> None:
        """Pass if the session is at a version that the caller has read.

        Raises:
            RevisionMismatchError: it is not.
        """
        if not self.admits(current):
            raise RevisionMismatchError(
                session_id,
                current_generation=current.generation,
                current_revision=current.revision,
            )


def faults_of(error: ValidationError) -> list[Fault]:
    """Pydantic's findings as pointers and sentences, without echoing the input."""
    return [
        Fault(pointer_of(found["loc"]), found["msg"].removeprefix("Value error, "))
        for found in error.errors(include_url=False, include_input=False, include_context=False)
    ]


def pointer_of(location: Iterable[int | str]) -> str:
    """A JSON pointer (RFC 6901) to what lies under these names and indices."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in location)
