"""The `chatfold` command: its sub-commands, and how their errors end."""

import sys
import traceback
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated

import typer

from app.cli.migrate import migrate_app
from app.cli.serve import serve
from app.cli.statuses import FAILURE, exit_status_of
from app.cli.store import store_app
from app.errors import AppError

command = typer.Typer(
    name="chatfold",
    help="One document per chat: serve sessions, and fold old messages into them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
command.command()(serve)
command.add_typer(migrate_app, name="migrate")
command.add_typer(store_app, name="store")


def run(arguments: Sequence[str] | None = None) -> None:
    """Run the command line (`arguments`: that of the process) and end the process.

    The exit status is 0 where all is done, 1 where there are findings, 2 where the command or a
    setting is wrong, and 3 where the work failed.
    """
    try:
        command(arguments)
    except AppError as error:
        print(f"chatfold: {error}", file=sys.stderr)  # noqa: T201 - the command line speaks
        sys.exit(exit_status_of(error))
    except Exception:  # noqa: BLE001 - Python's own status for it would mean findings
        traceback.print_exc()
        sys.exit(FAILURE)


def _print_version(is_wanted: bool) -> None:  # noqa: FBT001 - Typer calls it by position
    if is_wanted:
        typer.echo(f"chatfold {version('chatfold')}")
        raise typer.Exit


@command.callback()
def _options(  # pyright: ignore[reportUnusedFunction] - Typer calls it
    _version: Annotated[  # noqa: FBT002 - a flag by nature
        bool,
        typer.Option(
            "--version", help="Print the version and stop.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """One document per chat: serve sessions, and fold old messages into them."""
