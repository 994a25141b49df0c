"""ProcessEngine: migrations for a service, each in a process of its own, so that users are served.

What a run is and how far it is stands in the store's ledgers, so that every process of the service
can tell, and stop a run of this machine, whoever began it; only the one that began it hears more
often than batches are written.
"""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path

from app.domain.migration import (
    FinishOrder,
    FoldOrder,
    JobSummary,
    RollbackOrder,
    RunOverview,
    WorkEnd,
    WorkEvent,
    WorkOutcome,
    WorkProgress,
)
from app.domain.source_options import SourceOptions
from app.errors import (
    AppError,
    ConfigurationError,
    EngineBusyError,
    Fault,
    InvalidInputError,
    RunBusyError,
    RunStateError,
    SourceError,
    StoreError,
    UnknownRunError,
)
from app.formats.collection_source import is_collection
from app.store.port import SessionStore
from migrations.allowed_sources import AllowedSources
from migrations.commands import JOBS
from migrations.engine_process import Task
from migrations.engine_work import EngineWork
from migrations.finish_record import is_at_its_end
from migrations.job import Job
from migrations.ledger import (
    BatchState,
    Counts,
    RunLedger,
    RunState,
    find_run,
    list_runs,
)
from migrations.proof import newest_run
from migrations.source_arguments import folder_of

POLL_SECONDS = 1.0
"""How often a ledger is looked at for those who watch a run of another process."""


class ProcessEngine:
    """The engine of one process of the service; see `app.service.migration_engine`."""

    def __init__(
        self,
        store: SessionStore,
        store_url: str,
        allowed: Sequence[str],
        *,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._store = store
        self._store_url = store_url
        self._allowed = AllowedSources(allowed)
        self._poll_seconds = poll_seconds
        self._jobs = {job.name: job for job in JOBS}
        self._work: EngineWork | None = None
        self._beginning = asyncio.Lock()

    def jobs(self) -> Sequence[JobSummary]:
        """What can be done."""
        return [JobSummary(job.name, job.summary, job.reads_folder) for job in JOBS]

    async def list_runs(self) -> Sequence[RunOverview]:
        """All runs, the newest first."""
        return [_overview(ledger) for ledger in reversed(await list_runs(self._store))]

    async def get_run(self, run_id: str) -> RunOverview:
        """One run."""
        return _overview(await find_run(self._store, run_id))

    async def plan(self, order: FoldOrder) -> AsyncGenerator[WorkEvent]:
        """Begin to say what a run would do."""
        return _watched(await self._begin(self._task("plan", order)))

    async def verify(self, order: FoldOrder) -> AsyncGenerator[WorkEvent]:
        """Begin to compare the store with a source."""
        return _watched(await self._begin(self._task("verify", order)))

    async def start(self, order: FoldOrder) -> RunOverview:
        """Begin a run, or go on with one."""
        task = self._task("run", order)
        job = self._told_job(order)
        try:
            ledger = await newest_run(self._store, job, task.source)
        except UnknownRunError:
            pass
        else:
            _check_is_free(ledger, takes_over=order.takes_over)
        work = await self._begin(task)
        async with _ended_by_failure(work):
            work.run_id = await self._run_id(work, job, task.source)
            return await self.get_run(work.run_id)

    async def roll_back(self, order: RollbackOrder) -> RunOverview:
        """Begin to undo a run."""
        return await self._begun(await self._rollback_task(order))

    async def try_roll_back(self, order: RollbackOrder) -> AsyncGenerator[WorkEvent]:
        """Begin to say what undoing a run would do."""
        task = await self._rollback_task(order)
        return _watched(await self._begin(task._replace(is_dry=True)))

    async def finish(self, order: FinishOrder) -> RunOverview:
        """Begin to take from a source what a verified run has folded."""
        return await self._begun(await self._finish_task(order))

    async def try_finish(self, order: FinishOrder) -> AsyncGenerator[WorkEvent]:
        """Begin to say what a finish would do."""
        task = await self._finish_task(order)
        return _watched(await self._begin(task._replace(is_dry=True)))

    async def stop(self, run_id: str) -> None:
        """Interrupt the process that works on a run."""
        ledger = await find_run(self._store, run_id)
        holder = ledger.record.holder
        if holder is None or not _overview(ledger).is_at_work:
            raise RunStateError(f"Nobody works on run {run_id}.")
        is_out_of_reach = holder.host != socket.gethostname() or holder.process_id == os.getpid()
        if is_out_of_reach:
            raise RunBusyError(run_id, holder.host, holder.process_id)
        try:
            os.kill(holder.process_id, signal.SIGINT)
        except ProcessLookupError:
            raise RunStateError(f"Nobody works on run {run_id}.") from None
        except PermissionError:
            raise RunBusyError(run_id, holder.host, holder.process_id) from None

    async def events(self, run_id: str) -> AsyncGenerator[WorkEvent]:
        """Live where this process works on the run, else from its ledger."""
        work = self._work
        if work is not None and work.run_id == run_id:
            async for event in work.events():
                yield event
            return
        try:
            watching = _Watching(await find_run(self._store, run_id))
            while (progress := await watching.look(self._store)) is not None:
                yield progress
                await asyncio.sleep(self._poll_seconds)
            end = await self._end(run_id)
        except StoreError as error:
            # The answer has begun: only an event can still say that it is not known any more.
            reason = f"{error.title}: {error}"
            end = WorkEnd(WorkOutcome.UNKNOWN, reason=reason, code=error.code)
        yield end

    async def aclose(self) -> None:
        """Stop what is at work."""
        if self._work is not None:
            await self._work.stop()

    async def _end(self, run_id: str) -> WorkEnd:
        """How a run that nobody works on stands; told by a process, since ledgers can be long."""
        reporting = await EngineWork.begin(Task("report", self._store_url, run_id=run_id))
        try:
            end = await reporting.end()
        finally:
            await reporting.stop()
        if end.outcome is WorkOutcome.FAILED:  # to tell of the run; the run itself may be fine
            return WorkEnd(WorkOutcome.UNKNOWN, reason=end.reason, code=end.code)
        if (await self.get_run(run_id)).is_interrupted:
            return WorkEnd(WorkOutcome.STOPPED, end.report, end.reason)
        return end

    async def _begin(self, task: Task) -> EngineWork:
        """Let a process begin; it has told that it did, or it is refused."""
        async with self._beginning:
            if self._work is not None and not self._work.is_over:
                busy = self._work.task
                raise EngineBusyError(busy.kind, busy.job or f"run {busy.run_id}")
            if self._work is not None:
                await self._work.ended()
            work = self._work = await EngineWork.begin(task)
        event = await work.first()
        if isinstance(event, WorkEnd) and work.failure is not None:
            raise work.failure
        return work

    async def _begun(self, task: Task) -> RunOverview:
        """Begin with work on a run that is known."""
        async with _ended_by_failure(await self._begin(task)):
            return await self.get_run(task.run_id)

    async def _rollback_task(self, order: RollbackOrder) -> Task:
        ledger = await find_run(self._store, order.run_id)
        if ledger.record.state is RunState.ROLLED_BACK:
            raise RunStateError(f"Run {order.run_id} is rolled back already.")
        _check_is_free(ledger, takes_over=order.takes_over)
        return Task(
            "rollback",
            self._store_url,
            source="" if order.source is None else self._allowed.located(order.source),
            run_id=order.run_id,
            takes_over=order.takes_over,
        )

    async def _finish_task(self, order: FinishOrder) -> Task:
        location = self._allowed.located(order.source)
        ledger = await find_run(self._store, order.run_id)
        record = ledger.record
        _check_is_free(ledger, takes_over=order.takes_over)
        if record.job not in self._jobs:
            raise RunStateError(f"Run {order.run_id} of {record.job} has no source to finish.")
        if self._jobs[record.job].makes_projects:
            raise RunStateError(f"{record.job} keeps its source; there is nothing to finish.")
        job = self._jobs[record.job].told(SourceOptions(**record.options))
        try:
            name = job.open(location).name
        except (ConfigurationError, SourceError) as error:
            raise InvalidInputError(Fault("/source", str(error))) from None
        if name != record.source:
            raise InvalidInputError(Fault("/source", f"is not that of run {order.run_id}"))
        newest = await newest_run(self._store, job, location)
        if newest.run_id != order.run_id:
            raise RunStateError(f"Run {newest.run_id} of this source is newer; it is to be proven.")
        folder = self._backup_folder(order, location)
        return Task(
            "finish",
            self._store_url,
            job=record.job,
            source=location,
            options=record.options,
            run_id=order.run_id,
            manner=order.manner,
            backup_folder=None if folder is None else str(folder),
            takes_over=order.takes_over,
        )

    def _backup_folder(self, order: FinishOrder, location: str) -> Path | None:
        if not order.has_backup:
            return None
        named = order.backup_folder
        if named is None:
            # Beside a collection is nothing, and beside a folder perhaps what nobody has allowed.
            named = None if is_collection(location) else str(folder_of(location))
            if named is None or not self._allowed.has(named):
                raise InvalidInputError(Fault("/backup_folder", "must be named for this source"))
        folder = Path(self._allowed.located(named))
        if not folder.is_dir():
            raise InvalidInputError(Fault("/backup_folder", "is no folder"))
        return folder

    async def _run_id(self, work: EngineWork, job: Job, location: str) -> str:
        for ledger in reversed(await list_runs(self._store)):
            holder = ledger.record.holder
            if holder is not None and holder.process_id == work.process_id:
                return ledger.run_id
        # It is over already, and the newest of its kind.
        return (await newest_run(self._store, job, location)).run_id

    def _task(self, kind: str, order: FoldOrder) -> Task:
        return Task(
            kind,
            self._store_url,
            job=order.job,
            source=self._allowed.located(order.source),
            options=asdict(self._told_job(order).options),
            max_rate=order.max_rate,
            takes_over=order.takes_over,
        )

    def _told_job(self, order: FoldOrder) -> Job:
        job = self._jobs.get(order.job)
        if job is None:
            raise InvalidInputError(Fault("/job", f"must be one of {', '.join(self._jobs)}"))
        told = job.told(order.options)
        try:
            told.format  # noqa: B018 - made here, so that wrong options are the caller's fault
            told.open(self._allowed.located(order.source))
        except (ConfigurationError, SourceError) as error:
            raise InvalidInputError(Fault("", str(error))) from None
        return told


class _Watching:
    """Follows a run by its ledger, each batch of which is read once."""

    def __init__(self, ledger: RunLedger) -> None:
        self._run_id = ledger.run_id
        self._counts = Counts()
        self._number = 0

    async def look(self, store: SessionStore) -> WorkProgress | None:
        """How far it is; None where nobody works on it."""
        ledger = await find_run(store, self._run_id)
        if not _overview(ledger).is_at_work:
            return None
        if ledger.record.state is RunState.ROLLING_BACK:
            return WorkProgress("undoing", 0, None, 0)
        if ledger.record.state is not RunState.RUNNING:
            return WorkProgress("finishing", 0, None, 0)
        async for entry in ledger.batches(after=self._number):
            if entry.record.state is BatchState.BEGUN:
                break
            self._counts = self._counts.plus(entry.record.counts)
            self._number = entry.number
        done = self._counts.folded + sum(self._counts.reasons.values())
        return WorkProgress("folding", done, ledger.record.records_read, done)


async def _watched(work: EngineWork) -> AsyncGenerator[WorkEvent]:
    """Its events; who stops listening stops the work, which is of no use to anybody else."""
    try:
        first = await work.first()
        if not isinstance(first, WorkEnd):
            yield first  # however soon the end comes
        async for event in work.events():
            yield event
    finally:
        if not work.is_over:
            await work.stop()


@asynccontextmanager
async def _ended_by_failure(work: EngineWork) -> AsyncGenerator[None]:
    """Inside, whoever asked is told of it; where that fails, it does not go on unknown to them."""
    try:
        yield
    except AppError:
        await work.stop()
        raise


def _check_is_free(ledger: RunLedger, *, takes_over: bool) -> None:
    holder = ledger.record.holder
    if not takes_over and holder is not None and holder.may_live:
        raise RunBusyError(ledger.run_id, holder.host, holder.process_id)


def _overview(ledger: RunLedger) -> RunOverview:
    record = ledger.record
    is_ended = is_at_its_end(record)
    is_held = record.is_held
    return RunOverview(
        run_id=ledger.run_id,
        job=record.job,
        source=record.source,
        state=record.state,
        is_at_work=is_held and not is_ended,
        is_interrupted=not is_held and not is_ended,
        began_at=record.began_at,
        ended_at=record.ended_at,
        seconds=record.seconds,
        records_read=record.records_read,
        verified_at=record.verified_at,
    )
