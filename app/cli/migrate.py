"""`chatfold migrate`: the jobs that fold what a product already has into session documents."""

import typer

from migrations.commands import add_commands

migrate_app = typer.Typer(
    help="Fold what a product already has into session documents.", no_args_is_help=True
)
add_commands(migrate_app)


@migrate_app.callback()
def _options() -> None:  # pyright: ignore[reportUnusedFunction] - Typer calls it
    """Fold what a product already has into session documents."""
