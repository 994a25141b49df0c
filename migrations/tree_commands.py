"""The commands that only trees have: move nests flat sessions on disk, write makes a tree."""

from pathlib import Path
from typing import Annotated

import typer

from app.progress import ProgressKind, told_on_stderr
from migrations.command_work import (
    DryRunOption,
    JSONOption,
    ProgressOption,
    StoreOption,
    reading,
    report,
    store_url,
)
from migrations.nesting import nest_tree
from migrations.report import Report
from migrations.source_arguments import UserOption
from migrations.tree_writing import write_tree

TreeArgument = Annotated[
    Path,
    typer.Argument(
        metavar="FOLDER",
        help="The folder that holds chat_sessions.",
        exists=True,
        file_okay=False,
        show_default=False,
    ),
]
NewTreeArgument = Annotated[
    Path,
    typer.Argument(
        metavar="FOLDER",
        help="The folder to write below; made where it is not there.",
        file_okay=False,
        show_default=False,
    ),
]
ProjectOption = Annotated[
    str | None,
    typer.Option(
        "--project",
        help="The project of sessions whose metadata names none.",
        metavar="PROJECT",
        show_default=False,
    ),
]


def add_tree_commands(commands: typer.Typer) -> None:
    """Add them to those of the job that folds trees."""
    commands.command()(move)
    commands.command()(write)


def move(
    folder: TreeArgument,
    *,
    project: ProjectOption = None,
    is_dry: DryRunOption = False,
    as_json: JSONOption = False,
) -> None:
    """Move flat sessions into their projects, on disk; the files stay as they are."""

    async def work() -> Report:
        return nest_tree(folder, project=project, is_dry=is_dry)

    report(work, as_json=as_json)


def write(
    folder: NewTreeArgument,
    store: StoreOption = None,
    *,
    user: UserOption = None,
    as_json: JSONOption = False,
    progress: ProgressOption = ProgressKind.AUTO,
) -> None:
    """Write the sessions of a store as a tree, those with a project nested."""

    async def work() -> Report:
        with told_on_stderr(progress) as told:
            async with reading(store_url(store)) as opened:
                return await write_tree(opened, folder, user=user, progress=told)

    report(work, as_json=as_json)
