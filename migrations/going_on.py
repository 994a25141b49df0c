"""Going on: a run that did not end is taken up again; else a new one begins."""

import secrets
from dataclasses import asdict
from typing import Any

from app.clock import Clock
from app.errors import RunStateError
from app.formats.port import Source
from app.store.port import SessionStore
from migrations.job import Job
from migrations.ledger import RunLedger, RunState, list_runs, new_run


async def ledger_of(
    job: Job,
    source: Source,
    store: SessionStore,
    clock: Clock,
    *,
    part_records: int,
    takes_over: bool,
) -> RunLedger:
    """The ledger of the newest run that is the same and did not end, or a new one.

    Raises:
        RunBusyError: another process is at work on it, and is not to be taken over.
        RunStateError: it is being rolled back.
    """
    fingerprint = source.fingerprint()
    for ledger in await runs_of(store, job, source.name):
        record = ledger.record
        if record.state is RunState.ROLLING_BACK:
            raise RunStateError(f"Run {ledger.run_id} is being rolled back; let that end first.")
        if record.state is RunState.RUNNING and record.fingerprint == fingerprint is not None:
            await ledger.take(takes_over=takes_over)
            return ledger
    return await new_run(
        store,
        clock,
        secrets.token_hex(3),
        job=job.name,
        format=job.format.name,
        source=source.name,
        options=options_of(job),
        part_records=part_records,
        fingerprint=fingerprint,
        keeps_source=job.makes_projects,
    )


async def runs_of(store: SessionStore, job: Job, source_name: str) -> list[RunLedger]:
    """The runs of a job, with its options, of a source; the newest first."""
    wanted = (job.name, source_name, options_of(job))
    return [
        ledger
        for ledger in reversed(await list_runs(store))
        if (ledger.record.job, ledger.record.source, ledger.record.options) == wanted
    ]


def options_of(job: Job) -> dict[str, Any]:
    """What the operator says of the source, as the ledger keeps it."""
    return asdict(job.options)
