"""Session fields: what a document says of a session itself, as far as a session can hold it."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple, cast
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from app.domain.folding import EPOCH, Finding
from app.domain.session import SessionStatus
from app.domain.source_session import SourceFields
from app.formats.faults import FaultError
from app.formats.kept_values import as_text, is_storable
from app.formats.near_names import NearNames
from app.formats.times import instant_microseconds

SESSION_NAMES: Mapping[str, Sequence[str]] = {
    "id": ("id", "session_id", "_id"),
    "user_id": ("user_id",),
    "session_name": ("session_name", "title", "name"),
    "status": ("status",),
    "is_active": ("is_active",),
    "tags": ("tags",),
    "is_pinned": ("is_pinned",),
    "project_id": ("project_id",),
    "workspace_id": ("workspace_id",),
    "context": ("context",),
    "metadata": ("metadata",),
    "messages": ("messages",),
    "message_count": ("message_count",),
    "last_message_at": ("last_message_at",),
    "created_at": ("created_at",),
    "updated_at": ("updated_at",),
}
"""What a session's fields may be called; the first is ours."""

_KINDS: Mapping[str, type] = {
    "session_name": str,
    "is_pinned": bool,
    "tags": list,
    "context": dict,
    "metadata": dict,
    "project_id": str,
    "workspace_id": str,
}
_IDS = ("project_id", "workspace_id")
_DATES = ("created_at", "updated_at")
_COUNTED = ("message_count", "last_message_at")
_DATABASE_ID = "_id"


class ToldFields(NamedTuple):
    """The fields of a session, and what was odd about them."""

    fields: SourceFields
    findings: int
    instant_microseconds: int | None
    """Of its creation, else of its last change."""


class SessionFieldsReader:
    """Takes from documents what the fields of a session can hold; the rest are extras."""

    def __init__(self, names: NearNames, zone: ZoneInfo | None) -> None:
        self._names = names
        self._zone = zone

    def read(
        self, known: Mapping[str, Any], rest: Mapping[str, Any], elements: Sequence[Any]
    ) -> ToldFields:
        """What a document says, split into our names and others; `elements` are its messages.

        Counts that the messages bear out are not kept: a session has its own.
        """
        extras = dict(rest)
        taken: dict[str, Any] = {}
        findings = 0
        for name, value in known.items():
            if name in _KINDS and value is not None:
                self._take(name, value, taken, extras)
            elif name in _COUNTED and value is not None and value != _counted(name, elements):
                extras[self._names.name(name)] = value
        status = self._status(known, extras)
        if status is not None:
            taken["status"] = status
        instants: list[int] = []
        for name in _DATES:
            instant, is_naive = self._instant(known.get(name))
            if instant is not None:
                taken[name] = EPOCH + timedelta(milliseconds=instant // 1000)
                instants.append(instant)
                findings |= Finding.NAIVE_TIMESTAMP if is_naive else 0
            elif known.get(name) not in (None, ""):
                extras[self._names.name(name)] = known[name]
        if extras.keys() - {_DATABASE_ID}:
            findings |= Finding.UNKNOWN_FIELDS
        if not is_storable(extras):
            findings |= Finding.KEPT_AS_TEXT
            extras = as_text(extras)
        fields = SourceFields.model_validate({**taken, "extras": extras})
        return ToldFields(fields, int(findings), instants[0] if instants else None)

    def _take(self, name: str, value: Any, taken: dict[str, Any], extras: dict[str, Any]) -> None:
        """Put a value where it belongs: into its field, or among the extras."""
        told = str(value) if name in _IDS and type(value) is int else value
        if type(told) is _KINDS[name] and _fits(name, told):
            taken[name] = told
        else:
            extras[self._names.name(name)] = value

    def _status(self, known: Mapping[str, Any], extras: dict[str, Any]) -> SessionStatus | None:
        """The status, as far as the document tells it; one that is none of ours is kept."""
        status, is_active = known.get("status"), known.get("is_active")
        told = None
        if isinstance(status, str) and status in set(SessionStatus):
            told = SessionStatus(status)
        elif status is not None:
            extras[self._names.name("status")] = status
        if is_active is None:
            return told
        if not isinstance(is_active, bool) or (
            told is not None and is_active is not (told is SessionStatus.ACTIVE)
        ):
            extras[self._names.name("is_active")] = is_active
            return told
        return told or (SessionStatus.ACTIVE if is_active else SessionStatus.ARCHIVED)

    def _instant(self, value: Any) -> tuple[int | None, bool]:
        try:
            return instant_microseconds(value, self._zone)
        except FaultError:
            return None, False


def _fits(name: str, value: Any) -> bool:
    try:
        SourceFields.model_validate({name: value})
    except ValidationError:
        return False
    return name != "tags" or all(isinstance(tag, str) for tag in cast("Sequence[Any]", value))


def _counted(name: str, elements: Sequence[Any]) -> Any:
    """What a count must be if the array bears it out."""
    if name == "message_count":
        return len(elements)
    last = elements[-1] if elements else None
    if not isinstance(last, dict):
        return None
    message = cast("dict[str, Any]", last)
    return message.get("created_at", message.get("timestamp"))
