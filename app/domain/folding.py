"""Folding: what the records of one session become; pure and deterministic, ids included.

The batch job and a read of a session that is not folded yet share it, so that both give the same
messages in the same order. Only the generation of a new session is drawn by the caller.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from enum import IntFlag, StrEnum
from typing import Any, NamedTuple

from pydantic import Field, SkipValidation

from app.domain.free_json import canonical_json
from app.domain.identity import SessionKey, derived_id
from app.domain.message import MessageType, NewMessage, message_digest
from app.domain.session import NewSession, Origin

KEPT_NAME = "chatfold:source"
"""The one name in a folded message's metadata that is ours: what the source said and no field of a
message can hold, an object with the source's own names."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_SURELY_SMALL_FACTOR = 4
"""No stored form is so many times its source: `1e15` becomes `1000000000000000.0`, at worst."""


class Reason(StrEnum):
    """Why a record was not folded; stable codes for reports."""

    MALFORMED_JSON = "malformed_json"
    NOT_AN_OBJECT = "not_an_object"
    MISSING_SESSION_ID = "missing_session_id"
    MISSING_CREATED_AT = "missing_created_at"
    INVALID_CREATED_AT = "invalid_created_at"
    INVALID_ID = "invalid_id"
    INVALID_CONTENT = "invalid_content"
    MESSAGE_TOO_LARGE = "message_too_large"
    USER_UNKNOWN = "user_unknown"
    """No message of the session names a user."""
    USER_AMBIGUOUS = "user_ambiguous"
    """Several users own the session id, and the record does not say whose it is."""
    CONFLICTING_ID = "conflicting_id"
    """The session has an earlier message with this id and another content."""
    EXACT_DUPLICATE = "exact_duplicate"
    """The session has this very message already."""
    TARGET_NOT_OURS = "target_not_ours"
    """The store has a session with this key that this job did not make."""
    DELETED_BY_USER = "deleted_by_user"
    """The session was folded or made once, and its user deleted it."""

    @property
    def is_skip(self) -> bool:
        """Whether nothing is lost by leaving the record out; else it was rejected."""
        return self in _SKIPS


_SKIPS = frozenset({Reason.EXACT_DUPLICATE, Reason.TARGET_NOT_OURS, Reason.DELETED_BY_USER})


class Finding(IntFlag):
    """What is odd about a record that was folded all the same."""

    UNKNOWN_MESSAGE_TYPE = 1
    NULL_CONTENT = 2
    METADATA_NOT_AN_OBJECT = 4
    UNKNOWN_FIELDS = 8
    USER_INFERRED = 16
    NAIVE_TIMESTAMP = 32
    KEPT_AS_TEXT = 64
    """JSON that no store can keep (too deep, not finite) is in the metadata as text."""

    @property
    def code(self) -> str:
        """The stable code for reports."""
        return (self.name or "").lower()


class SourceMessage(NamedTuple):
    """What a record says; the order of these tuples is the order of a session's messages."""

    instant_microseconds: int
    """Since 1970 in UTC; finer than what is stored, so that the source's own order holds."""
    id: str
    """Empty where the source has none."""
    position: int
    """In the source; no two records share one."""
    content: str
    message_type: str
    """The value of a `MessageType`."""
    metadata: dict[str, Any]
    """As it will be stored."""
    findings: int
    """Of `Finding`."""
    size_bytes: int
    """Of the record in the source."""


class Refusal(NamedTuple):
    """A record of a session that did not become a message of it."""

    record: SourceMessage
    reason: Reason
    kept_position: int | None
    """Of the record that holds its id."""


class FoldedPart(NamedTuple):
    """Some messages of a session, in order, each with the record that it comes from."""

    messages: Sequence[NewMessage]
    records: Sequence[SourceMessage]
    refusals: Sequence[Refusal]


class SessionFold:
    """Folds the records of one session, given in order; a long session comes in several parts."""

    def __init__(self, key: SessionKey, *, message_limit_bytes: int) -> None:
        self._key = key
        self._message_limit_bytes = message_limit_bytes
        self._surely_small_bytes = message_limit_bytes // _SURELY_SMALL_FACTOR
        self._seen: dict[str, SourceMessage] = {}
        self._earlier: dict[str, tuple[int, bytes]] = {}  # of earlier parts: position and digest

    def fold(self, records: Iterable[SourceMessage]) -> FoldedPart:
        """The next part; ids and contents of the parts before are remembered, messages are not."""
        self._earlier.update(
            (message_id, (record.position, _digest(record)))
            for message_id, record in self._seen.items()
        )
        self._seen = {}
        messages: list[NewMessage] = []
        kept: list[SourceMessage] = []
        refusals: list[Refusal] = []
        for record in records:
            message_id = record.id or self._made_id(record)
            if message_id in self._seen or message_id in self._earlier:
                refusals.append(self._repeated(message_id, record))
                continue
            message = _message(message_id, record)
            if record.size_bytes > self._surely_small_bytes and self._is_too_large(message):
                refusals.append(Refusal(record, Reason.MESSAGE_TOO_LARGE, None))
                continue
            self._seen[message_id] = record
            messages.append(message)
            kept.append(record)
        return FoldedPart(messages, kept, refusals)

    def _made_id(self, record: SourceMessage) -> str:
        # Of everything the record says, so that each run makes the same one.
        return derived_id(
            "folded-message",
            *self._key,
            str(record.instant_microseconds),
            record.content,
            record.message_type,
            canonical_json(record.metadata).decode(),
        )

    def _repeated(self, message_id: str, record: SourceMessage) -> Refusal:
        if message_id in self._seen:
            first = self._seen[message_id]
            position, digest = first.position, _digest(first)
        else:
            position, digest = self._earlier[message_id]
        is_same = digest == _digest(record)
        reason = Reason.EXACT_DUPLICATE if is_same else Reason.CONFLICTING_ID
        return Refusal(record, reason, position)

    def _is_too_large(self, message: NewMessage) -> bool:
        return len(message.unplaced_json()) > self._message_limit_bytes


def folded_session(
    key: SessionKey, format_name: str, messages: Sequence[NewMessage], *, generation: str
) -> NewSession:
    """A session of these messages, which are at least one and in order."""
    return NewSession(
        key=key,
        messages=tuple(messages),
        origin=Origin(format=format_name, source_id=key.session_id),
        generation=generation,
        created_at=messages[0].created_at,
        updated_at=messages[-1].created_at,
    )


_MESSAGE_TYPES = {str(message_type): message_type for message_type in MessageType}


class _CheckedMessage(NewMessage):
    """A message of values that the reader of the format has checked, each by the same rules.

    Checking them again would take longer than decoding the record did.
    """

    id: SkipValidation[str]
    content: SkipValidation[str]
    message_type: SkipValidation[MessageType] = MessageType.SYSTEM
    metadata: SkipValidation[dict[str, Any]] = Field(default_factory=dict)
    created_at: SkipValidation[datetime]


def _message(message_id: str, record: SourceMessage) -> NewMessage:
    return _CheckedMessage(
        id=message_id,
        content=record.content,
        message_type=_MESSAGE_TYPES[record.message_type],
        metadata=record.metadata,
        created_at=EPOCH + timedelta(milliseconds=record.instant_microseconds // 1000),
    )


def _digest(record: SourceMessage) -> bytes:
    return message_digest(record.content, record.message_type, record.metadata, None, None)
