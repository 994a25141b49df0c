"""Writer: the one thread of a process that writes, and the commit that many appends share.

Whoever waits when a commit begins is part of it, so that an fsync is paid once for all of them, and
an answer is given only after that fsync. When nobody waits, the thread does chores.
"""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, TypeVar, cast

import apsw

from app.errors import AppError, StoreBusyError, StoreUnavailableError
from app.store.sqlite.connections import BUSY_TIMEOUT_MILLISECONDS, open_writer
from app.store.sqlite.failures import translated, translated_failures
from app.store.sqlite.statements import run
from app.store.sqlite.write_lock import WriteLock

T = TypeVar("T")

Work = Callable[[apsw.Connection], T]
"""Runs in the writer's thread inside a transaction. It raises an `AppError` before its first write,
or not at all; one that breaks this costs its commit a second run, never its truth."""

Chore = Callable[[apsw.Connection], bool]
"""A slice of work that nobody waits for, in a transaction of its own; True: there is more."""

_COMMIT_LIMIT_JOBS = 256
_IDLE_SECONDS = 0.02
"""How long nobody must have written before a chore may run."""

_BREATH_SECONDS = 0.004
"""Between two slices of chores: about as long as a slice, so that requests get half of a core."""

_CHECKPOINT_PAGES = 4000
"""Above this many pages in the log, what readers no longer need is copied into the file."""

_RESTART_PAGES = 20 * _CHECKPOINT_PAGES
"""Above this many, readers are waited for, so that the log cannot grow for ever."""

_CUT_TIMEOUT_MILLISECONDS = 500

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Job:
    work: Work[Any]
    future: asyncio.Future[Any]
    deadline: float
    is_between_commits: bool = False
    value: Any = None
    error: Exception | None = None


class Writer:
    """Runs work in commits, one at a time in this process and, by the lock, among all."""

    def __init__(
        self, path: Path, *, chores: Sequence[Chore], write_timeout_seconds: float
    ) -> None:
        self._path = path
        self._chores = chores
        self._timeout_seconds = write_timeout_seconds
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._waiting: deque[_Job] = deque()  # in the order of their deadlines
        self._watch: asyncio.TimerHandle | None = None
        self._log_pages = 0
        self._is_closed = False
        self._lock = WriteLock(path)
        self._connection: apsw.Connection
        self._thread = threading.Thread(
            target=self._serve, name=f"writer of {path.name}", daemon=True
        )

    def start(self, prepare: Work[None]) -> None:
        """Open the file, prepare it in a first transaction, and begin to serve; blocks.

        Raises:
            StoreBusyError: another process writes and does not end.
            StoreError: the file cannot be opened, or `prepare` refuses it.
        """
        with translated_failures():
            if not self._lock.acquire_within(self._timeout_seconds):
                raise StoreBusyError(
                    f"Another process has held the store for {self._timeout_seconds:g} seconds."
                )
            try:
                self._connection = open_writer(self._path)
                self._connection.set_wal_hook(self._note_log_pages)
                with self._connection:
                    prepare(self._connection)
            except BaseException:
                self._lock.close()
                raise
            self._lock.release()
        self._thread.start()

    async def run(self, work: Work[T], *, is_between_commits: bool = False) -> T:
        """Do the work and return its result once it is on the disk.

        Work between commits runs under the lock too, but in no transaction.

        Raises:
            StoreBusyError: it was not begun, or not known to be done, in time.
            StoreUnavailableError: the store is closed.
        """
        if self._is_closed:
            raise StoreUnavailableError("The store is closed.")
        loop = asyncio.get_running_loop()
        while self._waiting and self._waiting[0].future.done():
            self._waiting.popleft()  # so that what is done does not hold its bytes until it is due
        job = _Job(
            work, loop.create_future(), loop.time() + self._timeout_seconds, is_between_commits
        )
        self._waiting.append(job)
        if self._watch is None:
            self._watch = loop.call_at(job.deadline, self._give_up, loop)
        self._queue.put(job)
        return cast("T", await job.future)

    async def empty_log(self) -> bool:
        """Copy the log into the file and cut it to nothing; False where a reader holds it."""
        return await self.run(_cut_log, is_between_commits=True)

    async def aclose(self) -> None:
        """Commit what waits, empty the log where nobody reads, and close the file."""
        if self._is_closed:
            return
        self._is_closed = True
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join, self._timeout_seconds)
        if self._watch is not None:
            self._watch.cancel()

    # --- on the event loop ------------------------------------------------------------------

    def _deliver(self, jobs: Sequence[_Job]) -> None:
        for job in jobs:
            if job.future.done():
                continue
            if job.error is not None:
                job.future.set_exception(job.error)
            else:
                job.future.set_result(job.value)

    def _give_up(self, loop: asyncio.AbstractEventLoop) -> None:
        """Answer those who have waited too long; watch the next of the others."""
        now = loop.time()
        self._watch = None
        while self._waiting:
            job = self._waiting[0]
            if not job.future.done():
                if job.deadline > now:
                    self._watch = loop.call_at(job.deadline, self._give_up, loop)
                    return
                job.future.set_exception(
                    StoreBusyError(f"The store was held for {self._timeout_seconds:g} seconds.")
                )
            self._waiting.popleft()

    # --- in the writer's thread -------------------------------------------------------------

    def _serve(self) -> None:
        pause_seconds: float | None = _IDLE_SECONDS  # None: nothing is left to do
        while True:
            try:
                job = self._queue.get(timeout=pause_seconds)
            except Empty:
                pause_seconds = _BREATH_SECONDS if self._do_chore() else None
                if self._log_pages > _CHECKPOINT_PAGES:
                    self._checkpoint()
                continue
            if job is None:
                break
            jobs, is_last = self._those_who_wait(job)
            self._commit(jobs)
            pause_seconds = _IDLE_SECONDS
            loop = job.future.get_loop()
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._deliver, jobs)
            if self._log_pages > _CHECKPOINT_PAGES:
                self._checkpoint()
            if is_last:
                break
        self._close()

    def _those_who_wait(self, first: _Job) -> tuple[list[_Job], bool]:
        jobs = [first]
        while len(jobs) < _COMMIT_LIMIT_JOBS:
            try:
                job = self._queue.get_nowait()
            except Empty:
                break
            if job is None:
                return jobs, True
            jobs.append(job)
        return jobs, False

    def _commit(self, jobs: Sequence[_Job]) -> None:
        """Run all jobs in one transaction; those that fail are noted, the others stay."""
        waiting: Sequence[_Job] = jobs
        try:
            self._lock.acquire()
            try:
                # Only now: who was told that it took too long must not find it done after all.
                waiting = [job for job in jobs if not job.future.done()]
                todo = [job for job in waiting if not job.is_between_commits]
                while todo and not self._try_transaction(todo):
                    todo = [job for job in todo if job.error is None]
                for job in waiting:
                    if job.is_between_commits:
                        job.value = job.work(self._connection)
            finally:
                self._lock.release()
        except Exception as error:  # noqa: BLE001 - whatever it is, each who waits must hear of it
            failure = translated(error)
            _log.warning("a commit failed", extra={"error": failure.code}, exc_info=error)
            for job in waiting:
                job.error = job.error or failure

    def _try_transaction(self, jobs: Sequence[_Job]) -> bool:
        """Commit the jobs; False where one has failed after writing, and nothing is committed."""
        connection = self._connection
        run(connection, "BEGIN IMMEDIATE")
        try:
            for job in jobs:
                changes_before = connection.total_changes()
                try:
                    job.value = job.work(connection)
                except AppError as error:
                    job.error = error
                except apsw.CorruptError as error:
                    job.error = translated(error)
                except apsw.Error:
                    raise
                except Exception as error:  # noqa: BLE001 - a defect in one job is its own
                    job.error = error
                if job.error is not None and connection.total_changes() != changes_before:
                    run(connection, "ROLLBACK")
                    return False
            run(connection, "COMMIT")
        except BaseException:
            if connection.in_transaction:
                run(connection, "ROLLBACK")
            raise
        return True

    def _do_chore(self) -> bool:
        if not self._lock.try_acquire():
            return True
        try:
            for chore in self._chores:
                run(self._connection, "BEGIN IMMEDIATE")
                try:
                    has_more = chore(self._connection)
                    run(self._connection, "COMMIT")
                except BaseException:
                    if self._connection.in_transaction:
                        run(self._connection, "ROLLBACK")
                    raise
                if has_more:
                    return True
        except Exception as error:  # noqa: BLE001 - chores are tried again after the next commit
            _log.warning("a chore failed", exc_info=error)
        finally:
            self._lock.release()
        return False

    def _note_log_pages(self, _connection: apsw.Connection, _name: str, pages: int) -> int:
        self._log_pages = pages
        return apsw.SQLITE_OK

    def _checkpoint(self) -> None:
        """Copy the log into the file as far as readers allow; the next writer begins it anew."""
        mode = (
            apsw.SQLITE_CHECKPOINT_PASSIVE
            if self._log_pages < _RESTART_PAGES
            else apsw.SQLITE_CHECKPOINT_RESTART
        )
        self._lock.acquire()
        try:
            self._connection.wal_checkpoint(mode=mode)
        except apsw.Error as error:
            _log.warning("a checkpoint failed", extra={"pages": self._log_pages}, exc_info=error)
        finally:
            self._log_pages = 0
            self._lock.release()

    def _close(self) -> None:
        try:
            if self._lock.try_acquire():
                try:
                    self._connection.set_busy_timeout(0)
                    self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
                finally:
                    self._lock.release()
        except apsw.BusyError:
            pass  # readers of another process; the log stays, and the next one who opens reads it
        except apsw.Error as error:
            _log.warning("the last checkpoint failed", exc_info=error)
        finally:
            self._connection.close()
            self._lock.close()


def _cut_log(connection: apsw.Connection) -> bool:
    connection.set_busy_timeout(_CUT_TIMEOUT_MILLISECONDS)
    try:
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    except apsw.BusyError:
        return False
    finally:
        connection.set_busy_timeout(BUSY_TIMEOUT_MILLISECONDS)
    return True
