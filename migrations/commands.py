"""All commands of migrations, for `chatfold migrate` and `python -m migrations`."""

import typer

from migrations.import_commands import import_commands
from migrations.job_commands import commands_of
from migrations.jobs.fold_sessions import FOLD_SESSIONS
from migrations.jobs.group_messages import GROUP_MESSAGES
from migrations.jobs.import_export import IMPORT_EXPORT
from migrations.jobs.nest_sessions import NEST_SESSIONS
from migrations.jobs.sessions_to_projects import SESSIONS_TO_PROJECTS
from migrations.run_commands import run_commands
from migrations.tree_commands import add_tree_commands

JOBS = (GROUP_MESSAGES, FOLD_SESSIONS, NEST_SESSIONS, SESSIONS_TO_PROJECTS)


def add_commands(app: typer.Typer) -> None:
    """Add those of every job, and those of runs."""
    for job in JOBS:
        commands = commands_of(job)
        if job is NEST_SESSIONS:
            add_tree_commands(commands)
        app.add_typer(commands, name=job.name)
    app.add_typer(import_commands, name=IMPORT_EXPORT.name)
    app.add_typer(run_commands)
