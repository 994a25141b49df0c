"""Embedded messages: the elements of a session's own array, whose order goes before all dates."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast
from zoneinfo import ZoneInfo

from app.domain.folding import Finding, Reason, source_message
from app.domain.message import MessageType
from app.formats.content_parts import text_of
from app.formats.faults import FaultError
from app.formats.kept_values import stored_metadata
from app.formats.loose_json import checked_again
from app.formats.near_names import NearNames
from app.formats.port import FaultyRecord, Record
from app.formats.source_ids import id_in
from app.formats.times import instant_microseconds

MESSAGE_NAMES: Mapping[str, Sequence[str]] = {
    "id": ("id", "_id"),
    "session_id": ("session_id",),
    "user_id": ("user_id",),
    "content": ("content", "text", "parts"),
    "message_type": ("message_type", "role"),
    "metadata": ("metadata",),
    "created_at": ("created_at", "timestamp"),
}
"""What a message's fields may be called; the first is ours."""

_MESSAGE_TYPES = {kind.value: kind for kind in MessageType}
_DATABASE_ID = "_id"


class Owner(NamedTuple):
    """Whose messages an array holds, and what stands in for dates that are missing."""

    session_id: str
    user_id: str | None
    instant_microseconds: int | None


class EmbeddedMessages:
    """Reads the elements of arrays."""

    def __init__(
        self,
        theirs: Mapping[str, str],
        zone: ZoneInfo | None,
        understood: frozenset[str] = frozenset(),
    ) -> None:
        """Further names that are `understood` are kept like others, and are no finding."""
        self._names = NearNames(MESSAGE_NAMES, theirs)
        self._zone = zone
        self._understood = understood | {_DATABASE_ID}

    def records(
        self,
        elements: Sequence[Any],
        owner: Owner,
        first_position: int,
        *,
        is_checked: bool = True,
    ) -> Iterator[Record | FaultyRecord]:
        """One record for each element, in their order; never raises for their content.

        Those that are not checked may hold text that is none.
        """
        before = owner.instant_microseconds
        for index, element in enumerate(elements):
            position = first_position + index
            try:
                known, rest = self._names.split(_object(element, is_checked=is_checked))
                if before is None and known.get("created_at") in (None, ""):
                    before = self._first_instant(elements)
                record, before = self._record(position, index, known, rest, owner, before)
            except FaultError as fault:
                yield FaultyRecord(position, fault.reason, fault.detail, b"")
            else:
                yield record

    def beside(self, document: dict[str, Any], position: int, *, is_checked: bool = True) -> Record:
        """The record of a message that is a document of its own and names its session.

        Such messages are ordered by their dates, which go before the order of the source.

        Raises:
            FaultError: it names no session, or is no message.
        """
        known, rest = self._names.split(_object(document, is_checked=is_checked))
        session_id = id_in(known, "session_id")
        if session_id is None:
            raise FaultError(Reason.MISSING_SESSION_ID, "The message names no session.")
        return self._record(position, None, known, rest, Owner(session_id, None, None), None)[0]

    def is_message(self, element: dict[str, Any]) -> bool:
        """Whether an object says who says what."""
        known, _ = self._names.split(element)
        return "content" in known and "message_type" in known

    def _first_instant(self, elements: Sequence[Any]) -> int | None:
        """The first date that any element has."""
        for element in elements:
            if isinstance(element, dict):
                known, _ = self._names.split(cast("dict[str, Any]", element))
                try:
                    return instant_microseconds(known.get("created_at"), self._zone)[0]
                except FaultError:
                    continue
        return None

    def _record(
        self,
        position: int,
        index: int | None,
        known: dict[str, Any],
        rest: dict[str, Any],
        owner: Owner,
        before: int | None,
    ) -> tuple[Record, int]:
        """The record, and its date for the next one."""
        instant, findings = self._instant(known.get("created_at"), before)
        message_id = id_in(known, "id") or ""
        user_id = owner.user_id if owner.user_id is not None else id_in(known, "user_id")
        for name, one in (("session_id", owner.session_id), ("user_id", user_id)):
            if known.get(name) not in (None, "", one):
                rest[self._theirs(name)] = known[name]
        if rest.get(_DATABASE_ID) == known.get("id"):
            rest.pop(_DATABASE_ID, None)
        if rest.keys() - self._understood:
            findings |= Finding.UNKNOWN_FIELDS
        content = known.get("content")
        if content is None:
            content = ""
            findings |= Finding.NULL_CONTENT
        elif isinstance(content, list):
            rest[self._theirs("content")] = content
            content = text_of(cast("Sequence[Any]", content))
            findings |= Finding.CONTENT_PARTS
        elif not isinstance(content, str):
            detail = "The content is neither text, nor a list of parts, nor null."
            raise FaultError(Reason.INVALID_CONTENT, detail)
        message_type = known.get("message_type")
        if not isinstance(message_type, str) or message_type not in _MESSAGE_TYPES:
            rest[self._theirs("message_type")] = message_type
            message_type = MessageType.SYSTEM
            findings |= Finding.UNKNOWN_MESSAGE_TYPE
        metadata, more = stored_metadata(known.get("metadata"), self._theirs("metadata"), rest)
        message = source_message(
            instant,
            message_id,
            position,
            content,
            MessageType(message_type),
            metadata,
            findings | more,
            0,
            order_key=index,
        )
        message = message._replace(size_bytes=len(message.after_id))
        return Record(owner.session_id, user_id, message, b""), instant

    def _instant(self, value: Any, before: int | None) -> tuple[int, int]:
        """Microseconds since 1970, and the findings."""
        if value in (None, "") and before is not None:
            return before, Finding.DATE_INFERRED.value
        instant, is_naive = instant_microseconds(value, self._zone)
        return instant, Finding.NAIVE_TIMESTAMP.value if is_naive else 0

    def _theirs(self, ours: str) -> str:
        return self._names.name(ours)


def _object(element: Any, *, is_checked: bool) -> dict[str, Any]:
    """The object that an element is."""
    try:
        checked = element if is_checked else checked_again([element])[0]
    except ValueError:
        detail = "The message holds text that is no UTF-8, or is nested too deeply."
        raise FaultError(Reason.MALFORMED_JSON, detail) from None
    if not isinstance(checked, dict):
        raise FaultError(Reason.NOT_AN_OBJECT, "The message is no object.")
    return cast("dict[str, Any]", checked)
