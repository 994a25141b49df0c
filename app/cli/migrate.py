"""`chatfold migrate`: the jobs that fold what a product already has into session documents."""

import typer

from migrations.commands import group_messages_commands

migrate_app = typer.Typer(
    help="Fold what a product already has into session documents.", no_args_is_help=True
)
migrate_app.add_typer(group_messages_commands, name="group-messages")


@migrate_app.callback()
def _options() -> None:  # pyright: ignore[reportUnusedFunction] - Typer calls it
    """Fold what a product already has into session documents."""
