"""Entries of the memory store: a session as it keeps one, and as images carry it."""

from dataclasses import dataclass, field
from datetime import datetime

from app.domain.following import Bookmark, PlaceHistory
from app.domain.image import MessageImage, SessionImage
from app.domain.instants import whole_milliseconds
from app.domain.limits import StoreLimits
from app.domain.message import ChatMessage, PastText, placed_json, unplaced_part
from app.domain.session import NewSession, SessionHeader
from app.errors import MessageNotFoundError


@dataclass(slots=True)
class Place:
    """A message at its place, encoded, so that nothing handed out is aliased."""

    stored: bytes
    digest: bytes
    appended_revision: int
    changed_revision: int | None = None
    """Of the last edit or deletion."""
    past_texts: list[PastText] = field(default_factory=list[PastText])

    @property
    def message(self) -> ChatMessage:
        """The message as a model of its own."""
        return ChatMessage.from_json(self.stored)

    @property
    def revision(self) -> int:
        """Of the last thing that happened to it."""
        return self.changed_revision or self.appended_revision


@dataclass(slots=True)
class Entry:
    """A session."""

    header: SessionHeader
    creation_digest: bytes | None
    places: list[Place]
    seq_of: dict[str, int]

    @classmethod
    def of(cls, session: NewSession, limits: StoreLimits) -> "Entry":
        """A new session.

        Raises:
            DocumentTooLargeError: a message or the header passes the limits.
            MessageIdConflictError: two messages share an id.
        """
        header = session.header()
        limits.check_header(header.size_bytes())
        seq_of: dict[str, int] = {}
        places: list[Place] = []
        for seq, message in enumerate(session.encoded_messages()):
            seq_of[message.id] = seq
            limits.check_messages([len(message.unplaced_json)])
            stored = placed_json(seq, message.unplaced_json)
            places.append(Place(stored, message.digest, appended_revision=1))
        return cls(header.model_copy(deep=True), session.creation_digest, places, seq_of)

    @classmethod
    def of_image(cls, image: SessionImage, limits: StoreLimits) -> "Entry":
        """The session of an image.

        Raises:
            DocumentTooLargeError: a message or the header passes the limits.
            CorruptDocumentError: the image does not fit together.
        """
        messages = image.decoded_messages()
        limits.check_header(image.header.size_bytes())
        limits.check_messages(len(unplaced_part(one.stored_json)) for one in image.messages)
        places = [
            Place(
                one.stored_json,
                one.digest,
                one.appended_revision,
                one.changed_revision,
                [past.model_copy(deep=True) for past in one.past_texts],
            )
            for one in image.messages
        ]
        seq_of = {message.id: message.seq for message in messages}
        return cls(image.header.model_copy(deep=True), image.creation_digest, places, seq_of)

    def image(self) -> SessionImage:
        """All of it, nothing aliased."""
        return SessionImage(
            self.header.model_copy(deep=True),
            self.creation_digest,
            tuple(
                MessageImage(
                    place.stored,
                    place.digest,
                    place.appended_revision,
                    place.changed_revision,
                    tuple(past.model_copy(deep=True) for past in place.past_texts),
                )
                for place in self.places
            ),
        )

    @property
    def bookmark(self) -> Bookmark:
        """How far it is."""
        return Bookmark(self.header.generation, self.header.next_seq, self.header.changes)

    def histories(self) -> list[PlaceHistory]:
        """What has happened to its messages."""
        return [
            PlaceHistory(
                seq, place.appended_revision, place.changed_revision, place.message.is_deleted
            )
            for seq, place in enumerate(self.places)
        ]

    def place_of(self, message_id: str) -> Place:
        """The place of the message with this id.

        Raises:
            MessageNotFoundError: there is none.
        """
        if message_id not in self.seq_of:
            raise MessageNotFoundError(self.header.id, message_id)
        return self.places[self.seq_of[message_id]]

    def counted(self, *, at: datetime, change: bool) -> None:
        """Bring the counters up to the places, one revision on."""
        living = [m for m in (place.message for place in self.places) if not m.is_deleted]
        self.header = self.header.model_copy(
            update={
                "message_count": len(living),
                "next_seq": len(self.places),
                "last_message_at": living[-1].created_at if living else None,
                "updated_at": max(self.header.updated_at, whole_milliseconds(at)),
                "revision": self.header.revision + 1,
                "changes": self.header.changes + change,
            }
        )
