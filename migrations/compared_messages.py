"""Compared messages: what differs between a message and its record, and in what order they came."""

import hashlib
import json
from bisect import bisect_right
from collections.abc import Mapping
from typing import Any, NamedTuple

from migrations.expected import ExpectedMessage
from migrations.expected_record import KEPT_NAME
from migrations.waves import Waves


class StoredMessage(NamedTuple):
    """A message of the store, as it was before its user changed it."""

    id: str
    content: str | None
    """None: its user deleted it."""
    created_at: str
    message_type: str
    metadata: Mapping[str, Any] | None
    author: str | None
    is_past_lost: bool
    """Whether it was edited and the store does not know what it said before, as after an import of
    an export; then this is what it says now."""


def in_waves(
    expected: list[ExpectedMessage], stored: list[StoredMessage], waves: Waves
) -> tuple[list[ExpectedMessage], list[ExpectedMessage], list[StoredMessage]]:
    """What is expected in the order in which it came, its first wave, and the folded messages.

    Between the waves there may be what users have written.
    """
    places = {message.id: place for place, message in enumerate(stored)}
    nameless: dict[tuple[str | None, str], list[int]] = {}
    named_ids = {one.id for one in expected if one.id is not None}
    for place, message in enumerate(stored):
        if message.id not in named_ids:
            nameless.setdefault((message.content, message.created_at), []).append(place)
    by_wave: list[list[ExpectedMessage]] = [[] for _ in range(len(waves.begins) + 1)]
    found: set[int] = set()
    for one in expected:
        same = nameless.get((one.content, one.created_at))
        at_place = places.get(one.id) if one.id is not None else same.pop(0) if same else None
        by_wave[-1 if at_place is None else bisect_right(waves.begins, at_place)].append(one)
        if at_place is not None:
            found.add(at_place)
    folded = [
        message
        for place, message in enumerate(stored)
        if place < waves.first_count or place in found
    ]
    return [one for wave in by_wave for one in wave], by_wave[0], folded


def differences_between(one: ExpectedMessage, other: StoredMessage) -> list[tuple[str, str]]:
    """What differs between a message and its record; codes with sentences."""
    found: list[tuple[str, str]] = []
    if other.content is not None and other.content != one.content:
        found.append(("content_differs", "Its text is not that of the source."))
    if other.created_at != one.created_at:
        found.append(("date_differs", f"It has {other.created_at} instead of {one.created_at}."))
    if other.message_type != one.message_type:
        found.append(
            ("type_differs", f"It is {other.message_type!r} instead of {one.message_type!r}.")
        )
    if other.metadata is not None and not _is_metadata(one.metadata, other.metadata):
        found.append(("metadata_differs", "Its metadata is not that of the source."))
    if other.author is not None:
        found.append(("author_differs", "It has an author that the source does not name."))
    if other.is_past_lost and {"content_differs", "metadata_differs"} & {code for code, _ in found}:
        detail = "It was edited, and the store does not know what it said before."
        found.append(("history_missing", detail))
    return found


def _is_metadata(expected: str | None, stored: Mapping[str, Any]) -> bool:
    if expected is None:
        return KEPT_NAME in stored
    written = json.dumps(stored, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return written == expected


def digest_expected(expected: list[ExpectedMessage], stored: list[StoredMessage]) -> str:
    """Of the source's ids and texts; what it has no id for, takes that of the store."""
    digest = hashlib.sha256()
    for one, other in zip(expected, stored, strict=True):
        digest.update(_netstring(one.id or other.id) + _netstring(one.content))
    return digest.hexdigest()


def digest_stored(expected: list[ExpectedMessage], stored: list[StoredMessage]) -> str:
    """Of the store's ids and texts; what its user deleted counts as it was."""
    digest = hashlib.sha256()
    for one, other in zip(expected, stored, strict=True):
        content = one.content if other.content is None else other.content
        digest.update(_netstring(other.id) + _netstring(content))
    return digest.hexdigest()


def _netstring(text: str) -> bytes:
    encoded = text.encode()
    return b"%d:%s," % (len(encoded), encoded)
