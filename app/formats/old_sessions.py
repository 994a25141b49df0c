"""Old sessions: what was kept before there were projects; messages and artifacts inside or beside.

A source may hold all three kinds of documents, in any order. Each is told by what it says: a
message has a `session_id` and a `role`, an artifact a `session_id` and a text, versions or a file;
everything else is a session.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from app.domain.folding import Finding, Reason
from app.domain.session import SessionStatus
from app.domain.source_options import AS_IT_IS, SourceOptions
from app.domain.source_session import SourceFields
from app.formats.bson_values import is_wrapper
from app.formats.faults import FaultError
from app.formats.loose_json import checked_again
from app.formats.nested_places import artifact_position
from app.formats.old_artifacts import OldArtifacts
from app.formats.port import FaultyRecord, Record, SessionRecord
from app.formats.session_documents import SessionDocuments
from app.formats.session_fields import SESSION_NAMES
from app.formats.source_ids import id_in
from app.formats.times import zone_named

_OF_SESSIONS = frozenset({"messages", "artifacts", "title", "status", "workspace_id", "skill_id"})
_OF_MESSAGES = frozenset({"role", "message_type"})
_OF_ARTIFACTS = frozenset({"artifact_type", "content", "file_path", "versions"})
_OLD_STATUSES = frozenset({"pending", "running", "failed", "cancelled"})
"""Those that sessions of ours do not have."""
_NAMES = {ours: names for ours, names in SESSION_NAMES.items() if ours != "project_id"}


class OldSessions(SessionDocuments):
    """The format of sessions that are to become projects; raises as `SessionDocuments` does."""

    name = "old-sessions"
    session_names: Mapping[str, Sequence[str]] = _NAMES
    understood_of_messages = frozenset({"tool_calls", "tool_call_id"})

    def __init__(self, options: SourceOptions = AS_IT_IS) -> None:
        super().__init__(options)
        self._artifacts = OldArtifacts(zone_named(options.time_zone))

    def _records(
        self, position: int, document: dict[str, Any], *, is_checked: bool
    ) -> Iterator[Record | SessionRecord | FaultyRecord]:
        session_id = id_in(document, "session_id")
        if session_id is None or _is_session(document, session_id):
            yield from self._session(position, document, is_checked=is_checked)
            return
        try:
            yield self._beside(position, document, session_id, is_checked=is_checked)
        except FaultError as fault:
            yield FaultyRecord(position, fault.reason, fault.detail, b"", session_id)

    def _has_wrapper(self, document: dict[str, Any]) -> bool:
        # Of a message beside, the id is none of the fields of a session.
        return is_wrapper(document.get("_id")) or super()._has_wrapper(document)

    def _beside(
        self, position: int, document: dict[str, Any], session_id: str, *, is_checked: bool
    ) -> Record | SessionRecord:
        """A document that is a part of a session."""
        if document.keys() & _OF_MESSAGES:
            return self._messages.beside(document, position, is_checked=is_checked)
        if document.keys() & _OF_ARTIFACTS:
            return self._artifact(position, document, session_id, is_checked=is_checked)
        detail = "It names a session, but has neither a role nor a text."
        raise FaultError(Reason.UNKNOWN_KIND, detail)

    def _session(
        self, position: int, document: dict[str, Any], *, is_checked: bool
    ) -> Iterator[Record | SessionRecord | FaultyRecord]:
        document = dict(document)
        artifacts = document.pop("artifacts", None)
        session_id = user_id = None
        for record in super()._records(position, document, is_checked=is_checked):
            if isinstance(record, SessionRecord):
                session_id, user_id = record.session_id, record.user_id
                yield _understood(record)
            elif isinstance(record, FaultyRecord):
                yield record._replace(session_id=session_id)
            else:
                yield record
        if artifacts is None or session_id is None:
            return
        # Anything but an array is one artifact that is none.
        elements = cast("Sequence[Any]", artifacts if isinstance(artifacts, list) else [None])
        for index, element in enumerate(elements):
            place = artifact_position(position, index)
            try:
                record = self._artifact(place, element, session_id, is_checked=is_checked)
            except FaultError as fault:
                yield FaultyRecord(place, fault.reason, fault.detail, b"", session_id)
            else:
                yield record._replace(user_id=user_id)

    def _artifact(
        self, position: int, document: Any, session_id: str, *, is_checked: bool
    ) -> SessionRecord:
        try:
            sound = document if is_checked else checked_again([document])[0]
        except ValueError:
            detail = "The artifact holds text that is no UTF-8, or is nested too deeply."
            raise FaultError(Reason.MALFORMED_JSON, detail) from None
        if not isinstance(sound, dict):
            raise FaultError(Reason.INVALID_ARTIFACT, "The artifact is no object.")
        known, rest = self._artifacts.names.split(cast("dict[str, Any]", sound))
        user_id = id_in(known, "user_id")
        artifact_json, findings = self._artifacts.read(known, rest)
        return SessionRecord(
            position, session_id, user_id, SourceFields(), artifact_json, findings, artifact_json
        )


def _is_session(document: Mapping[str, Any], session_id: str) -> bool:
    """Whether a document that names a session is that session, and not a part of it."""
    names = document.keys()
    if names & _OF_SESSIONS or names & (_OF_MESSAGES | _OF_ARTIFACTS):
        return bool(names & _OF_SESSIONS)
    return id_in(document, "id") in {None, session_id}


def _understood(record: SessionRecord) -> SessionRecord:
    """A session that was cancelled is archived; what is kept for its project is no finding."""
    fields, findings = record.fields, record.findings
    status = fields.extras.get("status")
    is_known = isinstance(status, str) and status in _OLD_STATUSES
    if not fields.extras.keys() - {"_id", "skill_id", *(["status"] if is_known else [])}:
        findings &= ~Finding.UNKNOWN_FIELDS
    if status == "cancelled":
        fields = fields.model_copy(update={"status": SessionStatus.ARCHIVED})
    return record._replace(fields=fields, findings=findings)
