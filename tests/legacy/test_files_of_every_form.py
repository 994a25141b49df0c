"""A file in any form gives the very sessions that a run would store of it."""

import json
from pathlib import Path
from typing import Any

import pytest

from app.errors import ConfigurationError
from app.legacy.opening import named_source
from app.store.memory import MemoryStore
from migrations.jobs.fold_sessions import FOLD_SESSIONS
from migrations.jobs.group_messages import GROUP_MESSAGES
from tests.legacy.comparing import assert_the_same
from tests.migrations.forms import FORMS, typed_documents, write_form

SESSIONS: list[dict[str, Any]] = [
    {
        "id": "s1",
        "user_id": "ada",
        "title": "A trip",
        "tags": ["x"],
        "colour": "red",
        "created_at": "2024-01-01T12:00:00Z",
        "updated_at": "2024-03-01T12:00:00Z",
        "messages": [
            {"id": "late", "content": "First.", "timestamp": "2024-02-01T00:00:00Z"},
            {"id": "early", "content": "Second.", "timestamp": "2024-01-02T00:00:00Z"},
            {"id": "early", "content": "Again, another."},
        ],
    },
    {"id": "s1", "user_id": "ada", "title": "Told again", "messages": [{"content": "Third."}]},
    {"id": "empty", "user_id": "ada", "created_at": "2024-01-01T12:00:00Z"},
    {"id": "dateless", "user_id": "ada", "messages": []},
    {"id": "nobodys", "messages": [{"content": "x", "timestamp": 1700000000}]},
    {"id": "bobs", "messages": [{"content": "x", "user_id": "bob", "timestamp": 1700000000}]},
]


@pytest.mark.parametrize("name", list(FORMS))
async def test_message_documents_in_every_form(tmp_path: Path, name: str) -> None:
    path = write_form(tmp_path, name, typed_documents())

    count = await assert_the_same(f"message-documents={path}", GROUP_MESSAGES, path)

    assert count == 4


async def test_session_documents(tmp_path: Path) -> None:
    path = tmp_path / "sessions.json"
    path.write_text(json.dumps(SESSIONS), encoding="utf-8")

    count = await assert_the_same(f"session-documents={path}", FOLD_SESSIONS, path)

    assert count == 3


@pytest.mark.parametrize(
    "description",
    [
        "messages.jsonl",
        "message-documents=",
        "chats=messages.jsonl",
        "message-documents=mongodb://127.0.0.1/database",
        "json-tree=mongodb://127.0.0.1/database.sessions",
        "message-documents=/messages.jsonl?feild.user_id=owner",
        "message-documents=/messages.jsonl?field.owner=owner",
        "message-documents=/messages.jsonl?field.=owner",
        "message-documents=/messages.jsonl?time_zone=Nowhere/Never",
        "message-documents=/messages.jsonl?default_user=",
        "message-documents=/messages.jsonl?default_user=a&default_user=b",
        "message-documents=mongodb://127.0.0.1/database.messages?field.owner=owner",
    ],
)
def test_what_can_be_no_source_is_refused(description: str) -> None:
    with pytest.raises(ConfigurationError):
        named_source(description, MemoryStore().limits)
