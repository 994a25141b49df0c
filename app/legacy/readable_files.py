"""ReadableFiles: what an index is made of, and how it is seen that this has changed."""

import os
from collections.abc import Hashable
from pathlib import Path
from typing import Protocol

from app.errors import SourceError
from app.formats.file_source import FileSource
from app.formats.port import Source
from app.formats.tree_source import TreeSource


class ReadableFiles(Protocol):
    """Where the records of an indexed source are."""

    @property
    def name(self) -> str:
        """For the log."""
        ...

    def state(self) -> Hashable:
        """Another one whenever something has changed.

        Raises:
            SourceError: it cannot be looked at.
        """
        ...

    def opened(self) -> Source:
        """The source, to be entered."""
        ...


class OneFile:
    """A file of any form and size."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._path = path

    def state(self) -> Hashable:
        """See the port."""
        try:
            stat = os.stat(self._path)  # noqa: PTH116 - the same, and asked for at every read
        except OSError as error:
            raise SourceError(f"{self._path} cannot be opened: {error.strerror}.") from error
        return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns

    def opened(self) -> Source:
        """See the port."""
        return FileSource(self._path)


class OneTree:
    """A tree of JSON files; one that cannot be read now is no damage, which a run would salvage."""

    def __init__(self, root: Path) -> None:
        self.name = str(root)
        self._root = root

    def state(self) -> Hashable:
        """See the port; glances at every file."""
        return TreeSource(self._root).fingerprint()

    def opened(self) -> Source:
        """See the port."""
        return TreeSource(self._root, must_read=True)
