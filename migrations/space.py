"""Space: what a fold will need where the store is, and what is free there."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from app.store.factory import sqlite_path
from app.store.port import SessionStore


@dataclass(frozen=True, slots=True)
class ScratchStore:
    """A store like the default one that is thrown away, to see how fast and large it gets."""

    store: SessionStore
    folder: Path

    def size_bytes(self) -> int:
        """Of all its files."""
        return sum(file.stat().st_size for file in self.folder.iterdir())


def free_bytes_at(url: str) -> int | None:
    """What is free on the disk of a store; None where it is not on a disk of this machine."""
    if not url.startswith("sqlite:"):
        return None
    folder = sqlite_path(url).absolute().parent
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free
