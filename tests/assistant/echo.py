"""EchoAssistant: answers at once, for tests that are about something else."""

from collections.abc import AsyncGenerator, Sequence

from app.assistant.port import Delta, Finish, PromptMessage


class EchoAssistant:
    """Repeats what was said last."""

    async def reply(self, prompt: Sequence[PromptMessage]) -> AsyncGenerator[Delta | Finish]:
        yield Delta(f"You said: {prompt[-1].content}")
        yield Finish("stop")

    async def aclose(self) -> None:
        """Nothing is held."""
