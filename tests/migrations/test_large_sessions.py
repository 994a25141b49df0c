"""What is too large for every store is rejected alone; what is only large is folded and served."""

import json
import os
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.clock import SystemClock
from app.domain.instants import instant_text
from app.main import create_app
from app.settings import Settings
from app.store.port import SessionStore
from migrations.job import Job
from migrations.jobs.fold_sessions import FOLD_SESSIONS
from migrations.jobs.group_messages import GROUP_MESSAGES
from tests.fake_clock import instant
from tests.migrations.sources import at, contents_of, document, fold, verified, write_source

Session = list[dict[str, Any]]


def written(path: Path, job: Job, *sessions: Session) -> Path:
    """A source of these sessions, as the job reads it; each is a list of message documents."""
    if job is GROUP_MESSAGES:
        return write_source(path, (message for session in sessions for message in session))
    return write_source(
        path,
        (
            {
                "id": session[0]["session_id"],
                "user_id": session[0]["user_id"],
                "created_at": session[0]["created_at"],
                "messages": session,
            }
            for session in sessions
        ),
    )


def digest(messages: Session) -> str:
    """Of ids, texts, types and dates, in order."""
    members = ("id", "content", "message_type", "created_at")
    return sha256(
        json.dumps([[one[name] for name in members] for one in messages]).encode()
    ).hexdigest()


async def served(store: SessionStore, session_id: str) -> dict[str, Any]:
    """The whole session, as one answer of the service."""
    app = create_app(Settings(store="memory://"), store, SystemClock())
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://chatfold.test") as client:
        answer = await client.get(f"/api/chat/sessions/{session_id}", params={"user_id": "ada"})
    assert answer.status_code == 200
    session: dict[str, Any] = answer.json()
    return session


def numbered(count: int, text: str) -> Session:
    return [
        document(f"m{number}", f"{number} {text}", created_at=instant_text(instant(number)))
        for number in range(count)
    ]


MANY = 25_000 if os.environ.get("SOAK") else 5_000
NEIGHBOUR = [document("n", "neighbour", session_id="s2")]


@pytest.mark.parametrize("job", [GROUP_MESSAGES, FOLD_SESSIONS], ids=lambda job: job.name)
async def test_a_message_of_17_megabytes_is_rejected_alone(
    store: SessionStore, tmp_path: Path, job: Job
) -> None:
    large = [
        document("m0", "before", created_at=at(0)),
        document("m1", "x" * 17_000_000, created_at=at(1)),
        document("m2", "after", created_at=at(2)),
    ]
    path = written(tmp_path / "source.jsonl", job, large, NEIGHBOUR)

    report = await fold(path, store, job=job)

    assert await contents_of(store) == ["before", "after"]
    assert await contents_of(store, "s2") == ["neighbour"]
    assert report.records.reasons == {"message_too_large": 1}
    (example,) = report.records.examples["message_too_large"]
    assert (example.session_id, example.message_id) == ("s1", "m1")
    proven = await verified(path, store, job)
    assert (proven.differences, proven.sessions_equal) == ({}, 2)


@pytest.mark.parametrize(
    ("job", "count", "text", "least_bytes"),
    [
        (GROUP_MESSAGES, 44, "x" * 512_000, 22_000_000),
        (FOLD_SESSIONS, 44, "x" * 512_000, 22_000_000),
        (GROUP_MESSAGES, MANY, "x", MANY * 100),
    ],
    ids=["22 megabytes", "22 megabytes in a document", "many messages"],
)
async def test_a_large_session_is_served_whole(
    store: SessionStore, tmp_path: Path, job: Job, count: int, text: str, least_bytes: int
) -> None:
    large = numbered(count, text)
    path = written(tmp_path / "source.jsonl", job, large, NEIGHBOUR)
    assert path.stat().st_size > least_bytes

    report = await fold(path, store, job=job)

    session = await served(store, "s1")
    assert session["message_count"] == count
    assert digest(session["messages"]) == digest(large)
    assert await contents_of(store, "s2") == ["neighbour"]
    assert (report.records.rejected, report.messages_added) == (0, count + 1)
    proven = await verified(path, store, job)
    assert (proven.differences, proven.sessions_equal) == ({}, 2)
