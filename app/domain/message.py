"""ChatMessage: one message in its place, its stored form, and what tells retries apart."""

from enum import StrEnum
from hashlib import blake2b
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.domain.free_json import FreeJSON, Text, canonical_json, encode_json
from app.domain.identity import Id
from app.domain.instants import Instant, instant_text
from app.errors import CorruptDocumentError

DIGEST_BYTES = 16


class MessageType(StrEnum):
    """Who speaks; other doors call it the role."""

    USER = "user"
    ASSISTANT = "assistant"
    SYSTEM = "system"
    TOOL = "tool"


class EncodedMessage(NamedTuple):
    """A new message as stores take it in: encoded and digested before anyone waits for a lock."""

    id: str
    created_at: str
    """In the form of the wire."""
    digest: bytes
    """What makes a retry the same; see `message_digest`."""
    unplaced_json: bytes
    """The stored form without its `seq`; `placed_json` gives it one."""
    parent_id: str | None = None
    is_id_fresh: bool = False

    def encoded(self) -> "EncodedMessage":
        """Itself, so that a store need not ask which of the two it was given."""
        return self


class NewMessage(BaseModel):
    """A message on its way into a session: everything but its place."""

    model_config = ConfigDict(frozen=True)

    id: Id
    content: Text
    message_type: MessageType = MessageType.USER
    user_id: Id | None = None
    """A label of the author; the owner is the session's."""
    metadata: FreeJSON = Field(default_factory=dict)
    created_at: Instant
    parent_id: Id | None = None
    """None: the active head at the time of the append."""
    is_id_fresh: bool = False
    """True where we have just drawn the id at random, so that no store needs to look for it."""

    def digest(self) -> bytes:
        """What makes a retry the same: content, type, metadata, parent and author; 16 bytes."""
        return message_digest(
            self.content, self.message_type, self.metadata, self.parent_id, self.user_id
        )

    def encoded(self) -> EncodedMessage:
        """The message as stores take it in."""
        return EncodedMessage(
            self.id,
            instant_text(self.created_at),
            self.digest(),
            self.unplaced_json(),
            self.parent_id,
            self.is_id_fresh,
        )

    def unplaced_json(self) -> bytes:
        """The stored form without its `seq`; `placed_json` gives it one."""
        return unplaced_json(
            self.id,
            encode_after_id(
                content=self.content,
                message_type=self.message_type,
                metadata=self.metadata,
                created_at=instant_text(self.created_at),
                parent_id=self.parent_id,
                user_id=self.user_id,
            ),
        )


class ChatMessage(BaseModel):
    """A stored message; a tombstone keeps its id, place, type and date, not what was said."""

    model_config = ConfigDict(frozen=True, extra="allow")

    seq: int = Field(ge=0)
    """Its place in the session: 0, 1, 2, … without gaps, given by the store at append."""
    id: Id
    content: Text
    message_type: MessageType
    user_id: Id | None = None
    metadata: FreeJSON = Field(default_factory=dict)
    created_at: Instant
    parent_id: Id | None = None
    edited_at: Instant | None = None
    deleted_at: Instant | None = None

    @property
    def is_deleted(self) -> bool:
        """Whether only the tombstone is left."""
        return self.deleted_at is not None

    @property
    def wording(self) -> "Wording":
        """What an edit may set."""
        return Wording(content=self.content, metadata=self.metadata)

    def edited(self, edit: "MessageEdit") -> "ChatMessage":
        """The message as the edit leaves it; itself where the edit changes nothing."""
        if edit.replaces is not None and not edit.replaces.is_of(self):
            return self
        content = self.content if edit.content is None else edit.content
        metadata = self.metadata if edit.metadata is None else edit.metadata
        if content == self.content and canonical_json(metadata) == canonical_json(self.metadata):
            return self
        return self.model_copy(
            update={"content": content, "metadata": metadata, "edited_at": edit.at}
        )

    def tombstone(self, at: Instant) -> "ChatMessage":
        """The place without what was said, by whom, and whatever else came with it."""
        return ChatMessage(
            seq=self.seq,
            id=self.id,
            content="",
            message_type=self.message_type,
            created_at=self.created_at,
            parent_id=self.parent_id,
            deleted_at=at,
        )

    def to_json(self) -> bytes:
        """The stored form, which is also the canonical wire form."""
        return self.model_dump_json().encode()

    @classmethod
    def from_json(cls, stored: bytes) -> "ChatMessage":
        """Read the stored form.

        Raises:
            CorruptDocumentError: it is not one.
        """
        try:
            return cls.model_validate_json(stored)
        except ValidationError as error:
            raise CorruptDocumentError("message") from error


class Wording(BaseModel):
    """What an edit may set in a message, as it was at a moment."""

    model_config = ConfigDict(frozen=True)

    content: str
    metadata: dict[str, Any]

    def is_of(self, message: ChatMessage) -> bool:
        """Whether the message says just this; 1, 1.0 and true are three things."""
        return self.content == message.content and canonical_json(self.metadata) == canonical_json(
            message.metadata
        )


class MessageEdit(BaseModel):
    """What an edit sets; None leaves a field as it is."""

    model_config = ConfigDict(frozen=True)

    content: Text | None = None
    metadata: FreeJSON | None = None
    at: Instant
    replaces: Wording | None = None
    """The edit has no effect unless the message says this; None guards nothing."""
    keeps_past: bool = True
    """False: what was there was only on its way to what comes, and is not kept."""


class PastText(BaseModel):
    """What a message said before an edit."""

    model_config = ConfigDict(frozen=True)

    content: str
    metadata: dict[str, Any]
    replaced_at: Instant


def encode_after_id(
    *,
    content: str,
    message_type: MessageType,
    metadata: dict[str, Any],
    created_at: str,
    parent_id: str | None = None,
    user_id: str | None = None,
) -> bytes:
    """What follows the id in the stored form of a new message, up to the closing brace."""
    # Member by member, which is three times as fast as a dictionary of them; the dates and the
    # types need no escaping.
    return (
        b'"content":%b,"message_type":"%b","user_id":%b,"metadata":%b,"created_at":"%b",'
        b'"parent_id":%b,"edited_at":null,"deleted_at":null}'
    ) % (
        encode_json(content),
        message_type.encode(),
        b"null" if user_id is None else encode_json(user_id),
        encode_json(metadata),
        created_at.encode(),
        b"null" if parent_id is None else encode_json(parent_id),
    )


def unplaced_json(message_id: str, after_id: bytes) -> bytes:
    """The stored form of a new message without its `seq`."""
    return b'{"id":%s,%s' % (encode_json(message_id), after_id)


def placed_json(seq: int, unplaced: bytes) -> bytes:
    """The stored form of a message at its place."""
    return b'{"seq":%d,%s' % (seq, unplaced[1:])


def unplaced_part(placed: bytes) -> bytes:
    """The stored form of a message after its `seq`: what `placed_json` was given."""
    return b"{" + placed[placed.index(b",") + 1 :]


def message_digest(
    content: str,
    message_type: MessageType,
    metadata: dict[str, Any],
    parent_id: str | None,
    user_id: str | None,
) -> bytes:
    """Sixteen bytes over what a retry must repeat; the order of names in metadata is no content."""
    said = (content, message_type, parent_id, user_id, _comparable(metadata))
    return blake2b(encode_json(said), digest_size=DIGEST_BYTES).digest()


_PLAIN_VALUES = frozenset({str, int, bool, type(None)})


def _comparable(metadata: dict[str, Any]) -> Any:
    """What has the same JSON for equal metadata, and for no other."""
    if _PLAIN_VALUES.issuperset(map(type, metadata.values())):  # nearly all is, and this is faster
        names = sorted(metadata)
        return names, list(map(metadata.__getitem__, names))
    return canonical_json(metadata).decode()
