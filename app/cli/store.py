"""`chatfold store`: what operators do with whole stores.

Reports go to standard output, progress and errors to standard error.
"""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated

import typer

from app.cli.statuses import DONE, FAILURE, FINDINGS
from app.errors import ConfigurationError
from app.progress import Progress, ProgressKind, told_on_stderr
from app.settings import Settings
from app.store.comparing import compare_stores
from app.store.copy_report import CopyReport
from app.store.copying import copy_store
from app.store.factory import open_store, sqlite_path
from app.store.port import SessionStore
from app.store.urls import shown_url

store_app = typer.Typer(help="Look after whole stores.", no_args_is_help=True)


@store_app.callback()
def _options() -> None:  # pyright: ignore[reportUnusedFunction] - Typer calls it
    """Look after whole stores."""


@store_app.command()
def copy(
    source: Annotated[
        str, typer.Argument(metavar="FROM", help="URL of the store to read.", show_default=False)
    ],
    target: Annotated[
        str,
        typer.Argument(
            metavar="TO", help="URL of the store to fill; made where missing.", show_default=False
        ),
    ],
    *,
    is_verified: Annotated[
        bool,
        typer.Option(
            "--verify/--no-verify", help="Compare both stores by hash after the copy, or do not."
        ),
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    progress: Annotated[
        ProgressKind,
        typer.Option(
            "--progress", help="A bar where standard error is a terminal, JSON lines, none."
        ),
    ] = ProgressKind.AUTO,
) -> None:
    """Copy everything from one store into another; again, it goes on and brings what is new."""

    async def work() -> CopyReport:
        with told_on_stderr(progress, records="messages") as told:
            return await _copied(source, target, told, is_verified=is_verified)

    try:
        report = asyncio.run(work())
    except KeyboardInterrupt:
        typer.echo(
            "Stopped. What is in the target is whole; the same command goes on from there.",
            err=True,
        )
        raise typer.Exit(FAILURE) from None
    typer.echo(report.to_json() if as_json else report.to_text().rstrip("\n"))
    raise typer.Exit(FINDINGS if report.has_findings else DONE)


async def _copied(source: str, target: str, told: Progress, *, is_verified: bool) -> CopyReport:
    _check_urls(source, target)
    began_at_seconds = time.monotonic()
    async with (
        _opened(source) as source_store,
        _opened(target, new_secret=source_store.marking_secret) as target_store,
    ):
        copied = await copy_store(source_store, target_store, progress=told)
        compared = (
            await compare_stores(
                source_store, target_store, sessions=copied.sessions, progress=told
            )
            if is_verified
            else None
        )
    return CopyReport(
        shown_url(source),
        shown_url(target),
        round(time.monotonic() - began_at_seconds, 3),
        copied,
        compared,
    )


def _check_urls(source: str, target: str) -> None:
    """Refuse what would make an empty source, or copy a store onto itself."""
    if source.startswith("sqlite:") and not sqlite_path(source).exists():
        raise ConfigurationError(f"There is no store at {source}.")
    is_same = source == target
    if source.startswith("sqlite:") and target.startswith("sqlite:"):
        is_same = sqlite_path(source).resolve() == sqlite_path(target).resolve()
    if is_same:
        raise ConfigurationError("FROM and TO are the same store.")


@asynccontextmanager
async def _opened(url: str, new_secret: bytes | None = None) -> AsyncGenerator[SessionStore]:
    store = await open_store(
        url, segment_bytes=Settings.read().segment_bytes, new_secret=new_secret
    )
    try:
        yield store
    finally:
        await store.aclose()
