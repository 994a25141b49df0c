"""LegacySource: what a store that folds on read asks of a source that is still in use."""

from dataclasses import dataclass
from typing import Protocol

from app.domain.encoded import EncodedSummary, decoded_summary, summary_json
from app.domain.identity import SessionKey
from app.domain.instants import instant_text
from app.domain.page import Position
from app.domain.session import NewSession, SessionSummary
from app.store.port import ListOrder

_MARK = b',"is_legacy":true}'


@dataclass(frozen=True, slots=True)
class LegacySummary:
    """A session of a source as lists and counts need it."""

    summary: SessionSummary
    encoded: EncodedSummary
    newest_message_at: str
    """The latest date of any of its messages, in the form of the wire; empty without messages."""

    @classmethod
    def of(cls, session: NewSession) -> "LegacySummary":
        """Of a session as a fold would store it."""
        newest = max((one.encoded().created_at for one in session.messages), default="")
        return cls.of_encoded(summary_json(session.header()), newest)

    @classmethod
    def of_encoded(cls, encoded: EncodedSummary, newest_message_at: str) -> "LegacySummary":
        """What `encoded` and `newest_message_at` were before."""
        return cls(decoded_summary(encoded), encoded, newest_message_at)

    @property
    def marked_json(self) -> EncodedSummary:
        """As a list shows it: marked as legacy, which nothing but lists does."""
        return self.encoded[:-1] + _MARK

    def position(self, order: ListOrder) -> Position:
        """Where a list in this order has it."""
        return list_position(self.summary, order)


class LegacySource(Protocol):
    """Sessions that may not be folded yet, each as a fold of the source would store it.

    Of a session that is not in the store, its generation is derived from what the source says of
    it, so that it is the same before and after a fold by a first write. Nothing is written to it.
    Any method may raise `LegacySourceUnavailableError`, which never looks like absence.
    """

    @property
    def label(self) -> str:
        """For users: what kind of source it is, without where it is."""
        ...

    async def check(self) -> None:
        """Return if the source can be read."""
        ...

    async def find(self, key: SessionKey) -> NewSession | None:
        """The session, or None where the source has none of this key."""
        ...

    async def list_of(self, user_id: str) -> list[LegacySummary]:
        """All sessions of the user, in no order."""
        ...

    async def find_owners(self, session_id: str) -> list[str]:
        """All users who have a session with this id."""
        ...

    async def list_keys(self, *, after: SessionKey | None, limit: int) -> list[SessionKey]:
        """The next keys of the whole source in (user, id) order by code point."""
        ...

    async def aclose(self) -> None:
        """Let go of everything."""
        ...


def list_position(summary: SessionSummary, order: ListOrder) -> Position:
    """Where a list in this order has a session."""
    is_by_activity = order is ListOrder.ACTIVITY
    return (instant_text(summary.updated_at if is_by_activity else summary.created_at), summary.id)
