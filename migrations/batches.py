"""Batch: records of one session as bytes, on their way between processes and through the disk."""

import marshal
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from app.domain.folding import SourceMessage
from app.domain.source_session import SourceSession

WITHOUT_REFERENCES = 2
"""The version of `marshal` that does not look for values which it has written before: five times as
fast, where hardly any comes again."""

_FIRST_POSITIONS = 2


class Batch(NamedTuple):
    """Records of one session that name the same user, or none."""

    session_id: str
    user_id: str | None
    record_count: int
    size_bytes: int
    """Of the records in the source."""
    first_positions: Sequence[int]
    """Where the first few of them are in the source."""
    records: bytes

    @classmethod
    def of(cls, session_id: str, user_id: str | None, messages: Sequence[SourceMessage]) -> "Batch":
        """Records that were read one after the other; none where only the key matters."""
        return cls(
            session_id,
            user_id,
            len(messages),
            sum(message.size_bytes for message in messages),
            tuple(message.position for message in messages[:_FIRST_POSITIONS]),
            marshal.dumps(list(map(tuple, messages)), WITHOUT_REFERENCES),
        )


class ToldSession(NamedTuple):
    """What a source says of a session itself, and whose it is, where it says that."""

    session_id: str
    user_id: str | None
    session: SourceSession


def batched_messages(records: bytes) -> Iterator[SourceMessage]:
    """What a batch was made of."""
    # Bytes that we have written ourselves, where nobody else writes.
    return map(SourceMessage._make, marshal.loads(records))  # noqa: S302 - see above
