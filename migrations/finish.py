"""Finish: what was folded and verified leaves its source; a rollback gives it back.

Before anything of the source is touched, the ledger says what is about to be done and where the
backup is. Who was killed then goes on by the same command.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

from app.clock import Clock, SystemClock
from app.domain.source_options import SourceOptions
from app.errors import RunStateError
from app.formats.chatfold_export import ChatfoldExport
from app.formats.collection_source import CollectionSource, is_collection
from app.formats.file_source import STANDARD_INPUT, FileSource
from app.formats.port import Source
from app.formats.tree_source import TreeSource
from app.progress import Progress, SilentProgress
from migrations.durable_files import Steps
from migrations.finish_record import FinishManner, FinishRecord, FinishStage
from migrations.finished_collections import (
    FinishedCollection,
    drop_kept,
    empty_collection,
    restore_collection,
    without_kept,
)
from migrations.finished_files import FinishedFile
from migrations.finished_trees import FinishedTree, drop_list, empty_tree
from migrations.job import Job
from migrations.ledger import RunLedger, RunRecord, RunState
from migrations.removable import removable_records
from migrations.restored_files import is_file_done, restore_file, tidy
from migrations.restored_trees import restore_tree, tidy_tree
from migrations.verify import verify
from migrations.verify_export import verify_export

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class FinishReport:
    """What a finish did with a source, or would do."""

    run_id: str
    job: str
    source: str
    manner: str
    """Of `FinishManner`."""
    seconds: float
    is_dry: bool
    records_removed: int
    """As the source counts them: one may hold several messages."""
    records_left: int
    aside: str | None
    """Where the source is now, or the note beside it."""
    backup: str | None
    """Where it is; of a dry finish, the folder that it would be in."""
    can_be_rolled_back: bool
    """False where what was removed is nowhere else: then the run can never be undone."""

    @property
    def has_findings(self) -> bool:
        """Whether someone should look: never; what stays was told by the run."""
        return False

    def to_text(self) -> str:
        """For people."""
        told = "dry finish" if self.is_dry else "finish"
        return "\n".join(
            [
                f"{told} of {self.job} run {self.run_id} of {self.source}: {self.seconds:.1f} s",
                *self._lines(),
                f"backup: {self.backup or 'none'}",
                *([] if self.can_be_rolled_back else [self._told_of_no_way_back()]),
                "",
            ]
        )

    def _told_of_no_way_back(self) -> str:
        what = "would be" if self.is_dry else "is"
        return f"WITHOUT A BACKUP what is removed {what} gone, and the run CANNOT BE ROLLED BACK"

    def _lines(self) -> list[str]:
        folded, left = f"{self.records_removed:,}", f"{self.records_left:,}"
        if self.manner == FinishManner.REMOVE:
            return [f"records removed from the source: {folded}; left in it: {left}"]
        what = "renamed to" if self.manner == FinishManner.RENAME else "marked by"
        return [
            f"records that are folded: {folded}; others: {left}",
            f"{what}: {self.aside}",
        ]


async def finish(
    ledger: RunLedger,
    job: Job,
    location: str,
    manner: FinishManner = FinishManner.RENAME,
    *,
    backup_folder: Path | None = None,
    is_dry: bool = False,
    takes_over: bool = False,
    clock: Clock | None = None,
    progress: Progress | None = None,
) -> FinishReport:
    """Take from the source what a verified run has folded, each record looked at once more.

    A finish that was cut short goes on. Without a folder there is no backup, and, where records
    were removed, no way back.

    Raises:
        RunStateError: the run is not that far, or the source is not what was verified.
        RunBusyError: another process is at work on the run.
        SourceError: the source cannot be read; nothing of it was touched.
        MigrationError: the file system refuses something.
    """
    began_at_seconds = monotonic()
    progress = progress or SilentProgress()
    if ledger.record.state is RunState.FINISHED and ledger.record.finish is not None and not is_dry:
        _tidy(FinishRecord.model_validate(ledger.record.finish), ledger.run_id)  # after a kill
    _check_state(ledger.record, job)
    if not is_dry:
        await ledger.take(takes_over=takes_over)
    told_job = job.told(SourceOptions(**ledger.record.options))
    record = _ready_before(ledger)
    would_be = None if record is not None or not is_dry else backup_folder
    if record is None:
        record = await _prepared(
            ledger,
            told_job,
            location,
            manner,
            backup_folder,
            clock or SystemClock(),
            progress,
            is_dry=is_dry,
        )
    if not is_dry and record.file is None:
        record = await _emptied(record, location, ledger, progress)
    if not is_dry:
        record = _without_kept(record, ledger.run_id)
        done = record.model_copy(update={"stage": FinishStage.DONE})
        await _note(ledger, done, state=RunState.FINISHED, holder=None)
        _tidy(record, ledger.run_id)
    return FinishReport(
        run_id=ledger.run_id,
        job=job.name,
        source=ledger.record.source,
        manner=record.manner,
        seconds=monotonic() - began_at_seconds,
        is_dry=is_dry,
        records_removed=record.records_removed,
        records_left=record.records_left,
        aside=record.aside,
        backup=record.backup if would_be is None else str(would_be),
        can_be_rolled_back=(
            record.manner is not FinishManner.REMOVE
            or record.backup is not None
            or would_be is not None
            or record.records_removed == 0
        ),
    )


async def restore_source(
    ledger: RunLedger, location: str | None = None, *, is_dry: bool = False
) -> bool:
    """Give a finished run its source back; says whether there was anything to give back.

    To be called before anything else is undone, since it may be impossible. May be repeated. The
    location of a collection must be told where it has a password, which no ledger keeps.

    Raises:
        RunStateError: there is no backup, or something else is in the source's place.
        SourceError: the server of the collection cannot be reached, or refuses.
        MigrationError: the file system refuses something.
    """
    if ledger.record.finish is None:
        return False
    record = FinishRecord.model_validate(ledger.record.finish)
    is_tree = record.list_sha256 is not None
    if record.stage is FinishStage.RESTORED:
        if not is_dry:
            _tidy_restored(record, ledger.run_id)  # which may have been killed
        return False
    is_touched = record.stage is not FinishStage.BEGUN
    if record.file is not None:
        restore_file(record, record.file, ledger.run_id, is_dry=is_dry)
    elif is_tree:
        await _each(restore_tree(record, ledger.run_id, is_dry=is_dry), SilentProgress())
    elif is_touched and record.manner is not FinishManner.MARK:
        steps = restore_collection(record, location or record.location, is_dry=is_dry)
        await _each(steps, SilentProgress())
    if not is_dry:
        if not is_collection(record.location):
            tidy(record, ledger.run_id)
        record = _without_kept(record, ledger.run_id)
        await _note(ledger, record.model_copy(update={"stage": FinishStage.RESTORED}))
        _tidy_restored(record, ledger.run_id)
    return is_touched


def _without_kept(record: FinishRecord, run_id: str) -> FinishRecord:
    """The record without what is kept only until the ledger says that it is not needed."""
    return without_kept(record, run_id) if is_collection(record.location) else record


def _tidy(record: FinishRecord, run_id: str) -> None:
    """Remove what a finish that is done needed to go on."""
    if is_collection(record.location):
        drop_kept(run_id)
    elif record.list_sha256 is not None:
        drop_list(record, run_id)


def _tidy_restored(record: FinishRecord, run_id: str) -> None:
    """The same of a source that was restored."""
    if is_collection(record.location):
        drop_kept(run_id)
    else:
        tidy_tree(record, run_id)


def _check_state(record: RunRecord, job: Job) -> None:
    run = f"Run {record.run_id}"
    if record.job != job.name:
        raise RunStateError(f"{run} is one of {record.job}, not of {job.name}.")
    if record.state is RunState.RUNNING:
        raise RunStateError(f"{run} is not at its end; run it again, then verify it.")
    if record.state is RunState.FINISHED:
        raise RunStateError(f"{run} is finished already.")
    if record.state is RunState.ROLLING_BACK:
        raise RunStateError(f"{run} is being rolled back.")
    if record.state is RunState.ROLLED_BACK:
        raise RunStateError(f"{run} is rolled back: the store has nothing of it.")
    if record.verified_at is None or record.verified_fingerprint is None:
        raise RunStateError(f"No verify of run {record.run_id} has passed; verify it first.")


def _ready_before(ledger: RunLedger) -> FinishRecord | None:
    """Where a finish that was killed goes on; None where it has to begin again."""
    if ledger.record.finish is None:
        return None
    record = FinishRecord.model_validate(ledger.record.finish)
    if record.stage is not FinishStage.READY:
        return None
    if record.file is None or is_file_done(record, record.file, ledger.run_id):
        return record
    return None


async def _prepared(
    ledger: RunLedger,
    job: Job,
    location: str,
    manner: FinishManner,
    backup_folder: Path | None,
    clock: Clock,
    progress: Progress,
    *,
    is_dry: bool,
) -> FinishRecord:
    """Everything up to the point where the source is touched; of a file, that too."""
    source = job.open(location)
    finished = _finished_of(source, ledger.run_id)
    with source:
        if source.fingerprint() != ledger.record.verified_fingerprint:
            raise RunStateError(
                f"{source.name} has changed since run {ledger.run_id} was verified;"
                " run it again, then verify it."
            )
        size_bytes = source.size_bytes
    is_removal = manner is FinishManner.REMOVE
    is_live = isinstance(finished, FinishedCollection)
    if is_removal and not is_live:
        await _verify_again(ledger, job, location, progress)
    removable = await removable_records(ledger)
    record = FinishRecord(
        manner=manner, stage=FinishStage.BEGUN, at=clock.now(), location=finished.location
    )
    if not is_dry:
        await _note(ledger, record)
    progress.begin("finishing", None if size_bytes is None else 2 * size_bytes)
    steps = finished.prepare(job.format, removable, manner, backup_folder, is_dry=is_dry)
    await _each(steps, progress)
    if is_removal and is_live:  # others may write to it until the end of this
        await _verify_again(ledger, job, location, progress)
    record = record.model_copy(
        update={
            "stage": FinishStage.READY,
            "records_removed": finished.records_removed,
            "records_left": finished.records_left,
            "backup": None if finished.backup is None else str(finished.backup),
            "backup_sha256": finished.backup_sha256,
            "aside": None if manner is FinishManner.REMOVE else str(finished.aside),
            "file": finished.original,
            "list_sha256": finished.list_sha256 if isinstance(finished, FinishedTree) else None,
        }
    )
    if not is_dry:
        await _note(ledger, record)
        if isinstance(finished, FinishedFile):
            finished.act(record)
    return record


def _finished_of(source: Source, run_id: str) -> FinishedFile | FinishedCollection | FinishedTree:
    if isinstance(source, CollectionSource):
        return FinishedCollection(source, run_id)
    if isinstance(source, TreeSource):
        return FinishedTree(source, run_id)
    if isinstance(source, FileSource) and source.path != STANDARD_INPUT:
        return FinishedFile(source, run_id)
    raise RunStateError(f"{source.name} is nothing that can be finished.")


async def _verify_again(ledger: RunLedger, job: Job, location: str, progress: Progress) -> None:
    """Pass if the store still has all of it.

    No fingerprint tells of every change: a collection has none, and a file may have been given its
    old size and date. What is changed after this is not what was looked at, and stays.
    """
    told: Any = {"options": job.options, "progress": progress}
    if job.format.name == ChatfoldExport.name:
        found = await verify_export(job.name, location, ledger.store, **told)
    else:
        found = await verify(job.name, job.format.name, location, ledger.store, **told)
    if found.has_findings:
        raise RunStateError(
            f"{found.source} has changed since run {ledger.run_id} was verified;"
            " run it again, then verify it."
        )


async def _emptied(
    record: FinishRecord, location: str, ledger: RunLedger, progress: Progress
) -> FinishRecord:
    """Take from a collection or a tree what the record says; what was changed meanwhile stays."""
    progress.begin("emptying", None)
    is_tree = record.list_sha256 is not None
    steps = empty_tree(record, ledger.run_id) if is_tree else empty_collection(record, location)
    stay = await _each(steps, progress)
    return record.model_copy(
        update={
            "records_removed": record.records_removed - stay,
            "records_left": record.records_left + stay,
        }
    )


async def _note(ledger: RunLedger, record: FinishRecord, **members: Any) -> None:
    await ledger.change(finish=record.model_dump(mode="json"), **members)


async def _each(steps: Steps[T], progress: Progress) -> T:
    """Take the steps one by one, so that an interruption can come between them."""
    done = 0
    try:
        while True:
            try:
                done += next(steps)
            except StopIteration as end:
                value: T = end.value
                return value
            progress.advance(done, 0)
            await asyncio.sleep(0)
    finally:
        steps.close()
