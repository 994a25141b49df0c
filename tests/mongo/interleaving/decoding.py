"""What lies in the database, worked out from the decision page and without the adapter.

It fails at whatever may never be there, not even between two writes: a number that is not true, a
chain with a hole, a message twice.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from app.domain.identity import SessionKey
from app.store.marking import Marking

Document = dict[str, Any]

_MESSAGE_MEMBERS = ("id", "content", "message_type", "user_id", "metadata", "created_at")
_LATER_MEMBERS = ("parent_id", "edited_at", "deleted_at")
_PLAIN_MEMBERS = (
    *("user_id", "session_name", "status", "tags", "is_pinned", "project_id", "workspace_id"),
    *("generation", "message_count", "next_seq", "revision", "changes"),
)


@dataclass(frozen=True)
class Message:
    """A message as users see it, and what the store knows of it beside that."""

    wire: Document
    digest: bytes
    appended: int
    """The revision that appended it."""
    changed: int | None = None
    """The revision that changed it last."""
    past_texts: tuple[tuple[str, str], ...] = ()
    """What it said, and until when."""


@dataclass(frozen=True)
class Session:
    """A session in one version."""

    header: Document
    messages: tuple[Message, ...] = ()

    @property
    def generation(self) -> str:
        return str(self.header["generation"])

    @property
    def revision(self) -> int:
        return int(self.header["revision"])

    @property
    def wires(self) -> list[Document]:
        return [message.wire for message in self.messages]

    def find(self, message_id: str) -> int | None:
        """The place of a message."""
        for seq, message in enumerate(self.messages):
            if message.wire["id"] == message_id:
                return seq
        return None


@dataclass(frozen=True)
class Mark:
    """What a deletion has left."""

    deleted_at: str


@dataclass(frozen=True)
class Entry:
    """An entry of a ledger."""

    revision: int
    body: bytes
    users: frozenset[str]
    """Those who have a part in it."""

    def without(self, users: Iterable[str]) -> "Entry":
        return replace(self, users=self.users.difference(users))


State = Session | Mark | None
"""What is under a key: a session, the mark of one, or nothing."""


@dataclass(frozen=True)
class States:
    """All that is in a database, but for what nobody can see."""

    sessions: Mapping[SessionKey, State] = field(default_factory=dict)
    erased: frozenset[str] = frozenset()
    """The users who were erased."""
    entries: Mapping[str, Entry] = field(default_factory=dict)
    """What is in ledgers."""


class Decoder:
    """Knows by what names to look."""

    def __init__(self, secret: bytes, keys: Iterable[SessionKey]) -> None:
        marking = Marking(secret)
        self._keys = {marking.mark(*key).hex(): key for key in keys}
        self._users = {marking.mark(user).hex(): user for user, _ in self._keys.values()}

    def states(
        self,
        heads: Iterable[Document],
        segments: Iterable[Document],
        entries: Iterable[Document] = (),
    ) -> States:
        """What the documents of these collections say together."""
        by_id = {segment["_id"]: segment for segment in segments}
        sessions: dict[SessionKey, State] = dict.fromkeys(self._keys.values())
        erased: set[str] = set()
        for head in heads:
            head_id = head["_id"]
            if head_id in self._users:
                assert head.keys() == {"_id", "user_id", "deleted_at"}
                erased.add(self._users[head_id])
            elif "deleted_at" in head:
                allowed = {"_id", "user_id", "deleted_at", "deleted_generation"}
                assert head.keys() <= allowed, "a mark has content"
                sessions[self._keys[head_id]] = Mark(_text(head["deleted_at"]))
            else:
                key = SessionKey(head["user_id"], head["session_id"])
                assert self._keys[head_id] == key
                sessions[key] = _session(head, by_id)
        return States(sessions, frozenset(erased), {one["_id"]: _entry(one) for one in entries})


def chain_of(head: Document, by_id: Mapping[str, Document]) -> list[Document]:
    """The segments that a head stands on, oldest first."""
    chain: list[Document] = []
    link = head["newest_segment"]
    while link is not None:
        assert link in by_id, "a segment of the chain is missing"
        chain.append(by_id[link])
        link = by_id[link]["previous"]
    chain.reverse()
    return chain


def _entry(stored: Document) -> Entry:
    users = [part["user_id"] for part in stored["parts"]]
    assert len(set(users)) == len(users)
    return Entry(stored["revision"], stored["body"], frozenset(users))


def _session(head: Document, by_id: Mapping[str, Document]) -> Session:
    chain = chain_of(head, by_id)
    _check_links(head, chain)
    places: list[Document] = []
    appended: list[int] = []
    changed: list[int | None] = []
    past_texts: list[Document] = []
    for segment in chain:
        assert segment["first_seq"] == len(places)
        _check_revisions(segment)
        for correction in segment["corrections"]:
            assert correction["seq"] < len(places)
            places[correction["seq"]] = correction
            changed[correction["seq"]] = correction["changed_revision"]
        for message in segment["messages"]:
            places.append(message)
            appended.append(message["revision"])
            changed.append(message.get("changed_revision"))
        assert segment["end_seq"] == len(places)
        past_texts.extend(segment["past_texts"])
    assert head["sealed_count"] == len(places)
    appended.extend(_appended_revisions(head))
    revision_of_change = _revisions_of_changes(head)
    for correction in head["corrections"]:
        assert correction["seq"] < len(places)
        places[correction["seq"]] = correction
        changed[correction["seq"]] = revision_of_change[correction["change"]]
    for message in head["messages"]:
        places.append(message)
        changed.append(revision_of_change[message["change"]] if "change" in message else None)
    past_texts.extend(head["past_texts"])
    messages = tuple(
        Message(
            _wire(seq, stored),
            stored["digest"],
            appended[seq],
            changed[seq],
            tuple(
                (past["content"], _text(past["replaced_at"]))
                for past in past_texts
                if past["seq"] == seq and "deleted_at" not in stored
            ),
        )
        for seq, stored in enumerate(places)
    )
    session = Session(_header(head), messages)
    _check_counters(head, session)
    return session


def _header(head: Document) -> Document:
    last = head["last_message_at"]
    return {
        "id": head["session_id"],
        "is_active": head["status"] == "active",
        "created_at": _text(head["created_at"]),
        "updated_at": _text(head["updated_at"]),
        "last_message_at": None if last is None else _text(last),
        "context": _free(head["context"]),
        "metadata": _free(head["metadata"]),
        "origin": head.get("origin"),
        **{name: head[name] for name in _PLAIN_MEMBERS},
    }


def _wire(seq: int, stored: Document) -> Document:
    wire: Document = {"seq": seq}
    for name in (*_MESSAGE_MEMBERS, *_LATER_MEMBERS):
        value = stored.get(name)
        wire[name] = _text(value) if isinstance(value, datetime) else value
    wire["metadata"] = _free(stored.get("metadata", {}))
    return wire


# --- what must be true --------------------------------------------------------------------------


def _check_links(head: Document, chain: list[Document]) -> None:
    until = 0
    for segment in chain:
        assert segment["user_id"] == head["user_id"]
        assert segment["generation"] == head["generation"]
        assert segment["previous_until"] == until
        assert segment["until_revision"] >= until
        assert len(segment["message_keys"]) == len(segment["messages"])
        until = segment["until_revision"]
    assert head["sealed_until"] == until
    unmerged_from, unmerged_bytes = head["sealed_count"], 0
    for segment in reversed(chain):
        if unmerged_bytes == head["unmerged_bytes"]:
            break
        unmerged_from = segment["first_seq"]
        unmerged_bytes += segment["size_bytes"]
    assert (head["unmerged_from"], head["unmerged_bytes"]) == (unmerged_from, unmerged_bytes)


def _check_revisions(segment: Document) -> None:
    until = segment["until_revision"]
    for message in segment["messages"]:
        assert message["revision"] <= until
        assert "change" not in message
    for message in (*segment["messages"], *segment["corrections"]):
        # Only that a deleted text was forgotten comes later than the seal.
        assert "deleted_at" in message or message.get("changed_revision", 0) <= until


def _appended_revisions(head: Document) -> list[int]:
    revisions: list[int] = []
    for revision, count in enumerate(head["steps"], head["sealed_revision"] + 1):
        revisions.extend([revision] * count)
    unaccounted = len(head["messages"]) - len(revisions)
    assert unaccounted >= 0
    return [head["sealed_revision"]] * unaccounted + revisions


def _revisions_of_changes(head: Document) -> dict[int, int]:
    revisions = [
        revision
        for revision, count in enumerate(head["steps"], head["sealed_revision"] + 1)
        if count == 0
    ]
    first = head["changes"] - len(revisions) + 1
    assert first >= 1
    return {first + index: revision for index, revision in enumerate(revisions)}


def _check_counters(head: Document, session: Session) -> None:
    living = [wire for wire in session.wires if wire["deleted_at"] is None]
    header = session.header
    assert header["next_seq"] == len(session.messages)
    assert header["message_count"] == len(living)
    assert header["last_message_at"] == (living[-1]["created_at"] if living else None)
    assert header["revision"] == head["sealed_revision"] + len(head["steps"])
    assert head["live_bytes"] >= 0
    assert len({wire["id"] for wire in session.wires}) == len(session.messages)
    revisions = [message.appended for message in session.messages]
    assert revisions == sorted(revisions)
    for message in session.messages:
        was_changed = (message.wire["edited_at"] or message.wire["deleted_at"]) is not None
        assert was_changed == (message.changed is not None)
        assert message.changed is None or message.appended < message.changed <= session.revision
        if message.wire["deleted_at"] is not None:
            assert message.wire["content"] == ""


def _text(instant: datetime) -> str:
    return instant.replace(tzinfo=UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _free(stored: Any) -> Any:
    return json.loads(stored) if isinstance(stored, str) else stored
