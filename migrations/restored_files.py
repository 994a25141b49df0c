"""Restoring files: what a finish has taken from its place comes back, byte for byte."""

import os
from pathlib import Path

from app.errors import RunStateError
from migrations.backups import is_backup_of, unzipped
from migrations.durable_files import errors_named, moved, sha256_of, sync_folder, written_beside
from migrations.finish_record import FinishManner, FinishRecord, OriginalFile
from migrations.finished_files import aside_of, left_of


def is_file_done(record: FinishRecord, original: OriginalFile, run_id: str) -> bool:
    """Whether the file is where a finish that was killed would have brought it."""
    path = Path(record.location)
    aside = aside_of(path, run_id)
    with errors_named(path):
        if record.manner is FinishManner.RENAME:
            return not path.exists() and _is(aside, original.sha256)
        if record.manner is FinishManner.MARK:
            return aside.exists() and _is(path, original.sha256)
        if original.left_sha256 is None:
            return not path.exists()
        return _is(path, original.left_sha256)


def restore_file(
    record: FinishRecord, original: OriginalFile, run_id: str, *, is_dry: bool
) -> None:
    """Make the file what it was before a finish, to the byte and to the date.

    Raises:
        RunStateError: something else is in its place, or nothing has it any more.
        MigrationError: the file system refuses something.
    """
    path = Path(record.location)
    aside = aside_of(path, run_id)
    with errors_named(path):
        if not _is(path, original.sha256):
            if path.exists() and not _is(path, original.left_sha256):
                raise RunStateError(
                    f"{path} is not what the finish of run {run_id} has left there;"
                    " move it away, then roll back again."
                )
            _bring_back(path, aside, record, original, is_dry=is_dry)
        if is_dry:
            return
        os.utime(path, ns=(path.stat().st_atime_ns, original.modified_nanoseconds))
        if record.manner is FinishManner.MARK:
            aside.unlink(missing_ok=True)
            sync_folder(path.parent)


def tidy(record: FinishRecord, run_id: str) -> None:
    """Remove what a finish may have written beside the file and not put in its place."""
    path = Path(record.location)
    with errors_named(path):
        left_of(path, run_id).unlink(missing_ok=True)


def _bring_back(
    path: Path, aside: Path, record: FinishRecord, original: OriginalFile, *, is_dry: bool
) -> None:
    if not path.exists() and _is(aside, original.sha256):
        if not is_dry:
            moved(aside, path)
        return
    backup = None if record.backup is None else Path(record.backup)
    if backup is None or not is_backup_of(backup, original.sha256):
        raise RunStateError(
            f"Nothing has what {path} was:"
            + (" there is no backup." if backup is None else f" {backup} is gone or damaged.")
        )
    if is_dry:
        return
    partial = path.with_name(f".{path.name}.restored")
    with written_beside(partial) as file:
        for chunk in unzipped(backup):
            file.write(chunk)
    partial.chmod(original.mode)
    os.utime(partial, ns=(partial.stat().st_atime_ns, original.modified_nanoseconds))
    moved(partial, path)


def _is(path: Path, sha256: str | None) -> bool:
    """Whether there is a file with this content; None: whether there is none."""
    if sha256 is None or not path.exists():
        return sha256 is None and not path.exists()
    return sha256_of(path) == sha256
