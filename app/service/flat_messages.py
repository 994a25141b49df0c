"""FlatMessageService: the older view, messages that carry their session; for legacy doors."""

from app.clock import Clock
from app.domain.identity import ANONYMOUS, SessionKey, new_generation, new_id
from app.domain.message import ChatMessage
from app.domain.session import NewSession
from app.errors import SessionExistsError, SessionNotFoundError
from app.service.drafts import MessageDraft, messages_of
from app.store.port import MESSAGE_PAGE_LIMIT, MessageWindow, OwnedMessage, SessionStore

_AFTER_EVERY_PLACE = 2**63 - 1


class FlatMessageService:
    """What old clients do, on session documents only. Any method may raise a `StoreError`."""

    def __init__(self, store: SessionStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def list_of_session(
        self, key: SessionKey, *, limit: int, offset: int = 0
    ) -> list[ChatMessage]:
        """Living messages of one session, oldest first; the two count from the newest end.

        Raises:
            SessionNotFoundError: the user has no such session.
        """
        wanted = offset + limit
        living: list[ChatMessage] = []  # newest first
        before_seq = _AFTER_EVERY_PLACE
        while len(living) < wanted:
            window = MessageWindow(limit=MESSAGE_PAGE_LIMIT, before_seq=before_seq)
            page = await self._store.list_messages(key, window)
            messages = [ChatMessage.from_json(stored) for stored in page.messages_json]
            living.extend(message for message in reversed(messages) if not message.is_deleted)
            if not messages or messages[0].seq == 0:
                break
            before_seq = messages[0].seq
        return living[offset:wanted][::-1]

    async def list_of_user(
        self, user_id: str, *, limit: int, offset: int = 0
    ) -> list[OwnedMessage]:
        """Living messages of all sessions by (`created_at`, session, `seq`), oldest first.

        `limit` (at most `MESSAGE_PAGE_LIMIT`) and `offset` count from the newest end.
        """
        return await self._store.list_recent_messages(user_id, limit=limit, offset=offset)

    async def post(
        self, user_id: str | None, session_id: str | None, draft: MessageDraft
    ) -> tuple[SessionKey, ChatMessage]:
        """Append a message, and make its session where there is none; returns what is stored.

        Raises:
            MessageIdConflictError: a known id came with another content.
            ParentNotFoundError: the session has no such parent.
            DocumentTooLargeError: the message has too many bytes.
        """
        key = SessionKey(ANONYMOUS if user_id is None else user_id, session_id or new_id())
        at = self._clock.now()
        messages = messages_of([draft], key, at=at, idempotency_key=None)
        try:
            appended = await self._store.append(key, messages, at=at)
        except SessionNotFoundError:
            await self._make(key)
            appended = await self._store.append(key, messages, at=at)
        return key, ChatMessage.from_json(appended.messages_json[0])

    async def _make(self, key: SessionKey) -> None:
        now = self._clock.now()
        try:
            await self._store.insert(
                NewSession(key=key, generation=new_generation(), created_at=now, updated_at=now)
            )
        except SessionExistsError:
            return  # someone else has made it just now, and that is as good
