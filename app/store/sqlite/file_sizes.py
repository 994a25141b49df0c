"""File sizes: how much the files of a store take, and what is free beside them."""

import shutil
from pathlib import Path

from app.store.port import StoreSizes

_FILES = {"store_file": "", "store_file_wal": "-wal", "store_file_shm": "-shm"}


def file_sizes(path: Path) -> StoreSizes:
    """Those of the files that are there.

    Raises:
        OSError: they cannot be looked at.
    """
    sizes = {"store_disk_free": shutil.disk_usage(path.absolute().parent).free}
    for name, suffix in _FILES.items():
        file = Path(f"{path}{suffix}")
        if file.exists():
            sizes[name] = file.stat().st_size
    return StoreSizes(sizes)
