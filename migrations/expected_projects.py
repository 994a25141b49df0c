"""What the project of an old session must be, told by its records; knows nothing of the fold."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

from migrations.expected import ExpectedMessage, ExpectedSession
from migrations.expected_artifacts import ExpectedArtifact, expected_artifacts
from migrations.expected_record import KEPT_NAME

_INTENT_LIMIT = 10_000
_TEXT_LIMIT = 100_000
_DETAIL_LIMIT = 1000
_STATUS_OF_PROJECT = {
    "pending": "draft",
    "active": "in_progress",
    "running": "in_progress",
    "completed": "completed",
    "failed": "in_progress",
    "cancelled": "archived",
    "archived": "archived",
}


class ExpectedFailure(NamedTuple):
    """Something that went wrong in the call of a tool."""

    message_id: str | None
    """None: the source has none, so that any may have been made."""
    text: str
    details: Mapping[str, str]
    created_at: str


class ExpectedProject(NamedTuple):
    """A project as the store must have it."""

    fields: Mapping[str, Any]
    """What its user may change, by the names of the store."""
    created_at: str
    failures: Sequence[ExpectedFailure]
    has_hidden: bool
    """Whether something of a message is kept as text, so that calls of tools may be in it."""
    artifacts: Sequence[ExpectedArtifact]


def expected_project(
    session: ExpectedSession, messages: Sequence[ExpectedMessage], artifacts: Sequence[Any]
) -> ExpectedProject:
    """What a session that the source tells of must become, with its messages in order."""
    told = session.told or {}
    dates = sorted(message.created_at for message in messages)
    created_at = told.get("created_at") or next(iter(dates), None) or told["updated_at"]
    updated_at = told.get("updated_at") or next(reversed(dates), created_at)
    said = told["project"]
    return ExpectedProject(
        {
            "title": told.get("session_name"),
            "workspace_id": told.get("workspace_id"),
            "intent": _intent(messages),
            "status": _status(said["status"], told.get("status")),
            "settings": {} if said["skill_id"] is None else {"skill_id": said["skill_id"]},
            "project_type": None,
            "updated_at": max(created_at, updated_at),
        },
        created_at,
        [failure for message in messages for failure in _failures(message)],
        any(message.metadata is None for message in messages),
        expected_artifacts(artifacts, created_at),
    )


def _intent(messages: Sequence[ExpectedMessage]) -> str | None:
    """The beginning of the first thing that the user said."""
    for message in messages:
        if message.message_type == "user" and message.content.strip():
            return message.content[:_INTENT_LIMIT]
    return None


def _status(raw: Any, of_session: str | None) -> str:
    if isinstance(raw, str) and raw in _STATUS_OF_PROJECT:
        return _STATUS_OF_PROJECT[raw]
    return "in_progress" if raw is not None else _STATUS_OF_PROJECT[of_session or "active"]


def _failures(message: ExpectedMessage) -> list[ExpectedFailure]:
    if not message.metadata or "tool_calls" not in message.metadata:
        return []
    kept = json.loads(message.metadata).get(KEPT_NAME)
    calls = cast("Mapping[str, Any]", kept).get("tool_calls") if isinstance(kept, dict) else None
    failures: list[ExpectedFailure] = []
    for call in cast("Sequence[Any]", calls if isinstance(calls, list) else ()):
        match call:
            case {"status": "error" | "failed"}:
                failures.append(_failure(message, cast("Mapping[str, Any]", call)))
            case _:
                pass
    return failures


def _failure(message: ExpectedMessage, call: Mapping[str, Any]) -> ExpectedFailure:
    told = call.get("error") or call.get("result") or "It failed."
    if isinstance(told, dict) and cast("Mapping[str, Any]", told).get("message"):
        told = cast("Mapping[str, Any]", told)["message"]
    if not isinstance(told, str):
        told = json.dumps(told, ensure_ascii=False, separators=(",", ":"))
    tool, call_id = call.get("name"), call.get("id")
    details: dict[str, str] = {}
    if isinstance(tool, str):
        details["tool"] = tool[:_DETAIL_LIMIT]
        told = f"{tool}: {told}" if tool else told
    if isinstance(call_id, str):
        details["tool_call_id"] = call_id[:_DETAIL_LIMIT]
    return ExpectedFailure(message.id, told[:_TEXT_LIMIT], details, message.created_at)
