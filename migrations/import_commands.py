"""The commands of imports: run and verify, for Chatfold's own export."""

from pathlib import Path
from typing import Annotated

import typer

from app.formats.file_source import STANDARD_INPUT, FileSource
from app.progress import ProgressKind, told_on_stderr
from migrations.command_work import (
    JSONOption,
    OutcomesOption,
    ProgressOption,
    StoreOption,
    observing,
    opened,
    reading,
    report,
    store_url,
)
from migrations.importing import JOB_NAME, import_export
from migrations.report import Report
from migrations.source_arguments import LimitOption, SessionOption, UserOption, source_options
from migrations.verify_export import verify_export

_SESSION_LIMIT_BYTES = 256 * 1024 * 1024

ExportArgument = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        help="What `GET /api/chat/export` or a session's JSON export gave, plain or gzipped;"
        " - is standard input.",
        show_default=False,
    ),
]
import_commands = typer.Typer(
    help="Put sessions of Chatfold's own export into a store, as they were.", no_args_is_help=True
)


@import_commands.command()
def run(
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
    """Store the sessions that are not there; leave alone those that are."""
    options = source_options(
        limit=limit, user=user, session=session, fields=(), default_user=None, time_zone=None
    )
    source = _source(file)

    async def work() -> Report:
        with told_on_stderr(progress) as told, observing(outcomes) as observer:
            async with opened(store_url(store)) as target:
                return await import_export(
                    source, target, options=options, progress=told, observer=observer
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
    options = source_options(
        limit=limit, user=user, session=session, fields=(), default_user=None, time_zone=None
    )
    _source(file)

    async def work() -> Report:
        with told_on_stderr(progress) as told:
            async with reading(store_url(store)) as target:
                return await verify_export(
                    JOB_NAME, str(file), target, options=options, progress=told
                )

    report(work, as_json=as_json)


def _source(file: Path) -> FileSource:
    if file != STANDARD_INPUT and not file.is_file():
        raise typer.BadParameter(f"{file} is no file.")
    return FileSource(file, record_limit_bytes=_SESSION_LIMIT_BYTES)
