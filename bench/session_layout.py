"""How sessions of any length lie in MongoDB: heads, segments and indexes, by arithmetic.

Sizes of messages are measured (`bench.stored_sizes`), budgets are those of the store; how long
sessions are and how many a user has is assumed here, in one place.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from itertools import pairwise

import bson

from app.domain.session import SessionHeader
from app.store.mongo.building import built
from app.store.mongo.seal_plans import Budget
from bench.stored_sizes import MEASURED

CHATS = MEASURED["dialogs, joined"]
"""Messages of an assistant's length stand for all messages."""

DEFAULT_BUDGET_BYTES = 256 * 1024
SESSIONS_PER_USER = 25
LONGEST_SESSION = 100_000
PEAK_PER_SECOND = 10 / (2 * 365 * 24 * 3600)
"""Messages come within two years, and in the busiest hours ten times as many as on average."""
_EXPONENT, _SHIFT = 2.5, 20
"""Zipf-Mandelbrot: how many sessions have n messages falls like (n + shift) ** -exponent."""

_USER_ID = "u" * 24
_SESSION_ID = "s" * 36
_HEAD_ID = "0" * 32
_RANDOM_ID_BYTES, _GENERATION_BYTES = 32, 16
_DATE_BYTES = _INTEGER_BYTES = 9
_STRING_EXTRA_BYTES = 2
_TERM_BYTES = 6
_ENTRY_EXTRA_BYTES = 10
"""The end of a key, the record's id and WiredTiger's cells: an estimate, nothing of it measured."""


def empty_head_bytes() -> int:
    """A head without messages, with a name and no free JSON."""
    now = datetime(2026, 11, 20, tzinfo=UTC)
    header = SessionHeader(
        id=_SESSION_ID,
        user_id=_USER_ID,
        session_name="A name of thirty characters …",
        created_at=now,
        updated_at=now,
        last_message_at=now,
        generation="0" * _GENERATION_BYTES,
    )
    empty = built(_HEAD_ID, header, bytes(16), [], budget=Budget(DEFAULT_BUDGET_BYTES))
    return len(bson.encode(empty.head.document))


EMPTY_HEAD_BYTES = empty_head_bytes()


@dataclass(slots=True)
class GrowingSession:
    """A session that gets one message after the other, sealed as the store plans it."""

    budget: Budget
    message_bytes: float = CHATS.message_bytes
    sealed_message_bytes: float = CHATS.sealed_message_bytes
    live_bytes: float = CHATS.message_bytes + 13
    """What a message and its step count against the budget: a little more than they take,"""
    packed_bytes: float = CHATS.message_bytes + 15
    """and what a message counts in a segment, where it has a revision of its own."""
    messages: int = 0
    live: int = 0
    """Messages in the head."""
    segments: list[int] = field(default_factory=list[int])
    """The messages in each, oldest first."""
    unmerged: int = 0
    """How many of the newest are small, and wait for a merge."""
    seals: int = 0
    copied: int = 0
    """Messages written into segments, those included that a merge writes once more."""
    merges: int = 0
    replaced: int = 0
    """Segments that merges have left behind."""
    rewritten_bytes: float = 0.0
    """Of the heads that all appends have changed."""

    @property
    def head_bytes(self) -> float:
        """Of the whole document."""
        return EMPTY_HEAD_BYTES + self.live * self.message_bytes

    @property
    def segment_bytes(self) -> list[float]:
        """Of each segment."""
        return [messages * self.sealed_message_bytes for messages in self.segments]

    def append(self) -> None:
        """One message more, and a seal where it is due."""
        self.messages += 1
        self.live += 1
        self.rewritten_bytes += self.head_bytes
        newest = "a segment" if self.segments else None
        if self.budget.is_passed_by(int(self.live * self.live_bytes), newest):
            self._seal()

    def _seal(self) -> None:
        kept = int(self.budget.kept_bytes / self.live_bytes)
        sealed = self.live - kept
        small = self.segments[len(self.segments) - self.unmerged :]
        small_bytes = int(sum(small) * self.packed_bytes)
        if self.budget.is_merge_due(small_bytes, int(self.live * self.live_bytes)):
            del self.segments[-self.unmerged :]
            self.replaced += self.unmerged
            self.unmerged = 0
            self.merges += 1
            sealed += sum(small)
        self.copied += sealed
        limit = max(1, int(self.budget.segment_bytes / self.packed_bytes))
        while sealed:
            self.segments.append(min(sealed, limit))
            sealed -= self.segments[-1]
        is_large = self.segments[-1] * self.packed_bytes > self.budget.segment_bytes // 2
        self.unmerged = 0 if is_large else self.unmerged + 1
        self.live = kept
        self.seals += 1


def grown(messages: int, budget_bytes: int = DEFAULT_BUDGET_BYTES) -> GrowingSession:
    """A session that has got so many messages."""
    session = GrowingSession(Budget(budget_bytes))
    for _ in range(messages):
        session.append()
    return session


@dataclass(frozen=True, slots=True)
class MeanSession:
    """The mean over all sessions."""

    messages: float
    head_bytes: float
    segments: float
    segment_bytes: float
    sealed_messages: float
    seals: float
    copied: float
    rewritten_bytes: float


@cache
def mean_session(budget_bytes: int = DEFAULT_BUDGET_BYTES) -> MeanSession:
    """What a session takes on average."""
    session = GrowingSession(Budget(budget_bytes))
    sums = [0.0] * 8
    for messages, share in lengths():
        while session.messages < messages:
            session.append()
        sealed = sum(session.segments)
        values = (
            messages,
            session.head_bytes,
            len(session.segments),
            sealed * CHATS.sealed_message_bytes,
            sealed,
            session.seals,
            session.copied,
            session.rewritten_bytes,
        )
        sums = [before + share * value for before, value in zip(sums, values, strict=True)]
    return MeanSession(*sums)


def lengths() -> Iterator[tuple[int, float]]:
    """Numbers of messages, and which share of all sessions has about so many."""
    starts = [1]
    while starts[-1] <= LONGEST_SESSION:
        step = max(starts[-1] + 1, int(starts[-1] * 1.05))
        starts.append(min(step, LONGEST_SESSION + 1))
    total = _tail(starts[0]) - _tail(starts[-1])
    for start, end in pairwise(starts):
        yield (start + end - 1) // 2, (_tail(start) - _tail(end)) / total


def _tail(start: int) -> float:
    return math.pow(start - 0.5 + _SHIFT, 1 - _EXPONENT)


@dataclass(frozen=True, slots=True)
class Index:
    """One index and what an entry of it takes."""

    collection: str
    keys: str
    entries: float
    """Per session."""
    key_bytes: float
    """Written out."""
    short_bytes: float
    """Without what neighbours share: the user's id, and equal terms."""


def indexes() -> list[Index]:
    """Every index of the store, and the one that sharding adds."""
    mean = mean_session()
    user = len(_USER_ID) + _STRING_EXTRA_BYTES
    session = len(_SESSION_ID) + _STRING_EXTRA_BYTES
    head = len(_HEAD_ID) + _STRING_EXTRA_BYTES
    segment = _RANDOM_ID_BYTES + _STRING_EXTRA_BYTES
    chain = _GENERATION_BYTES + _STRING_EXTRA_BYTES + _INTEGER_BYTES
    terms = mean.sealed_messages * CHATS.terms_per_segment / CHATS.messages_per_segment
    dated = _DATE_BYTES + session
    return [
        _index("sessions", "_id", 1, 0, head),
        _index("sessions", "user_id, updated_at, session_id", 1, user, dated),
        _index("sessions", "user_id, created_at, session_id", 1, user, dated),
        _index("sessions", "user_id, newest_message_at", 1, user, _DATE_BYTES),
        _index("sessions", "user_id, session_id", 1, user, session),
        _index("sessions", "session_id, user_id", 1, 0, session + user),
        _index("sessions", "user_id, _id", 1, user, head),
        _index("segments", "_id", mean.segments, 0, segment),
        _index("segments", "user_id, generation, end_seq", mean.segments, user, chain),
        _index("segments", "message_keys", mean.sealed_messages, 0, _INTEGER_BYTES),
        _index(
            "segments",
            "user_id, terms",
            terms,
            user + _STRING_EXTRA_BYTES + _TERM_BYTES - CHATS.term_key_bytes,
            CHATS.term_key_bytes,
        ),
    ]


def _index(collection: str, keys: str, entries: float, shared: float, rest: float) -> Index:
    extra = _ENTRY_EXTRA_BYTES
    return Index(collection, keys, entries, shared + rest + extra, rest + extra)
