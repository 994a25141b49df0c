"""Real messages as session documents and as trees give the hashes of their manifests too."""

import asyncio
import gzip
import json
import os
from collections.abc import Iterable
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest

from app.store.sqlite.store import SQLiteStore
from migrations.job import Job
from migrations.jobs.fold_sessions import FOLD_SESSIONS
from migrations.jobs.nest_sessions import NEST_SESSIONS
from tests.migrations.corpora import (
    manifest_of,
    needs_corpora,
    session_hash,
    source_of,
    stored_sessions,
)
from tests.migrations.sources import fold, verified
from tests.migrations.trees import write_session

SCALE = 4 if os.environ.get("SOAK") else 1

pytestmark = needs_corpora

Session = tuple[str, str, list[dict[str, Any]]]


def sessions_of(name: str, count: int) -> list[Session]:
    """The first sessions of a clean corpus, their messages in their order."""
    with gzip.open(source_of(name)) as lines:
        records = (json.loads(line) for line in lines)
        groups = groupby(records, key=itemgetter("user_id", "session_id"))
        return [
            (*key, sorted(group, key=itemgetter("created_at", "id")))
            for key, group in islice(groups, count)
        ]


def as_documents(sessions: Iterable[Session], folder: Path) -> Path:
    path = folder / "sessions.jsonl.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        for user_id, session_id, messages in sessions:
            document = {"id": session_id, "user_id": user_id, "messages": messages}
            file.write(json.dumps(document).encode() + b"\n")
    return path


def as_tree(sessions: Iterable[Session], folder: Path) -> Path:
    """One half of the sessions flat, one in projects."""
    root = folder / "tree"
    for number, (user_id, session_id, messages) in enumerate(sessions):
        inner = "chat_sessions" if number % 2 else f"projects/p{number % 6}/chat_sessions"
        write_session(root / inner / session_id, messages, {"user_id": user_id})
    return root


@pytest.mark.parametrize(
    ("name", "job", "count"),
    [
        ("dialogs.messages", FOLD_SESSIONS, 500),
        ("ubuntu-irc.messages", FOLD_SESSIONS, 5),
        ("dialogs.messages", NEST_SESSIONS, 200),
        ("ubuntu-irc.messages", NEST_SESSIONS, 5),
    ],
)
def test_every_session_has_the_hash_of_its_manifest(
    name: str, job: Job, count: int, tmp_path: Path
) -> None:
    sessions = sessions_of(name, count * SCALE)
    path = (as_documents if job is FOLD_SESSIONS else as_tree)(sessions, tmp_path)
    truths = manifest_of(name)["sessions"]

    async def work() -> None:
        store = await SQLiteStore.open(tmp_path / "chatfold.db")
        try:
            report = await fold(path, store, job=job)
            proof = await verified(path, store, job)
            stored = await stored_sessions(store)
        finally:
            await store.aclose()
        hashes = {key: session_hash(messages) for key, messages in stored.items()}
        assert hashes == {
            (user_id, session_id): truths[session_id]["sha256"]
            for user_id, session_id, _ in sessions
        }
        assert report.records.folded == sum(len(messages) + 1 for _, _, messages in sessions)
        assert (report.records.reasons, report.records.findings) == ({}, {})
        assert (proof.differences, proof.sessions_equal) == ({}, len(sessions))

    asyncio.run(work())
