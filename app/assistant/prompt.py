"""Prompt: what the assistant is shown of a session, within a budget of tokens.

Tokens are estimated, at four bytes of UTF-8 each and a few for what surrounds a message: tokenizers
differ by model, and an estimate that errs by a third is what a budget is for.

Messages of type `tool` are results. Which calls they answer stands in the metadata: an assistant's
message has `tool_calls`, a list as the chat-completions protocol has it (each with an `id`), and
each result has `tool_call_id`. Calls are shown with all of their results or not at all.
"""

from collections.abc import Iterable, Sequence
from typing import Any, cast

from app.assistant.port import PromptMessage
from app.domain.free_json import encode_json
from app.domain.message import ChatMessage, MessageType
from app.domain.reply import ReplyStatus, reply_state

TOKEN_BYTES = 4
MESSAGE_TOKENS = 4
"""What surrounds each message."""
CONTEXT_SHARE = 4
"""What stands before the session takes at most this part of the budget."""
CUT_OFF = "\n[This answer was cut off.]"

Unit = tuple[PromptMessage, ...]
"""Messages that go together or not at all."""


def prompt_of(
    messages: Sequence[ChatMessage],
    *,
    preface: Iterable[str] = (),
    instruction: str | None = None,
    budget_tokens: int,
) -> list[PromptMessage]:
    """The newest messages of a session that fit, in their order, behind what is told first.

    `preface` is in the order of its weight: what does not fit of it is left out from the end. The
    instruction and the newest message are always there, whatever their size: without them nothing
    is asked.
    """
    lines = [] if instruction is None else [instruction]
    left = budget_tokens // CONTEXT_SHARE
    for text in preface:
        left -= text_tokens(text)
        if left < 0:
            break
        lines.append(text)
    head = [PromptMessage("system", "\n\n".join(lines))] if lines else []
    left = budget_tokens - sum(map(tokens_of, head))
    chosen: list[Unit] = []
    for unit in reversed(units_of(messages)):
        left -= sum(map(tokens_of, unit))
        if left < 0 and chosen:
            break
        chosen.append(unit)
    return head + [message for unit in reversed(chosen) for message in unit]


def text_tokens(text: str) -> int:
    """How many tokens a text is taken for."""
    return -(-len(text.encode()) // TOKEN_BYTES)


def message_tokens(message: ChatMessage) -> int:
    """How many tokens a message of a session is taken for, its calls included."""
    calls = message.metadata.get(TOOL_CALLS)
    extra = len(encode_json(calls)) // TOKEN_BYTES if calls else 0
    return text_tokens(message.content) + MESSAGE_TOKENS + extra


def tokens_of(message: PromptMessage) -> int:
    """How many tokens a message of a prompt is taken for."""
    extra = len(encode_json(message.tool_calls)) // TOKEN_BYTES if message.tool_calls else 0
    return text_tokens(message.content) + MESSAGE_TOKENS + extra


def units_of(messages: Sequence[ChatMessage]) -> list[Unit]:
    """What of the messages an assistant is shown, grouped into what goes together."""
    units: list[Unit] = []
    place = 0
    while place < len(messages):
        message = messages[place]
        place += 1
        if message.is_deleted or message.message_type is MessageType.TOOL:
            continue  # a result without its call
        calls = _tool_calls(message)
        results: list[ChatMessage] = []
        while calls and place < len(messages):
            beside = messages[place]
            if beside.message_type is not MessageType.TOOL and not beside.is_deleted:
                break
            results.append(beside)
            place += 1
        if unit := _unit(message, calls, results):
            units.append(unit)
    return units


def _unit(
    message: ChatMessage, calls: Sequence[dict[str, Any]], results: Sequence[ChatMessage]
) -> Unit:
    text = _text(message)
    by_call = {_call_id(one): one for one in results if not one.is_deleted}
    ids = [call["id"] for call in calls]
    if not calls or not all(id_ in by_call for id_ in ids):
        return (PromptMessage(_ROLES[message.message_type], text),) if text else ()
    answered = (PromptMessage("tool", by_call[id_].content, tool_call_id=id_) for id_ in ids)
    return (PromptMessage("assistant", text, tool_calls=tuple(calls)), *answered)


def _text(message: ChatMessage) -> str:
    """What a message says, as far as it is an utterance."""
    state = reply_state(message)
    if state is None or state.status is ReplyStatus.COMPLETE:
        return message.content
    if state.status is ReplyStatus.PARTIAL and message.content:
        return message.content + CUT_OFF
    return ""  # still being written, or never begun


def _tool_calls(message: ChatMessage) -> list[dict[str, Any]]:
    """The calls that an assistant's message makes; none where one cannot be understood."""
    calls: object = message.metadata.get(TOOL_CALLS)
    if message.message_type is not MessageType.ASSISTANT or not isinstance(calls, list):
        return []
    understood = [
        cast("dict[str, Any]", call)
        for call in cast("list[object]", calls)
        if isinstance(call, dict) and isinstance(cast("dict[str, Any]", call).get("id"), str)
    ]
    return understood if len(understood) == len(cast("list[object]", calls)) else []


def _call_id(result: ChatMessage) -> str | None:
    call_id = result.metadata.get("tool_call_id")
    return call_id if isinstance(call_id, str) else None


TOOL_CALLS = "tool_calls"
_ROLES: dict[MessageType, Any] = {
    MessageType.USER: "user",
    MessageType.ASSISTANT: "assistant",
    MessageType.SYSTEM: "system",
}
