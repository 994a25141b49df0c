"""Finish takes from a tree just the folders that were folded; a rollback gives them back."""

import os
import shutil
import stat
import tarfile
from pathlib import Path
from typing import Any

import pytest

from app.clock import SystemClock
from app.domain.source_options import SourceOptions
from app.errors import MigrationError, RunStateError
from app.store.memory import MemoryStore
from app.store.port import SessionStore
from migrations.finish import FinishReport, finish, restore_source
from migrations.finish_record import FinishManner
from migrations.jobs.nest_sessions import NEST_SESSIONS
from migrations.ledger import RunLedger, RunState, find_run, list_runs
from migrations.proof import fingerprint_of, note_proof
from migrations.rollback import roll_back
from migrations.runner import run
from tests.migrations.trees import meta, said, write_session

ADAS = NEST_SESSIONS.told(SourceOptions(default_user="ada"))
RENAME, REMOVE, MARK = FinishManner.RENAME, FinishManner.REMOVE, FinishManner.MARK
FOLDED = [
    "chat_sessions/s1",
    "chat_sessions/s2",
    "chat_sessions/s3",
    "projects/p1/chat_sessions/s4",
]
"""The folders of `mixed` that leave it."""


def mixed(root: Path) -> Path:
    """Four whole sessions, one with a file of somebody else; damage, links, and other things."""
    flat = root / "chat_sessions"
    write_session(flat / "s1", [said("a", "one"), said("b", "two")], meta())
    write_session(flat / "s2", None, meta())
    write_session(flat / "s3", [said("a", "three")], meta())
    (flat / "s3/notes.txt").write_text("not of a session")
    write_session(root / "projects/p1/chat_sessions/s4", [said("a", "four")], meta(user_id="bob"))
    write_session(flat / "torn", b'[{"id": "a", "content": "torn', meta())
    (flat / "empty").mkdir()
    (flat / ".hidden").mkdir()
    (flat / "link").symlink_to("s1")
    write_session(flat / "linked", None, meta())
    (flat / "linked/messages.json").symlink_to("../s1/messages.json")
    (root / "readme.txt").write_text("ours")
    (flat / "s1").chmod(0o700)
    (flat / "s1/messages.json").chmod(0o604)
    for path in [*root.rglob("*"), root]:
        if not path.is_symlink():
            os.utime(path, ns=(1, 1_700_000_000_123_456_789))
    return root


def seen(root: Path) -> dict[str, tuple[Any, ...]]:
    """All that a tree has, with permissions and dates; containers change their dates."""
    found: dict[str, tuple[Any, ...]] = {}
    for path in root.rglob("*"):
        name, status = str(path.relative_to(root)), path.lstat()
        if path.is_symlink():
            found[name] = ("link", path.readlink())
        elif path.is_dir():
            is_session = path.parent.name == "chat_sessions"
            found[name] = (status.st_mode, is_session and status.st_mtime_ns)
        else:
            found[name] = (status.st_mode, status.st_mtime_ns, path.read_bytes())
    return found


def without_folded(before: dict[str, tuple[Any, ...]]) -> dict[str, tuple[Any, ...]]:
    """What should stay of a mixed tree, but for dates of folders."""
    files = [f"{path}/{name}.json" for path in FOLDED for name in ("metadata", "messages")]
    gone = {*files, *FOLDED} - {"chat_sessions/s3"}
    return {name: told for name, told in before.items() if name not in gone}


def undated(found: dict[str, tuple[Any, ...]]) -> dict[str, tuple[Any, ...]]:
    return {
        name: told[:1] if stat.S_ISDIR(told[0]) else told
        for name, told in found.items()
        if told[0] != "link"
    }


async def proven(root: Path, store: SessionStore) -> RunLedger:
    """A run that a verify has passed on."""
    await run(ADAS, ADAS.open(str(root)), store)
    noted = await note_proof(store, ADAS, str(root), fingerprint_of(ADAS, str(root)), SystemClock())
    assert noted is not None
    return noted


async def finished(
    ledger: RunLedger, root: Path, manner: FinishManner, **options: Any
) -> FinishReport:
    return await finish(ledger, NEST_SESSIONS, str(root), manner, **options)


async def test_folders_that_were_folded_are_moved_aside(
    store: SessionStore, tmp_path: Path
) -> None:
    root = mixed(tmp_path / "tree")
    before = seen(root)
    ledger = await proven(root, store)

    report = await finished(ledger, root, RENAME)

    aside = root / f".migrated_{ledger.run_id}"
    assert (report.aside, report.backup) == (str(aside), None)
    assert (report.records_removed, report.records_left) == (4, 4)
    moved = {name: told for name, told in seen(aside).items() if name.endswith(".json")}
    assert moved == {name: before[name] for name in moved}
    assert len(moved) == 7
    assert aside.stat().st_mode & 0o777 == 0o700
    shutil.rmtree(aside)
    aside.with_name(aside.name + ".jsonl").unlink()
    assert undated(seen(root)) == undated(without_folded(before))
    assert (await find_run(store, ledger.run_id)).record.state is RunState.FINISHED


async def test_folders_that_were_folded_go_and_all_else_stays(
    store: SessionStore, tmp_path: Path
) -> None:
    root = mixed(tmp_path / "tree")
    before = seen(root)
    ledger = await proven(root, store)

    report = await finished(ledger, root, REMOVE, backup_folder=tmp_path / "backups")

    assert undated(seen(root)) == undated(without_folded(before))
    assert (report.records_removed, report.records_left) == (4, 4)
    assert report.backup == str(tmp_path / f"backups/tree.{ledger.run_id}.tar.gz")
    assert Path(report.backup).stat().st_mode & 0o777 == 0o600
    again = await run(ADAS, ADAS.open(str(root)), MemoryStore())
    assert again.sessions["created"] == 2


async def test_a_backup_is_an_archive_that_anyone_can_unpack(tmp_path: Path) -> None:
    root = mixed(tmp_path / "tree")
    before = seen(root)
    ledger = await proven(root, MemoryStore())

    report = await finished(ledger, root, REMOVE, backup_folder=tmp_path)

    with tarfile.open(report.backup or "") as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    unpacked = seen(tmp_path / "unpacked")
    files = {
        name: told[2] for name, told in unpacked.items() if name.count("/") > 1 and len(told) > 2
    }
    assert files == {name: before[name][2] for name in files}
    assert len(files) == 7


async def test_a_mark_leaves_the_tree(tmp_path: Path) -> None:
    root = mixed(tmp_path / "tree")
    before = seen(root)
    ledger = await proven(root, MemoryStore())

    report = await finished(ledger, root, MARK)

    note = root / f".migrated_{ledger.run_id}.jsonl"
    assert report.aside == str(note)
    assert [line.count(b"chat_sessions/") for line in note.read_bytes().splitlines()] == [1] * 4
    note.unlink()
    assert seen(root) == before


@pytest.mark.parametrize("manner", list(FinishManner))
@pytest.mark.parametrize("has_backup", [True, False])
async def test_what_is_given_back_is_what_it_was(
    store: SessionStore, tmp_path: Path, manner: FinishManner, has_backup: bool
) -> None:
    root = mixed(tmp_path / "tree")
    before, fingerprint = seen(root), fingerprint_of(ADAS, str(root))
    ledger = await proven(root, store)
    await finished(ledger, root, manner, backup_folder=tmp_path / "b" if has_backup else None)

    if manner is REMOVE and not has_backup:
        with pytest.raises(RunStateError, match="there is no backup"):
            await roll_back(ledger, store)
        assert len(await store.list_keys()) == 7
        return
    undone = await roll_back(ledger, store)

    assert undone.is_source_back
    assert seen(root) == before
    assert fingerprint_of(ADAS, str(root)) == fingerprint
    assert await store.list_keys() == []


@pytest.mark.parametrize("manner", list(FinishManner))
async def test_a_dry_finish_and_a_dry_restore_touch_nothing(
    tmp_path: Path, manner: FinishManner
) -> None:
    root = mixed(tmp_path / "tree")
    before = seen(root)
    ledger = await proven(root, MemoryStore())
    backups = tmp_path / "backups"

    report = await finished(ledger, root, manner, backup_folder=backups, is_dry=True)

    assert (report.records_removed, report.records_left, report.backup) == (4, 4, str(backups))
    assert seen(root) == before
    assert not backups.exists()
    await finished(ledger, root, manner, backup_folder=backups)
    after = seen(root)
    assert await restore_source(ledger, is_dry=True)
    assert seen(root) == after


async def test_a_tree_that_is_gone_comes_back_from_its_backup(tmp_path: Path) -> None:
    root = mixed(tmp_path / "tree")
    before = seen(root)
    ledger = await proven(root, MemoryStore())
    await finished(ledger, root, REMOVE, backup_folder=tmp_path)
    shutil.rmtree(root)

    assert await restore_source(ledger)

    files = {name: told for name, told in seen(root).items() if name.endswith(".json")}
    assert files == {name: before[name] for name in files}
    assert len(files) == 7


async def test_what_was_touched_aside_comes_back_from_the_backup(tmp_path: Path) -> None:
    root = mixed(tmp_path / "tree")
    before = seen(root)
    ledger = await proven(root, MemoryStore())
    report = await finished(ledger, root, RENAME, backup_folder=tmp_path)
    aside = Path(report.aside or "")
    (aside / "chat_sessions/s1/messages.json").write_text("touched")
    (aside / "chat_sessions/s3/metadata.json").unlink()

    assert await restore_source(ledger)

    touched = aside / "chat_sessions/s1/messages.json"
    assert touched.read_text() == "touched"
    shutil.rmtree(aside)
    assert seen(root) == before


async def test_a_file_that_changes_at_the_last_moment_stays(tmp_path: Path) -> None:
    root = mixed(tmp_path / "tree")
    ledger = await proven(root, MemoryStore())
    changed = root / "chat_sessions/s1/messages.json"
    writes = Meanwhile(lambda: changed.write_text("[]"))

    report = await finished(ledger, root, REMOVE, progress=writes)

    assert (report.records_removed, report.records_left) == (3, 5)
    assert changed.read_text() == "[]"
    assert (root / "chat_sessions/s1/metadata.json").exists()
    assert not (root / "chat_sessions/s2").exists()


async def test_a_folder_that_becomes_a_link_at_the_last_moment_is_not_followed(
    tmp_path: Path,
) -> None:
    root = mixed(tmp_path / "tree")
    ledger = await proven(root, MemoryStore())
    outside = tmp_path / "outside"

    def swap() -> None:
        (root / "chat_sessions").rename(outside)
        (root / "chat_sessions").symlink_to(outside)

    report = await finished(ledger, root, REMOVE, progress=Meanwhile(swap))

    assert (report.records_removed, report.records_left) == (1, 7)
    assert (outside / "s1/messages.json").exists()
    assert not (root / "projects/p1/chat_sessions/s4").exists()


async def test_nothing_is_moved_aside_through_a_link(tmp_path: Path) -> None:
    root = mixed(tmp_path / "tree")
    ledger = await proven(root, MemoryStore())
    outside = tmp_path / "outside"
    outside.mkdir()
    aside = root / f".migrated_{ledger.run_id}"

    with pytest.raises(RunStateError, match="leads elsewhere"):
        await finished(ledger, root, RENAME, progress=Meanwhile(lambda: aside.symlink_to(outside)))

    assert list(outside.iterdir()) == []
    aside.unlink()
    await finished(ledger, root, RENAME)
    assert ledger.record.state is RunState.FINISHED
    assert (aside / "chat_sessions/s1/messages.json").is_file()


async def test_nothing_comes_back_through_a_link(tmp_path: Path) -> None:
    root = mixed(tmp_path / "tree")
    ledger = await proven(root, MemoryStore())
    await finished(ledger, root, REMOVE, backup_folder=tmp_path)
    outside = tmp_path / "outside"
    outside.mkdir()
    (root / "chat_sessions/s1").symlink_to(outside)

    with pytest.raises(RunStateError, match="move it away"):
        await restore_source(ledger)

    assert list(outside.iterdir()) == []
    assert not (root / "chat_sessions/s2").exists()


async def test_what_was_written_in_a_place_since_is_not_overwritten(tmp_path: Path) -> None:
    root = mixed(tmp_path / "tree")
    before = seen(root)
    ledger = await proven(root, MemoryStore())
    await finished(ledger, root, REMOVE, backup_folder=tmp_path)
    write_session(root / "projects/p1/chat_sessions/s4", [], meta(title="New"))

    with pytest.raises(RunStateError, match=r"s4/metadata\.json is not what"):
        await restore_source(ledger)

    assert not (root / "chat_sessions/s1").exists()
    shutil.rmtree(root / "projects/p1/chat_sessions/s4")
    assert await restore_source(ledger)
    assert seen(root) == before


async def test_a_tree_that_has_changed_is_left_alone(tmp_path: Path) -> None:
    root = mixed(tmp_path / "tree")
    ledger = await proven(root, MemoryStore())
    write_session(root / "chat_sessions/new", [said("a", "x")], meta())
    changed = seen(root)

    with pytest.raises(RunStateError, match="has changed since"):
        await finished(ledger, root, REMOVE, backup_folder=tmp_path / "backups")

    assert seen(root) == changed


@pytest.mark.parametrize(
    ("manner", "now", "message"),
    [
        (REMOVE, b'"content": "two"', "has changed since"),
        (REMOVE, b'"content": 12345', "has changed since"),
        (RENAME, b'"content": 12345', "does not have what the ledger"),
    ],
)
async def test_a_session_that_is_another_stops_everything(
    tmp_path: Path, manner: FinishManner, now: bytes, message: str
) -> None:
    """Though no size and no date is another. What is only moved aside keeps what it says."""
    root = mixed(tmp_path / "tree")
    ledger = await proven(root, MemoryStore())
    file = root / "chat_sessions/s1/messages.json"
    dates = file.stat().st_mtime_ns
    file.write_bytes(file.read_bytes().replace(b'"content": "one"', now))
    os.utime(file, ns=(1, dates))
    changed = seen(root)

    with pytest.raises(RunStateError, match=message):
        await finished(ledger, root, manner, backup_folder=tmp_path / "backups")

    assert seen(root) == changed


@pytest.mark.parametrize("taken", ["", ".jsonl"])
async def test_a_name_that_is_taken_is_not_taken_again(tmp_path: Path, taken: str) -> None:
    root = mixed(tmp_path / "tree")
    ledger = await proven(root, MemoryStore())
    theirs = root / f".migrated_{ledger.run_id}{taken}"
    theirs.symlink_to(tmp_path)

    with pytest.raises(RunStateError, match="is there already"):
        await finished(ledger, root, RENAME)

    assert theirs.is_symlink()


@pytest.mark.parametrize("damage", ["cut", "another", "gone"])
async def test_a_damaged_backup_is_not_given_back(tmp_path: Path, damage: str) -> None:
    root = mixed(tmp_path / "tree")
    ledger = await proven(root, MemoryStore())
    report = await finished(ledger, root, REMOVE, backup_folder=tmp_path)
    backup = Path(report.backup or "")
    if damage == "gone":
        backup.unlink()
    else:
        backup.write_bytes(backup.read_bytes()[:-9] if damage == "cut" else b"other")
    after = seen(root)

    with pytest.raises(RunStateError, match="gone or damaged"):
        await restore_source(ledger)

    assert seen(root) == after


async def test_a_backup_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    root = mixed(tmp_path / "tree")
    before = seen(root)
    ledger = await proven(root, MemoryStore())
    (tmp_path / "file").write_text("no folder")

    with pytest.raises(MigrationError, match="file"):
        await finished(ledger, root, REMOVE, backup_folder=tmp_path / "file/backups")

    assert seen(root) == before
    (only,) = await list_runs(ledger.store)
    assert only.record.state is RunState.DONE


class Meanwhile:
    """Does something when the emptying begins."""

    def __init__(self, act: Any) -> None:
        self._act = act

    def begin(self, phase: str, _total: int | None) -> None:
        if phase == "emptying":
            self._act()

    def advance(self, done: int, records: int) -> None:
        """Nothing is told."""
