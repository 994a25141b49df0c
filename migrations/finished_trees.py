"""FinishedTree: the folders of a tree leave it once they are sessions; all else in it stays."""

import os
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import IO

from app.errors import RunStateError
from app.formats.port import Format, RawRecord
from app.formats.tree_folder import TreeFolder
from app.formats.tree_source import TreeSource
from migrations.backups import written_backup
from migrations.durable_files import (
    Steps,
    errors_named,
    made_folders,
    moved,
    sha256_of,
    sync_folder,
    written_beside,
)
from migrations.finish_record import FinishManner, FinishRecord
from migrations.removable import Removable
from migrations.tree_backups import archived
from migrations.tree_list import (
    ListedFile,
    ListedSession,
    is_as_listed,
    is_own_folder,
    listed_session,
    read_list,
)


class FinishedTree:
    """The tree of one run, until its end.

    What leaves it is listed in a file of it first: who goes on after a kill must know it.

    Raises:
        MigrationError: the file system refuses something; from every method.
    """

    original = None
    """There is no single file."""

    def __init__(self, source: TreeSource, run_id: str) -> None:
        self._source = source
        self._root = source.root.resolve()
        self._run_id = run_id
        self.location = str(self._root)
        self.records_removed = 0
        self.records_left = 0
        self.aside = aside_of_tree(self._root, run_id)
        self.backup: Path | None = None
        self.backup_sha256: str | None = None
        self.list_sha256: str | None = None

    def prepare(
        self,
        format_: Format,
        removable: Removable,
        manner: FinishManner,
        backup_folder: Path | None,
        *,
        is_dry: bool,
    ) -> Steps[None]:
        """Look at every folder, list those that are to leave, and back them up.

        Raises:
            RunStateError: the tree is not what the ledger tells of.
        """
        waiting = waiting_list_of(self._root, self._run_id)
        note = list_of(self._root, self._run_id)
        with errors_named(self._root):
            for taken in (self.aside, note):
                if os.path.lexists(taken):
                    raise RunStateError(f"{taken} is there already; move it away first.")
            if manner is FinishManner.MARK:
                self.aside = note
            with nullcontext() if is_dry else written_beside(waiting) as file:
                yield from self._listed(format_, removable, file)
                removable.check()
            if not is_dry:
                self.list_sha256 = sha256_of(waiting)
                yield from self._backed_up(waiting, backup_folder)

    def _listed(self, format_: Format, removable: Removable, file: IO[bytes] | None) -> Steps[None]:
        at = 0
        with self._source as source:
            for record in source:
                session = self._going(record, format_, removable)
                self.records_left += session is None
                self.records_removed += session is not None
                if file is not None and session is not None:
                    file.write(session.model_dump_json().encode() + b"\n")
                yield source.bytes_read - at
                at = source.bytes_read

    def _going(
        self, record: RawRecord, format_: Format, removable: Removable
    ) -> ListedSession | None:
        """What leaves the tree of a folder; None where it stays."""
        if removable.stays(record, format_, self._source.notation):
            return None
        folder = TreeFolder.from_bytes(record.raw or b"")
        return listed_session(self._root, self._source.entry(record.position), folder)

    def _backed_up(self, waiting: Path, folder: Path | None) -> Steps[None]:
        if folder is None:
            return
        backup = folder.resolve() / f"{self._root.name}.{self._run_id}.tar.gz"
        sessions = read_list(waiting, self.list_sha256)
        try:
            self.backup_sha256 = yield from written_backup(
                backup, archived(self._root, waiting, sessions)
            )
        except BaseException:
            waiting.unlink(missing_ok=True)
            raise
        self.backup = backup


def empty_tree(record: FinishRecord, run_id: str) -> Steps[int]:
    """Do with the tree what the record says, or the rest of it; returns how many folders stay.

    Those have a file that was changed since it was looked at.

    Raises:
        RunStateError: the list is gone, or a link is where folders are to go.
        MigrationError: the file system refuses something.
    """
    root = Path(record.location)
    waiting, note = waiting_list_of(root, run_id), list_of(root, run_id)
    stay = 0
    with errors_named(root):
        if waiting.exists():
            moved(waiting, note)
        if record.manner is FinishManner.MARK:
            return 0
        aside = _made_aside(root, run_id) if record.manner is FinishManner.RENAME else None
        left_folders: set[Path] = set()
        for session in read_list(note, record.list_sha256):
            if _is_unchanged(root, session):
                _take(root, session, aside)
                left_folders.add((root / session.path).parent)
            else:
                stay += 1
            yield sum(file.size_bytes for file in session.files)
        for folder in left_folders:
            sync_folder(folder)
    return stay


def drop_list(record: FinishRecord, run_id: str) -> None:
    """Remove the list of what was removed, once nobody needs it to go on."""
    if record.manner is FinishManner.REMOVE:
        list_of(Path(record.location), run_id).unlink(missing_ok=True)


def aside_of_tree(root: Path, run_id: str) -> Path:
    """Where renamed folders are: in the tree, since what is beside it may be another disk."""
    return root / f".migrated_{run_id}"


def list_of(root: Path, run_id: str) -> Path:
    """Where the list of the folders is that were folded; it is the mark, too."""
    return root / f".migrated_{run_id}.jsonl"


def waiting_list_of(root: Path, run_id: str) -> Path:
    """Where the list waits until the ledger knows of it."""
    return root / f".left_{run_id}.jsonl"


def _made_aside(root: Path, run_id: str) -> Path:
    aside = aside_of_tree(root, run_id)
    if not is_own_folder(root, aside):
        raise RunStateError(f"{aside} leads elsewhere; move it away, then finish again.")
    aside.mkdir(mode=0o700, exist_ok=True)  # what is in it may have been in folders as private
    sync_folder(root)
    return aside


def _is_unchanged(root: Path, session: ListedSession) -> bool:
    """Whether all files of it that are still there are what they were."""
    folder = root / session.path
    return is_own_folder(root, folder) and all(
        is_as_listed(path, file) for path, file in _present(folder, session)
    )


def _present(folder: Path, session: ListedSession) -> Iterator[tuple[Path, ListedFile]]:
    for file in session.files:
        if os.path.lexists(folder / file.name):
            yield folder / file.name, file


def _take(root: Path, session: ListedSession, aside: Path | None) -> None:
    """Remove the files that are still there, or move them aside; then their folder, if empty."""
    folder = root / session.path
    for path, _ in list(_present(folder, session)):
        if aside is None:
            path.unlink()
            continue
        target = aside / session.path
        made_folders(target, aside)
        path.replace(target / path.name)
        sync_folder(target)
    with suppress(OSError):  # what else there is in it, stays
        folder.rmdir()
