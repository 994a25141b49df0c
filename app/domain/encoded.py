"""Sessions as bytes ready to send, so that a read need not parse what it serves."""

from dataclasses import dataclass

from pydantic import ValidationError

from app.domain.identity import Version
from app.domain.message import ChatMessage
from app.domain.session import ChatSession, SessionHeader, SessionSummary
from app.errors import CorruptDocumentError

EncodedSummary = bytes
"""A `SessionSummary` as one JSON object."""


@dataclass(frozen=True, slots=True)
class EncodedSession:
    """A header and some or all of its messages, of one version, as JSON."""

    version: Version
    header_json: bytes
    """One JSON object."""
    messages_json: bytes | None
    """The inside of a JSON array, in `seq` order; None where messages were not asked for."""

    def to_json(self) -> bytes:
        """One JSON object: the header, with `messages` where they were asked for."""
        if self.messages_json is None:
            return self.header_json
        return b'%s,"messages":[%s]}' % (self.header_json[:-1], self.messages_json)

    def header(self) -> SessionHeader:
        """The header as a model.

        Raises:
            CorruptDocumentError: it cannot be decoded.
        """
        try:
            return SessionHeader.model_validate_json(self.header_json)
        except ValidationError as error:
            raise CorruptDocumentError("session header") from error

    def document(self) -> ChatSession:
        """Header and messages as a model.

        Raises:
            CorruptDocumentError: it cannot be decoded.
        """
        try:
            return ChatSession.model_validate_json(self.to_json())
        except ValidationError as error:
            raise CorruptDocumentError("session") from error

    def messages(self) -> tuple[ChatMessage, ...]:
        """The messages as models.

        Raises:
            CorruptDocumentError: one cannot be decoded.
        """
        return self.document().messages


def decoded_summary(encoded: EncodedSummary) -> SessionSummary:
    """A summary as a model.

    Raises:
        CorruptDocumentError: it cannot be decoded.
    """
    try:
        return SessionSummary.model_validate_json(encoded)
    except ValidationError as error:
        raise CorruptDocumentError("session summary") from error


def summary_json(header: SessionHeader) -> EncodedSummary:
    """The part of a header that lists show."""
    return b"{%s,%s}" % (header.lasting_json(), header.counters_json())


def header_json(header: SessionHeader) -> bytes:
    """A header as stores hand it out."""
    return b"{%s,%s,%s}" % (
        header.lasting_json(),
        header.counters_json(),
        header.details_json(),
    )
