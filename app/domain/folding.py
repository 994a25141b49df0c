"""Folding: what the records of one session become; pure and deterministic, ids included.

The batch job and a read of a session that is not folded yet share it, so that both give the same
messages in the same order. Only the generation of a new session is drawn by the caller.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from enum import IntFlag, StrEnum
from typing import Any, NamedTuple

from app.domain.free_json import encode_json
from app.domain.identity import SessionKey, derived_id
from app.domain.instants import milliseconds_text
from app.domain.message import (
    EncodedMessage,
    MessageType,
    encode_after_id,
    message_digest,
    unplaced_json,
)
from app.domain.session import NewSession, Origin
from app.domain.source_session import SourceFields, SourceSession

KEPT_NAME = "chatfold:source"
"""The one name in a folded message's metadata that is ours: what the source said and no field of a
message can hold, an object with the source's own names."""

_NOTHING_TOLD = SourceFields()
_MARGIN_BYTES = 2048  # for what a header has beside that: dates, counters, whose fold has made it

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Reason(StrEnum):
    """Why a record was not folded; stable codes for reports."""

    MALFORMED_JSON = "malformed_json"
    MALFORMED_BSON = "malformed_bson"
    NOT_AN_OBJECT = "not_an_object"
    MISSING_SESSION_ID = "missing_session_id"
    MISSING_CREATED_AT = "missing_created_at"
    INVALID_CREATED_AT = "invalid_created_at"
    INVALID_ID = "invalid_id"
    INVALID_CONTENT = "invalid_content"
    DAMAGED_BYTES = "damaged_bytes"
    """Bytes of a file from which no whole record could be taken."""
    MESSAGE_TOO_LARGE = "message_too_large"
    SESSION_TOO_LARGE = "session_too_large"
    """What the source says of the session itself has more bytes than a header may."""
    DAMAGED_SESSION = "damaged_session"
    """A session of our own export that does not fit together."""
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
    SESSION_MISSING = "session_missing"
    """The session that the record names is not in the source, or was rejected."""
    UNKNOWN_KIND = "unknown_kind"
    """The record is no session, and neither a message nor an artifact of one."""
    INVALID_ARTIFACT = "invalid_artifact"
    ARTIFACT_TOO_LARGE = "artifact_too_large"
    """A version of it, or what is said beside them, has more bytes than a document may."""
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
    CONTENT_PARTS = 128
    """The content was a list of parts; their texts are the content, the list is in the metadata."""
    DATE_INFERRED = 256
    """A message of an array has no date; it has that of the message before, or of the session."""

    @property
    def code(self) -> str:
        """The stable code for reports."""
        return (self.name or "").lower()


class SourceMessage(NamedTuple):
    """What a record says; the order of these tuples is the order of a session's messages.

    It is encoded as it will be stored when the record is read: the rest of a fold only moves bytes.
    """

    order_key: int
    """Where the source has a structure, the place in it, which goes before time. Elsewhere the
    microseconds since 1970 in UTC: finer than what is stored, so that the source's order holds."""
    id: str
    """Empty where the source has none."""
    position: int
    """In the source; no two records share one."""
    created_at: str
    """In the form of the wire."""
    digest: bytes
    after_id: bytes
    """The stored form after the id; see `encode_after_id`."""
    findings: int
    """Of `Finding`."""
    size_bytes: int
    """Of the record in the source."""

    def message(self, message_id: str) -> EncodedMessage:
        """The message that the record becomes, as it is or under a made id."""
        stored = unplaced_json(message_id, self.after_id)
        return EncodedMessage(message_id, self.created_at, self.digest, stored)


def source_message(
    instant_microseconds: int,
    message_id: str,
    position: int,
    content: str,
    message_type: MessageType,
    metadata: dict[str, Any],
    findings: int,
    size_bytes: int,
    *,
    order_key: int | None = None,
) -> SourceMessage:
    """What a record says, of values that are fit to be stored; ordered by time without a key.

    A message has no author's label: what the source calls its user is the session's owner.
    """
    created_at = milliseconds_text(instant_microseconds // 1000)
    return SourceMessage(
        instant_microseconds if order_key is None else order_key,
        message_id,
        position,
        created_at,
        message_digest(content, message_type, metadata, None, None),
        encode_after_id(
            content=content, message_type=message_type, metadata=metadata, created_at=created_at
        ),
        int(findings),
        size_bytes,
    )


SourceRecord = SourceMessage | SourceSession


class Refusal(NamedTuple):
    """A record of a session that became no message of it, nor its header."""

    record: SourceRecord
    reason: Reason
    kept_position: int | None
    """Of the record that holds its id."""


class FoldedPart(NamedTuple):
    """Some messages of a session, in order, each with the record that it comes from."""

    messages: Sequence[EncodedMessage]
    records: Sequence[SourceMessage]
    refusals: Sequence[Refusal]


class SessionFold:
    """Folds the records of one session, given in order; a long session comes in several parts."""

    def __init__(self, key: SessionKey, *, message_limit_bytes: int) -> None:
        self._key = key
        self._message_limit_bytes = message_limit_bytes
        self._seen: dict[str, tuple[int, bytes]] = {}  # id → position and digest

    def fold(self, records: Iterable[SourceMessage]) -> FoldedPart:
        """The next part; ids and digests of the parts before are remembered, messages are not."""
        seen = self._seen
        messages: list[EncodedMessage] = []
        kept: list[SourceMessage] = []
        refusals: list[Refusal] = []
        for record in records:
            message_id = record.id or self._made_id(record)
            if message_id in seen:
                refusals.append(self._repeated(message_id, record))
                continue
            message = record.message(message_id)
            if len(message.unplaced_json) > self._message_limit_bytes:
                refusals.append(Refusal(record, Reason.MESSAGE_TOO_LARGE, None))
                continue
            seen[message_id] = (record.position, record.digest)
            messages.append(message)
            kept.append(record)
        return FoldedPart(messages, kept, refusals)

    def _made_id(self, record: SourceMessage) -> str:
        # Of everything the record says, so that each run makes the same one.
        place = str(record.order_key)
        return derived_id("folded-message", *self._key, place, record.digest.hex())

    def _repeated(self, message_id: str, record: SourceMessage) -> Refusal:
        position, digest = self._seen[message_id]
        is_same = digest == record.digest
        reason = Reason.EXACT_DUPLICATE if is_same else Reason.CONFLICTING_ID
        return Refusal(record, reason, position)


def told_first(
    key: SessionKey, told: Iterable[SourceSession], *, header_limit_bytes: int
) -> tuple[SourceSession | None, list[Refusal]]:
    """What a source says of a session first; whatever else it says of it is refused."""
    records = iter(told)
    first = next(records, None)
    if first is None:
        return None, []
    refusals: list[Refusal] = []
    for other in records:
        is_same = other.fields_json == first.fields_json
        reason = Reason.EXACT_DUPLICATE if is_same else Reason.CONFLICTING_ID
        refusals.append(Refusal(other, reason, first.position))
    size_bytes = len(first.fields_json) + 2 * len(encode_json(key)) + _MARGIN_BYTES
    if size_bytes > header_limit_bytes:
        refusals.append(Refusal(first, Reason.SESSION_TOO_LARGE, None))
        return None, refusals
    return first, refusals


def folded_session(
    key: SessionKey,
    format_name: str,
    messages: Sequence[EncodedMessage],
    session: SourceSession | None = None,
    *,
    generation: str,
    run_id: str | None = None,
) -> NewSession:
    """A session of these messages, in order, and of what its source says of it.

    There is at least one message, or else a date of the session.
    """
    told = _NOTHING_TOLD if session is None else session.fields
    dates = [message.created_at for message in messages]
    first = told.created_at or (datetime.fromisoformat(min(dates)) if dates else told.updated_at)
    last = told.updated_at or (datetime.fromisoformat(max(dates)) if dates else first)
    if first is None or last is None:
        raise ValueError("A session without messages needs a date.")
    return NewSession(
        key=key,
        fields=told.own,
        messages=tuple(messages),
        origin=Origin(
            format=format_name, source_id=key.session_id, run_id=run_id, extras=told.extras
        ),
        generation=generation,
        created_at=first,
        updated_at=max(first, last),
    )
