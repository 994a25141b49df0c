"""Proof: a verify that has passed is noted in the ledger of the run that it proves."""

from collections.abc import Awaitable, Callable

from app.clock import Clock
from app.errors import UnknownRunError
from app.formats.file_source import STANDARD_INPUT
from app.store.port import SessionStore
from migrations.going_on import runs_of
from migrations.job import Job
from migrations.ledger import RunLedger, RunState
from migrations.verify_report import VerifyReport


def fingerprint_of(job: Job, location: str) -> str | None:
    """Tells the source as it is now; None where nothing can.

    Raises:
        SourceError: it cannot be looked at.
    """
    if location == str(STANDARD_INPUT):
        return None
    with job.open(location) as source:
        return source.fingerprint()


async def newest_run(store: SessionStore, job: Job, location: str) -> RunLedger:
    """The newest run of a job, with its options, of a source.

    Raises:
        UnknownRunError: there is none.
    """
    name = job.open(location).name
    runs = await runs_of(store, job, name)
    if not runs:
        raise UnknownRunError(f"{job.name} of {name}")
    return runs[0]


async def proven(
    store: SessionStore,
    job: Job,
    location: str,
    clock: Clock,
    verify: Callable[[], Awaitable[VerifyReport]],
) -> VerifyReport:
    """What a verify of the source finds; where that is nothing, it is noted.

    The source is looked at before, so that what comes to it meanwhile is not taken for verified.
    """
    seen = fingerprint_of(job, location)
    found = await verify()
    if not found.has_findings:
        await note_proof(store, job, location, seen, clock)
    return found


async def note_proof(
    store: SessionStore, job: Job, location: str, seen: str | None, clock: Clock
) -> RunLedger | None:
    """Note that the store has all of the source as it was `seen`; returns the run, if there is one.

    The run is the newest of this job and source; nothing is noted where the source has changed
    since it, or while it was verified.
    """
    if seen is None or fingerprint_of(job, location) != seen:
        return None
    try:
        ledger = await newest_run(store, job, location)
    except UnknownRunError:
        return None
    if ledger.record.state is not RunState.DONE or ledger.record.fingerprint != seen:
        return None
    await ledger.change(verified_fingerprint=seen, verified_at=clock.now())
    return ledger
