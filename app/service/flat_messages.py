"""FlatMessageService: the older view, messages that carry their session; for legacy doors."""

from contextlib import suppress

from app.clock import Clock
from app.domain.identity import ANONYMOUS, SessionKey, derived_id, new_generation, new_id
from app.domain.message import ChatMessage, placed_json
from app.domain.session import NewSession
from app.errors import SessionExistsError, SessionNotFoundError, UserRequiredError
from app.service.drafts import MessageDraft, messages_of
from app.store.port import (
    HEADER_ONLY,
    MESSAGE_PAGE_LIMIT,
    MessageWindow,
    OwnedMessage,
    SessionStore,
)


class FlatMessageService:
    """What old clients do, on session documents only. Any method may raise a `StoreError`."""

    def __init__(self, store: SessionStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def list_of_session(
        self, key: SessionKey, *, limit: int, offset: int = 0
    ) -> list[OwnedMessage]:
        """Living messages of one session, oldest first; the two count from the newest end.

        Raises:
            SessionNotFoundError: the user has no such session.
        """
        header = (await self._store.read(key, HEADER_ONLY)).header()
        before_seq = header.next_seq
        to_skip = offset
        if header.message_count == header.next_seq:
            # Without tombstones places and messages are one, and nothing need be read to skip it.
            before_seq = max(0, before_seq - offset)
            to_skip = 0
        newest_first: list[OwnedMessage] = []
        while before_seq > 0 and len(newest_first) < limit:
            missing = to_skip + limit - len(newest_first)
            window = MessageWindow(limit=min(missing, MESSAGE_PAGE_LIMIT), before_seq=before_seq)
            page = await self._store.list_messages(key, window)
            if not page.messages_json:
                break  # the session was deleted and made anew meanwhile
            before_seq -= len(page.messages_json)
            for stored in reversed(page.messages_json):
                message = ChatMessage.from_json(stored)
                if message.is_deleted:
                    continue
                if to_skip > 0:
                    to_skip -= 1
                else:
                    newest_first.append(OwnedMessage(key.session_id, message))
        return newest_first[::-1]

    async def list_of_user(
        self, user_id: str, *, limit: int, offset: int = 0
    ) -> list[OwnedMessage]:
        """Living messages of all sessions by (`created_at`, session, `seq`), oldest first.

        `limit` (at most `MESSAGE_PAGE_LIMIT`) and `offset` count from the newest end.
        """
        return await self._store.list_recent_messages(user_id, limit=limit, offset=offset)

    async def post(
        self,
        user_id: str | None,
        session_id: str | None,
        draft: MessageDraft,
        *,
        idempotency_key: str | None = None,
    ) -> tuple[SessionKey, ChatMessage]:
        """Append a message, and make its session where there is none; returns what is stored.

        Old clients name sessions that they never created, so a name that the user does not have
        yet is a new session of this user. Without a user it means the single owner of the id.

        Raises:
            UserRequiredError: there is no user, and several have a session of this id.
            MessageIdConflictError: a known id came with another content.
            DocumentTooLargeError: the message has too many bytes.
        """
        key = await self._key_of(user_id, session_id, draft, idempotency_key)
        at = self._clock.now()
        messages = messages_of([draft], key, at=at, idempotency_key=idempotency_key)
        try:
            appended = await self._store.append(key, messages, at=at)
        except SessionNotFoundError:
            # With its first message in one step, so that a crash leaves no empty session.
            session = NewSession(
                key=key,
                messages=tuple(messages),
                generation=new_generation(),
                created_at=at,
                updated_at=at,
            )
            try:
                await self._store.insert(session)
            except SessionExistsError:  # someone was faster, and that is as good
                appended = await self._store.append(key, messages, at=at)
            else:
                return key, ChatMessage.from_json(placed_json(0, messages[0].unplaced_json()))
        return key, ChatMessage.from_json(appended.messages_json[0])

    async def make_place(
        self,
        user_id: str | None,
        session_id: str | None,
        draft: MessageDraft,
        *,
        idempotency_key: str | None = None,
    ) -> SessionKey:
        """The session that `post` would append this message to, which is made where it is not.

        Raises:
            UserRequiredError: there is no user, and several have a session of this id.
        """
        key = await self._key_of(user_id, session_id, draft, idempotency_key)
        if await self._store.find_version(key) is None:
            at = self._clock.now()
            session = NewSession(key=key, generation=new_generation(), created_at=at, updated_at=at)
            with suppress(SessionExistsError):  # someone was faster, and that is as good
                await self._store.insert(session)
        return key

    async def _key_of(
        self,
        user_id: str | None,
        session_id: str | None,
        draft: MessageDraft,
        idempotency_key: str | None,
    ) -> SessionKey:
        if session_id is not None and user_id is None:
            owners = await self._store.find_owners(session_id)
            if len(owners) > 1:
                raise UserRequiredError
            return SessionKey(owners[0] if owners else ANONYMOUS, session_id)
        owner = ANONYMOUS if user_id is None else user_id
        if session_id is None:
            # What makes the message the same on a retry must lead to the same session as well.
            if idempotency_key is not None:
                session_id = derived_id("session-of-key", owner, idempotency_key)
            elif draft.id is not None:
                session_id = derived_id("session-of-message", owner, draft.id)
            else:
                session_id = new_id()
        return SessionKey(owner, session_id)
