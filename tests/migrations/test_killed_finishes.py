"""What was killed at any step, a finish or the restoring of a source, can be repeated or undone."""

import asyncio
import sys
from pathlib import Path

import pytest

from app.store.sqlite.store import SQLiteStore
from migrations.finish import finish, restore_source
from migrations.finish_record import FinishManner
from migrations.jobs.group_messages import GROUP_MESSAGES
from migrations.ledger import RunState, list_runs
from migrations.status import status_of
from tests.migrations.test_finish import STAYS, mixed, proven

ROOT = Path(__file__).resolve().parents[2]
MANNERS = [FinishManner.RENAME, FinishManner.REMOVE, FinishManner.MARK]


async def killed_at_each_step(folder: Path, manner: FinishManner, what: str) -> list[Path]:
    """Folders with what is left of a store and its source, one for each step."""
    base = folder / "base"
    base.mkdir()
    store = await SQLiteStore.open(base / "chatfold.db")
    await proven(mixed(base / "source.jsonl"), store)
    await store.aclose()
    return await left_by_the_killed(folder, manner, what, "source.jsonl")


async def left_by_the_killed(
    folder: Path, manner: FinishManner, what: str, source: str
) -> list[Path]:
    program = [sys.executable, "-m", "tests.migrations.dying_finish"]
    process = await asyncio.create_subprocess_exec(
        *program, str(folder), manner, what, source, cwd=ROOT
    )
    assert await process.wait() == 0
    return sorted(folder.glob("step-*"))


@pytest.mark.parametrize("manner", MANNERS)
async def test_a_killed_finish_goes_on_and_can_be_undone(
    tmp_path: Path, manner: FinishManner
) -> None:
    folders = await killed_at_each_step(tmp_path, manner, "finish")

    before = (tmp_path / "base" / "source.jsonl").read_bytes()
    assert len(folders) >= 10
    for folder in folders:
        path = folder / "source.jsonl"
        store = await SQLiteStore.open(folder / "chatfold.db")
        (ledger,) = await list_runs(store)
        (status,) = (await status_of(store)).runs
        is_begun = ledger.record.state is RunState.DONE and ledger.record.finish is not None
        goes_on = status.next_step == "`group-messages finish`, which goes on from there"
        assert (status.is_interrupted, goes_on) == (is_begun, is_begun)
        if ledger.record.state is RunState.DONE:
            await finish(
                ledger, GROUP_MESSAGES, str(path), manner, backup_folder=folder / "backups"
            )
        assert ledger.record.state is RunState.FINISHED
        aside = list(folder.glob("*.migrated_*"))
        assert len(aside) == (manner is not FinishManner.REMOVE)
        if manner is FinishManner.RENAME:
            assert (path.exists(), aside[0].read_bytes()) == (False, before)
        else:
            assert path.read_bytes() == (STAYS if manner is FinishManner.REMOVE else before)
        await restore_source(ledger)
        await store.aclose()
        names = sorted(file.name for file in folder.iterdir() if "chatfold.db" not in file.name)
        assert names == ["backups", "source.jsonl"]
        assert path.read_bytes() == before


@pytest.mark.parametrize("manner", MANNERS)
@pytest.mark.parametrize("what", ["finish", "restore"])
async def test_what_was_killed_at_any_step_can_be_undone(
    tmp_path: Path, manner: FinishManner, what: str
) -> None:
    folders = await killed_at_each_step(tmp_path, manner, what)

    base = tmp_path / "base" / "source.jsonl"
    assert len(folders) >= 4
    for folder in folders:
        path = folder / "source.jsonl"
        store = await SQLiteStore.open(folder / "chatfold.db")
        (ledger,) = await list_runs(store)
        await restore_source(ledger)
        await store.aclose()
        assert path.read_bytes() == base.read_bytes()
        assert path.stat().st_mtime_ns == base.stat().st_mtime_ns
        names = {file.name for file in folder.iterdir() if "chatfold.db" not in file.name}
        assert names - {"backups"} == {"source.jsonl"}
