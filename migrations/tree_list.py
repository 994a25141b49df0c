"""The list of the folders that a finish takes from a tree: what they were, a line of JSON each."""

import os
import stat
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from app.errors import RunStateError
from app.formats.tree_folder import TreeFolder
from app.formats.tree_source import MESSAGES, METADATA, TreeEntry
from migrations.durable_files import sha256_of


class _Listed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    mode: int
    owner: int
    group: int
    modified_nanoseconds: int


class ListedFile(_Listed):
    """A file of a session."""

    name: str
    sha256: str
    size_bytes: int


class ListedSession(_Listed):
    """A session's folder, and its files in the order in which a backup has them."""

    path: str
    """From the root."""
    files: tuple[ListedFile, ...]


def listed_session(root: Path, entry: TreeEntry, folder: TreeFolder) -> ListedSession | None:
    """A folder whose files were read; None where a link is in the way, or it is gone already.

    What lies behind a link is not this session's own.
    """
    path = root / entry.path
    if not is_own_folder(root, path):
        return None
    files: list[ListedFile] = []
    for name, content in ((METADATA, folder.metadata), (MESSAGES, folder.messages)):
        if content is None:
            continue
        status = (path / name).lstat()
        if not stat.S_ISREG(status.st_mode):
            return None
        files.append(
            ListedFile(
                **_told(status),
                name=name,
                sha256=sha256(content).hexdigest(),
                size_bytes=len(content),
            )
        )
    return ListedSession(**_told(path.lstat()), path=entry.path, files=tuple(files))


def read_list(path: Path, list_sha256: str | None) -> Iterator[ListedSession]:
    """The sessions of a list that was written with this hash.

    Raises:
        RunStateError: it is not there, or another.
    """
    if not path.is_file() or sha256_of(path) != list_sha256:
        raise RunStateError(f"{path}, the list of what was folded, is gone or damaged.")
    with path.open("rb") as file:
        yield from map(ListedSession.model_validate_json, file)


def _told(status: os.stat_result) -> dict[str, int]:
    return {
        "mode": stat.S_IMODE(status.st_mode),
        "owner": status.st_uid,
        "group": status.st_gid,
        "modified_nanoseconds": status.st_mtime_ns,
    }


def is_own_folder(root: Path, path: Path) -> bool:
    """Whether a path below a real root is what it says: no link, and behind none."""
    return os.path.realpath(path) == str(path) and path.is_relative_to(root)


def is_as_listed(path: Path, file: ListedFile) -> bool:
    """Whether a file is there, no link, and what it was."""
    try:
        is_file = stat.S_ISREG(path.lstat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return is_file and sha256_of(path) == file.sha256
