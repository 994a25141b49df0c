"""The commands of a job: plan, run and verify, for `chatfold migrate` and `python -m migrations`.

Reports go to standard output, progress and errors to standard error. The exit status is 0 where all
is done, 1 where there are findings, 2 where the command is wrong, and 3 where the work failed.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, NoReturn
from urllib.parse import quote

import typer

from app.errors import AppError, ConfigurationError
from app.progress import ProgressKind, told_on_stderr
from app.settings import StoreSettings
from app.store.factory import open_store, sqlite_path
from app.store.port import SessionStore
from migrations import plan as planning
from migrations import runner
from migrations import verify as verification
from migrations.jobs.group_messages import GROUP_MESSAGES
from migrations.outcomes import Observer, Outcome, ignore
from migrations.report import Report, to_json
from migrations.source_arguments import (
    DefaultUserOption,
    FieldOption,
    LimitOption,
    SessionOption,
    SourceArgument,
    TimeZoneOption,
    UserOption,
    source_options,
)

FINDINGS = 1
USAGE = 2
FAILURE = 3


StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store", help="The store's URL (CHATFOLD_STORE).", metavar="URL", show_default=False
    ),
]
JSONOption = Annotated[bool, typer.Option("--json", help="Print the report as JSON.")]
ProgressOption = Annotated[
    ProgressKind,
    typer.Option("--progress", help="A bar where standard error is a terminal, JSON lines, none."),
]
OutcomesOption = Annotated[
    Path | None,
    typer.Option(
        "--outcomes",
        help="Write every record that was not plainly folded to this file, as JSON lines.",
        metavar="FILE",
        dir_okay=False,
        show_default=False,
    ),
]

group_messages_commands = typer.Typer(
    help="Fold individual message documents into the sessions that they name.",
    no_args_is_help=True,
)


@group_messages_commands.command()
def plan(
    source: SourceArgument,
    store: StoreOption = None,
    *,
    limit: LimitOption = None,
    user: UserOption = None,
    session: SessionOption = None,
    fields: FieldOption,
    default_user: DefaultUserOption = None,
    time_zone: TimeZoneOption = None,
    as_json: JSONOption = False,
    progress: ProgressOption = ProgressKind.AUTO,
    outcomes: OutcomesOption = None,
) -> None:
    """Say what a run would do and how long it would take; write nothing."""
    options = source_options(
        limit=limit,
        user=user,
        session=session,
        fields=fields,
        default_user=default_user,
        time_zone=time_zone,
    )
    job = GROUP_MESSAGES.told(options)

    async def work() -> Report:
        with told_on_stderr(progress) as told, _observer(outcomes) as observer:
            async with _reading(_url(store)) as opened, _thrown_away() as scratch:
                return await planning.plan(
                    job,
                    job.open(source),
                    opened,
                    scratch,
                    progress=told,
                    observer=observer,
                )

    _finish(work, as_json=as_json)


@group_messages_commands.command()
def run(
    source: SourceArgument,
    store: StoreOption = None,
    *,
    limit: LimitOption = None,
    user: UserOption = None,
    session: SessionOption = None,
    fields: FieldOption,
    default_user: DefaultUserOption = None,
    time_zone: TimeZoneOption = None,
    as_json: JSONOption = False,
    progress: ProgressOption = ProgressKind.AUTO,
    outcomes: OutcomesOption = None,
) -> None:
    """Fold the messages into the store; once more only adds what is missing."""
    options = source_options(
        limit=limit,
        user=user,
        session=session,
        fields=fields,
        default_user=default_user,
        time_zone=time_zone,
    )
    job = GROUP_MESSAGES.told(options)

    async def work() -> Report:
        with told_on_stderr(progress) as told, _observer(outcomes) as observer:
            async with _opened(_url(store)) as opened:
                return await runner.run(
                    job,
                    job.open(source),
                    opened,
                    progress=told,
                    observer=observer,
                )

    _finish(work, as_json=as_json)


@group_messages_commands.command()
def verify(
    source: SourceArgument,
    store: StoreOption = None,
    *,
    limit: LimitOption = None,
    user: UserOption = None,
    session: SessionOption = None,
    fields: FieldOption,
    default_user: DefaultUserOption = None,
    time_zone: TimeZoneOption = None,
    as_json: JSONOption = False,
    progress: ProgressOption = ProgressKind.AUTO,
) -> None:
    """Compare the store with the source, by a way of its own; name every difference."""
    options = source_options(
        limit=limit,
        user=user,
        session=session,
        fields=fields,
        default_user=default_user,
        time_zone=time_zone,
    )
    job = GROUP_MESSAGES.told(options)

    async def work() -> Report:
        with told_on_stderr(progress) as told:
            async with _reading(_url(store)) as opened:
                return await verification.verify(
                    job.name, job.format.name, source, opened, options=options, progress=told
                )

    _finish(work, as_json=as_json)


def _finish(work: Callable[[], Coroutine[None, None, Report]], *, as_json: bool) -> NoReturn:
    """Do the work, print its report, and end with the status that tells how it went."""
    try:
        report = asyncio.run(work())
    except KeyboardInterrupt:
        typer.echo(
            "Stopped. What is stored is whole; the same command goes on from there.", err=True
        )
        raise typer.Exit(FAILURE) from None
    except AppError as error:
        typer.echo(f"{error.title}: {error}", err=True)
        is_usage = isinstance(error, ConfigurationError)
        raise typer.Exit(USAGE if is_usage else FAILURE) from None
    typer.echo(to_json(report) if as_json else report.to_text().rstrip("\n"))
    raise typer.Exit(FINDINGS if report.has_findings else 0)


def _url(store: str | None) -> str:
    return StoreSettings.read().store if store is None else store


@asynccontextmanager
async def _opened(url: str) -> AsyncGenerator[SessionStore]:
    store = await open_store(url, segment_bytes=StoreSettings.read().segment_bytes)
    try:
        yield store
    finally:
        await store.aclose()


@asynccontextmanager
async def _reading(url: str) -> AsyncGenerator[SessionStore]:
    """The store to look at; one whose file does not exist is empty, and is not made."""
    is_absent = url.startswith("sqlite:") and not sqlite_path(url).exists()
    async with _opened("memory://" if is_absent else url) as store:
        yield store


@asynccontextmanager
async def _thrown_away() -> AsyncGenerator[SessionStore]:
    """A store like the default one, to see how fast this machine stores."""
    with TemporaryDirectory(prefix="chatfold-plan-") as folder:
        async with _opened("sqlite:///" + quote(f"{folder}/sample.db")) as store:
            yield store


@contextmanager
def _observer(path: Path | None) -> Generator[Observer]:
    """Writes every outcome it is told to the file, where one is named."""
    if path is None:
        yield ignore
        return
    try:
        file = path.open("w", encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}.") from error
    with file:

        def write(outcome: Outcome) -> None:
            file.write(json.dumps(asdict(outcome), ensure_ascii=False) + "\n")

        yield write
