"""Backups of trees: tar archives, the list of the sessions first, then their files in its order."""

import os
import tarfile
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import IO, Any, cast

from app.errors import RunStateError
from migrations.durable_files import CHUNK_BYTES, chunks_of
from migrations.tree_list import ListedFile, ListedSession

_LIST_NAME = "folded.jsonl"
_BLOCK_BYTES = 512
_SECOND_NANOSECONDS = 1_000_000_000


def archived(root: Path, list_path: Path, sessions: Iterable[ListedSession]) -> Iterator[bytes]:
    """The archive, in pieces.

    Raises:
        RunStateError: a file is not what the list says.
    """
    head = tarfile.TarInfo(_LIST_NAME)
    head.size, head.mode = list_path.stat().st_size, 0o600
    yield _encoded(head)
    yield from _padded(chunks_of(list_path), head.size)
    for session in sessions:
        yield _encoded(_head_of(session.path + "/", session, tarfile.DIRTYPE))
        for file in session.files:
            name = f"{session.path}/{file.name}"
            yield _encoded(_head_of(name, file, tarfile.REGTYPE, file.size_bytes))
            yield from _padded(_checked(root / name, file), file.size_bytes)
    yield bytes(2 * _BLOCK_BYTES)


def _head_of(
    name: str, listed: ListedSession | ListedFile, kind: bytes, size_bytes: int = 0
) -> tarfile.TarInfo:
    head = tarfile.TarInfo(name)
    head.type, head.size, head.mode = kind, size_bytes, listed.mode
    head.uid, head.gid = listed.owner, listed.group
    head.mtime = listed.modified_nanoseconds // _SECOND_NANOSECONDS
    return head


def _encoded(head: tarfile.TarInfo) -> bytes:
    return head.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def _padded(chunks: Iterable[bytes], size_bytes: int) -> Iterator[bytes]:
    yield from chunks
    yield bytes(-size_bytes % _BLOCK_BYTES)


def _checked(path: Path, file: ListedFile) -> Iterator[bytes]:
    """A file, in pieces that have as many bytes as the list says."""
    digest, size_bytes = sha256(), 0
    number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(number, "rb") as opened:
        while chunk := opened.read(CHUNK_BYTES):
            digest.update(chunk)
            size_bytes += len(chunk)
            if size_bytes <= file.size_bytes:
                yield chunk
    if (size_bytes, digest.hexdigest()) != (file.size_bytes, file.sha256):
        raise RunStateError(f"{path} has changed meanwhile; nothing was removed.")


class TreeBackup:
    """An open archive, which is read once, from its beginning to its end."""

    def __init__(self, archive: tarfile.TarFile) -> None:
        self._archive: Any = archive  # whose list of members is not declared

    def sessions(self) -> Iterator[ListedSession]:
        """The list in it; to be read before any file."""
        yield from map(ListedSession.model_validate_json, self._file(_LIST_NAME))

    def content(self, session: ListedSession, file: ListedFile) -> IO[bytes]:
        """A file, to be asked for in the order of the list; those between are passed over."""
        return self._file(f"{session.path}/{file.name}")

    def _file(self, name: str) -> IO[bytes]:
        while (head := self._archive.next()) is not None:
            self._archive.members.clear()  # it would remember them all
            if head.name == name:
                return cast("IO[bytes]", self._archive.extractfile(head))
        raise RunStateError(f"{self._archive.name} does not have what its list says.")


@contextmanager
def opened_backup(path: Path) -> Generator[TreeBackup]:
    """A backup of a tree."""
    with tarfile.open(path, "r|gz", encoding="utf-8", errors="surrogateescape") as archive:
        yield TreeBackup(archive)
