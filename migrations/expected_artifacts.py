"""What old artifacts must become: which records are versions of one, and what each must say."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, cast
from zoneinfo import ZoneInfo

from migrations.expected_record import KEPT_NAME, canonical, id_of, instant_of, instant_text
from migrations.expected_record import is_storable as can_be_stored

_NAMES = {
    "id": "id _id",
    "session_id": "session_id",
    "user_id": "user_id",
    "name": "name title",
    "artifact_type": "artifact_type type",
    "content": "content text",
    "versions": "versions",
    "number": "version",
    "previous": "parent_version_id",
    "metadata": "metadata",
    "created_at": "created_at",
}
_VERSION_NAMES = {"content": "content text", "number": "version number", "created_at": "created_at"}
_NAME_LIMIT = 1000
_TYPE_LIMIT = 200
_BODY_LIMIT_BYTES = 1_048_576 - 16_384

_Document = dict[str, Any]


class ExpectedArtifact(NamedTuple):
    """An artifact as the store must have it, without the ids that are made."""

    name: str
    artifact_type: str | None
    metadata: str
    """JSON with sorted names."""
    created_at: str
    extras: str
    versions: Sequence[tuple[str, str, str]]
    """Content, date, and metadata as JSON; the oldest first."""


def artifact_row_of(document: _Document, zone: ZoneInfo | None) -> dict[str, Any]:
    """What a record says of an artifact.

    Raises:
        ValueError: it cannot be one; or an OverflowError.
    """
    said, others = _said(document, _NAMES)
    name = said.get("name")
    if not isinstance(name, str) or not name or len(name) > _NAME_LIMIT:
        raise ValueError(name)
    row: dict[str, Any] = {"name": name}
    for field in ("artifact_type", "metadata", "number"):
        value = said.get(field)
        row[field] = value if _fits(field, value) else None
        if value is not None and row[field] is None:
            others[_NAMES[field].split()[0]] = value
    row["id"], row["previous"] = id_of(said, "id") or None, id_of(said, "previous") or None
    row["created_at"] = _date(said, others, zone)
    row["versions"] = _versions(said, zone) or [{"content": "", "created_at": None, "extras": {}}]
    row["extras"] = _as_kept(others)
    beside = {**row, "versions": None}
    longest = max(len(_dumped(version)) for version in row["versions"])
    if longest + len(_dumped(beside)) > _BODY_LIMIT_BYTES:
        raise ValueError(name)
    return row


def expected_artifacts(rows: Iterable[dict[str, Any]], session_at: str) -> list[ExpectedArtifact]:
    """What the artifacts of a session must become, in the order of the source."""
    first_of_id: dict[str, dict[str, Any]] = {}
    for row in rows:
        first_of_id.setdefault((row["id"] and f"={row['id']}") or canonical(row), row)
    kept = list(first_of_id.values())
    chains: dict[int, list[dict[str, Any]]] = {}
    for row in kept:
        chains.setdefault(kept.index(_oldest(row, kept)), []).append(row)
    return [_expected(chain, session_at) for chain in chains.values()]


def _oldest(row: dict[str, Any], rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The record from which a chain of versions starts."""
    by_id = {one["id"]: one for one in rows if one["id"] is not None}
    path = [row]
    while (before := by_id.get(path[-1]["previous"])) is not None:
        if any(before is one for one in path):
            return row
        path.append(before)
    return path[-1]


def _expected(chain: list[dict[str, Any]], session_at: str) -> ExpectedArtifact:
    chain.sort(key=lambda row: (row["number"] or 0, row["created_at"] or ""))
    first, newest = chain[0], chain[-1]
    created_at = first["created_at"] or session_at
    versions: list[tuple[str, str, str]] = []
    for row in chain:
        for version in row["versions"]:
            kept: _Document = dict(version["extras"])
            if row is not first:
                kept = {**row["extras"], **kept}
            at = version["created_at"] or row["created_at"] or created_at
            metadata = canonical({KEPT_NAME: kept} if kept else {})
            versions.append((version["content"], at, metadata))
    told = {} if first["id"] is None else {"id": first["id"]}
    return ExpectedArtifact(
        newest["name"],
        newest["artifact_type"],
        canonical(newest["metadata"] or {}),
        created_at,
        canonical({**told, **first["extras"]}),
        versions,
    )


def _versions(said: Mapping[str, Any], zone: ZoneInfo | None) -> list[dict[str, Any]]:
    told = said.get("versions")
    if told is not None and not isinstance(told, list):
        raise ValueError(told)
    numbered: list[tuple[Any, dict[str, Any]]] = []
    for element in cast("Sequence[Any]", told or ()):
        if not isinstance(element, dict):
            raise ValueError(element)  # noqa: TRY004 - of the source, no argument of ours
        one, others = _said(cast("_Document", element), _VERSION_NAMES)
        created_at = _date(one, others, zone)
        number = one.get("number")
        if number is not None and type(number) is not int:
            others["version"] = number
        version = {"content": _text(one.get("content")), "created_at": created_at}
        numbered.append((number, {**version, "extras": _as_kept(others)}))
    if all(type(number) is int for number, _ in numbered):
        numbered.sort(key=lambda pair: cast("int", pair[0]))
    versions = [version for _, version in numbered]
    newest = said.get("content")
    if newest is not None and (not versions or newest != versions[-1]["content"]):
        versions.append({"content": _text(newest), "created_at": None, "extras": {}})
    return versions


def _fits(field: str, value: Any) -> bool:
    if field == "artifact_type":
        return isinstance(value, str) and len(value) <= _TYPE_LIMIT
    if field == "metadata":
        return isinstance(value, dict) and can_be_stored(value)
    return type(value) is int


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(value)  # noqa: TRY004 - of the source, no argument of ours
    return value


def _date(said: Mapping[str, Any], others: _Document, zone: ZoneInfo | None) -> str | None:
    value = said.get("created_at")
    if value is None or value == "":
        return None
    try:
        return instant_text(instant_of(value, zone))
    except (ValueError, OverflowError):
        others["created_at"] = value
        return None


def _as_kept(others: _Document) -> _Document:
    return others if can_be_stored({"": others}) else {"json": _dumped(others).decode()}


def _dumped(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _said(document: _Document, names: Mapping[str, str]) -> tuple[_Document, _Document]:
    """What is said by our names, and what else there is."""
    said: _Document = {}
    others = dict(document)
    for ours, candidates in names.items():
        for name in candidates.split():
            if name in others and said.get(ours) in (None, ""):
                said[ours] = others.pop(name)
    return said, others
