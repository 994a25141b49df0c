"""SessionService: the use cases of one session and its messages, shared by every door."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

from app.clock import Clock
from app.domain.encoded import EncodedSession
from app.domain.free_json import canonical_json
from app.domain.identity import (
    ANONYMOUS,
    SessionKey,
    Version,
    new_generation,
    new_id,
    session_id_of_key,
)
from app.domain.message import MessageEdit, PastText
from app.domain.session import (
    HeaderChange,
    NewSession,
    Precondition,
    SessionFields,
    SessionHeader,
)
from app.errors import (
    Fault,
    InvalidInputError,
    LimitExceededError,
    SessionNotFoundError,
    UserRequiredError,
)
from app.service.drafts import MessageDraft, messages_of
from app.service.read_cache import ReadCache
from app.store.port import Appended, MessagePage, MessageWindow, ReadSelection, SessionStore


class SessionService:
    """What a user does with one session.

    Any method may raise a `StoreError`. Those that take a precondition raise
    `RevisionMismatchError` where it does not hold.
    """

    def __init__(self, store: SessionStore, clock: Clock, cache: ReadCache) -> None:
        self._store = store
        self._clock = clock
        self._cache = cache

    # --- whose session ----------------------------------------------------------------------

    async def key_of(
        self, user_id: str | None, session_id: str, *, author_id: str | None = None
    ) -> SessionKey:
        """The session that a request means.

        Without a user, it is the author's where the author has a session of this id, else that of
        the id's single owner.

        Raises:
            SessionNotFoundError: there is no user, and nobody has a session of this id.
            UserRequiredError: there is no user, and several have one.
        """
        if user_id is not None:
            return SessionKey(user_id, session_id)
        if author_id is not None:
            authors = SessionKey(author_id, session_id)
            if await self._store.find_version(authors) is not None:
                return authors
        owners = await self._store.find_owners(session_id)
        if not owners:
            raise SessionNotFoundError(session_id)
        if len(owners) > 1:
            raise UserRequiredError
        return SessionKey(owners[0], session_id)

    # --- reading ----------------------------------------------------------------------------

    async def version_of(self, key: SessionKey) -> Version:
        """The version that the session has now.

        Raises:
            SessionNotFoundError: the user has no such session.
        """
        version = await self._store.find_version(key)
        if version is None:
            raise SessionNotFoundError(key.session_id)
        return version

    async def read_whole(
        self, key: SessionKey, version: Version | None = None
    ) -> tuple[Version, bytes]:
        """The whole session as JSON: from memory at the version of now, else from the store.

        `version` is that of now, where the caller has asked for it already.

        Raises:
            SessionNotFoundError: the user has no such session.
        """
        if self._cache.has_any(key):
            version = version or await self.version_of(key)
            body = self._cache.find(key, version)
            if body is not None:
                return version, body
        encoded = await self._store.read(key)
        body = encoded.to_json()
        self._cache.keep(key, encoded.version, body)
        return encoded.version, body

    async def read(self, key: SessionKey, selection: ReadSelection) -> EncodedSession:
        """The header and the selected messages.

        Raises:
            SessionNotFoundError: the user has no such session.
        """
        return await self._store.read(key, selection)

    # --- the session ------------------------------------------------------------------------

    async def create(
        self,
        user_id: str | None,
        session_id: str | None,
        members: dict[str, Any],
        *,
        idempotency_key: str | None = None,
    ) -> SessionHeader:
        """A new session; a repetition with the same key and members gives the stored one.

        Raises:
            SessionExistsError: the id is taken, and not by an earlier try of this creation.
            InvalidInputError: a member is unknown or breaks a rule.
            DocumentTooLargeError: the header would pass the store's limit.
        """
        owner = ANONYMOUS if user_id is None else user_id
        now = self._clock.now()
        fields = HeaderChange(members=members, at=now).outcome(_NEW_FIELDS)
        digest = None
        if idempotency_key is not None:
            digest = blake2b(
                canonical_json([idempotency_key, fields.model_dump(mode="json")]), digest_size=16
            ).digest()
            session_id = session_id or session_id_of_key(owner, idempotency_key)
        return await self._store.insert(
            NewSession(
                key=SessionKey(owner, session_id or new_id()),
                fields=fields,
                generation=new_generation(),
                created_at=now,
                updated_at=now,
                creation_digest=digest,
            )
        )

    async def change(
        self,
        key: SessionKey,
        members: dict[str, Any],
        *,
        is_merge: bool,
        precondition: Precondition | None = None,
    ) -> SessionHeader:
        """Set the named members, or merge them (RFC 7396); returns the header after it.

        Raises:
            SessionNotFoundError: the user has no such session.
            InvalidInputError: a member is unknown, or the outcome would break a rule.
            DocumentTooLargeError: the header would pass the store's limit.
        """
        change = HeaderChange(members=members, is_merge=is_merge, at=self._clock.now())
        return await self._store.change_header(key, change, precondition)

    async def delete(
        self,
        key: SessionKey,
        precondition: Precondition | None = None,
        *,
        only_empty: bool = False,
    ) -> None:
        """Remove the session with everything in it; with `only_empty`, only where that is nothing.

        Raises:
            SessionNotFoundError: the user has no such session.
            SessionNotEmptyError: it has messages, and only an empty one was to go.
        """
        await self._store.delete(key, self._clock.now(), precondition, only_empty=only_empty)
        self._cache.forget(key)

    # --- its messages -----------------------------------------------------------------------

    def check_batch_size(self, message_count: int) -> None:
        """Pass if an append may have so many messages; asked before they are looked at one by one.

        Raises:
            InvalidInputError: there are none.
            LimitExceededError: there are too many.
        """
        if message_count == 0:
            raise InvalidInputError(Fault("", "must hold at least one message"))
        limit = self._store.limits.batch_messages
        if message_count > limit:
            raise LimitExceededError("A batch", limit, "messages")

    async def append(
        self,
        key: SessionKey,
        drafts: Sequence[MessageDraft],
        *,
        idempotency_key: str | None = None,
        precondition: Precondition | None = None,
    ) -> Appended:
        """Append all or none; a repetition gives the stored messages and changes nothing.

        Raises:
            SessionNotFoundError: the user has no such session.
            MessageIdConflictError: a known id or key came with another content.
            ParentNotFoundError: a parent that is neither in the session nor earlier in the batch.
            LimitExceededError: too many messages, or too many bytes.
        """
        at = self._clock.now()
        messages = messages_of(drafts, key, at=at, idempotency_key=idempotency_key)
        return await self._store.append(key, messages, at=at, precondition=precondition)

    async def list_messages(self, key: SessionKey, window: MessageWindow) -> MessagePage:
        """Some places of the session, tombstones included, in `seq` order.

        Raises:
            SessionNotFoundError: the user has no such session.
        """
        return await self._store.list_messages(key, window)

    async def edit_message(
        self,
        key: SessionKey,
        message_id: str,
        *,
        content: str | None = None,
        metadata: dict[str, Any] | None = None,
        precondition: Precondition | None = None,
    ) -> tuple[bytes, Version]:
        """Set a message's text or metadata, and keep what was there; returns it as stored.

        Raises:
            SessionNotFoundError: the user has no such session.
            MessageNotFoundError: it has no living message of this id.
            DocumentTooLargeError: the message would pass the store's limit.
        """
        edit = MessageEdit(content=content, metadata=metadata, at=self._clock.now())
        return await self._store.edit_message(key, message_id, edit, precondition)

    async def delete_message(
        self, key: SessionKey, message_id: str, precondition: Precondition | None = None
    ) -> Version:
        """Leave a tombstone in the message's place; its text and history are gone.

        Raises:
            SessionNotFoundError: the user has no such session.
            MessageNotFoundError: it has no message of this id.
        """
        version = await self._store.delete_message(key, message_id, self._clock.now(), precondition)
        self._cache.forget(key)
        return version

    async def list_past_texts(self, key: SessionKey, message_id: str) -> list[PastText]:
        """What a message said before each edit, oldest first.

        Raises:
            SessionNotFoundError: the user has no such session.
            MessageNotFoundError: it has no living message of this id.
        """
        return await self._store.list_past_texts(key, message_id)


_NEW_FIELDS = {name: getattr(SessionFields(), name) for name in SessionFields.model_fields}
