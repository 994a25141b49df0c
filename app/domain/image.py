"""SessionImage: a session with all that a store knows of it, so that another can hold the same."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from app.domain.free_json import canonical_json
from app.domain.identity import Id, SessionKey, Version
from app.domain.instants import Instant
from app.domain.message import MessageType, PastText
from app.domain.session import SessionHeader
from app.errors import CorruptDocumentError

_MOVED_BY_APPENDS = ("message_count", "next_seq", "last_message_at", "updated_at", "revision")


@dataclass(frozen=True, slots=True)
class MessageImage:
    """A message at its place, with what its history and its retries need."""

    stored_json: bytes
    digest: bytes
    """What makes a retry the same; see `message_digest`."""
    appended_revision: int
    """The revision that its append made; 1 for the messages a session was created with."""
    changed_revision: int | None
    """The revision that its last edit or its deletion made."""
    past_texts: tuple[PastText, ...] = ()
    """Oldest first."""


class PlacedMessage(BaseModel):
    """What stores must know of a message to keep its stored form.

    Free JSON was checked when it came in, and checking it again takes longer than all the rest.
    """

    model_config = ConfigDict(frozen=True)

    seq: int
    id: Id
    content: str
    message_type: MessageType
    metadata: dict[str, Any]
    created_at: Instant
    deleted_at: Instant | None

    @property
    def is_deleted(self) -> bool:
        """Whether only the tombstone is left."""
        return self.deleted_at is not None


@dataclass(frozen=True, slots=True)
class SessionImage:
    """A session of one version, whole."""

    header: SessionHeader
    creation_digest: bytes | None
    messages: tuple[MessageImage, ...]

    def digest(self) -> bytes:
        """SHA-256 over everything in the image, the same from whichever store it was read."""
        hashed = sha256()
        for part in self._parts():
            hashed.update(b"%d:%b," % (len(part), part))
        return hashed.digest()

    def decoded_messages(self) -> tuple[PlacedMessage, ...]:
        """The messages in part, once all parts of the image are seen to fit together.

        Raises:
            CorruptDocumentError: a message cannot be decoded, is not at its place or is there
                twice, or the header's numbers are not those of the messages.
        """
        decode = PlacedMessage.model_validate_json
        try:
            messages = tuple(decode(one.stored_json) for one in self.messages)
        except ValidationError as error:
            raise CorruptDocumentError("message") from error
        header = self.header
        living = [message for message in messages if not message.is_deleted]
        if (
            [message.seq for message in messages] != list(range(header.next_seq))
            or len({message.id for message in messages}) != len(messages)
            or len(living) != header.message_count
            or (living[-1].created_at if living else None) != header.last_message_at
            or not self._has_true_revisions(messages)
        ):
            raise CorruptDocumentError("session")
        return messages

    def continues(self, earlier: "SessionImage") -> bool:
        """Whether the earlier image may have become this one by appends, edits and deletions.

        False where a message of the earlier one is unknown to this one. Changes of headers leave
        no trace by which to tell.
        """
        before, after = earlier.header, self.header
        if before.generation != after.generation or before.revision > after.revision:
            return False
        return len(earlier.messages) <= len(self.messages) and all(
            new.digest == old.digest
            and new.appended_revision == old.appended_revision
            and (
                new.stored_json == old.stored_json or (new.changed_revision or 0) > before.revision
            )
            for old, new in zip(earlier.messages, self.messages, strict=False)
        )

    def before(self, header: SessionHeader, *, generation: str) -> "SessionImage":
        """The image as it was when its header was this one, but of a generation of its own.

        Raises:
            CorruptDocumentError: the header is not an earlier one of this image, or more has
                happened since than appends.
        """
        moved = {name: getattr(header, name) for name in _MOVED_BY_APPENDS}
        messages = self.messages[: header.next_seq]
        if (
            header != self.header.model_copy(update=moved)
            or header.revision > self.header.revision
            or any(one.appended_revision > header.revision for one in messages)
            or any(
                one.appended_revision <= header.revision for one in self.messages[len(messages) :]
            )
        ):
            raise CorruptDocumentError("earlier session")
        earlier = replace(
            self, header=header.model_copy(update={"generation": generation}), messages=messages
        )
        earlier.decoded_messages()
        return earlier

    def check_replaces(self, key: SessionKey, version: Version) -> None:
        """Pass if this image may stand where the session is of that version.

        Raises:
            CorruptDocumentError: it is of another session, or of the same generation, in which
                nothing ever goes back.
        """
        if self.header.key != key or self.header.generation == version.generation:
            raise CorruptDocumentError("earlier session")

    def _has_true_revisions(self, messages: tuple[PlacedMessage, ...]) -> bool:
        appended_revision = 1
        for image, message in zip(self.messages, messages, strict=True):
            if image.appended_revision < appended_revision:
                return False
            appended_revision = image.appended_revision
            if image.changed_revision is None:
                if message.is_deleted or image.past_texts:
                    return False
            elif not appended_revision < image.changed_revision <= self.header.revision:
                return False
        return appended_revision <= self.header.revision

    def _parts(self) -> Iterator[bytes]:
        """All there is; what may be absent or repeated comes after its number."""
        yield canonical_json(self.header.model_dump(mode="json"))
        yield b"none" if self.creation_digest is None else b"some"
        yield self.creation_digest or b""
        yield b"%d" % len(self.messages)
        for message in self.messages:
            yield message.stored_json
            yield message.digest
            yield b"%d" % message.appended_revision
            yield b"%d" % (message.changed_revision or 0)
            yield b"%d" % len(message.past_texts)
            for past in message.past_texts:
                yield canonical_json(past.model_dump(mode="json"))
