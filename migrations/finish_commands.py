"""What the commands that finish a source ask, and how they do it; every job has one."""

from pathlib import Path
from typing import Annotated

import typer

from app.progress import ProgressKind, told_on_stderr
from migrations.command_work import confirmed, opened, store_url
from migrations.finish import FinishReport, finish
from migrations.finish_record import FinishManner
from migrations.job import Job
from migrations.proof import newest_run
from migrations.source_arguments import folder_of

MannerOption = Annotated[
    FinishManner,
    typer.Option(
        "--source",
        help="What becomes of it: it gets another name, loses what was folded, or is only marked.",
    ),
]
BackupOption = Annotated[
    Path | None,
    typer.Option(
        "--backup",
        help="The folder for the backup; by default that of the file, or the present one.",
        metavar="FOLDER",
        show_default=False,
    ),
]
NoBackupOption = Annotated[
    bool,
    typer.Option(
        "--no-backup",
        help="Keep no copy of the source; what is removed is gone then, and the run cannot be"
        " rolled back.",
    ),
]


def backup_folder(source: str, named: Path | None, *, no_backup: bool) -> Path | None:
    """Where the backup goes; None where there is to be none."""
    return None if no_backup else named or folder_of(source)


def ask_to_finish(
    job: Job, source: str, manner: FinishManner, folder: Path | None, *, yes: bool
) -> None:
    """Return if the operator wants it."""
    no_way_back = manner is FinishManner.REMOVE and folder is None
    question = f"{manner.capitalize()} {job.open(source).name}?"
    if no_way_back:
        question = (
            "There will be no backup: what is removed from the source is gone, and the run can"
            f" never be rolled back.\n{question}"
        )
    confirmed(question, yes=yes)


async def finished(
    job: Job,
    source: str,
    store: str | None,
    manner: FinishManner,
    folder: Path | None,
    progress: ProgressKind,
    *,
    is_dry: bool,
    takes_over: bool,
) -> FinishReport:
    """Finish the newest run of the source."""
    with told_on_stderr(progress) as told:
        async with opened(store_url(store)) as target:
            return await finish(
                await newest_run(target, job, source),
                job,
                source,
                manner,
                backup_folder=folder,
                is_dry=is_dry,
                takes_over=takes_over,
                progress=told,
            )
