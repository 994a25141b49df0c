"""Durable files: written beside their place, synced, and put there at once or not at all."""

import hashlib
import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, NamedTuple, TypeVar

from app.errors import MigrationError

CHUNK_BYTES = 1024 * 1024

T = TypeVar("T")
Steps = Generator[int, None, T]
"""Work that may be interrupted between its steps; each tells how far it is, in bytes."""


class FileMark(NamedTuple):
    """What tells that a file is still the one that was looked at."""

    device: int
    number: int
    size_bytes: int
    modified_nanoseconds: int

    @classmethod
    def of(cls, path: Path) -> "FileMark":
        """Of the file as it is now."""
        stat = path.stat()
        return cls(stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns)


@contextmanager
def errors_named(path: Path) -> Generator[None]:
    """What the file system refuses, as an error of ours."""
    try:
        yield
    except OSError as error:
        where = error.filename or path
        raise MigrationError(f"{where}: {error.strerror or error}.") from error


def chunks_of(path: Path) -> Iterator[bytes]:
    """A file, in pieces."""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def sha256_of(path: Path) -> str:
    """Of a file's content, which is read to its end."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, hashlib.sha256).hexdigest()


@contextmanager
def written_beside(path: Path) -> Generator[IO[bytes]]:
    """A file that only its owner reads and that is on the disk in the end, whole.

    It begins empty, and is removed where the block fails.
    """
    with suppress(FileNotFoundError):
        path.unlink()  # what an earlier attempt left
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(number, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def moved(path: Path, target: Path) -> None:
    """Give a file another name, in the place of what has that; it lasts when this returns."""
    path.replace(target)
    sync_folder(target.parent)
    if path.parent != target.parent:
        sync_folder(path.parent)


def made_folders(folder: Path, root: Path) -> None:
    """Make a folder, and those between it and one that is there; they last when this returns."""
    if folder != root and not folder.is_dir():
        made_folders(folder.parent, root)
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)


def removed(path: Path) -> None:
    """Remove a file; it stays away when this returns."""
    path.unlink()
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Return once the names in a folder are on the disk."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
