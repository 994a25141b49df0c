"""Wire models of talking in a project."""

from pydantic import BaseModel, ConfigDict

from app.domain.free_json import Text
from app.domain.identity import Id
from app.domain.selection import Selection
from app.service.project_chat import ArtifactSelection, ChatWish


class ChatSelection(Selection):
    """A part of an artifact's newest text, which the answer is to replace."""

    model_config = ConfigDict(extra="forbid")

    artifact_id: Id


class ChatMessageRequest(BaseModel):
    """What is said, where, and about what."""

    model_config = ConfigDict(extra="forbid")

    message: Text
    message_id: Id | None = None
    """Makes a retry safe, as an `Idempotency-Key` does."""
    conversation_id: Id | None = None
    """None: a new conversation."""
    selection: ChatSelection | None = None

    def wish(self) -> ChatWish:
        """As the service takes it."""
        selected = None
        if self.selection is not None:
            selection = Selection(
                selection_range=self.selection.selection_range,
                selected_text=self.selection.selected_text,
            )
            selected = ArtifactSelection(self.selection.artifact_id, selection)
        return ChatWish(self.message, self.message_id, self.conversation_id, selected)
