"""Restoring trees: folders that a finish has taken from their places come back, byte for byte."""

import os
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from enum import Enum, auto
from pathlib import Path
from shutil import copyfileobj
from typing import NamedTuple

from app.errors import RunStateError
from migrations.backups import is_backup_of
from migrations.durable_files import (
    CHUNK_BYTES,
    Steps,
    errors_named,
    made_folders,
    moved,
    sync_folder,
    written_beside,
)
from migrations.finish_record import FinishManner, FinishRecord
from migrations.finished_trees import aside_of_tree, list_of, waiting_list_of
from migrations.tree_backups import TreeBackup, opened_backup
from migrations.tree_list import (
    ListedFile,
    ListedSession,
    is_as_listed,
    is_own_folder,
    read_list,
)


class _Where(Enum):
    """Who has a file."""

    PLACE = auto()
    ASIDE = auto()
    BACKUP = auto()


class _Tree(NamedTuple):
    """A tree that is to be what it was."""

    root: Path
    aside: Path
    run_id: str

    def where(self, session: ListedSession, file: ListedFile) -> _Where:
        """Where a file is now.

        Raises:
            RunStateError: something else is in its place.
        """
        folder = self.root / session.path
        place = folder / file.name
        if is_own_folder(self.root, folder) and is_as_listed(place, file):
            return _Where.PLACE
        if os.path.lexists(place) or not is_own_folder(self.root, folder):
            raise RunStateError(
                f"{place} is not what the finish of run {self.run_id} has left there;"
                " move it away, then roll back again."
            )
        is_aside = is_as_listed(self.aside / session.path / file.name, file)
        return _Where.ASIDE if is_aside else _Where.BACKUP


def restore_tree(record: FinishRecord, run_id: str, *, is_dry: bool) -> Steps[None]:
    """Make the tree what it was before a finish: its files, and the folders that they are in.

    All of it is looked at before any of it comes back.

    Raises:
        RunStateError: something else is in a place, or nothing has a file any more.
        MigrationError: the file system refuses something.
    """
    root = Path(record.location)
    tree = _Tree(root, aside_of_tree(root, run_id), run_id)
    with errors_named(root):
        backup = _whole_backup(record)
        is_backup_needed = False
        for session in _sessions(record, run_id, backup):
            is_backup_needed |= _Where.BACKUP in {tree.where(session, one) for one in session.files}
            if is_backup_needed and backup is None:
                raise _nothing_has(record)
            yield sum(file.size_bytes for file in session.files)
        if is_dry or record.manner is FinishManner.MARK:
            return
        root.mkdir(parents=True, exist_ok=True)
        with opened_backup(backup) if backup and is_backup_needed else nullcontext() as opened:
            for session in _sessions(record, run_id, backup):
                _restore(tree, session, opened)
                yield sum(file.size_bytes for file in session.files)
        _remove_empty(tree.aside, root)


def tidy_tree(record: FinishRecord, run_id: str) -> None:
    """Remove what a finish has written into the tree, where the source is one."""
    root = Path(record.location)
    if not root.is_dir():
        return
    with errors_named(root):
        list_of(root, run_id).unlink(missing_ok=True)
        waiting_list_of(root, run_id).unlink(missing_ok=True)


def _whole_backup(record: FinishRecord) -> Path | None:
    """The backup, where there is one and it is whole."""
    backup = None if record.backup is None else Path(record.backup)
    return backup if backup and is_backup_of(backup, record.backup_sha256) else None


def _sessions(record: FinishRecord, run_id: str, backup: Path | None) -> Iterator[ListedSession]:
    """What has left the tree, or was about to."""
    root = Path(record.location)
    for path in (list_of(root, run_id), waiting_list_of(root, run_id)):
        if path.exists():
            yield from read_list(path, record.list_sha256)
            return
    if backup is None:
        raise _nothing_has(record)
    with opened_backup(backup) as opened:
        yield from opened.sessions()


def _nothing_has(record: FinishRecord) -> RunStateError:
    no_backup = f"{record.backup} is gone or damaged." if record.backup else "there is no backup."
    return RunStateError(f"Nothing has what {record.location} was: {no_backup}")


def _restore(tree: _Tree, session: ListedSession, backup: TreeBackup | None) -> None:
    folder = tree.root / session.path
    made_folders(folder, tree.root)
    for file in session.files:
        where = tree.where(session, file)
        if where is _Where.ASIDE:
            moved(tree.aside / session.path / file.name, folder / file.name)
        elif where is _Where.BACKUP and backup is not None:
            _write(folder / file.name, session, file, backup)
    _give_back(folder, session)
    sync_folder(folder)
    _remove_empty(tree.aside / session.path, tree.root)


def _write(path: Path, session: ListedSession, file: ListedFile, backup: TreeBackup) -> None:
    partial = path.with_name(f".{path.name}.restored")
    with written_beside(partial) as target:
        copyfileobj(backup.content(session, file), target, CHUNK_BYTES)
    _give_back(partial, file)
    moved(partial, path)


def _give_back(path: Path, listed: ListedFile | ListedSession) -> None:
    """Its permissions and date, and where we may, its owner."""
    with suppress(PermissionError):
        os.chown(path, listed.owner, listed.group)
    path.chmod(listed.mode)
    os.utime(path, ns=(path.stat().st_atime_ns, listed.modified_nanoseconds))


def _remove_empty(folder: Path, root: Path) -> None:
    """Remove a folder, and those around it, as far as nothing is in them."""
    with suppress(OSError):
        while folder != root:
            with suppress(FileNotFoundError):
                folder.rmdir()
            folder = folder.parent
