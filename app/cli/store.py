"""`chatfold store`: what operators do with whole stores.

Reports go to standard output, progress and errors to standard error.
"""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated

import typer

from app.cli.statuses import DONE, FAILURE, FINDINGS
from app.errors import ConfigurationError
from app.progress import Progress, ProgressKind, told_on_stderr
from app.settings import StoreSettings
from app.store.comparing import compare_stores
from app.store.copy_report import CopyReport
from app.store.copying import copy_store
from app.store.factory import init_store, open_store, shard_store, sqlite_path
from app.store.port import SessionStore
from app.store.urls import shown_url

StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store", help="The store's URL (CHATFOLD_STORE).", metavar="URL", show_default=False
    ),
]
JSONOption = Annotated[bool, typer.Option("--json", help="Print the report as JSON.")]

_TIMEOUT_SECONDS = 60.0
"""Nobody waits for a copy as for a request: it had rather be slow than end."""

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
    as_json: JSONOption = False,
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


@store_app.command()
def init(store: StoreOption = None, *, as_json: JSONOption = False) -> None:
    """Make what a store needs to begin: its identity and indexes; again, only what is missing."""
    _do(init_store, store, "created", "Nothing was missing", as_json=as_json)


@store_app.command()
def shard(store: StoreOption = None, *, as_json: JSONOption = False) -> None:
    """Divide the collections of a MongoDB cluster by user; again, only what is not divided yet."""
    _do(shard_store, store, "divided", "All was divided already", as_json=as_json)


def _do(
    work: Callable[[str], Awaitable[list[str]]],
    store: str | None,
    done: str,
    nothing: str,
    *,
    as_json: bool,
) -> None:
    """Do some work on a store, and say what was done."""
    url = StoreSettings.read().store if store is None else store
    found = asyncio.run(_awaited(work, url))
    shown = shown_url(url)
    if as_json:
        typer.echo(json.dumps({"store": shown, done: found}, ensure_ascii=False))
    elif found:
        typer.echo(f"{shown}: {done}")
        for one in found:
            typer.echo(f"  {one}")
    else:
        typer.echo(f"{nothing} in {shown}.")


async def _awaited(work: Callable[[str], Awaitable[list[str]]], url: str) -> list[str]:
    return await work(url)


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
        url,
        write_timeout_seconds=_TIMEOUT_SECONDS,
        segment_bytes=StoreSettings.read().segment_bytes,
        new_secret=new_secret,
    )
    try:
        yield store
    finally:
        await store.aclose()
