"""What every command of a migration does: open the store, work, print a report, end with a status.

Reports go to standard output, progress and errors to standard error. The exit status is 0 where all
is done, 1 where there are findings, 2 where the command is wrong, and 3 where the work failed.
"""

import asyncio
import json
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, NoReturn, TypeVar
from urllib.parse import quote

import typer

from app.errors import AppError, ConfigurationError
from app.progress import ProgressKind
from app.settings import StoreSettings
from app.store.factory import open_store, sqlite_path
from app.store.port import SessionStore
from migrations.outcomes import Observer, Outcome, ignore
from migrations.report import Report, to_json
from migrations.space import ScratchStore

T = TypeVar("T")

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
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Say what would be done; do nothing.")
]
TakeOverOption = Annotated[
    bool,
    typer.Option(
        "--take-over", help="Go on with a run though another machine may be at work on it."
    ),
]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
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


def report(work: Callable[[], Coroutine[None, None, Report]], *, as_json: bool) -> NoReturn:
    """Do the work, print its report, and end with the status that tells how it went."""
    found = done(work)
    typer.echo(to_json(found) if as_json else found.to_text().rstrip("\n"))
    raise typer.Exit(FINDINGS if found.has_findings else 0)


def done(work: Callable[[], Coroutine[None, None, T]]) -> T:
    """What the work gives; an error ends the command with a sentence."""
    try:
        return asyncio.run(work())
    except KeyboardInterrupt:
        typer.echo(
            "Stopped. What is stored is whole; the same command goes on from there.", err=True
        )
        raise typer.Exit(FAILURE) from None
    except AppError as error:
        typer.echo(f"{error.title}: {error}", err=True)
        is_usage = isinstance(error, ConfigurationError)
        raise typer.Exit(USAGE if is_usage else FAILURE) from None


def confirmed(question: str, *, yes: bool) -> None:
    """Return if the operator wants it: asked on a terminal, told by `--yes` elsewhere."""
    if yes:
        return
    if not sys.stdin.isatty():
        typer.echo("There is no terminal to ask on: say --yes.", err=True)
        raise typer.Exit(USAGE)
    typer.confirm(question, abort=True, err=True)


def store_url(store: str | None) -> str:
    """The store that the command names, or the settings."""
    return StoreSettings.read().store if store is None else store


@asynccontextmanager
async def opened(url: str) -> AsyncGenerator[SessionStore]:
    """The store, closed in the end."""
    store = await open_store(url, segment_bytes=StoreSettings.read().segment_bytes)
    try:
        yield store
    finally:
        await store.aclose()


@asynccontextmanager
async def reading(url: str) -> AsyncGenerator[SessionStore]:
    """The store to look at; one whose file does not exist is empty, and is not made."""
    is_absent = url.startswith("sqlite:") and not sqlite_path(url).exists()
    async with opened("memory://" if is_absent else url) as store:
        yield store


@asynccontextmanager
async def thrown_away() -> AsyncGenerator[ScratchStore]:
    """A store like the default one, to see how fast this machine stores, and how much."""
    with TemporaryDirectory(prefix="chatfold-plan-") as folder:
        async with opened("sqlite:///" + quote(f"{folder}/sample.db")) as store:
            yield ScratchStore(store, Path(folder))


@contextmanager
def observing(path: Path | None) -> Generator[Observer]:
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
