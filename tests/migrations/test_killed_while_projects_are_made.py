"""A run that makes projects goes on after it was stopped at any write, and so does its rollback."""

import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from app.domain.identity import Version
from app.domain.ledger import LedgerEntry
from app.domain.owned_document import DocumentKey, OwnedDocument
from app.domain.session import NewSession
from app.store.memory import MemoryStore
from app.store.port import SessionStore
from app.store.sqlite.store import SQLiteStore
from migrations import storing_documents
from migrations.jobs.sessions_to_projects import SESSIONS_TO_PROJECTS
from migrations.ledger import RunState, find_run, list_runs
from migrations.ledger_report import ledger_report
from migrations.rollback import roll_back
from migrations.status import status_of
from tests.migrations.old_sessions import (
    documents_of,
    everything_in,
    failed_call,
    old_session,
    projected,
    proof,
    said,
)
from tests.migrations.sources import fold, write_source

ROOT = Path(__file__).resolve().parents[2]
SOURCE = [
    old_session(
        said("m1", "go"),
        said("m2", "oh", "assistant", tool_calls=[failed_call(), failed_call("other")]),
        artifacts=[{"name": "plan.md", "versions": [{"content": "1"}, {"content": "2"}]}],
        id=f"s{number}",
        user_id=("ada", "bob")[number % 2],
    )
    for number in range(3)
]
DOCUMENTS = 18


class StoppedError(BaseException):
    """The process is gone."""


class StoppingStore(MemoryStore):
    """Fails at one of its writes, and at all that come after it."""

    def __init__(self) -> None:
        super().__init__()
        self.writes_left = -1
        self.is_before = True

    def _stop(self, *, is_before: bool) -> None:
        if is_before:
            self.writes_left -= 1
        if self.writes_left == 0 and is_before is self.is_before:
            self.writes_left = 0 if is_before else -1
            raise StoppedError

    async def insert_absent(self, sessions: Sequence[NewSession]) -> list[bool]:
        self._stop(is_before=True)
        value = await super().insert_absent(sessions)
        self._stop(is_before=False)
        return value

    async def put_document(self, document: OwnedDocument, *, replaces: Version | None) -> bool:
        self._stop(is_before=True)
        value = await super().put_document(document, replaces=replaces)
        self._stop(is_before=False)
        return value

    async def remove_document(self, key: DocumentKey, version: Version) -> bool:
        self._stop(is_before=True)
        value = await super().remove_document(key, version)
        self._stop(is_before=False)
        return value

    async def put_ledger_entry(self, entry: LedgerEntry, *, replaces: int | None = None) -> bool:
        self._stop(is_before=True)
        value = await super().put_ledger_entry(entry, replaces=replaces)
        self._stop(is_before=False)
        return value


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storing_documents, "BATCH_DOCUMENTS", 4)


async def has_ended(store: SessionStore, state: RunState) -> bool:
    """Whether the newest run had come to its end, so that nothing is left to go on with."""
    runs = await list_runs(store)
    return bool(runs) and runs[-1].record.state is state


@pytest.mark.parametrize("is_before", [True, False])
async def test_a_run_goes_on_from_every_write(tmp_path: Path, *, is_before: bool) -> None:
    path = write_source(tmp_path / "old.jsonl", SOURCE)
    stops = 0
    while True:
        store = StoppingStore()
        store.writes_left, store.is_before = stops + 1, is_before
        try:
            await fold(path, store, job=SESSIONS_TO_PROJECTS)
        except StoppedError:
            stops += 1
        else:
            break
        store.writes_left = -1
        if await has_ended(store, RunState.DONE):
            continue

        report = await fold(path, store, job=SESSIONS_TO_PROJECTS)

        assert report.projects is not None
        made = {kind: one["created"] for kind, one in report.projects.documents.items()}
        assert made == {"project": 3, "context_entry": 6, "artifact": 3, "artifact_version": 6}
        told = await ledger_report(store, report.run_id)
        assert told.documents == report.projects.documents
        assert len(await store.list_document_keys()) == DOCUMENTS
        assert (await proof(path, store)).differences == {}
        back = await roll_back(await find_run(store, report.run_id), store)
        assert (back.documents["removed"], back.left) == (DOCUMENTS, [])
        assert await everything_in(store) == {}
    assert stops > 30


@pytest.mark.parametrize("is_before", [True, False])
async def test_a_rollback_goes_on_from_every_write(tmp_path: Path, *, is_before: bool) -> None:
    stops = 0
    while True:
        store = StoppingStore()
        store.is_before = is_before
        await projected(tmp_path, store, old_session(said("m1", "go"), status="pending", id="s0"))
        before = await everything_in(store)
        report, _ = await projected(tmp_path, store, *SOURCE)
        store.writes_left = stops + 1
        try:
            await roll_back(await find_run(store, report.run_id), store)
        except StoppedError:
            stops += 1
        else:
            break
        store.writes_left = -1
        if await has_ended(store, RunState.ROLLED_BACK):
            continue

        await roll_back(await find_run(store, report.run_id), store)

        after = await everything_in(store)
        assert after.keys() == before.keys()
        assert [document.body for document in await documents_of(store, "project")] == [
            one.body for one in before.values() if isinstance(one, OwnedDocument)
        ]
    assert stops > 20


async def test_the_rollback_of_a_run_that_was_stopped_leaves_nothing(tmp_path: Path) -> None:
    stops = 0
    while True:
        store = StoppingStore()
        store.writes_left = stops + 1
        try:
            await projected(tmp_path, store, *SOURCE)
        except StoppedError:
            stops += 1
        else:
            break
        store.writes_left = -1
        for ledger in await list_runs(store):
            back = await roll_back(ledger, store)
            assert back.left == []

        assert await everything_in(store) == {}
    assert stops > 30


@pytest.mark.parametrize(
    ("write", "moment"), [(3, "after"), (6, "before"), (9, "after"), (17, "before")]
)
async def test_a_second_run_completes_what_a_kill_left(
    tmp_path: Path, write: int, moment: str
) -> None:
    path = write_source(tmp_path / "old.jsonl", SOURCE)
    file = tmp_path / "chatfold.db"
    arguments = [str(path), str(file), str(write), moment]
    command = [sys.executable, "-m", "tests.migrations.dying_projects", *arguments]
    ended = subprocess.run(command, cwd=ROOT, check=False, capture_output=True)  # noqa: S603, ASYNC221 - our own process, and nothing goes on meanwhile
    assert ended.returncode == -signal.SIGKILL
    store = await SQLiteStore.open(file)
    (interrupted,) = (await status_of(store)).runs
    assert interrupted.is_interrupted

    report = await fold(path, store, job=SESSIONS_TO_PROJECTS)

    assert report.run_id == interrupted.run_id
    assert report.projects is not None
    assert report.projects.documents["project"]["created"] == 3
    assert len(await store.list_document_keys()) == DOCUMENTS
    assert (await proof(path, store)).differences == {}
    await store.aclose()
