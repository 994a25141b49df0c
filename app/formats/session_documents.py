"""Session documents: one JSON object per session, its messages embedded as an array."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from app.domain.folding import Reason
from app.domain.free_json import encode_json
from app.domain.source_options import AS_IT_IS, SourceOptions
from app.formats.bson_values import bson_document, extended_value, is_wrapper
from app.formats.embedded_messages import MESSAGE_NAMES, EmbeddedMessages, Owner
from app.formats.faults import FaultError
from app.formats.loose_json import decoded_loosely, decoded_strictly, sound_members
from app.formats.near_names import NearNames
from app.formats.nested_places import fault_position
from app.formats.port import FaultyRecord, Notation, RawRecord, Record, SessionRecord
from app.formats.session_fields import SESSION_NAMES, SessionFieldsReader
from app.formats.source_ids import id_in
from app.formats.times import zone_named

DAMAGED_MEMBERS = "Beside its messages, it holds text that is no UTF-8; that was left out."

_OF_MESSAGES = "message."
_TYPED_FIELDS = ("id", "user_id", "created_at", "updated_at", "last_message_at")
_TYPED_IN_MESSAGES = ("id", "user_id", "session_id", "created_at")
_DATABASE_ID = "_id"


class SessionDocuments:
    """The format of whole sessions, as `/api/chat` stores them now, and of shapes near it.

    Options name fields of messages as `message.content`.

    Raises:
        ConfigurationError: an option names no field or no time zone.
    """

    name = "session-documents"
    session_names = SESSION_NAMES
    understood_of_messages: frozenset[str] = frozenset()

    def __init__(self, options: SourceOptions = AS_IT_IS) -> None:
        of_messages, of_sessions = split_options(options.fields)
        zone = zone_named(options.time_zone)
        self._names = NearNames(self.session_names, of_sessions)
        self._message_names = NearNames(MESSAGE_NAMES, of_messages)
        self._fields = SessionFieldsReader(self._names, zone)
        self._messages = EmbeddedMessages(of_messages, zone, self.understood_of_messages)

    def records(
        self, raw_records: Iterable[RawRecord], notation: Notation = Notation.JSON
    ) -> Iterator[Record | SessionRecord | FaultyRecord]:
        """One record for each session, and one for each of its messages; see the port."""
        for position, raw, damage in raw_records:
            if raw is None:
                yield _unread(position, damage, notation)
                continue
            try:
                document, is_checked = self._decoded(raw, notation)
                yield from self._records(position, document, is_checked=is_checked)
            except FaultError as fault:
                yield FaultyRecord(position, fault.reason, fault.detail, raw)

    def _decoded(self, raw: bytes, notation: Notation) -> tuple[dict[str, Any], bool]:
        """A document, and whether all of it is JSON in UTF-8 for sure."""
        if notation is Notation.BSON:
            try:
                return bson_document(raw), True
            except ValueError:
                detail = "The document is damaged, or nested too deeply."
                raise FaultError(Reason.MALFORMED_BSON, detail) from None
        try:
            decoded, is_checked = decoded_strictly(raw), True
        except ValueError:
            try:
                decoded, is_checked = decoded_loosely(raw), False
            except ValueError:
                detail = "The record is not JSON in UTF-8."
                raise FaultError(Reason.MALFORMED_JSON, detail) from None
        if not isinstance(decoded, dict):
            raise FaultError(Reason.NOT_AN_OBJECT, "The record is JSON, but not an object.")
        document = cast("dict[str, Any]", decoded)
        if b'"$' in raw and self._has_wrapper(document):
            document = extended_value(document)
        return document, is_checked

    def _has_wrapper(self, document: dict[str, Any]) -> bool:
        """Whether a value that tells something is written as Extended JSON."""
        known, _ = self._names.split(document)
        if any(is_wrapper(known.get(name)) for name in _TYPED_FIELDS):
            return True
        messages = known.get("messages")
        elements = cast("Sequence[Any]", messages)
        return isinstance(messages, list) and any(
            is_wrapper(self._message_names.split(cast("dict[str, Any]", one))[0].get(name))
            for one in elements
            if isinstance(one, dict)
            for name in _TYPED_IN_MESSAGES
        )

    def _records(
        self, position: int, document: dict[str, Any], *, is_checked: bool
    ) -> Iterator[Record | SessionRecord | FaultyRecord]:
        known, rest = self._names.split(document)
        messages = known.pop("messages", None)
        if not is_checked:
            whole_count = len(known) + len(rest)
            known, rest = sound_members(known), sound_members(rest)
            if len(known) + len(rest) < whole_count:
                place = fault_position(position)
                yield FaultyRecord(place, Reason.MALFORMED_JSON, DAMAGED_MEMBERS, b"")
        session_id = id_in(known, "id")
        if session_id is None:
            raise FaultError(Reason.MISSING_SESSION_ID, "The document has no id.")
        user_id = id_in(known, "user_id")
        if rest.get(_DATABASE_ID) == known.get("id"):
            rest.pop(_DATABASE_ID, None)
        elements = cast("Sequence[Any]", messages) if isinstance(messages, list) else ()
        told = self._fields.read(known, rest, elements)
        raw = encode_json([known, rest])
        yield SessionRecord(position, session_id, user_id, told.fields, raw, told.findings)
        if messages is not None and not isinstance(messages, list):
            detail = "What should be the array of messages is none."
            yield FaultyRecord(fault_position(position, 1), Reason.INVALID_CONTENT, detail, b"")
        owner = Owner(session_id, user_id, told.instant_microseconds)
        yield from self._messages.records(elements, owner, position + 1, is_checked=is_checked)


def split_options(fields: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """What the operator says of fields of messages, and of those of sessions."""
    of_messages = {
        ours.removeprefix(_OF_MESSAGES): theirs
        for ours, theirs in fields.items()
        if ours.startswith(_OF_MESSAGES)
    }
    of_sessions = {n: theirs for n, theirs in fields.items() if not n.startswith(_OF_MESSAGES)}
    return of_messages, of_sessions


def _unread(position: int, damage: str, notation: Notation) -> FaultyRecord:
    if not damage:
        detail = "The record is too long to be looked at."
        return FaultyRecord(position, Reason.SESSION_TOO_LARGE, detail, b"")
    is_bson = notation is Notation.BSON
    reason = Reason.MALFORMED_BSON if is_bson else Reason.MALFORMED_JSON
    return FaultyRecord(position, reason, damage, b"")
