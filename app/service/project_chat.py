"""ProjectChatService: an assistant answers in conversations of projects, and edits artifacts."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from app.domain.artifact import ArtifactKey
from app.domain.identity import SessionKey, derived_id, session_id_of_key
from app.domain.selection import Selection
from app.domain.session import Precondition
from app.errors import AppError, AssistantMissingError, Fault, InvalidInputError
from app.service.artifacts import ArtifactService, Writing
from app.service.drafts import MessageDraft
from app.service.project_sessions import ProjectSessionService
from app.service.projects import ProjectService
from app.service.replies import Asked, ReplyOptions, ReplyService
from app.service.reply_reading import ReplyEvents
from app.service.reply_writing import UseText

ARTIFACT_MEMBER = "artifact"
"""The member of a reply's metadata that says what became of the artifact that it was to edit."""
_BESIDE_CHARACTERS = 2000
"""How much of the text before and behind a selection the assistant is shown."""


@dataclass(frozen=True, slots=True)
class ArtifactSelection:
    """What the answer is to replace."""

    artifact_id: str
    selection: Selection


@dataclass(frozen=True, slots=True)
class ChatWish:
    """What someone says in a project."""

    message: str
    message_id: str | None = None
    conversation_id: str | None = None
    """None: a new conversation."""
    selection: ArtifactSelection | None = None


class ProjectChatService:
    """What a user does by talking in a project. Any method may raise a `StoreError`."""

    def __init__(
        self,
        replies: ReplyService,
        projects: ProjectService,
        sessions: ProjectSessionService,
        artifacts: ArtifactService,
    ) -> None:
        self._replies = replies
        self._projects = projects
        self._sessions = sessions
        self._artifacts = artifacts

    async def chat(
        self,
        user_id: str,
        project_id: str,
        wish: ChatWish,
        *,
        idempotency_key: str | None = None,
        precondition: Precondition | None = None,
    ) -> Asked:
        """Store a message, in a new conversation where none is named, and begin the reply to it.

        A draft is in progress from then on. With a selection, the answer replaces it, as the
        artifact's next version. A repetition, by the message's id or the key, leads to the same
        conversation and reply.

        Raises:
            ProjectNotFoundError: the user has no such project.
            SessionNotInProjectError: the project has no such conversation.
            ArtifactNotFoundError: the project has no such artifact.
            SelectionChangedError: what lies there is not what was selected; nothing was stored.
            AssistantMissingError: nobody answers here; the message is stored.
            AssistantBusyError: too many replies are under way in this process.
            ReplyRunningError: the conversation has a reply under way, to another message.
            RevisionMismatchError: the precondition on the conversation does not hold.
            MessageIdConflictError: a known id or key came with another content.
            DocumentTooLargeError: the message has too many bytes.
        """
        key = await self._place_of(user_id, project_id, wish, idempotency_key)
        try:
            asked = await self._ask(key, project_id, wish, idempotency_key, precondition)
        except AppError as error:
            if isinstance(error, AssistantMissingError):
                await self._projects.begin(user_id, project_id)
            elif wish.conversation_id is None:
                # What was made for a message that is not stored goes again, unless it has others.
                with suppress(AppError):
                    await self._sessions.delete_session(project_id, key, force=False)
            raise
        await self._projects.begin(user_id, project_id)
        return asked

    async def _ask(
        self,
        key: SessionKey,
        project_id: str,
        wish: ChatWish,
        idempotency_key: str | None,
        precondition: Precondition | None,
    ) -> Asked:
        selected = wish.selection
        options = ReplyOptions(precondition=precondition)
        if selected is None:
            draft = MessageDraft(wish.message, id=wish.message_id)
            return await self._replies.ask(
                key, draft, idempotency_key=idempotency_key, options=options
            )
        said = {"artifact_id": selected.artifact_id, **selected.selection.model_dump(mode="json")}
        draft = MessageDraft(wish.message, id=wish.message_id, metadata={"selection": said})
        artifact = ArtifactKey(key.user_id, project_id, selected.artifact_id)

        async def prepare(answer_id: str) -> ReplyOptions:
            state = await self._artifacts.get(artifact)
            text = state.shown.content
            selected.selection.replaced(text, "")  # or it is told at once, and nobody is asked
            return ReplyOptions(
                precondition=precondition,
                instruction=_instruction(state.artifact.name, text, selected.selection),
                use_text=self._replace(artifact, selected.selection, key, answer_id),
            )

        return await self._replies.ask(
            key, draft, idempotency_key=idempotency_key, options=options, prepare=prepare
        )

    async def follow(
        self,
        user_id: str,
        project_id: str,
        wish: ChatWish,
        message_id: str,
        position: int,
        *,
        idempotency_key: str | None = None,
    ) -> ReplyEvents:
        """Go on listening to the reply to an earlier wish; stores nothing, and asks nobody.

        Raises:
            ProjectNotFoundError: the user has no such project.
            SessionNotInProjectError: the project has no such conversation.
            MessageNotFoundError: it has no reply of this id.
            InvalidInputError: the wish does not tell in which conversation that is.
        """
        conversation_id = wish.conversation_id or _made_id(
            user_id, project_id, wish, idempotency_key
        )
        if conversation_id is None:
            raise InvalidInputError(
                Fault("/conversation_id", "is needed to go on; the first event has told it")
            )
        key = SessionKey(user_id, conversation_id)
        await self._sessions.read_header(project_id, key)
        return await self._replies.join(key, message_id, position)

    async def join(
        self, project_id: str, key: SessionKey, message_id: str, position: int
    ) -> ReplyEvents:
        """Listen to a reply in a conversation of a project; raises as `follow` does."""
        await self._sessions.read_header(project_id, key)
        return await self._replies.join(key, message_id, position)

    async def _place_of(
        self, user_id: str, project_id: str, wish: ChatWish, idempotency_key: str | None
    ) -> SessionKey:
        if wish.conversation_id is not None:
            key = SessionKey(user_id, wish.conversation_id)
            await self._sessions.read_header(project_id, key)
            return key
        header = await self._sessions.create_conversation(
            user_id,
            project_id,
            members={},
            idempotency_key=_conversation_key(project_id, wish, idempotency_key),
        )
        return header.key

    def _replace(
        self, artifact: ArtifactKey, selection: Selection, key: SessionKey, answer_id: str
    ) -> UseText:
        writing = Writing(
            conversation_id=key.session_id, message_id=answer_id, idempotency_key=answer_id
        )

        async def replace(text: str) -> dict[str, Any]:
            """The next version, or why there is none: the answer itself is kept at any rate."""
            told: dict[str, Any] = {"artifact_id": artifact.artifact_id}
            try:
                state = await self._artifacts.replace_selection(artifact, selection, text, writing)
            except AppError as error:
                told |= {"code": error.code, "detail": str(error)}
            else:
                told["version"] = state.shown.number
            return {ARTIFACT_MEMBER: told}

        return replace


def _instruction(name: str, text: str, selection: Selection) -> str:
    start, end = selection.selection_range.start, selection.selection_range.end
    before = text[max(0, start - _BESIDE_CHARACTERS) : start]
    behind = text[end : end + _BESIDE_CHARACTERS]
    return (
        f"The user has selected a part of the text {name!r} and wants it changed. Answer with the"
        " text that is to stand in its place, and with nothing else: no quotes, no explanation.\n"
        f"<before>{before}</before>\n<selected>{selection.selected_text}</selected>\n"
        f"<behind>{behind}</behind>"
    )


def _conversation_key(project_id: str, wish: ChatWish, idempotency_key: str | None) -> str | None:
    """What makes a repetition find the conversation that the first try has made."""
    known = idempotency_key or wish.message_id
    return None if known is None else derived_id("conversation-of-chat", project_id, known)


def _made_id(
    user_id: str, project_id: str, wish: ChatWish, idempotency_key: str | None
) -> str | None:
    key = _conversation_key(project_id, wish, idempotency_key)
    return None if key is None else session_id_of_key(user_id, key)
