"""What a source does not say itself is said in its location, with what a run's options mean."""

import json
from pathlib import Path

import pytest

from app.domain.identity import SessionKey
from app.domain.source_options import AS_IT_IS, SourceOptions
from app.legacy.located_source import split_location
from migrations.jobs.fold_sessions import FOLD_SESSIONS
from migrations.jobs.group_messages import GROUP_MESSAGES
from tests.legacy.comparing import assert_the_same, legacy
from tests.migrations.sources import write_source

_OPTIONS = SourceOptions(
    fields={"user_id": "owner", "created_at": "timestamp"},
    default_user="ada&co",
    time_zone="Europe/Berlin",
)
_QUERY = (
    "field.user_id=owner&field.created_at=timestamp&default_user=ada%26co&time_zone=Europe/Berlin"
)


@pytest.mark.parametrize(
    ("told", "location", "options"),
    [
        ("/a/b.jsonl", "/a/b.jsonl", AS_IT_IS),
        (f"/a/b.jsonl?{_QUERY}", "/a/b.jsonl", _OPTIONS),
        ("/a/what?/b.jsonl", "/a/what?/b.jsonl", AS_IT_IS),
        ("/a/what?", "/a/what?", AS_IT_IS),
        ("/a?b=c/d.jsonl?default_user=x", "/a?b=c/d.jsonl", SourceOptions(default_user="x")),
        ("mongodb://h/d.c", "mongodb://h/d.c", AS_IT_IS),
        ("mongodb://h/d.c?tls=true&w=1", "mongodb://h/d.c?tls=true&w=1", AS_IT_IS),
        (f"mongodb://h/d.c?tls=true&{_QUERY}&w=1", "mongodb://h/d.c?tls=true&w=1", _OPTIONS),
        (f"mongodb://h/d.c?{_QUERY}", "mongodb://h/d.c", _OPTIONS),
        ("/a?default_user=a+b%3F%3D", "/a", SourceOptions(default_user="a+b?=")),
        (
            "/a?field.message.content=text=1",
            "/a",
            SourceOptions(fields={"message.content": "text=1"}),
        ),
    ],
)
def test_locations_and_options_are_told_apart(
    told: str, location: str, options: SourceOptions
) -> None:
    assert split_location(told) == (location, options)


async def test_message_documents_with_options(tmp_path: Path) -> None:
    def one(number: int, **members: str | None) -> dict[str, str | int | None]:
        day = f"2024-07-01 12:00:0{number}"
        base = {"id": f"m{number}", "session_id": "s1", "content": "x", "message_type": "user"}
        return {**base, "timestamp": day, "owner": "bob", **members}

    documents = [
        one(1),
        one(2, owner=None),  # of Bob, who is the only one named
        one(3, session_id="nobodys", owner=None),
        one(4, session_id="both", owner="bob"),
        one(5, session_id="both", owner="eve"),
        one(6, session_id="both", owner=None),  # nobody knows whose
    ]
    path = write_source(tmp_path / "messages.jsonl", documents)
    job = GROUP_MESSAGES.told(_OPTIONS)

    count = await assert_the_same(f"message-documents={path}?{_QUERY}", job, path)

    assert count == 4
    async with legacy(f"message-documents={path}?{_QUERY}") as store:
        (message,) = (await store.read(SessionKey("ada&co", "nobodys"))).messages()
        assert message.created_at.isoformat() == "2024-07-01T10:00:03+00:00"
        assert await store.find_owners("nobodys") == ["ada&co"]
        assert len((await store.list_summaries("ada&co")).items) == 1


async def test_session_documents_with_options(tmp_path: Path) -> None:
    sessions = [
        {"key": "a", "title": "Nobody's", "messages": [{"text": "Hi.", "timestamp": 1700000000}]},
        {"key": "b", "user_id": "bob", "messages": [{"text": "Ho.", "timestamp": 1700000000}]},
    ]
    path = tmp_path / "sessions.json"
    path.write_text(json.dumps(sessions), encoding="utf-8")
    job = FOLD_SESSIONS.told(
        SourceOptions(fields={"id": "key", "message.content": "text"}, default_user="ada")
    )
    query = "field.id=key&field.message.content=text&default_user=ada"

    count = await assert_the_same(f"session-documents={path}?{query}", job, path)

    assert count == 2
