"""Message documents: the old shape, one JSON object per message, each naming its session."""

from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any, cast
from zoneinfo import ZoneInfo

import orjson
from pydantic_core import from_json

from app.domain.folding import KEPT_NAME, Finding, Reason, source_message
from app.domain.identity import ID_LIMIT_BYTES
from app.domain.message import MessageType
from app.domain.source_options import AS_IT_IS, SourceOptions
from app.formats.bson_values import bson_document, extended_value, is_wrapper
from app.formats.content_parts import text_of
from app.formats.faults import FaultError
from app.formats.field_names import names_in_source
from app.formats.kept_values import stored_metadata
from app.formats.port import FaultyRecord, Notation, RawRecord, Record
from app.formats.source_ids import id_in
from app.formats.times import instant_microseconds, zone_named

FIELDS = ("id", "session_id", "user_id", "content", "message_type", "metadata", "created_at")

_FIELDS = frozenset(FIELDS)
_TYPED_FIELDS = _FIELDS - {"metadata"}
_DATABASE_ID = "_id"

# The old shape knew these three; "tool" was no word of it, whoever wrote it meant something else.
_MESSAGE_TYPES = {
    kind.value: kind for kind in (MessageType.USER, MessageType.ASSISTANT, MessageType.SYSTEM)
}

_plain_fields = itemgetter(*FIELDS)
_PLAIN_TYPES = (str, str, str, str, str, dict, str)
_PLAIN_VALUES = frozenset({str, int, bool, type(None)})


class MessageDocuments:
    """The format of individual message documents, as `/api/chat` once stored them.

    Raises:
        ConfigurationError: an option names no field or no time zone.
    """

    name = "message-documents"

    def __init__(self, options: SourceOptions = AS_IT_IS) -> None:
        self._theirs = names_in_source(FIELDS, options.fields)
        self._is_renamed = bool(options.fields)
        self._zone = zone_named(options.time_zone)
        self._typed = {self._theirs[name] for name in _TYPED_FIELDS} | {_DATABASE_ID}

    def records(
        self, raw_records: Iterable[RawRecord], notation: Notation = Notation.JSON
    ) -> Iterator[Record | FaultyRecord]:
        """One record for each raw one; see the port."""
        decoded = _from_bson if notation is Notation.BSON else self._from_json
        may_be_plain = notation is Notation.JSON and not self._is_renamed
        for position, raw, damage in raw_records:
            if raw is None:
                yield _unread(position, damage, notation)
                continue
            try:
                if may_be_plain and (plain := _plain_record(position, raw, self._zone)):
                    yield plain
                    continue
                document = decoded(raw)
                unknown = None
                if self._is_renamed or _DATABASE_ID in document:
                    document, unknown = self._by_our_names(document)
                yield self._record(position, raw, document, unknown)
            except FaultError as fault:
                yield FaultyRecord(position, fault.reason, fault.detail, raw)

    def _from_json(self, raw: bytes) -> dict[str, Any]:
        try:
            decoded = from_json(raw, allow_inf_nan=False)
        except ValueError:
            raise FaultError(Reason.MALFORMED_JSON, "The record is not JSON in UTF-8.") from None
        if not isinstance(decoded, dict):
            raise FaultError(Reason.NOT_AN_OBJECT, "The record is JSON, but not an object.")
        document = cast("dict[str, Any]", decoded)
        # Asked of the bytes first, which is quick: nearly no record has such a name.
        if b'"$' in raw and any(is_wrapper(document.get(name)) for name in self._typed):
            return {name: extended_value(value) for name, value in document.items()}
        return document

    def _by_our_names(self, document: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """The fields by our names, and everything else by theirs."""
        known = {
            ours: document[theirs] for ours, theirs in self._theirs.items() if theirs in document
        }
        used = frozenset(self._theirs.values())
        unknown = {name: value for name, value in document.items() if name not in used}
        if known.get("id") in (None, "") and _DATABASE_ID in unknown:
            known["id"] = unknown.pop(_DATABASE_ID)
        elif unknown.get(_DATABASE_ID) == known.get("id"):
            unknown.pop(_DATABASE_ID, None)
        return known, unknown

    def _record(
        self, position: int, raw: bytes, document: dict[str, Any], unknown: dict[str, Any] | None
    ) -> Record:
        session_id, user_id, message_id = _ids(document)
        instant, is_naive = instant_microseconds(document.get("created_at"), self._zone)
        findings = Finding.NAIVE_TIMESTAMP.value if is_naive else 0
        content = document.get("content")
        parts: Sequence[Any] | None = None
        if content is None:
            content = ""
            findings |= Finding.NULL_CONTENT
        elif isinstance(content, list):
            parts = cast("Sequence[Any]", content)
            content = text_of(parts)
            findings |= Finding.CONTENT_PARTS
        elif not isinstance(content, str):
            detail = "The content is neither text, nor a list of parts, nor null."
            raise FaultError(Reason.INVALID_CONTENT, detail)
        kind, metadata, more = self._kept(document, unknown, parts)
        return Record(
            session_id,
            user_id,
            source_message(
                instant, message_id, position, content, kind, metadata, findings | more, len(raw)
            ),
            raw,
        )

    def _kept(
        self, document: dict[str, Any], unknown: dict[str, Any] | None, parts: Sequence[Any] | None
    ) -> tuple[MessageType, dict[str, Any], int]:
        """Type and metadata to store, what no field can hold under our name there; findings."""
        findings = 0
        theirs = self._theirs
        kept: dict[str, Any] = {}
        message_type = document.get("message_type")
        if not isinstance(message_type, str) or message_type not in _MESSAGE_TYPES:
            kept[theirs["message_type"]] = message_type
            message_type = MessageType.SYSTEM
            findings |= Finding.UNKNOWN_MESSAGE_TYPE
        if parts is not None:
            kept[theirs["content"]] = parts
        if unknown is None:
            unknown = {name: value for name, value in document.items() if name not in _FIELDS}
        if unknown:
            kept.update(unknown)
            if unknown.keys() != {_DATABASE_ID}:  # which every document of a database has
                findings |= Finding.UNKNOWN_FIELDS
        stored, more = stored_metadata(document.get("metadata"), theirs["metadata"], kept)
        return MessageType(message_type), stored, findings | more


def _from_bson(raw: bytes) -> dict[str, Any]:
    try:
        return bson_document(raw)
    except ValueError:
        detail = "The document is damaged, or nested too deeply."
        raise FaultError(Reason.MALFORMED_BSON, detail) from None


def _unread(position: int, damage: str, notation: Notation) -> FaultyRecord:
    if not damage:
        detail = "The record is too long to be looked at."
        return FaultyRecord(position, Reason.MESSAGE_TOO_LARGE, detail, b"")
    is_bson = notation is Notation.BSON
    reason = Reason.MALFORMED_BSON if is_bson else Reason.MALFORMED_JSON
    return FaultyRecord(position, reason, damage, b"")


def _ids(document: dict[str, Any]) -> tuple[str, str | None, str]:
    """The ids of session, user and message; the latter two may be missing (None, and empty).

    Raises:
        FaultError: the session's is missing, or one of them can be no id.
    """
    session_id = id_in(document, "session_id")
    if session_id is None:
        raise FaultError(Reason.MISSING_SESSION_ID, "The record names no session.")
    return session_id, id_in(document, "user_id"), id_in(document, "id") or ""


def _plain_record(position: int, raw: bytes, zone: ZoneInfo | None) -> Record | None:
    """The record of a document with just our fields, and in each what a store keeps as it is.

    Nearly every one is such. Of any other this says nothing: None, and it must be looked at.

    Raises:
        FaultError: the date is none.
    """
    if b"\\u0000" in raw:
        return None
    try:
        # Twice as fast as the decoder for the others, which differs in numbers beyond 64 bits: they
        # are inexact here, and of another type than what is plain.
        document = orjson.loads(raw)
        fields = _plain_fields(document)
    except (ValueError, KeyError, TypeError):
        return None
    if len(document) != len(FIELDS) or tuple(map(type, fields)) != _PLAIN_TYPES:
        return None
    message_id, session_id, user_id, content, message_type, metadata, created_at = fields
    together = session_id + user_id + message_id
    if (
        message_type not in _MESSAGE_TYPES
        or not (session_id and user_id and together.isascii())
        or len(together) > ID_LIMIT_BYTES
        or not _PLAIN_VALUES.issuperset(map(type, metadata.values()))
        or KEPT_NAME in metadata
    ):
        return None
    instant, is_naive = instant_microseconds(created_at, zone)
    findings = Finding.NAIVE_TIMESTAMP.value if is_naive else 0
    kind = _MESSAGE_TYPES[message_type]
    message = source_message(
        instant, message_id, position, content, kind, metadata, findings, len(raw)
    )
    return Record(session_id, user_id, message, raw)
