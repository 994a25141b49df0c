"""Chunks: the bodies of the chat-completions protocol, what is sent and what comes in pieces."""

import json
from codecs import getincrementaldecoder
from collections.abc import Mapping
from typing import Any, cast

from app.assistant.port import PromptMessage
from app.errors import AssistantFailedError

_USAGE = ("prompt_tokens", "completion_tokens", "total_tokens")
_USAGE_LIMIT = 2**53
_REASON_LIMIT_CHARACTERS = 100
_UTF16 = "utf-16-le"


def wire_message(message: PromptMessage) -> dict[str, Any]:
    """A message of a prompt as it is sent."""
    wire: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        wire["tool_calls"] = list(message.tool_calls)
    if message.tool_call_id is not None:
        wire["tool_call_id"] = message.tool_call_id
    return wire


class ChunkReader:
    """Takes in the chunks of one reply; what is not as the protocol has it is left out or refused.

    A character beyond the basic plane may come in two halves, as two surrogates in two chunks; the
    first half waits for the other. Half a character alone becomes U+FFFD.
    """

    def __init__(self) -> None:
        self.finish_reason: str | None = None
        self.usage: dict[str, int] = {}
        self._joined = getincrementaldecoder(_UTF16)(errors="replace")

    def take(self, data: bytes) -> str:
        """The text of the next chunk, which may be none.

        Raises:
            AssistantFailedError: it is no chunk, or tells of an error.
        """
        try:
            chunk: object = json.loads(data)
        except (ValueError, RecursionError):
            raise AssistantFailedError("broken", "The assistant sends no JSON.") from None
        if not isinstance(chunk, dict):
            raise AssistantFailedError("broken", "The assistant sends no chunks of a reply.")
        members = cast("dict[str, Any]", chunk)
        if members.get("error") is not None:
            raise AssistantFailedError("broken", "The assistant tells of an error in its reply.")
        self._take_usage(members.get("usage"))
        choice = _first(members.get("choices"))
        reason = choice.get("finish_reason")
        if isinstance(reason, str):
            self.finish_reason = _whole(reason[:_REASON_LIMIT_CHARACTERS])
        delta = choice.get("delta")
        content = cast("dict[str, Any]", delta).get("content") if isinstance(delta, dict) else None
        if not isinstance(content, str):
            return ""
        return self._joined.decode(content.encode(_UTF16, "surrogatepass"))

    def rest(self) -> str:
        """What still waited for its other half, at the end."""
        return self._joined.decode(b"", final=True)

    def _take_usage(self, usage: object) -> None:
        if isinstance(usage, dict):
            counts = cast("Mapping[str, Any]", usage)
            self.usage = {
                name: counts[name]
                for name in _USAGE
                if type(counts.get(name)) is int and 0 <= counts[name] < _USAGE_LIMIT
            }


def _first(choices: object) -> dict[str, Any]:
    """The first choice; we never ask for more, and the chunk that tells of usage has none."""
    if isinstance(choices, list) and choices and isinstance(choices[0], dict):
        return cast("dict[str, Any]", choices[0])
    return {}


def _whole(text: str) -> str:
    return text.encode(_UTF16, "surrogatepass").decode(_UTF16, "replace")
