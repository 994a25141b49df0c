"""Kept values: what no field of ours can hold, in a form that every store keeps."""

from collections.abc import Mapping
from typing import Any, cast

from pydantic_core import from_json

from app.domain.folding import KEPT_NAME, Finding
from app.domain.free_json import checked_json, encode_json


def stored_metadata(
    raw_metadata: Any, name: str, kept: Mapping[str, Any]
) -> tuple[dict[str, Any], int]:
    """A message's metadata with what else is kept of it below our name, and the findings.

    `name` is what the source calls the metadata.
    """
    kept = dict(kept)
    findings = 0
    metadata = _as_object(raw_metadata)
    if metadata is None:
        kept[name] = raw_metadata
        findings |= Finding.METADATA_NOT_AN_OBJECT
        metadata = {}
    elif KEPT_NAME in metadata:  # someone else's use of our name stays readable below ours
        kept[name] = {KEPT_NAME: metadata[KEPT_NAME]}
    stored = {**metadata, KEPT_NAME: kept} if kept else metadata
    if not is_storable(stored):
        findings |= Finding.KEPT_AS_TEXT
        if raw_metadata is not None:
            kept[name] = raw_metadata
        stored = {KEPT_NAME: as_text(kept)}
    return stored, findings


def as_text(kept: Mapping[str, Any]) -> dict[str, Any]:
    """What no store keeps as it is, as JSON in a text."""
    return {"json": encode_json(kept).decode()}


def is_storable(value: dict[str, Any]) -> bool:
    """Whether every store keeps it as it is."""
    try:
        checked_json(value)
    except ValueError:
        return False
    return True


def _as_object(metadata: Any) -> dict[str, Any] | None:
    """The object that metadata is, or that its text holds; null is an empty one."""
    if metadata is None:
        return {}
    if isinstance(metadata, str):
        try:
            metadata = from_json(metadata, allow_inf_nan=False)
        except ValueError:
            return None
    return cast("dict[str, Any]", metadata) if isinstance(metadata, dict) else None
