"""The commands of a job: plan, run, verify, and finish."""

import os
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from app.clock import SystemClock
from app.progress import ProgressKind, told_on_stderr
from migrations import plan as planning
from migrations import runner
from migrations import verify as verification
from migrations.command_work import (
    DryRunOption,
    JSONOption,
    OutcomesOption,
    ProgressOption,
    StoreOption,
    TakeOverOption,
    YesOption,
    observing,
    opened,
    reading,
    report,
    store_url,
    thrown_away,
)
from migrations.finish_commands import (
    BackupOption,
    MannerOption,
    NoBackupOption,
    ask_to_finish,
    backup_folder,
    finished,
)
from migrations.finish_record import FinishManner
from migrations.job import Job
from migrations.proof import proven
from migrations.report import Report
from migrations.runner import Manner
from migrations.source_arguments import (
    DefaultUserOption,
    FieldOption,
    GoneSourceArgument,
    LimitOption,
    SessionOption,
    SourceArgument,
    TimeZoneOption,
    UserOption,
    source_options,
)
from migrations.space import free_bytes_at
from migrations.throttle import Throttle

MaxRateOption = Annotated[
    float | None,
    typer.Option(
        "--max-rate",
        help="Store no more messages in a second than this.",
        min=0.1,
        show_default=False,
    ),
]
WorkersOption = Annotated[
    int,
    typer.Option(
        "--workers",
        help="Processes that decode, the one that reads and stores included; others begin once the"
        " source is worth it. Only decoding is shared: beyond 3 or 4 they wait for the first.",
        min=1,
        max=max(2, os.cpu_count() or 1),
    ),
]


def commands_of(job: Job) -> typer.Typer:
    """The commands of one job."""
    commands = typer.Typer(help=job.summary, no_args_is_help=True)
    for add in (_add_plan, _add_run, _add_verify):
        add(commands, job)
    if not job.makes_projects:
        _add_finish(commands, job)
    return commands


async def _planned(
    job: Job, source: str, store: str | None, progress: ProgressKind, outcomes: Path | None
) -> Report:
    with told_on_stderr(progress) as told, observing(outcomes) as observer:
        async with reading(store_url(store)) as target, thrown_away() as scratch:
            return await planning.plan(
                job,
                job.open(source),
                target,
                scratch,
                free_bytes=free_bytes_at(store_url(store)),
                progress=told,
                observer=observer,
            )


def _add_plan(commands: typer.Typer, job: Job) -> None:
    @commands.command()
    def plan(
        source: SourceArgument,
        store: StoreOption = None,
        *,
        limit: LimitOption = None,
        user: UserOption = None,
        session: SessionOption = None,
        fields: FieldOption,
        default_user: DefaultUserOption = None,
        time_zone: TimeZoneOption = None,
        as_json: JSONOption = False,
        progress: ProgressOption = ProgressKind.AUTO,
        outcomes: OutcomesOption = None,
    ) -> None:
        """Say what a run would do and how long it would take; write nothing."""
        options = source_options(
            limit=limit,
            user=user,
            session=session,
            fields=fields,
            default_user=default_user,
            time_zone=time_zone,
        )
        planned = partial(_planned, job.told(options), source, store, progress, outcomes)
        report(planned, as_json=as_json)


def _add_run(commands: typer.Typer, job: Job) -> None:
    @commands.command()
    def run(
        source: SourceArgument,
        store: StoreOption = None,
        *,
        limit: LimitOption = None,
        user: UserOption = None,
        session: SessionOption = None,
        fields: FieldOption,
        default_user: DefaultUserOption = None,
        time_zone: TimeZoneOption = None,
        max_rate: MaxRateOption = None,
        workers: WorkersOption = 2,
        takes_over: TakeOverOption = False,
        is_dry: DryRunOption = False,
        as_json: JSONOption = False,
        progress: ProgressOption = ProgressKind.AUTO,
        outcomes: OutcomesOption = None,
    ) -> None:
        """Fold the source into the store, or go on with a run that did not end."""
        options = source_options(
            limit=limit,
            user=user,
            session=session,
            fields=fields,
            default_user=default_user,
            time_zone=time_zone,
        )
        told_job = job.told(options)

        async def work() -> Report:
            if is_dry:
                return await _planned(told_job, source, store, progress, outcomes)
            with told_on_stderr(progress) as told, observing(outcomes) as observer:
                async with opened(store_url(store)) as target:
                    return await runner.run(
                        told_job,
                        told_job.open(source),
                        target,
                        progress=told,
                        observer=observer,
                        manner=Manner(Throttle(max_rate), workers=workers, takes_over=takes_over),
                    )

        report(work, as_json=as_json)


def _add_verify(commands: typer.Typer, job: Job) -> None:
    @commands.command()
    def verify(
        source: SourceArgument,
        store: StoreOption = None,
        *,
        limit: LimitOption = None,
        user: UserOption = None,
        session: SessionOption = None,
        fields: FieldOption,
        default_user: DefaultUserOption = None,
        time_zone: TimeZoneOption = None,
        as_json: JSONOption = False,
        progress: ProgressOption = ProgressKind.AUTO,
    ) -> None:
        """Compare the store with the source, by a way of its own; name every difference."""
        options = source_options(
            limit=limit,
            user=user,
            session=session,
            fields=fields,
            default_user=default_user,
            time_zone=time_zone,
        )
        told_job = job.told(options)

        async def work() -> Report:
            with told_on_stderr(progress) as told:
                async with reading(store_url(store)) as target:
                    verify_source = partial(
                        verification.verify,
                        *(job.name, told_job.format.name, source, target),
                        options=options,
                        progress=told,
                    )
                    return await proven(target, told_job, source, SystemClock(), verify_source)

        report(work, as_json=as_json)


def _add_finish(commands: typer.Typer, job: Job) -> None:
    @commands.command()
    def finish(
        source: GoneSourceArgument,
        store: StoreOption = None,
        *,
        limit: LimitOption = None,
        user: UserOption = None,
        session: SessionOption = None,
        fields: FieldOption,
        default_user: DefaultUserOption = None,
        time_zone: TimeZoneOption = None,
        manner: MannerOption = FinishManner.RENAME,
        backup: BackupOption = None,
        no_backup: NoBackupOption = False,
        takes_over: TakeOverOption = False,
        is_dry: DryRunOption = False,
        yes: YesOption = False,
        as_json: JSONOption = False,
        progress: ProgressOption = ProgressKind.AUTO,
    ) -> None:
        """Take from the source what was folded and verified; a rollback gives it back."""
        options = source_options(
            limit=limit,
            user=user,
            session=session,
            fields=fields,
            default_user=default_user,
            time_zone=time_zone,
        )
        told_job = job.told(options)
        folder = backup_folder(source, backup, no_backup=no_backup)
        if not is_dry:
            ask_to_finish(told_job, source, manner, folder, yes=yes)

        async def work() -> Report:
            return await finished(
                told_job,
                source,
                store,
                manner,
                folder,
                progress,
                is_dry=is_dry,
                takes_over=takes_over,
            )

        report(work, as_json=as_json)
