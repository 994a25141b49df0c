"""ReplyPrompts: what of a session and its project an assistant is shown, read from the store."""

from collections.abc import Sequence

from app.assistant.port import PromptMessage
from app.assistant.project_preface import preface_of
from app.assistant.prompt import message_tokens, prompt_of
from app.domain.identity import SessionKey
from app.domain.message import ChatMessage
from app.domain.owned_document import DocumentKey
from app.domain.page import Position
from app.domain.project import KIND as PROJECT
from app.domain.project import Project
from app.domain.project_context import KIND as ENTRY
from app.domain.project_context import ContextEntry, current_entries
from app.store.port import HEADER_ONLY, PAGE_LIMIT, MessageWindow, SessionStore

_PAGE_PLACES = 50
_ENTRIES_LIMIT = 1000
"""How many of the newest entries of a project are looked at; a budget holds far fewer."""


class ReplyPrompts:
    """Makes prompts; reads no more of a session than fits."""

    def __init__(self, store: SessionStore, budget_tokens: int) -> None:
        self._store = store
        self._budget_tokens = budget_tokens

    async def prompt_of(
        self, key: SessionKey, before_seq: int, instruction: str | None
    ) -> Sequence[PromptMessage]:
        """What is asked for a reply at a place: the instruction, the project, the session's tail.

        Raises:
            SessionNotFoundError: the user has no such session.
        """
        header = (await self._store.read(key, HEADER_ONLY)).header()
        return prompt_of(
            await self._tail(key, before_seq),
            preface=await self._preface(key.user_id, header.project_id),
            instruction=instruction,
            budget_tokens=self._budget_tokens,
        )

    async def _tail(self, key: SessionKey, before_seq: int) -> list[ChatMessage]:
        newest_first: list[ChatMessage] = []
        left = self._budget_tokens
        while before_seq > 0 and left > 0:
            window = MessageWindow(limit=_PAGE_PLACES, before_seq=before_seq)
            page = await self._store.list_messages(key, window)
            if not page.messages_json:
                break  # the session was deleted and made anew meanwhile
            messages = [ChatMessage.from_json(stored) for stored in page.messages_json]
            newest_first += reversed(messages)
            left -= sum(map(message_tokens, messages))
            before_seq -= len(messages)
        return newest_first[::-1]

    async def _preface(self, user_id: str, project_id: str | None) -> list[str]:
        if project_id is None:
            return []
        document = await self._store.read_document(DocumentKey(user_id, PROJECT, project_id))
        project = None if document is None else Project.from_document(document)
        entries: list[ContextEntry] = []
        after: Position | None = None
        while len(entries) < _ENTRIES_LIMIT:
            page = await self._store.list_documents(
                user_id, ENTRY, group=project_id, limit=PAGE_LIMIT, after=after
            )
            entries += map(ContextEntry.from_document, page.items)
            after = page.next_position
            if after is None:
                break
        return preface_of(project, current_entries(entries))
