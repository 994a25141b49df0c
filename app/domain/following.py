"""Following: what a reader who has come so far in a session has missed since, in order; pure.

Every revision after the first is one append or one change. An append stays visible in the places
that it made, a change of a message until the next one of that message, a change of the header not
at all. So the revisions in which nothing is visible are those of the header, or of changes that
later ones have replaced.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from app.domain.identity import Version
from app.errors import CorruptDocumentError

MISSED_LIMIT = 5000
"""Who has missed more places and changes than this reads the session whole, which costs less."""

LOOK_LIMIT = 256
"""The most changes that one look brings."""

LOOK_LIMIT_BYTES = 1024 * 1024
"""The bodies that one look brings end with the one that passes this."""


class Bookmark(NamedTuple):
    """How far a reader has come: the places below `next_seq`, and so many changes."""

    generation: str
    next_seq: int
    changes: int


_BOOKMARK = re.compile(r"([0-9a-f]{16})\.(0|[1-9][0-9]{0,17})\.(0|[1-9][0-9]{0,17})")


def parse_bookmark(text: str) -> Bookmark | None:
    """The bookmark that `bookmark_text` wrote, or None where the text is something else."""
    match = _BOOKMARK.fullmatch(text)
    return Bookmark(match[1], int(match[2]), int(match[3])) if match else None


def bookmark_text(bookmark: Bookmark) -> str:
    """`<generation>.<next_seq>.<changes>`, the id of an event."""
    return f"{bookmark.generation}.{bookmark.next_seq}.{bookmark.changes}"


class ChangeKind(StrEnum):
    """What has happened in a session."""

    APPENDED = "appended"
    EDITED = "edited"
    DELETED = "deleted"
    HEADER = "header"
    """The header was changed; or an edit that a later one has replaced, which looks the same."""


class PlaceHistory(NamedTuple):
    """What has happened to one message."""

    seq: int
    appended_revision: int
    changed_revision: int | None
    """Of the last edit or deletion."""
    is_deleted: bool


class _Missed(NamedTuple):
    """One thing that a reader has missed."""

    bookmark: Bookmark
    """How far a reader has come who knows of it."""
    kind: ChangeKind
    seq: int
    """Of the message; -1 for the header."""


@dataclass(frozen=True, slots=True)
class SessionChange:
    """One thing that a reader has missed, with what it made, as it is now."""

    bookmark: Bookmark
    kind: ChangeKind
    json: bytes
    """The message, or the header; ready to send."""


@dataclass(frozen=True, slots=True)
class SessionChanges:
    """What has happened in a session since a reader looked."""

    latest: Bookmark
    """How far the session is."""
    changes: tuple[SessionChange, ...] | None
    """In the order in which they happened; the first ones only, where there are many. None where
    it cannot be told: the session is another one, or has gone on too far."""


class Gap:
    """How far a reader's bookmark and a session are apart."""

    def __init__(self, after: Bookmark, latest: Bookmark, version: Version) -> None:
        self.after = after
        self.latest = latest
        self._revision = version.revision
        self._places = latest.next_seq - after.next_seq
        self._changes = latest.changes - after.changes

    @property
    def can_be_told(self) -> bool:
        """Whether the bookmark is one of this session, and not too old."""
        return (
            self.after.generation == self.latest.generation
            and self._places >= 0
            and self._changes >= 0
            and self._places + self._changes <= MISSED_LIMIT
        )

    @property
    def known_revision(self) -> int:
        """A revision that the reader knows at least; the very one, if each append had one place."""
        return max(0, self._revision - self._changes - self._places)

    def told(
        self,
        histories: Sequence[PlaceHistory],
        *,
        header_json: Callable[[], bytes],
        message_json: Callable[[int], bytes],
    ) -> SessionChanges:
        """What the reader has missed, until that is enough for one look.

        `histories` are those of all places that the reader does not know, and of the others that
        were changed after `known_revision`; more do no harm.

        Raises:
            CorruptDocumentError: a place is missing.
        """
        missed = self._missed(histories)
        if missed is None:
            return SessionChanges(self.latest, None)
        changes: list[SessionChange] = []
        size_bytes = 0
        for one in missed:
            if len(changes) >= LOOK_LIMIT or size_bytes >= LOOK_LIMIT_BYTES:
                break
            json = header_json() if one.kind is ChangeKind.HEADER else message_json(one.seq)
            changes.append(SessionChange(one.bookmark, one.kind, json))
            size_bytes += len(json)
        return SessionChanges(self.latest, tuple(changes))

    def _missed(self, histories: Sequence[PlaceHistory]) -> list[_Missed] | None:
        """All of it, in order; None where the bookmark was never given."""
        appended = {
            one.seq: one.appended_revision for one in histories if one.seq >= self.after.next_seq
        }
        if len(appended) != self._places:
            raise CorruptDocumentError("list of messages")
        # One revision per append: so many of them has the reader missed, and the one before is the
        # last that it knows whole. An append that it knows in part counts as missed.
        known = self._revision - self._changes - len(set(appended.values()))
        if known < 0:
            return None
        happened = [(revision, ChangeKind.APPENDED, seq) for seq, revision in appended.items()]
        happened += [
            (
                one.changed_revision,
                ChangeKind.DELETED if one.is_deleted else ChangeKind.EDITED,
                one.seq,
            )
            for one in histories
            if one.changed_revision is not None and one.changed_revision > known
        ]
        visible = {revision for revision, _, _ in happened}
        unseen = self._revision
        while unseen in visible:
            unseen -= 1
        if unseen > known:
            happened.append((unseen, ChangeKind.HEADER, -1))
        happened.sort(key=lambda one: (one[0], one[2]))
        return list(self._with_bookmarks(happened, known))

    def _with_bookmarks(
        self, happened: Sequence[tuple[int, ChangeKind, int]], known: int
    ) -> Iterator[_Missed]:
        next_seq, changes = self.after.next_seq, self.after.changes
        for revision, kind, seq in happened:
            if revision > known:
                changes += revision - known - 1  # those that are not visible any more
                known = revision
                changes += kind is not ChangeKind.APPENDED
            if kind is ChangeKind.APPENDED:
                next_seq = seq + 1
            yield _Missed(Bookmark(self.latest.generation, next_seq, changes), kind, seq)
