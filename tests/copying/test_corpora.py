"""Real dialogs, folded into SQLite, are the same in every store and back in SQLite."""

import asyncio
import gzip
import hashlib
import json
import os
from pathlib import Path

import pytest

from app.store.comparing import compare_stores
from app.store.copying import copy_store
from app.store.port import SessionStore
from app.store.sqlite.store import SQLiteStore
from tests.migrations.corpora import (
    FoldedCorpus,
    folded_corpus,
    hashes_of,
    needs_corpora,
    source_of,
)
from tests.migrations.sources import fold
from tests.stores import STORES_BEHIND_DOORS

pytestmark = [*needs_corpora, pytest.mark.timeout(1800)]

SOME, MESSAGES = (1000, 17_934) if os.environ.get("SOAK") else (100, 2024)


@pytest.fixture(scope="module")
def some_dialogs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with those whose keys come first."""
    folder = tmp_path_factory.mktemp("some-dialogs")
    ids = {session_id for _, session_id in sorted(hashes_of("dialogs.messages"))[:SOME]}

    async def work() -> None:
        with gzip.open(source_of("dialogs.messages")) as lines:
            path = folder / "messages.jsonl"
            path.write_bytes(
                b"".join(line for line in lines if json.loads(line)["session_id"] in ids)
            )
        store = await SQLiteStore.open(folder / "chatfold.db")
        await fold(path, store)
        await store.aclose()

    asyncio.run(work())
    return folder / "chatfold.db"


@pytest.fixture(scope="module")
def dialogs(tmp_path_factory: pytest.TempPathFactory) -> FoldedCorpus:
    return folded_corpus("dialogs.messages", tmp_path_factory.mktemp("dialogs"))


async def export_of(store: SessionStore) -> tuple[int, str]:
    """How many sessions a store has, and a hash over the bytes of all that it serves."""
    hashed = hashlib.sha256()
    count = 0
    keys = await store.list_keys()
    while keys:
        for key in keys:
            hashed.update((await store.read(key)).to_json() + b"\n")
        count += len(keys)
        keys = await store.list_keys(after=keys[-1])
    return count, hashed.hexdigest()


async def test_some_dialogs_are_the_same_there_and_back(
    some_dialogs: Path, store: SessionStore, tmp_path: Path
) -> None:
    source = await SQLiteStore.open(some_dialogs)

    await assert_same_there_and_back(source, store, tmp_path, sessions=SOME, messages=MESSAGES)


@pytest.mark.skipif(not os.environ.get("SOAK"), reason="takes minutes on a server: make soak")
@pytest.mark.parametrize("store_kind", STORES_BEHIND_DOORS, indirect=True)
async def test_all_dialogs_are_the_same_there_and_back(
    dialogs: FoldedCorpus, store: SessionStore, tmp_path: Path
) -> None:
    source = await SQLiteStore.open(dialogs.file)

    await assert_same_there_and_back(source, store, tmp_path, sessions=8677, messages=120_746)


async def assert_same_there_and_back(
    source: SessionStore, store: SessionStore, folder: Path, *, sessions: int, messages: int
) -> None:
    back = await SQLiteStore.open(folder / "back.db", new_secret=store.marking_secret)

    there = await copy_store(source, store)
    again = await copy_store(store, back)

    # What a busy server has stored before it could say so is found present.
    assert (there.stored + there.present, there.left.counts) == (sessions, {})
    assert (again.stored, again.messages, again.left.counts) == (sessions, messages, {})
    exported = await export_of(source)
    assert exported[0] == sessions
    assert await export_of(store) == exported
    assert await export_of(back) == exported
    compared = await compare_stores(source, back)
    assert (compared.equal, compared.messages, compared.missing_marks) == (sessions, messages, 0)
    assert compared.differences.counts == {}
    await back.aclose()
    await source.aclose()
