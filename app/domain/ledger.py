"""LedgerEntry: a small document that a job keeps beside the sessions, with parts that users own."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from app.errors import DocumentTooLargeError

LEDGER_ENTRY_LIMIT_BYTES = 1024 * 1024
"""What an entry may have, its parts and the ids of their users included."""


class LedgerPlace(NamedTuple):
    """Where an entry is, whatever is in it."""

    run_id: str
    number: int


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One entry of a run's ledger: what is said of the run itself, and what of each user."""

    run_id: str
    number: int
    """0 is the run itself, batches follow from 1."""
    revision: int
    """1 for a new entry, raised by each put."""
    body: bytes
    """JSON; holds no personal data."""
    parts: Mapping[str, bytes]
    """User id → opaque bytes about what that user owns; a part goes with its user."""

    @property
    def size_bytes(self) -> int:
        """What the limit counts."""
        parts = sum(len(user_id.encode()) + len(part) for user_id, part in self.parts.items())
        return len(self.body) + parts

    def check_size(self) -> None:
        """Pass if stores can keep it.

        Raises:
            DocumentTooLargeError: it has more bytes than that.
        """
        if self.size_bytes > LEDGER_ENTRY_LIMIT_BYTES:
            raise DocumentTooLargeError("A ledger entry", LEDGER_ENTRY_LIMIT_BYTES, "bytes")

    def without_users(self, user_ids: Collection[str]) -> "LedgerEntry":
        """The entry without the parts of some users; nothing of it is shared with this one."""
        kept = {id_: part for id_, part in self.parts.items() if id_ not in user_ids}
        return replace(self, parts=kept)
