"""Old artifacts: what sessions made before there were projects, with or without versions."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, cast
from zoneinfo import ZoneInfo

from app.domain.folding import EPOCH, Finding, Reason
from app.domain.free_json import canonical_json, encode_json
from app.domain.owned_document import OWNED_DOCUMENT_LIMIT_BYTES
from app.domain.source_artifact import SourceArtifact, SourceVersion
from app.formats.faults import FaultError
from app.formats.kept_values import as_text, is_storable
from app.formats.near_names import NearNames
from app.formats.source_ids import id_in
from app.formats.times import instant_microseconds

ARTIFACT_NAMES: Mapping[str, Sequence[str]] = {
    "id": ("id", "_id"),
    "session_id": ("session_id",),
    "user_id": ("user_id",),
    "name": ("name", "title"),
    "artifact_type": ("artifact_type", "type"),
    "content": ("content", "text"),
    "versions": ("versions",),
    "number": ("version",),
    "previous_id": ("parent_version_id",),
    "metadata": ("metadata",),
    "created_at": ("created_at",),
}
"""What an artifact's fields may be called; the first is ours."""

_VERSION_NAMES: Mapping[str, Sequence[str]] = {
    "content": ("content", "text"),
    "number": ("version", "number"),
    "created_at": ("created_at",),
}
_NAME_LIMIT = 1000
_TYPE_LIMIT = 200
_LIMIT_BYTES = OWNED_DOCUMENT_LIMIT_BYTES - 16 * 1024
"""Leaves room for what a document has beside what the source says: ids, dates, its origin."""


class OldArtifacts:
    """Reads artifacts, whether they lie in a session's document or beside it."""

    def __init__(self, zone: ZoneInfo | None) -> None:
        self.names = NearNames(ARTIFACT_NAMES, {})
        self._version_names = NearNames(_VERSION_NAMES, {})
        self._zone = zone

    def read(self, known: Mapping[str, Any], rest: Mapping[str, Any]) -> tuple[bytes, int]:
        """What is said of an artifact, as JSON that is the same for equal ones; and the findings.

        Raises:
            FaultError: it has no name, or a text that is none, or more than a document holds.
        """
        extras = dict(rest)
        findings = 0
        name, kind = known.get("name"), known.get("artifact_type")
        if not isinstance(name, str) or not 0 < len(name) <= _NAME_LIMIT:
            detail = f"The artifact has no name of 1 to {_NAME_LIMIT} characters."
            raise FaultError(Reason.INVALID_ARTIFACT, detail)
        if kind is not None and not (isinstance(kind, str) and len(kind) <= _TYPE_LIMIT):
            extras[self.names.name("artifact_type")], kind = kind, None
        metadata = known.get("metadata")
        is_kept = metadata is not None and not _is_free_json(metadata)
        if is_kept:
            extras[self.names.name("metadata")] = metadata
        number = known.get("number")
        if number is not None and not _is_number(number):
            extras[self.names.name("number")], number = number, None
        created_at, is_naive = self._date(known, extras)
        findings |= Finding.NAIVE_TIMESTAMP if is_naive else 0
        versions = self._versions(known)
        if not versions:  # the source kept the text elsewhere, or there never was one
            findings |= Finding.NULL_CONTENT
            versions = [SourceVersion(content="")]
        if extras:
            findings |= Finding.UNKNOWN_FIELDS
        artifact = SourceArtifact(
            id=id_in(known, "id"),
            previous_id=id_in(known, "previous_id"),
            number=number,
            name=name,
            artifact_type=kind,
            metadata={} if metadata is None or is_kept else metadata,
            versions=tuple(versions),
            created_at=created_at,
            extras=_storable(extras),
        )
        members = artifact.model_dump(mode="json")
        _check_size(members, members["versions"])
        return canonical_json(members), findings

    def _versions(self, known: Mapping[str, Any]) -> list[SourceVersion]:
        """All texts, the oldest first; the artifact's own is the newest, where it is another."""
        told = known.get("versions")
        elements = cast("Sequence[Any]", told) if isinstance(told, list) else ()
        if told is not None and not isinstance(told, list):
            raise FaultError(Reason.INVALID_ARTIFACT, "What should be its versions is no array.")
        read = [self._version(element) for element in elements]
        if all(_is_number(number) for number, _ in read):
            read.sort(key=lambda one: cast("int", one[0]))
        versions = [version for _, version in read]
        content = known.get("content")
        if content is not None and (not versions or versions[-1].content != content):
            versions.append(_checked_version(content, None, {}))
        return versions

    def _version(self, element: Any) -> tuple[Any, SourceVersion]:
        if not isinstance(element, dict):
            raise FaultError(Reason.INVALID_ARTIFACT, "A version of the artifact is no object.")
        known, extras = self._version_names.split(cast("dict[str, Any]", element))
        created_at, _ = self._date(known, extras)
        number = known.get("number")
        if number is not None and not _is_number(number):
            extras[self._version_names.name("number")] = number
        return number, _checked_version(known.get("content"), created_at, extras)

    def _date(
        self, known: Mapping[str, Any], extras: dict[str, Any]
    ) -> tuple[datetime | None, bool]:
        """The date, and whether its zone had to be guessed; one that is none is kept."""
        value = known.get("created_at")
        try:
            instant, is_naive = instant_microseconds(value, self._zone)
        except FaultError:
            if value not in (None, ""):
                extras["created_at"] = value
            return None, False
        return EPOCH + timedelta(milliseconds=instant // 1000), is_naive


def _checked_version(
    content: Any, created_at: datetime | None, extras: dict[str, Any]
) -> SourceVersion:
    if not isinstance(content, str):
        raise FaultError(Reason.INVALID_ARTIFACT, "A text of the artifact is no text.")
    return SourceVersion(content=content, created_at=created_at, extras=_storable(extras))


def _storable(extras: dict[str, Any]) -> dict[str, Any]:
    """What is kept, one level deeper than it was; as text where no store keeps it so."""
    return extras if is_storable({"": extras}) else as_text(extras)


def _check_size(artifact: Mapping[str, Any], versions: Sequence[Any]) -> None:
    """Pass if the document of each version can hold what is said of the artifact, too."""
    largest = max(len(encode_json(version)) for version in versions)
    beside = {name: value for name, value in artifact.items() if name != "versions"}
    if largest + len(encode_json(beside)) > _LIMIT_BYTES:
        detail = f"One of its texts has more than {_LIMIT_BYTES} bytes, with what is said of it."
        raise FaultError(Reason.ARTIFACT_TOO_LARGE, detail)


def _is_free_json(value: Any) -> bool:
    return isinstance(value, dict) and is_storable(cast("dict[str, Any]", value))


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
