"""Head: a session's document as it was read, and what its arrays say of places and revisions."""

from collections.abc import Iterator
from typing import Any

from app.domain.encoded import EncodedSession, header_json
from app.domain.identity import SessionKey, Version
from app.domain.session import SessionHeader
from app.errors import CorruptDocumentError
from app.store.mongo.encoding import HEADER_FIELDS, Document, loaded_header

_NUMBERS = (
    *("revision", "changes", "next_seq", "live_bytes"),
    *("sealed_count", "sealed_revision", "sealed_until"),
    *("unmerged_from", "unmerged_bytes"),
)
_TEXTS = ("user_id", "session_id", "generation")
_ARRAYS = ("messages", "steps", "corrections", "past_texts")

IN_PLACE: Document = dict.fromkeys(
    ("generation", "revision", "next_seq", "live_bytes", "newest_segment"), 1
)
"""A projection: what an append needs to know of the head it has changed."""

HEADER: Document = dict.fromkeys((*HEADER_FIELDS, "live_bytes", "newest_segment"), 1)
"""A projection: the header without messages."""


class Head:
    """A whole head; `document` is what the driver gave."""

    __slots__ = (
        "changes",
        "corrections",
        "document",
        "generation",
        "id",
        "key",
        "live_bytes",
        "messages",
        "newest_segment",
        "next_seq",
        "past_texts",
        "revision",
        "sealed_count",
        "sealed_revision",
        "sealed_until",
        "steps",
        "unmerged_bytes",
        "unmerged_from",
    )

    def __init__(self, document: Document) -> None:
        """Take out what reads and writes start from.

        Raises:
            CorruptDocumentError: a part is missing, or the numbers and the arrays do not agree.
        """
        self.document = document
        try:
            self.id: str = document["_id"]
            self.key = SessionKey(document["user_id"], document["session_id"])
            self.generation: str = document["generation"]
            self.revision: int = document["revision"]
            self.changes: int = document["changes"]
            self.next_seq: int = document["next_seq"]
            self.live_bytes: int = document["live_bytes"]
            self.messages: list[Document] = document["messages"]
            self.steps: list[int] = document["steps"]
            self.corrections: list[Document] = document["corrections"]
            self.past_texts: list[Document] = document["past_texts"]
            self.sealed_count: int = document["sealed_count"]
            self.sealed_revision: int = document["sealed_revision"]
            self.sealed_until: int = document["sealed_until"]
            self.newest_segment: str | None = document["newest_segment"]
            self.unmerged_from: int = document["unmerged_from"]
            self.unmerged_bytes: int = document["unmerged_bytes"]
            is_sound = (
                all(isinstance(document[name], int) for name in _NUMBERS)
                and all(isinstance(document[name], str) for name in _TEXTS)
                and all(isinstance(document[name], list) for name in _ARRAYS)
                and self.next_seq == self.sealed_count + len(self.messages)
                and sum(self.steps) <= len(self.messages)
                and self.sealed_revision + len(self.steps) == self.revision
                and (self.newest_segment is not None or self.sealed_count == 0)
            )
        except (KeyError, TypeError) as error:
            raise CorruptDocumentError("session") from error
        if not is_sound:
            raise CorruptDocumentError("session")

    @property
    def version(self) -> Version:
        """Of the session."""
        return Version(self.generation, self.revision)

    @property
    def header(self) -> SessionHeader:
        """The header as a model.

        Raises:
            CorruptDocumentError: it cannot be decoded.
        """
        return loaded_header(self.document)

    def encoded(self, messages_json: bytes | None) -> EncodedSession:
        """The header with some messages."""
        return EncodedSession(self.version, header_json(self.header), messages_json)

    # --- filters ----------------------------------------------------------------------------

    def same_chain(self) -> Document:
        """A filter: this session, nothing sealed since."""
        return {
            "_id": self.id,
            "user_id": self.document["user_id"],
            "generation": self.generation,
            "newest_segment": self.newest_segment,
        }

    def same_content(self) -> Document:
        """A filter: neither sealed nor changed since; appends may have come."""
        return {**self.same_chain(), "changes": self.changes}

    def same_revision(self) -> Document:
        """A filter: nothing has happened since, and what was sealed is the same."""
        return {**self.same_chain(), "revision": self.revision}

    def appended(self, messages: list[Document]) -> "Head":
        """As an append has left it, in all that a seal goes by."""
        return Head(
            {
                **self.document,
                "messages": [*self.messages, *messages],
                "steps": [*self.steps, len(messages)],
                "revision": self.revision + 1,
                "next_seq": self.next_seq + len(messages),
            }
        )

    # --- places and revisions ---------------------------------------------------------------

    def placed(self, start: int = 0) -> Iterator[tuple[int, Document]]:
        """Its messages from a place on, each with its place."""
        skipped = max(0, start - self.sealed_count)
        return enumerate(self.messages[skipped:], self.sealed_count + skipped)

    def find_index(self, message_id: str) -> int | None:
        """Where in `messages` a message is."""
        for index, message in enumerate(self.messages):
            if message.get("id") == message_id:
                return index
        return None

    def appended_revisions(self) -> list[int]:
        """For each of its messages the revision that appended it."""
        revisions = [self.sealed_revision] * (len(self.messages) - sum(self.steps))
        for revision, count in enumerate(self.steps, self.sealed_revision + 1):
            revisions.extend([revision] * count)
        return revisions

    def place_after(self, revision: int) -> int:
        """The first place appended after a revision, which is not before `sealed_revision`."""
        return self.next_seq - sum(self.steps[revision - self.sealed_revision :])

    def changes_until(self, revision: int) -> int:
        """How many changes there were up to a revision, which is not before `sealed_revision`."""
        return self.changes - self.steps[revision - self.sealed_revision :].count(0)

    def revisions_of_changes(self) -> dict[int, int]:
        """The number of each change since `sealed_revision` → its revision."""
        first = self.changes - self.steps.count(0) + 1
        revisions = [
            revision
            for revision, count in enumerate(self.steps, self.sealed_revision + 1)
            if count == 0
        ]
        return dict(enumerate(revisions, first))

    def living_after(self, index: int) -> bool:
        """Whether a message after this index is not deleted."""
        return any("deleted_at" not in message for message in self.messages[index + 1 :])


def head_of(document: dict[str, Any] | None) -> Head | None:
    """The head in what a query gave; None where there is nothing, or the mark of a deletion."""
    if document is None or "deleted_at" in document:
        return None
    return Head(document)
