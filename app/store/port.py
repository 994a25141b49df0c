"""SessionStore: the written contract of every store, size and precision limits included.

Rules for all methods:

- A user's id is part of every key. What another user owns is absent, not forbidden.
- Each method is atomic for one session, and a read shows one version of it. Nothing is atomic
  across sessions, so that a store needs no transaction over documents.
- A mutation has returned only when it is durable. One that raises has changed nothing, except that
  after `StoreUnavailableError` it may still have happened: repeat it with the same ids.
- `precondition` is checked in the same atomic step as the write; None guards nothing.
- Instants are aware UTC in whole milliseconds. Dates are kept, never compared, to order messages: a
  message's place is its `seq`, which the store gives at append.
- Any method may raise `StoreUnavailableError` (and its kinds: busy, full, read-only),
  `CorruptStoreError` or `CorruptDocumentError`. None of these ever looks like absence.
- Methods may be called from many tasks of one event loop at once, and other processes may work on
  the same data.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from app.domain.encoded import EncodedSession, EncodedSummary
from app.domain.following import Bookmark, SessionChanges
from app.domain.identity import SessionKey, Version
from app.domain.image import SessionImage
from app.domain.ledger import LedgerEntry, LedgerPlace
from app.domain.limits import StoreLimits
from app.domain.message import ChatMessage, EncodedMessage, MessageEdit, NewMessage, PastText
from app.domain.owned_document import DocumentKey, OwnedDocument
from app.domain.page import Page, Position
from app.domain.search import SearchHits, SearchQuery
from app.domain.session import (
    HeaderChange,
    NewSession,
    Precondition,
    SessionHeader,
    SessionStatus,
    SessionSummary,
)

PAGE_LIMIT = 200
"""The most sessions or hits on one page."""

MESSAGE_PAGE_LIMIT = 1000
"""The most messages on one page."""


@dataclass(frozen=True, slots=True)
class ReadSelection:
    """Which messages a read brings with the header; everything by default."""

    after_seq: int | None = None
    """Only messages with a higher `seq`."""
    since: Version | None = None
    """Only messages appended, edited or deleted after this version. Where the session has another
    generation by now, or never had this revision, all of them: the reader's copy is of no use."""
    with_messages: bool = True


WHOLE = ReadSelection()
HEADER_ONLY = ReadSelection(with_messages=False)


@dataclass(frozen=True, slots=True)
class Appended:
    """The answer to an append, and to each of its retries."""

    messages_json: tuple[bytes, ...]
    """The messages as they are stored now, in the order of the request."""
    version: Version
    """Of the session, after the append."""


class ListOrder(StrEnum):
    """How a list of sessions is ordered."""

    ACTIVITY = "activity"
    """By (`updated_at`, `id`), newest first. What changes while a caller pages on moves to page one
    and is never shown twice by one walk."""
    CREATED = "created"
    """By (`created_at`, `id`), oldest first. A walk meets every session that lives through it."""


@dataclass(frozen=True, slots=True)
class ListFilter:
    """Which sessions a list shows: those that meet every condition that is not None."""

    status: SessionStatus | None = None
    is_active: bool | None = None
    project_id: str | None = None
    workspace_id: str | None = None
    tag: str | None = None
    is_pinned: bool | None = None
    name_contains: str | None = None
    """Case-folded on both sides."""

    def admits(self, session: SessionSummary) -> bool:
        """Whether a list shows this session."""
        is_active = session.status is SessionStatus.ACTIVE
        return (
            (self.status is None or session.status is self.status)
            and (self.is_active is None or is_active is self.is_active)
            and (self.project_id is None or session.project_id == self.project_id)
            and (self.workspace_id is None or session.workspace_id == self.workspace_id)
            and (self.tag is None or self.tag in session.tags)
            and (self.is_pinned is None or session.is_pinned is self.is_pinned)
            and (
                self.name_contains is None
                or self.name_contains.casefold() in (session.session_name or "").casefold()
            )
        )


NO_FILTER = ListFilter()


@dataclass(frozen=True, slots=True)
class MessageWindow:
    """Which places of a session a page shows, in `seq` order; at most one of the three is given."""

    limit: int = 100
    after_seq: int | None = None
    """The first `limit` places after this one."""
    before_seq: int | None = None
    """The last `limit` places before this one."""
    offset: int | None = None
    """The first `limit` places from this one."""


@dataclass(frozen=True, slots=True)
class MessagePage:
    """Some places of a session; tombstones hold theirs."""

    messages_json: tuple[bytes, ...]
    next_seq: int
    """How many places the session has."""
    version: Version


@dataclass(frozen=True, slots=True)
class OwnedMessage:
    """A living message with the session that it belongs to."""

    session_id: str
    message: ChatMessage


@dataclass(frozen=True, slots=True)
class UserStats:
    """What a user has."""

    session_count: int
    message_count: int
    first_activity_at: datetime | None
    last_activity_at: datetime | None


@dataclass(frozen=True, slots=True)
class Erasure:
    """What an erasure removed, and what it could not reach."""

    session_count: int
    message_count: int
    """Places, tombstones included."""
    past_text_count: int
    document_count: int
    """Documents beside the sessions: projects, and what belongs to them."""
    ledger_part_count: int
    """What jobs had noted of the user, a part per ledger entry."""
    not_reached: tuple[str, ...]
    """Copies that may exist outside the store, a sentence each."""


@dataclass(frozen=True, slots=True)
class PartSizes:
    """How much one part of a store holds; None where the store cannot tell."""

    name: str
    documents: int | None
    documents_bytes: int | None
    """As they are sent."""
    storage_bytes: int | None
    """As they lie on disk."""
    indexes_bytes: int | None
    """All of them together."""
    index_sizes_bytes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class StoreSizes:
    """How much a store holds, as far as it can be told in moments."""

    sizes_bytes: Mapping[str, int]
    """Of the store as a whole, and of the disk it is on."""
    parts: Sequence[PartSizes] = ()
    unknown: Mapping[str, str] = field(default_factory=dict[str, str])
    """What is left out, and why."""


class PutOutcome(StrEnum):
    """What became of an image that a store was given."""

    STORED = "stored"
    """Its key was free."""
    REPLACED = "replaced"
    """An earlier state of the same session was there."""
    PRESENT = "present"
    """The very same version was there; nothing changed."""


@dataclass(frozen=True, slots=True)
class DeletionMark:
    """What a deletion has left: a keyed hash of a session's key, or of a user's id."""

    mark: bytes
    at: datetime


class SessionStore(Protocol):
    """Keeps whole sessions."""

    limits: StoreLimits
    marking_secret: bytes
    """Keys the deletion marks. A store that is made for a copy takes over that of its source."""

    # --- sessions ---------------------------------------------------------------------------

    async def insert(self, session: NewSession) -> SessionHeader:
        """Store a new session and clear the deletion marker of its key; returns its header.

        If the key exists and both creations carry the same `creation_digest`, the stored header is
        returned and nothing changes.

        Raises:
            SessionExistsError: the key exists otherwise.
            DocumentTooLargeError: a message or the header passes `limits`. The messages of a new
                session may be more than a batch together.
            MessageIdConflictError: two messages share an id.
        """
        ...

    async def insert_absent(self, sessions: Sequence[NewSession]) -> list[bool]:
        """Store those whose key neither exists nor is marked as deleted; says which were stored.

        Each session is stored whole or not at all; an error may leave some stored. For folds: it
        never overwrites, and what a user deleted does not come back.

        Raises:
            DocumentTooLargeError: a message or a header passes `limits`; nothing was stored.
            MessageIdConflictError: two messages of one session share an id; nothing was stored.
        """
        ...

    async def find_version(self, key: SessionKey) -> Version | None:
        """The session's version, or None where it is absent; the cheapest question of all."""
        ...

    async def read(self, key: SessionKey, selection: ReadSelection = WHOLE) -> EncodedSession:
        """The header and the selected messages, in one version.

        Raises:
            SessionNotFoundError: the user has no such session.
        """
        ...

    async def change_header(
        self, key: SessionKey, change: HeaderChange, precondition: Precondition | None = None
    ) -> SessionHeader:
        """Apply a change to the header and return it; a change without effect raises no revision.

        Raises:
            SessionNotFoundError: the user has no such session.
            RevisionMismatchError: the precondition does not hold.
            InvalidInputError: the outcome would break a rule.
            DocumentTooLargeError: the header would pass `limits.header_bytes`.
        """
        ...

    async def delete(
        self,
        key: SessionKey,
        at: datetime,
        precondition: Precondition | None = None,
        *,
        only_empty: bool = False,
    ) -> None:
        """Remove the session with everything in it and leave a deletion marker without content.

        With `only_empty`, only where it has no living message, in the same atomic step.

        Raises:
            SessionNotFoundError: the user has no such session.
            RevisionMismatchError: the precondition does not hold.
            SessionNotEmptyError: it has living messages, and only an empty one was to go.
        """
        ...

    async def list_summaries(
        self,
        user_id: str,
        *,
        order: ListOrder = ListOrder.ACTIVITY,
        filter: ListFilter = NO_FILTER,  # noqa: A002 - the word of the domain
        limit: int = 50,
        after: Position | None = None,
    ) -> Page[EncodedSummary]:
        """A page of the user's sessions without messages; `limit` is 1 to `PAGE_LIMIT`.

        Positions are (instant text, id). Messages are never touched.
        """
        ...

    async def list_keys(
        self, *, after: SessionKey | None = None, limit: int = 1000
    ) -> list[SessionKey]:
        """The next keys of the whole store in (user, id) order by code point; for operators."""
        ...

    async def find_owners(self, session_id: str, *, limit: int = 2) -> list[str]:
        """Up to `limit` users who own a session with this id."""
        ...

    async def find_deleted(self, keys: Sequence[SessionKey]) -> set[SessionKey]:
        """Those of the keys that a user deleted, or whose user was erased, and not made anew.

        A mark counts only while its key has no session.
        """
        ...

    # --- messages ---------------------------------------------------------------------------

    async def append(
        self,
        key: SessionKey,
        messages: Sequence[NewMessage | EncodedMessage],
        *,
        at: datetime,
        precondition: Precondition | None = None,
    ) -> Appended:
        """Append all messages or none; the same ids with the same digests are never stored twice.

        Known messages (by id within the session, the first accepted digest being compared, whatever
        edits came since) answer with their places; unknown ones are appended in order. Two equal
        messages with one id in a batch count once. Where all are known, nothing changes and the
        precondition is not looked at: its write has happened. A batch raises the revision by one.
        `is_id_fresh` promises that no message of the session has the id; nobody looks then.

        Raises:
            SessionNotFoundError: the user has no such session.
            RevisionMismatchError: the precondition does not hold.
            MessageIdConflictError: a known id with another digest.
            ParentNotFoundError: a parent that is neither in the session nor earlier in the batch.
            LimitExceededError: more than `limits.batch_messages`.
            DocumentTooLargeError: a message or the batch passes `limits`.
        """
        ...

    async def list_messages(self, key: SessionKey, window: MessageWindow) -> MessagePage:
        """A page of the session's places.

        Raises:
            SessionNotFoundError: the user has no such session.
        """
        ...

    async def edit_message(
        self,
        key: SessionKey,
        message_id: str,
        edit: MessageEdit,
        precondition: Precondition | None = None,
    ) -> tuple[bytes, Version]:
        """Set a message's text or metadata, keep what was there, and return the stored message.

        An edit without effect raises no revision. `replaces` is looked at in the same atomic step;
        the returned message tells whether it held. Without `keeps_past` no past text is added, and
        earlier ones stay.

        Raises:
            SessionNotFoundError: the user has no such session.
            MessageNotFoundError: it has no living message with this id.
            RevisionMismatchError: the precondition does not hold.
            DocumentTooLargeError: the message would pass `limits.message_bytes`.
        """
        ...

    async def delete_message(
        self,
        key: SessionKey,
        message_id: str,
        at: datetime,
        precondition: Precondition | None = None,
    ) -> Version:
        """Replace a message by its tombstone and forget its text and history; again is quiet.

        Raises:
            SessionNotFoundError: the user has no such session.
            MessageNotFoundError: it has no message with this id.
            RevisionMismatchError: the precondition does not hold.
        """
        ...

    async def read_message(self, key: SessionKey, message_id: str) -> tuple[bytes, Version]:
        """A message, or its tombstone, with the version of the session that it was read in.

        Raises:
            SessionNotFoundError: the user has no such session.
            MessageNotFoundError: it has no message with this id.
        """
        ...

    async def list_past_texts(self, key: SessionKey, message_id: str) -> list[PastText]:
        """What a message said before each edit, oldest first.

        Raises:
            SessionNotFoundError: the user has no such session.
            MessageNotFoundError: it has no living message with this id.
        """
        ...

    # --- following sessions -----------------------------------------------------------------

    async def find_bookmarks(self, keys: Sequence[SessionKey]) -> dict[SessionKey, Bookmark]:
        """How far each session is; the absent ones are left out. Cheap, for thousands at once."""
        ...

    async def read_changes(self, key: SessionKey, after: Bookmark) -> SessionChanges:
        """What has happened in a session since a reader came so far, in one version.

        Raises:
            SessionNotFoundError: the user has no such session.
        """
        ...

    async def watch(self) -> AsyncGenerator[None]:
        """Something that yields at once, and again after changes of sessions by any process.

        It may yield without a change, and once for many; a change that was durable before it was
        asked for the next is never slept through. Its owner closes it.
        """
        ...

    # --- across a user's sessions -----------------------------------------------------------

    async def list_recent_messages(
        self, user_id: str, *, limit: int, offset: int = 0
    ) -> list[OwnedMessage]:
        """The user's living messages of all sessions by (`created_at`, session, `seq`), ascending.

        `limit` (at most `MESSAGE_PAGE_LIMIT`) and `offset` count from the newest end.
        """
        ...

    async def search(
        self, user_id: str, query: SearchQuery, *, limit: int = 50, after: Position | None = None
    ) -> SearchHits:
        """Living messages and session names that match, newest first; exact as of now.

        A store that has to look at each session does so up to a limit, the newest ones first, and
        says how many it left out.

        The order is (`created_at`, session id, `seq`), all falling, a name counting as place -1;
        positions are (instant text, session id, place).
        """
        ...

    async def stats(self, user_id: str) -> UserStats:
        """Counts of what the user has; zeros where there is nothing."""
        ...

    async def erase_user(self, user_id: str, at: datetime) -> Erasure:
        """Remove everything of the user, overwrite where it stood, and mark the user as erased.

        May take long; other users' writes go on meanwhile.
        """
        ...

    # --- documents beside sessions ----------------------------------------------------------

    async def put_document(self, document: OwnedDocument, *, replaces: Version | None) -> bool:
        """Store a document if the stored one is of the version that it `replaces`; says whether.

        None: if there is none. Repeating a put is safe: the very same state is answered with True.

        Raises:
            DocumentTooLargeError: its body passes `OWNED_DOCUMENT_LIMIT_BYTES`.
        """
        ...

    async def read_document(self, key: DocumentKey) -> OwnedDocument | None:
        """The document, or None where there is none."""
        ...

    async def list_documents(
        self,
        user_id: str,
        kind: str,
        *,
        group: str | None = None,
        limit: int = 50,
        after: Position | None = None,
    ) -> Page[OwnedDocument]:
        """A page of the user's documents of a kind, of one group where it is given.

        By (`order`, id), both falling; positions are these. `limit` is 1 to `PAGE_LIMIT`.
        """
        ...

    async def remove_document(self, key: DocumentKey, version: Version) -> bool:
        """Remove a document if it is of this version; says whether. Nothing of it stays."""
        ...

    async def list_document_keys(
        self, *, after: DocumentKey | None = None, limit: int = 1000
    ) -> list[DocumentKey]:
        """The next keys of the whole store in order, by code point; for operators."""
        ...

    # --- copies of a store ------------------------------------------------------------------

    async def read_image(self, key: SessionKey) -> SessionImage:
        """The session with all that the store knows of it, in one version.

        Raises:
            SessionNotFoundError: the user has no such session.
        """
        ...

    async def put_image(self, image: SessionImage) -> PutOutcome:
        """Hold the very session that another store holds: versions, history, retries and all.

        A deletion marker does not hinder it, and is cleared. Where an earlier state is there,
        `image.continues` says whether it may be replaced. Repeating it is safe.

        Raises:
            SessionExistsError: another generation, a later revision, or an earlier one with writes
                that the image does not know is there; nothing changed.
            DocumentTooLargeError: a message or the header passes `limits`.
            CorruptDocumentError: the image does not fit together.
        """
        ...

    async def take_back(
        self, key: SessionKey, version: Version, earlier: SessionImage | None = None
    ) -> bool:
        """Undo what a fold did, if the session is still of exactly this version.

        Without `earlier` it is removed with everything in it, and no deletion marker stays: its key
        is free again. With it, all of it is replaced by that image, which has the generation and
        revision that the session will have; the generation is another, so that nothing that clients
        have kept passes for it. False, and nothing changed, where the session is absent or of
        another version.

        Raises:
            DocumentTooLargeError: a message or the header of the image passes `limits`.
            CorruptDocumentError: the image does not fit together, is of another session, or of
                the same generation.
        """
        ...

    async def list_marks(
        self, *, after: bytes | None = None, limit: int = 1000
    ) -> list[DeletionMark]:
        """The next deletion marks of the whole store, by mark."""
        ...

    async def put_marks(self, marks: Sequence[DeletionMark]) -> None:
        """Take over marks that were made with this store's own secret; the later date stays.

        The mark of a session that lives may be dropped.
        """
        ...

    # --- ledgers ----------------------------------------------------------------------------

    async def put_ledger_entry(self, entry: LedgerEntry, *, replaces: int | None = None) -> bool:
        """Store an entry if the stored one is of the revision that it `replaces`; says whether.

        By default the one before its own; 0 is none. Repeating a put is safe: the very same entry
        is answered with True. Parts of users who are erased are left out.

        Raises:
            DocumentTooLargeError: it passes `LEDGER_ENTRY_LIMIT_BYTES`.
        """
        ...

    async def read_ledger_entry(self, run_id: str, number: int) -> LedgerEntry | None:
        """The entry, or None where there is none."""
        ...

    async def list_ledger_entries(
        self, run_id: str, *, after: int = -1, limit: int = 100
    ) -> list[LedgerEntry]:
        """The next entries of a run, by number."""
        ...

    async def list_ledger_runs(self) -> list[LedgerEntry]:
        """The entries 0 of all runs, by run id."""
        ...

    async def list_ledger_places(
        self, *, after: LedgerPlace | None = None, limit: int = 1000
    ) -> list[LedgerPlace]:
        """Where the next entries of all runs are, by run id and number; damaged ones included."""
        ...

    async def remove_ledger(self, run_id: str) -> None:
        """Remove all entries of a run, entry 0 last; again is quiet.

        May take long; an error leaves some, and the run is still listed.
        """
        ...

    # --- life -------------------------------------------------------------------------------

    async def check(self) -> None:
        """Return if the store can be read and written.

        Raises:
            StoreError: it cannot; the kind says why.
        """
        ...

    async def sizes(self) -> StoreSizes:
        """How much the store holds, by what is known without counting; within a few seconds.

        What cannot be told is left out with its reason.

        Raises:
            StoreError: nothing can be told.
        """
        ...

    async def aclose(self) -> None:
        """Finish what has begun and let go of everything; the store cannot be used after."""
        ...
