"""The prompt is the tail of a session within a budget; calls go with their results."""

from typing import Any

import pytest

from app.assistant.port import PromptMessage
from app.assistant.project_preface import preface_of
from app.assistant.prompt import CUT_OFF, prompt_of, text_tokens, tokens_of
from app.domain.message import ChatMessage, MessageType
from app.domain.project import Project
from app.domain.project_context import ContextEntry, ContextKind
from app.service.drafts import MessageDraft
from app.store.port import SessionStore
from tests.assistant.conftest import Answers
from tests.assistant.upstream import sends, whole
from tests.factories import ADA, KEY, make_message, make_put
from tests.fake_clock import START, instant

USER, ASSISTANT, TOOL = MessageType.USER, MessageType.ASSISTANT, MessageType.TOOL


def session(*messages: tuple[MessageType, str] | tuple[MessageType, str, dict[str, Any]]) -> Any:
    """Messages of a type, with a text and perhaps metadata, in their order."""
    return [
        ChatMessage(
            seq=seq,
            id=f"m{seq}",
            message_type=one[0],
            content=one[1],
            metadata=one[2] if len(one) > 2 else {},
            created_at=START,
        )
        for seq, one in enumerate(messages)
    ]


def said(prompt: list[PromptMessage]) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in prompt]


def calls(*ids: str) -> dict[str, Any]:
    function = {"name": "f", "arguments": "{}"}
    return {"tool_calls": [{"id": id_, "type": "function", "function": function} for id_ in ids]}


def result(call_id: Any) -> dict[str, Any]:
    return {"tool_call_id": call_id}


def reply(status: str) -> dict[str, Any]:
    return {"reply": {"status": status, "in_reply_to": "m0"}}


def test_all_of_a_short_session_is_shown_in_its_order() -> None:
    messages = session((MessageType.SYSTEM, "Be brief."), (USER, "Why?"), (ASSISTANT, "So."))

    assert said(prompt_of(messages, budget_tokens=100)) == [
        ("system", "Be brief."),
        ("user", "Why?"),
        ("assistant", "So."),
    ]


@pytest.mark.parametrize(
    ("budget", "first"), [(100, 1), (80, 2), (79, 3), (50, 4), (20, 5), (1, 5)]
)
def test_the_newest_messages_within_the_budget_are_shown(budget: int, first: int) -> None:
    messages = session(*[(USER, f"{number}" * 64) for number in range(6)])  # 20 tokens each

    shown = prompt_of(messages, budget_tokens=budget)

    assert [message.content[0] for message in shown] == [str(n) for n in range(first, 6)]
    assert sum(map(tokens_of, shown)) <= max(budget, 20)


def test_tokens_are_counted_by_bytes() -> None:
    assert [text_tokens(text) for text in ("", "a", "abcd", "abcde", "😀", "日本")] == [
        *(0, 1, 1, 2, 1, 2)
    ]


def test_calls_are_shown_with_their_results_in_the_order_of_the_calls() -> None:
    messages = session(
        (USER, "Look."),
        (ASSISTANT, "", calls("a", "b")),
        (TOOL, "of b", result("b")),
        (TOOL, "of a", result("a")),
        (ASSISTANT, "Seen."),
    )

    shown = prompt_of(messages, budget_tokens=1000)

    assert said(shown) == [
        *(("user", "Look."), ("assistant", ""), ("tool", "of a"), ("tool", "of b")),
        ("assistant", "Seen."),
    ]
    assert [call["id"] for call in shown[1].tool_calls] == ["a", "b"]
    assert [message.tool_call_id for message in shown[2:4]] == ["a", "b"]


@pytest.mark.parametrize("budget", range(1, 140))
def test_no_budget_parts_a_call_from_its_result(budget: int) -> None:
    messages = session(
        (USER, "Look."),
        (ASSISTANT, "", calls("a")),
        (TOOL, "x" * 100, result("a")),
        (ASSISTANT, "Hm.", calls("b", "c")),
        (TOOL, "y" * 30, result("b")),
        (TOOL, "z" * 30, result("c")),
        (USER, "And?"),
    )

    shown = prompt_of(messages, budget_tokens=budget)

    asked = [call["id"] for message in shown for call in message.tool_calls]
    answered = [message.tool_call_id for message in shown if message.role == "tool"]
    assert asked == answered
    assert shown[-1].content == "And?"


@pytest.mark.parametrize(
    ("metadata", "results"),
    [
        (calls("a", "b"), [result("a")]),
        (calls("a"), []),
        (calls("a"), [result("x")]),
        (calls("a"), [{}]),
        (calls("a"), [result(7)]),
        ({"tool_calls": "f"}, [result("a")]),
        ({"tool_calls": [{"id": 7}]}, [result("a")]),
        ({"tool_calls": [None]}, [result("a")]),
        ({}, [result("a")]),
    ],
)
def test_calls_without_all_results_and_results_without_calls_are_left_out(
    metadata: dict[str, Any], results: list[dict[str, Any]]
) -> None:
    messages = session(
        (ASSISTANT, "", metadata),
        *[(TOOL, "a result", one) for one in results],
        (ASSISTANT, "I call.", metadata),
        *[(TOOL, "a result", one) for one in results],
        (USER, "And?"),
    )

    shown = prompt_of(messages, budget_tokens=1000)

    assert said(shown) == [("assistant", "I call."), ("user", "And?")]
    assert shown[0].tool_calls == ()


def test_replies_that_are_not_whole_are_left_out_or_marked() -> None:
    messages = session(
        (USER, "Why?"),
        (ASSISTANT, "", reply("failed")),
        (ASSISTANT, "half", reply("partial")),
        (ASSISTANT, "", reply("partial")),
        (ASSISTANT, "Whole.", reply("complete")),
        (ASSISTANT, "so f", reply("streaming")),
    )
    messages.append(messages[0].tombstone(START))

    assert said(prompt_of(messages, budget_tokens=1000)) == [
        ("user", "Why?"),
        ("assistant", "half" + CUT_OFF),
        ("assistant", "Whole."),
    ]


def test_what_is_told_first_takes_its_share_and_the_instruction_all_it_needs() -> None:
    preface = ["a" * 40, "b" * 40, "c" * 40]  # ten tokens each

    shown = prompt_of(
        session((USER, "Why?")), preface=preface, instruction="Do it.", budget_tokens=80
    )

    assert said(shown) == [
        ("system", "Do it.\n\n" + "a" * 40 + "\n\n" + "b" * 40),
        ("user", "Why?"),
    ]


def entry(number: int, kind: ContextKind, text: str) -> ContextEntry:
    return ContextEntry(
        id=f"e{number}",
        user_id=ADA,
        project_id="p",
        kind=kind,
        text=text,
        created_at=instant(number),
    )


def test_a_project_is_told_by_what_it_is_and_then_the_newest_first() -> None:
    project = Project(
        id="p", user_id=ADA, title="Beans", intent="Grow them.", created_at=START, updated_at=START
    )
    entries = [
        entry(1, ContextKind.DECISION, "Sow in May."),
        entry(3, ContextKind.FAILURE, "Sowing in March."),
        entry(2, ContextKind.FINDING, "Beans freeze."),
    ]

    assert preface_of(project, entries) == [
        "This conversation belongs to the project: Beans",
        "What the project is to achieve: Grow them.",
        "Failed before: Sowing in March.",
        "Found out: Beans freeze.",
        "Decided: Sow in May.",
    ]
    assert preface_of(None, []) == []


async def test_the_assistant_is_shown_what_the_project_knows_and_not_what_was_superseded(
    answering: Answers, store: SessionStore
) -> None:
    replies, server = await answering(sends(whole("x")))
    await store.change_header(KEY, make_put(project_id="p"))
    for one in (
        entry(1, ContextKind.DECISION, "Sow in March."),
        entry(2, ContextKind.DECISION, "Sow in May.").model_copy(update={"supersedes": "e1"}),
        entry(3, ContextKind.FINDING, "Not ours.").model_copy(update={"project_id": "q"}),
    ):
        await store.put_document(one.document(), replaces=None)

    await replies.wait(KEY, (await replies.ask(KEY, MessageDraft("When?"))).reply_id)

    assert server.exchanges[0].body["messages"] == [
        {"role": "system", "content": "Decided: Sow in May."},
        {"role": "user", "content": "When?"},
    ]


async def test_no_more_of_a_long_session_is_shown_than_fits(
    answering: Answers, store: SessionStore
) -> None:
    replies, server = await answering(sends(whole("x")), prompt_tokens=1000)
    messages = [make_message(f"m{number}", f"{number:03} " * 40) for number in range(300)]
    await store.append(KEY, messages, at=START)  # 44 tokens each

    await replies.wait(KEY, (await replies.ask(KEY, MessageDraft("Why?"))).reply_id)

    shown = [message["content"] for message in server.exchanges[0].body["messages"]]
    assert shown == [f"{number:03} " * 40 for number in range(278, 300)] + ["Why?"]
