"""Assistant: who answers, as the service knows it: a prompt goes in, pieces of text come out."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class PromptMessage:
    """One message of a prompt."""

    role: Role
    content: str
    tool_calls: tuple[dict[str, Any], ...] = ()
    """What an assistant's message asked tools for, in the form of the chat-completions protocol."""
    tool_call_id: str | None = None
    """With the role `tool`: which of those calls it answers."""


@dataclass(frozen=True, slots=True)
class Delta:
    """The next piece of a reply's text."""

    text: str


@dataclass(frozen=True, slots=True)
class Finish:
    """The end of a reply; always the last that comes."""

    reason: str | None = None
    """Why the assistant stopped, in its own word: `stop`, `length`, …"""
    usage: dict[str, int] = field(default_factory=dict[str, int])
    """How many tokens were read and written, as far as it was told."""


class Assistant(Protocol):
    """Answers prompts."""

    def reply(self, prompt: Sequence[PromptMessage]) -> AsyncGenerator[Delta | Finish]:
        """The pieces of a reply as they come, and its end.

        Closing it early ends the asking. Text never holds a lone surrogate.

        Raises:
            AssistantFailedError: there is no reply, or no more of it.
        """
        ...

    async def aclose(self) -> None:
        """Let go of every connection."""
        ...
