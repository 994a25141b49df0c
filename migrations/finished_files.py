"""FinishedFile: a source that is a file is backed up, and leaves its place once it is folded."""

import hashlib
import json
import os
import stat
from contextlib import nullcontext, suppress
from pathlib import Path

from app.errors import RunStateError
from app.formats.file_source import FileSource
from app.formats.port import Format, RawRecord
from app.formats.remainder import remainder
from migrations.backups import gzipped, written_backup
from migrations.durable_files import (
    FileMark,
    Steps,
    chunks_of,
    errors_named,
    moved,
    removed,
    sha256_of,
    written_beside,
)
from migrations.finish_record import FinishManner, FinishRecord, OriginalFile
from migrations.removable import Removable

_NOTE = "Every record of this file that a store keeps was folded; see the run of this id there."


class FinishedFile:
    """The file of one run, until its end.

    Raises:
        MigrationError: the file system refuses something; from every method.
    """

    def __init__(self, source: FileSource, run_id: str) -> None:
        self._source = source
        self._path = source.path.resolve()
        self._run_id = run_id
        self._mark: FileMark
        self._is_anything_left = False
        self.location = str(self._path)
        self.records_removed = 0
        self.records_left = 0
        self.aside = aside_of(self._path, run_id)
        self.backup: Path | None = None
        self.backup_sha256: str | None = None
        self.original: OriginalFile

    def prepare(
        self,
        format_: Format,
        removable: Removable,
        manner: FinishManner,
        backup_folder: Path | None,
        *,
        is_dry: bool,
    ) -> Steps[None]:
        """Back the file up, and write what will stay of it beside it; touch nothing of it.

        Raises:
            RunStateError: it is not what the ledger tells of.
        """
        with errors_named(self._path):
            if manner is not FinishManner.REMOVE and self.aside.exists():
                raise RunStateError(f"{self.aside} is there already; move it away first.")
            self._mark = FileMark.of(self._path)
            sha256 = yield from self._backed_up(None if is_dry else backup_folder)
            is_rewritten = manner is FinishManner.REMOVE and not is_dry
            yield from self._taken_apart(format_, removable, is_rewritten=is_rewritten)
            removable.check()
            if sha256_of(self._path) != sha256:
                raise self._changed()
            left_sha256 = sha256 if manner is FinishManner.MARK else None
            if is_rewritten and self._is_anything_left:
                left_sha256 = sha256_of(left_of(self._path, self._run_id))
            self.original = OriginalFile(
                sha256=sha256,
                size_bytes=self._mark.size_bytes,
                modified_nanoseconds=self._mark.modified_nanoseconds,
                mode=stat.S_IMODE(self._path.stat().st_mode),
                left_sha256=left_sha256,
            )

    def act(self, record: FinishRecord) -> None:
        """Do with the prepared file what the record says.

        Raises:
            RunStateError: it has changed since it was prepared.
        """
        with errors_named(self._path):
            if FileMark.of(self._path) != self._mark:
                raise self._changed()
            if record.manner is FinishManner.RENAME:
                moved(self._path, self.aside)
            elif record.manner is FinishManner.MARK:
                self._write_note(record)
            elif self._is_anything_left:
                moved(left_of(self._path, self._run_id), self._path)
            else:
                removed(self._path)

    def _changed(self) -> RunStateError:
        return RunStateError(f"{self._path} has changed meanwhile; nothing of it was removed.")

    def _backed_up(self, folder: Path | None) -> Steps[str]:
        """Write the backup where one is wanted, and read it again; returns the file's hash."""
        if folder is None:
            digest = hashlib.sha256()
            for chunk in chunks_of(self._path):
                digest.update(chunk)
                yield len(chunk)
            return digest.hexdigest()
        backup = folder.resolve() / f"{self._path.name}.{self._run_id}.gz"
        sha256 = yield from written_backup(backup, chunks_of(self._path))
        self.backup, self.backup_sha256 = backup, sha256
        return sha256

    def _taken_apart(
        self, format_: Format, removable: Removable, *, is_rewritten: bool
    ) -> Steps[None]:
        """Look at every record, and write those that stay if the file is to be rewritten."""
        with self._source as source:

            def stays(record: RawRecord) -> bool:
                must_stay = removable.stays(record, format_, source.notation)
                self.records_left += must_stay
                self.records_removed += not must_stay
                return must_stay

            left = left_of(self._path, self._run_id)
            at = 0
            with written_beside(left) if is_rewritten else nullcontext() as file:
                gzips = file is not None and source.is_compressed
                with gzipped(file) if file is not None and gzips else nullcontext(file) as target:
                    for piece in remainder(source, stays):
                        self._is_anything_left = True
                        if target is not None:
                            target.write(piece)
                        yield source.bytes_read - at
                        at = source.bytes_read
            if is_rewritten and not self._is_anything_left:
                left.unlink()
            elif is_rewritten:
                _dress(left, self._path.stat())

    def _write_note(self, record: FinishRecord) -> None:
        note = {
            "run": self._run_id,
            "at": record.model_dump(mode="json")["at"],
            "records_folded": record.records_removed,
            "records_not_folded": record.records_left,
            "note": _NOTE,
        }
        with written_beside(left_of(self._path, self._run_id)) as file:
            file.write(json.dumps(note, indent=1).encode() + b"\n")
        moved(left_of(self._path, self._run_id), self.aside)


def aside_of(path: Path, run_id: str) -> Path:
    """A name beside a file which no other run gives."""
    return path.with_name(f"{path.name}.migrated_{run_id}")


def left_of(path: Path, run_id: str) -> Path:
    """Where what will stay of a file, or beside it, waits until it takes its place."""
    return path.with_name(f".{path.name}.left_{run_id}")


def _dress(path: Path, like: os.stat_result) -> None:
    """Give a file the permissions of another and, where we may, its owner."""
    with suppress(PermissionError):
        os.chown(path, like.st_uid, like.st_gid)
    path.chmod(stat.S_IMODE(like.st_mode))
