"""`python -m migrations`: the jobs on a command line of their own; same as `chatfold migrate`."""

import sys
import traceback

import typer

from migrations.command_work import FAILURE
from migrations.commands import add_commands

command = typer.Typer(
    name="python -m migrations",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
add_commands(command)


@command.callback()
def _options() -> None:  # pyright: ignore[reportUnusedFunction] - Typer calls it
    """Fold what a product already has into session documents."""


if __name__ == "__main__":
    try:
        command()
    except Exception:  # noqa: BLE001 - Python's own status for it would mean findings
        traceback.print_exc()
        sys.exit(FAILURE)
