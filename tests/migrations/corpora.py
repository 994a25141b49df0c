"""The published chat data beside the repository: where it is, and what its manifests promise."""

import asyncio
import gzip
import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import pytest

from app.store.port import SessionStore
from app.store.sqlite.store import SQLiteStore
from migrations.outcomes import Outcome
from migrations.report import RunReport
from tests.migrations.sources import fold, verified

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"

needs_corpora = [
    pytest.mark.corpus,
    pytest.mark.skipif(
        not DATA.is_dir(), reason="the published chat data is not beside the repository"
    ),
]

Key = tuple[str, str]
Message = dict[str, Any]


@dataclass(frozen=True)
class FoldedCorpus:
    """A corpus after a run into a store of its own, which has been verified."""

    manifest: dict[str, Any]
    report: RunReport
    outcomes: list[Outcome]
    sessions: dict[Key, list[Message]]
    """The stored messages by user and session."""
    differences: int
    file: Path
    """Of the store."""

    def messages(self, session_id: str) -> dict[str, Message]:
        """The messages of all users of a session, by id."""
        return {
            message["id"]: message
            for (_, one), messages in self.sessions.items()
            if one == session_id
            for message in messages
        }

    def outcomes_of(self, code: str) -> dict[int, Outcome]:
        """By the record's position."""
        return {one.position: one for one in self.outcomes if one.code == code}

    def defects(self, kind: str) -> list[dict[str, Any]]:
        """The planted ones; never none."""
        found = [one for one in self.manifest["defects"] if one["kind"] == kind]
        assert found
        return found


def source_of(name: str) -> Path:
    return DATA / f"{name}.jsonl.gz"


def beginning_of(name: str, sessions: int, folder: Path) -> Path:
    """The source of so many sessions, those that come first in the file of a corpus."""
    path = folder / f"{name}.jsonl.gz"
    with gzip.open(source_of(name)) as lines, gzip.open(path, "wb", compresslevel=1) as file:
        groups = groupby(lines, key=lambda line: json.loads(line)["session_id"])
        for _, group in islice(groups, sessions):
            file.writelines(group)
    return path


def documents_of(name: str) -> Iterator[dict[str, Any]]:
    """The messages as a driver of MongoDB would have stored them."""
    with gzip.open(source_of(name)) as lines:
        for line in lines:
            message = json.loads(line)
            created_at = datetime.fromisoformat(message["created_at"])
            yield {"_id": message.pop("id"), **message, "created_at": created_at}


def hashes_of(name: str) -> dict[Key, str]:
    """What the manifest of a clean file promises of each session."""
    return {
        (truth["user_id"], session_id): truth["sha256"]
        for session_id, truth in manifest_of(name)["sessions"].items()
    }


def manifest_of(name: str) -> dict[str, Any]:
    stem = name.removesuffix(".messages")
    loaded = json.loads(gzip.decompress((DATA / f"{stem}.manifest.json.gz").read_bytes()))
    assert isinstance(loaded, dict)
    return loaded


def session_hash(messages: Iterable[Message]) -> str:
    """The hash of the data's README: SHA-256 over the netstrings of ids and contents, in order."""
    digest = hashlib.sha256()
    for message in messages:
        for text in (message["id"], message["content"]):
            encoded = text.encode()
            digest.update(b"%d:%s," % (len(encoded), encoded))
    return digest.hexdigest()


async def stored_sessions(store: SessionStore) -> dict[Key, list[Message]]:
    """Everything in a store, as its JSON says it."""
    sessions: dict[Key, list[Message]] = {}
    keys = await store.list_keys()
    while keys:
        for key in keys:
            document = json.loads((await store.read(key)).to_json())
            sessions[(key.user_id, key.session_id)] = document["messages"]
        keys = await store.list_keys(after=keys[-1])
    return sessions


def folded_corpus(name: str, folder: Path, *, source: Path | None = None) -> FoldedCorpus:
    """Fold and verify a corpus, or a part of it, outside of any event loop."""
    path = source or source_of(name)

    async def work() -> FoldedCorpus:
        outcomes: list[Outcome] = []
        file = folder / "chatfold.db"
        store = await SQLiteStore.open(file)
        try:
            report = await fold(path, store, observer=outcomes.append)
            proof = await verified(path, store)
            sessions = await stored_sessions(store)
        finally:
            await store.aclose()
        return FoldedCorpus(
            manifest_of(name), report, outcomes, sessions, sum(proof.differences.values()), file
        )

    return asyncio.run(work())
