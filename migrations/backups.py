"""Backups: what is to be removed is kept gzipped, and proven by reading it again."""

import gzip
import hashlib
import zlib
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from app.errors import MigrationError
from migrations.durable_files import CHUNK_BYTES, Steps, moved, written_beside

_COMPRESSION = 6


def written_backup(backup: Path, chunks: Iterable[bytes]) -> Steps[str]:
    """Write these bytes to a backup that only its owner reads; returns their hash.

    It is on the disk, whole and proven, or not there under this name.

    Raises:
        MigrationError: it does not read as it was written.
    """
    backup.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = backup.with_name(f".{backup.name}.partial")
    digest = hashlib.sha256()
    with written_beside(partial) as file, gzipped(file) as target:
        for chunk in chunks:
            digest.update(chunk)
            target.write(chunk)
            yield len(chunk)
    read_again = hashlib.sha256()
    for chunk in unzipped(partial):
        read_again.update(chunk)
        yield 0
    if read_again.digest() != digest.digest():
        raise MigrationError(f"{partial} does not read as it was written.")
    moved(partial, backup)
    return digest.hexdigest()


def is_backup_of(backup: Path, sha256: str | None) -> bool:
    """Whether a backup is there, whole, and of content with this hash."""
    digest = hashlib.sha256()
    try:
        for chunk in unzipped(backup):
            digest.update(chunk)
    except (OSError, EOFError, zlib.error):
        return False
    return digest.hexdigest() == sha256


@contextmanager
def gzipped(file: IO[bytes]) -> Generator[IO[bytes]]:
    """Writes to the file what it is given, gzipped; the same bytes for the same content."""
    with gzip.GzipFile(
        filename="", mode="wb", compresslevel=_COMPRESSION, fileobj=file, mtime=0
    ) as gzipped:
        yield gzipped  # type: ignore[misc]  # it writes as a file does, and is not declared as one


def unzipped(path: Path) -> Iterator[bytes]:
    """What is in a gzipped file, in pieces."""
    with gzip.open(path, "rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk
