"""What was killed at any step, the finish of a tree or its restoring, can be repeated or undone."""

from pathlib import Path
from typing import Any

import pytest

from app.store.sqlite.store import SQLiteStore
from migrations.finish import finish, restore_source
from migrations.finish_record import FinishManner
from migrations.jobs.nest_sessions import NEST_SESSIONS
from migrations.ledger import RunState, list_runs
from tests.migrations.test_finished_trees import proven, seen
from tests.migrations.test_killed_finishes import MANNERS, left_by_the_killed
from tests.migrations.trees import meta, said, write_session

STAYING = {"chat_sessions", "chat_sessions/s2", "chat_sessions/s2/notes.txt", "chat_sessions/torn"}
STAYING |= {"chat_sessions/torn/messages.json", "chat_sessions/torn/metadata.json"}


def small(root: Path) -> Path:
    """Two whole sessions, one with a file of somebody else, and a torn one."""
    write_session(root / "chat_sessions/s1", [said("a", "one")], meta())
    write_session(root / "chat_sessions/s2", None, meta())
    (root / "chat_sessions/s2/notes.txt").write_text("not of a session")
    write_session(root / "chat_sessions/torn", b"[{", meta())
    return root


async def killed_at_each_step(folder: Path, manner: FinishManner, what: str) -> list[Path]:
    """Folders with what is left of a store and its tree, one for each step."""
    base = folder / "base"
    base.mkdir()
    store = await SQLiteStore.open(base / "chatfold.db")
    await proven(small(base / "tree"), store)
    await store.aclose()
    return await left_by_the_killed(folder, manner, what, "tree")


def before(folder: Path) -> dict[str, tuple[Any, ...]]:
    return seen(folder / "base/tree")


@pytest.mark.parametrize("manner", MANNERS)
async def test_a_killed_finish_goes_on_and_can_be_undone(
    tmp_path: Path, manner: FinishManner
) -> None:
    folders = await killed_at_each_step(tmp_path, manner, "finish")

    assert len(folders) >= 10
    for folder in folders:
        root = folder / "tree"
        store = await SQLiteStore.open(folder / "chatfold.db")
        (ledger,) = await list_runs(store)
        if ledger.record.state is RunState.DONE:
            await finish(ledger, NEST_SESSIONS, str(root), manner, backup_folder=folder / "backups")
        assert ledger.record.state is RunState.FINISHED
        after = {name for name in seen(root) if not name.startswith(".migrated_")}
        assert after == (set(before(tmp_path)) if manner is FinishManner.MARK else STAYING)
        await restore_source(ledger)
        await store.aclose()
        assert seen(root) == before(tmp_path)


@pytest.mark.parametrize("manner", MANNERS)
@pytest.mark.parametrize("what", ["finish", "restore"])
async def test_what_was_killed_at_any_step_can_be_undone(
    tmp_path: Path, manner: FinishManner, what: str
) -> None:
    folders = await killed_at_each_step(tmp_path, manner, what)

    assert len(folders) >= 4
    for folder in folders:
        store = await SQLiteStore.open(folder / "chatfold.db")
        (ledger,) = await list_runs(store)
        await restore_source(ledger)
        await store.aclose()
        assert seen(folder / "tree") == before(tmp_path)
