"""The commands of runs: what the ledger knows of them, and the way back."""

import json
from pathlib import Path
from typing import Annotated

import typer

from app.errors import ConfigurationError
from app.progress import ProgressKind, told_on_stderr
from migrations.command_work import (
    DryRunOption,
    JSONOption,
    ProgressOption,
    StoreOption,
    TakeOverOption,
    YesOption,
    confirmed,
    done,
    opened,
    reading,
    report,
    store_url,
)
from migrations.html_report import to_html
from migrations.ledger import find_run
from migrations.ledger_outcomes import outcomes_of
from migrations.ledger_report import ledger_report
from migrations.report import Report
from migrations.rollback import roll_back
from migrations.status import status_of

RunArgument = Annotated[
    str, typer.Argument(metavar="RUN", help="The id of a run; `status` lists them.")
]
HTMLOption = Annotated[
    Path | None,
    typer.Option(
        "--html",
        help="Write a page with charts to this file, which needs no network to be read.",
        metavar="FILE",
        dir_okay=False,
        show_default=False,
    ),
]
SourceOption = Annotated[
    str | None,
    typer.Option(
        "--source",
        help="The source of a run that is finished, where its URL has a password.",
        metavar="SOURCE",
        show_default=False,
    ),
]
run_commands = typer.Typer()


@run_commands.command()
def status(store: StoreOption = None, *, as_json: JSONOption = False) -> None:
    """List the runs, what became of their records, and what is left to do."""

    async def work() -> Report:
        async with reading(store_url(store)) as target:
            return await status_of(target)

    report(work, as_json=as_json)


@run_commands.command()
def outcomes(run: RunArgument, store: StoreOption = None) -> None:
    """Write one line of JSON for every record of a run: what became of it."""

    async def work() -> None:
        async with reading(store_url(store)) as target:
            async for outcome in outcomes_of(await find_run(target, run)):
                typer.echo(json.dumps(outcome, ensure_ascii=False))

    done(work)


@run_commands.command("report")
def report_of_run(
    run: RunArgument,
    store: StoreOption = None,
    *,
    html: HTMLOption = None,
    as_json: JSONOption = False,
) -> None:
    """Tell all that the ledger knows of a run; with `--html` as a page for a browser, too."""

    async def work() -> Report:
        async with reading(store_url(store)) as target:
            found = await ledger_report(target, run)
        if html is not None:
            try:
                html.write_text(to_html(found), encoding="utf-8")
            except OSError as error:
                raise ConfigurationError(f"{html} cannot be written: {error.strerror}.") from error
        return found

    report(work, as_json=as_json)


@run_commands.command()
def rollback(
    run: RunArgument,
    store: StoreOption = None,
    *,
    source: SourceOption = None,
    is_dry: DryRunOption = False,
    yes: YesOption = False,
    takes_over: TakeOverOption = False,
    as_json: JSONOption = False,
    progress: ProgressOption = ProgressKind.AUTO,
) -> None:
    """Make the store what it was before a run; what users have changed since is left and named."""
    if not is_dry:
        confirmed(f"Undo what run {run} has stored?", yes=yes)

    async def work() -> Report:
        with told_on_stderr(progress) as told:
            async with opened(store_url(store)) as target:
                ledger = await find_run(target, run)
                return await roll_back(
                    ledger,
                    target,
                    progress=told,
                    location=source,
                    is_dry=is_dry,
                    takes_over=takes_over,
                )

    report(work, as_json=as_json)
