"""The commands of imports: plan, run, verify and finish, for Chatfold's own export."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from app.clock import SystemClock
from app.formats.file_source import STANDARD_INPUT
from app.progress import ProgressKind, told_on_stderr
from migrations.command_work import (
    DryRunOption,
    JSONOption,
    OutcomesOption,
    ProgressOption,
    StoreOption,
    TakeOverOption,
    YesOption,
    observing,
    opened,
    reading,
    report,
    store_url,
    thrown_away,
)
from migrations.finish_commands import (
    BackupOption,
    MannerOption,
    NoBackupOption,
    ask_to_finish,
    backup_folder,
    finished,
)
from migrations.finish_record import FinishManner
from migrations.import_plan import plan_import
from migrations.importing import import_export
from migrations.job import Job
from migrations.jobs.import_export import IMPORT_EXPORT
from migrations.proof import proven
from migrations.report import Report
from migrations.source_arguments import (
    GoneSourceArgument,
    LimitOption,
    SessionOption,
    UserOption,
    source_options,
)
from migrations.space import free_bytes_at
from migrations.verify_export import verify_export


def _checked_file(location: str) -> str:
    if Path(location) != STANDARD_INPUT and not Path(location).is_file():
        raise typer.BadParameter(f"{location} is no file.")
    return location


ExportArgument = Annotated[
    str,
    typer.Argument(
        metavar="FILE",
        help="What `GET /api/chat/export` or a session's JSON export gave, plain or gzipped;"
        " - is standard input.",
        callback=_checked_file,
        show_default=False,
    ),
]
import_commands = typer.Typer(help=IMPORT_EXPORT.summary, no_args_is_help=True)


@import_commands.command()
def plan(
    file: ExportArgument,
    store: StoreOption = None,
    *,
    limit: LimitOption = None,
    user: UserOption = None,
    session: SessionOption = None,
    as_json: JSONOption = False,
    progress: ProgressOption = ProgressKind.AUTO,
    outcomes: OutcomesOption = None,
) -> None:
    """Say which sessions would be stored, are there already, or are others; write nothing."""
    job = _told(limit, user, session)

    async def work() -> Report:
        with told_on_stderr(progress) as told, observing(outcomes) as observer:
            async with reading(store_url(store)) as target, thrown_away() as scratch:
                return await plan_import(
                    job.open(file),
                    target,
                    scratch,
                    options=job.options,
                    free_bytes=free_bytes_at(store_url(store)),
                    progress=told,
                    observer=observer,
                )

    report(work, as_json=as_json)


@import_commands.command()
def run(
    file: ExportArgument,
    store: StoreOption = None,
    *,
    limit: LimitOption = None,
    user: UserOption = None,
    session: SessionOption = None,
    takes_over: TakeOverOption = False,
    as_json: JSONOption = False,
    progress: ProgressOption = ProgressKind.AUTO,
    outcomes: OutcomesOption = None,
) -> None:
    """Store the sessions that are not there, or go on with an import that did not end."""
    job = _told(limit, user, session)

    async def work() -> Report:
        with told_on_stderr(progress) as told, observing(outcomes) as observer:
            async with opened(store_url(store)) as target:
                return await import_export(
                    job.open(file),
                    target,
                    options=job.options,
                    progress=told,
                    observer=observer,
                    takes_over=takes_over,
                )

    report(work, as_json=as_json)


@import_commands.command()
def verify(
    file: ExportArgument,
    store: StoreOption = None,
    *,
    limit: LimitOption = None,
    user: UserOption = None,
    session: SessionOption = None,
    as_json: JSONOption = False,
    progress: ProgressOption = ProgressKind.AUTO,
) -> None:
    """Compare what the store would export with the export, by a way of its own."""
    job = _told(limit, user, session)

    async def work() -> Report:
        with told_on_stderr(progress) as told:
            async with reading(store_url(store)) as target:
                verify_file = partial(
                    verify_export, job.name, file, target, options=job.options, progress=told
                )
                return await proven(target, job, file, SystemClock(), verify_file)

    report(work, as_json=as_json)


@import_commands.command()
def finish(
    file: GoneSourceArgument,
    store: StoreOption = None,
    *,
    limit: LimitOption = None,
    user: UserOption = None,
    session: SessionOption = None,
    manner: MannerOption = FinishManner.RENAME,
    backup: BackupOption = None,
    no_backup: NoBackupOption = False,
    takes_over: TakeOverOption = False,
    is_dry: DryRunOption = False,
    yes: YesOption = False,
    as_json: JSONOption = False,
    progress: ProgressOption = ProgressKind.AUTO,
) -> None:
    """Take from the export what was stored and verified; a rollback gives it back."""
    job = _told(limit, user, session)
    folder = backup_folder(file, backup, no_backup=no_backup)
    if not is_dry:
        ask_to_finish(job, file, manner, folder, yes=yes)

    async def work() -> Report:
        return await finished(
            job, file, store, manner, folder, progress, is_dry=is_dry, takes_over=takes_over
        )

    report(work, as_json=as_json)


def _told(limit: int | None, user: str | None, session: str | None) -> Job:
    return IMPORT_EXPORT.told(
        source_options(
            limit=limit, user=user, session=session, fields=(), default_user=None, time_zone=None
        )
    )
