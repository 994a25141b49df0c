"""What one session document must become; the rules of embedded messages, as verify sees them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, cast
from zoneinfo import ZoneInfo

from app.domain.source_options import SourceOptions
from migrations.expected_record import (
    SOURCE_DEPTH_LIMIT,
    Row,
    ToldRow,
    canonical,
    depth_of,
    id_of,
    identity_of,
    instant_of,
    instant_text,
    is_storable,
    joined_texts,
    type_and_metadata,
)
from migrations.expected_source import OpenSource, opened
from migrations.expected_values import decoded_bson, from_extended, is_extended

TOLD_FIELDS: Mapping[str, Any] = {
    "session_name": None,
    "status": "active",
    "tags": [],
    "is_pinned": False,
    "project_id": None,
    "workspace_id": None,
    "context": {},
    "metadata": {},
}
"""What a session has of its own, and what it has where nothing is told."""

SPACING = 67_108_864
_NAMES = {
    "id": "id session_id _id",
    "user_id": "user_id",
    "session_name": "session_name title name",
    "status": "status",
    "is_active": "is_active",
    "tags": "tags",
    "is_pinned": "is_pinned",
    "project_id": "project_id",
    "workspace_id": "workspace_id",
    "context": "context",
    "metadata": "metadata",
    "messages": "messages",
    "message_count": "message_count",
    "last_message_at": "last_message_at",
    "created_at": "created_at",
    "updated_at": "updated_at",
}
_MESSAGE_NAMES = {
    "id": "id _id",
    "session_id": "session_id",
    "user_id": "user_id",
    "content": "content text parts",
    "message_type": "message_type role",
    "metadata": "metadata",
    "created_at": "created_at timestamp",
}
_TYPES = ("user", "assistant", "system", "tool")
_STATUSES = ("active", "completed", "archived")
_NAME_LIMIT = 1000
_TAG_LIMIT = 200
_TAGS_LIMIT = 100
_MARGIN_BYTES = 2048

_Document = dict[str, Any]


class ExpectedDocuments:
    """Tells of each session document what it must become."""

    needs_session = False

    def __init__(self, options: SourceOptions) -> None:
        self.names = _chosen(_NAMES, options.fields, "")
        self.message_names = _chosen(_MESSAGE_NAMES, options.fields, "message.")
        self._zone = ZoneInfo(options.time_zone) if options.time_zone else None

    def opened(self, location: str, options: SourceOptions) -> AbstractContextManager[OpenSource]:
        """The source at its beginning, all of it.

        Raises:
            SourceError: it cannot be read.
        """
        return opened(location, replace(options, user=None, session=None))

    def rows(
        self, position: int, raw: bytes | None, *, is_bson: bool
    ) -> Iterator[Row | ToldRow | None]:
        """What a document says of its session, and each of its messages."""
        try:
            document = self._decoded(raw or b"", is_bson=is_bson)
        except (ValueError, RecursionError):
            yield None
            return
        said, others = said_in(document, self.names)
        yield from self.session_rows(position * SPACING, said, others)

    def place(self, position: int, word: str) -> str:
        """Where a record is, in people's words."""
        number = position % SPACING
        return f"{word} {position // SPACING}" + (f", message {number}" if number else "")

    def session_rows(
        self, position: int, said: _Document, others: _Document
    ) -> Iterator[Row | ToldRow | None]:
        """The rows of a session whose first record has this position."""
        elements = said.pop("messages", None)
        members_before = len(said) + len(others)
        said, others = sound(said), sound(others)
        if len(said) + len(others) < members_before:
            yield None
        try:
            session_id, user_id = id_of(said, "id"), id_of(said, "user_id") or None
        except ValueError:
            session_id, user_id = "", None
        if not session_id:
            yield None
            return
        if "_id" in others and others["_id"] == said["id"]:
            del others["_id"]
        is_array = isinstance(elements, list)
        messages = cast("Sequence[Any]", elements) if is_array else ()
        told = self._told(said, others, messages)
        yield ToldRow(position, session_id, user_id, canonical(told), _size_bytes(told))
        if elements is not None and not is_array:
            yield None
        dates = [said[name] for name in ("created_at", "updated_at") if name in told]
        before = instant_of(dates[0], self._zone) if dates else None
        yield from self._messages(position, session_id, user_id, messages, before)

    def _decoded(self, raw: bytes, *, is_bson: bool) -> _Document:
        if is_bson:
            return decoded_bson(raw)
        document = loosely_decoded(raw)
        if not isinstance(document, dict):
            raise ValueError(document)  # noqa: TRY004 - of the source, no argument of ours
        whole = cast("_Document", document)
        if b'"$' in raw and self._is_extended(whole):
            return {name: from_extended(value) for name, value in whole.items()}
        return whole

    def _is_extended(self, document: _Document) -> bool:
        said, _ = said_in(document, self.names)
        of_session = ("id", "user_id", "created_at", "updated_at", "last_message_at")
        if any(is_extended(said.get(name)) for name in of_session):
            return True
        elements = said.get("messages")
        for element in cast("Sequence[Any]", elements) if isinstance(elements, list) else ():
            if isinstance(element, dict):
                message, _ = said_in(cast("_Document", element), self.message_names)
                of_message = ("id", "user_id", "session_id", "created_at")
                if any(is_extended(message.get(name)) for name in of_message):
                    return True
        return False

    def _told(self, said: _Document, others: _Document, messages: Sequence[Any]) -> dict[str, Any]:
        told: dict[str, Any] = {}
        extras = dict(others)
        for name, value in said.items():
            if value is None or name in {"id", "user_id", "status", "is_active"}:
                continue
            if name in {"message_count", "last_message_at"}:
                if not _is_borne_out(name, value, messages):
                    extras[self.names[name][0]] = value
                continue
            try:
                told[name] = _fitting(name, value, self._zone)
            except (ValueError, OverflowError):
                if value != "" or name not in {"created_at", "updated_at"}:
                    extras[self.names[name][0]] = value
        told.update(self._status(said, extras))
        told["extras"] = extras if is_storable(extras) else None
        return told

    def _status(self, said: _Document, extras: dict[str, Any]) -> dict[str, str]:
        status, is_active = said.get("status"), said.get("is_active")
        if status is not None and status not in _STATUSES:
            extras[self.names["status"][0]] = status
            status = None
        if is_active is True and status in {None, "active"}:
            return {"status": "active"}
        if is_active is False and status != "active":
            return {"status": status or "archived"}
        if is_active is not None:
            extras[self.names["is_active"][0]] = is_active
        return {} if status is None else {"status": status}

    def _messages(
        self,
        position: int,
        session_id: str,
        user_id: str | None,
        messages: Sequence[Any],
        before: int | None,
    ) -> Iterator[Row | None]:
        parsed: list[tuple[_Document, _Document] | None] = []
        for element in messages:
            is_sound = isinstance(element, dict) and bool(sound({"": element}))
            message = cast("_Document", element) if is_sound else None
            parsed.append(None if message is None else said_in(message, self.message_names))
        for index, pair in enumerate(parsed):
            row = None
            if pair is not None:
                if before is None and pair[0].get("created_at") in (None, ""):
                    before = self._first_instant(parsed)
                try:
                    row = self._row(position + 1 + index, index, session_id, user_id, pair, before)
                except (ValueError, OverflowError):
                    row = None
            if row is not None:
                before = row.instant
            yield row

    def _first_instant(self, parsed: list[tuple[_Document, _Document] | None]) -> int | None:
        for pair in parsed:
            try:
                if pair is not None:
                    return instant_of(pair[0].get("created_at"), self._zone)
            except (ValueError, OverflowError):
                continue
        return None

    def _row(
        self,
        position: int,
        index: int,
        session_id: str,
        owner: str | None,
        pair: tuple[_Document, _Document],
        before: int | None,
    ) -> Row | None:
        said, others = pair[0], dict(pair[1])
        date = said.get("created_at")
        has_no_date = date is None or date == ""
        instant = before if has_no_date and before is not None else instant_of(date, self._zone)
        message_id = id_of(said, "id")
        user_id = (id_of(said, "user_id") or None) if owner is None else owner
        for name, own in (("session_id", session_id), ("user_id", user_id)):
            if said.get(name) not in (None, "", own):
                others[self.message_names[name][0]] = said[name]
        if "_id" in others and others["_id"] == said.get("id"):
            del others["_id"]
        content = said.get("content")
        if isinstance(content, list):
            content = joined_texts(cast("Sequence[Any]", content))
        elif content is None:
            content = ""
        if not isinstance(content, str):
            return None
        names = {name: candidates[0] for name, candidates in self.message_names.items()}
        known = {name: said.get(name) for name in names}
        kind, metadata = type_and_metadata(known, others, names, _TYPES)
        identity = identity_of(message_id, [index, content, kind, metadata])
        return Row(
            position,
            session_id,
            user_id,
            index,
            instant,
            message_id,
            identity,
            content,
            kind,
            metadata,
        )


def loosely_decoded(raw: bytes) -> Any:
    """What JSON says, with bytes that are no text as halves of surrogate pairs.

    Raises:
        ValueError: it is no JSON.
    """
    text = raw.decode("utf-8", "surrogateescape").removeprefix("\ufeff")
    return json.loads(text, parse_constant=lambda constant: {"$numberDouble": constant})


def _chosen(
    near: Mapping[str, str], fields: Mapping[str, str], prefix: str
) -> dict[str, list[str]]:
    """What each field may be called, the operator's word before all."""
    return {
        name: [fields[prefix + name]] if prefix + name in fields else candidates.split()
        for name, candidates in near.items()
    }


def said_in(document: _Document, names: Mapping[str, Sequence[str]]) -> tuple[_Document, _Document]:
    """What is said by our names, and what else there is."""
    said: _Document = {}
    gone: set[str] = set()
    for ours, candidates in names.items():
        for name in candidates:
            if name not in document or name in gone:
                continue
            gone.add(name)
            said[ours] = document[name]
            if said[ours] is not None and said[ours] != "":
                break
    return said, {name: value for name, value in document.items() if name not in gone}


def sound(document: _Document) -> _Document:
    """Without the members that are no JSON in UTF-8."""
    kept: _Document = {}
    for name, value in document.items():
        try:
            canonical([name, value]).encode()
        except (ValueError, RecursionError):
            continue
        if depth_of(value) < SOURCE_DEPTH_LIMIT:
            kept[name] = value
    return kept


def _fitting(name: str, value: Any, zone: ZoneInfo | None) -> Any:
    """A value of the session as the store has it.

    Raises:
        ValueError: it can only be kept; or an OverflowError.
    """
    fitting: Any = value
    if name in {"created_at", "updated_at"}:
        return instant_text(instant_of(value, zone))
    if name in {"project_id", "workspace_id"}:
        fitting = id_of({name: value}, name)
        fits = fitting != ""
    elif name == "session_name":
        fits = isinstance(value, str) and len(value) <= _NAME_LIMIT
    elif name == "is_pinned":
        fits = isinstance(value, bool)
    elif name == "tags":
        fits = _are_tags(value)
    else:
        fits = isinstance(value, dict) and is_storable(value)
    if not fits:
        raise ValueError(name)
    return fitting


def _are_tags(value: Any) -> bool:
    if not isinstance(value, list):
        return False
    tags = cast("Sequence[Any]", value)
    return len(tags) <= _TAGS_LIMIT and all(
        isinstance(one, str) and 0 < len(one) <= _TAG_LIMIT for one in tags
    )


def _is_borne_out(name: str, value: Any, messages: Sequence[Any]) -> bool:
    """Whether a count is what the messages make it."""
    if name == "message_count":
        return bool(value == len(messages))
    last = messages[-1] if messages else None
    message = cast("_Document", last) if isinstance(last, dict) else {}
    return bool(value == message.get("created_at", message.get("timestamp")))


def _size_bytes(told: Mapping[str, Any]) -> int:
    """What a header needs for it, about."""
    whole = {**TOLD_FIELDS, "created_at": None, "updated_at": None, **told}
    return len(canonical(whole).encode()) + _MARGIN_BYTES
