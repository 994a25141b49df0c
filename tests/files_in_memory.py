"""Files of tests lie in memory where there is room: they wait for disks most, and test none.

What must outlive a kill of every process does so there as well. That bytes are told to go to the
disk before the answer is seen in the calls (`tests/store/test_durability.py`), wherever they go.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import psutil

MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
_NAME = "chatfold-files-"
_WANTED_FILES_BYTES = 4 * 1024**3
_WANTED_MEMORY_BYTES = 8 * 1024**3
"""So much is left for all else."""


def move_into_memory() -> Callable[[], None] | None:
    """Let all temporary files, those of processes started from here too, be in memory from now on.

    Returns what removes them; None where files stay on the disk: there is no such folder, too
    little room (as in most containers), or `TMPDIR` says where they go.
    """
    if "TMPDIR" in os.environ or not _has_room():
        return None
    remove_left_behind(MEMORY)
    folder, lock = locked_folder(MEMORY)
    os.environ["TMPDIR"] = str(folder)
    tempfile.tempdir = None  # found out anew

    def remove() -> None:
        del os.environ["TMPDIR"]
        tempfile.tempdir = None
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)

    return remove


def locked_folder(memory: Path) -> tuple[Path, int]:
    """A new folder, and its lock: whoever could take it knows that nobody needs the folder."""
    made = Path(tempfile.mkdtemp(prefix=f"new-{_NAME}", dir=memory))
    lock = os.open(made, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    # Under this name it is looked for, and now it is locked.
    return made.rename(made.with_name(made.name.removeprefix("new-"))), lock


def remove_left_behind(memory: Path) -> None:
    """Remove the folders of runs that were killed."""
    for folder in memory.glob(f"{_NAME}*"):
        try:
            lock = os.open(folder, os.O_RDONLY)
        except OSError:
            continue  # of somebody else, or gone by now
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(lock)


def _has_room() -> bool:
    return (
        os.access(MEMORY, os.W_OK)
        and shutil.disk_usage(MEMORY).free >= _WANTED_FILES_BYTES
        and psutil.virtual_memory().available >= _WANTED_FILES_BYTES + _WANTED_MEMORY_BYTES
    )
