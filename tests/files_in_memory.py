"""Files of tests lie in memory where there is room: they wait for disks most, and test none.

What must outlive a kill of every process does so there as well. That bytes are told to go to the
disk before the answer is seen in the calls (`tests/store/test_durability.py`), wherever they go.
"""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import psutil

_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
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
    folder = tempfile.mkdtemp(prefix="chatfold-tests-", dir=_MEMORY)
    os.environ["TMPDIR"] = folder
    tempfile.tempdir = None  # found out anew

    def remove() -> None:
        del os.environ["TMPDIR"]
        tempfile.tempdir = None
        shutil.rmtree(folder, ignore_errors=True)

    return remove


def _has_room() -> bool:
    return (
        os.access(_MEMORY, os.W_OK)
        and shutil.disk_usage(_MEMORY).free >= _WANTED_FILES_BYTES
        and psutil.virtual_memory().available >= _WANTED_FILES_BYTES + _WANTED_MEMORY_BYTES
    )
