"""WriteLock: whose turn it is to write, among all processes that share a file.

SQLite's own waiting (`busy_timeout`) sleeps and tries again, so that under load some processes
starve, and checkpoints beside writers have damaged files before. All writes and checkpoints of all
processes therefore happen under this lock. It has two gates: who waits for the file already holds
the turn, so a process that has just let go cannot overtake it.
"""

import fcntl
import os
import threading
from pathlib import Path


class WriteLock:
    """An exclusive lock between processes; it ends with its process, however that ends."""

    def __init__(self, database: Path) -> None:
        self._turn = os.open(f"{database}.turn", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._file = os.open(f"{database}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def acquire(self) -> None:
        """Wait for the turn, then for the file."""
        fcntl.flock(self._turn, fcntl.LOCK_EX)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX)
        finally:
            fcntl.flock(self._turn, fcntl.LOCK_UN)

    def acquire_within(self, seconds: float) -> bool:
        """Wait for the lock so long and no longer; where that was in vain, the lock closes itself.

        `flock` knows no time limit, so a thread waits in our place, for as long as it takes.
        """
        outcome = threading.Lock()  # whoever takes it first decides: in time, or given up

        def wait() -> None:
            self.acquire()
            if not outcome.acquire(blocking=False):
                self.release()
                self.close()

        waiting = threading.Thread(target=wait, name="waits for the store", daemon=True)
        waiting.start()
        waiting.join(seconds)
        return not outcome.acquire(blocking=False)

    def try_acquire(self) -> bool:
        """Take the lock if nobody holds it or waits for it."""
        try:
            fcntl.flock(self._turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        else:
            return True
        finally:
            fcntl.flock(self._turn, fcntl.LOCK_UN)

    def release(self) -> None:
        """Let the next one in."""
        fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let go of the files."""
        os.close(self._turn)
        os.close(self._file)
