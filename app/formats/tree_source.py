"""TreeSource: the sessions of a JSON tree on disk, flat ones first, each kind by name."""

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from app.errors import SourceError
from app.formats.file_source import RECORD_LIMIT_BYTES
from app.formats.nested_places import nested_place, outer_position, with_room
from app.formats.port import Notation, RawRecord
from app.formats.tree_folder import TreeFolder

FLAT = "chat_sessions"
PROJECTS = "projects"
METADATA = "metadata.json"
MESSAGES = "messages.json"


class TreeEntry(NamedTuple):
    """Where a session's folder is."""

    path: str
    """From the root."""
    session_id: str
    project_id: str | None


class TreeSource:
    """A folder that holds `chat_sessions`, `projects/<id>/chat_sessions`, or both.

    Links that lead out of it are not followed; they are told as damage. So is a file that cannot be
    read, unless every file `must_read`: then it is an error, since it may be readable again soon.

    Raises:
        SourceError: it is no such folder, or cannot be listed.
    """

    notation = Notation.JSON
    blank_lines = 0

    def __init__(self, root: Path, *, must_read: bool = False) -> None:
        self.name = str(root)
        self.size_bytes: int | None = None
        self.bytes_read = 0
        self.root = root
        self._must_read = must_read
        self._real_root = os.path.realpath(root)
        self._entries: list[TreeEntry] = []

    def __enter__(self) -> Self:
        """List the sessions."""
        self._entries = tree_entries(self.root)
        self.size_bytes = sum(size for _, size, _ in self._files()) or None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Nothing is open between two files."""

    def __iter__(self) -> Iterator[RawRecord]:
        """A record for each folder."""
        return with_room(self._raw_records())

    def entry(self, position: int) -> TreeEntry:
        """Where the folder of a record is."""
        return self._entries[outer_position(position) - 1]

    def place(self, position: int) -> str:
        """See the port."""
        return nested_place(position, self._outer_place)

    def fingerprint(self) -> str | None:
        """Of every file's name, size and date."""
        hashed = hashlib.sha256()
        self._entries = self._entries or tree_entries(self.root)
        for name, size_bytes, date in self._files():
            hashed.update(repr((name, size_bytes, date)).encode())
        return hashed.hexdigest()

    def _outer_place(self, number: int) -> str:
        path = self._entries[number - 1].path
        return path.encode("utf-8", "backslashreplace").decode()

    def _files(self) -> Iterator[tuple[str, int, int]]:
        for entry in self._entries:
            for name in (METADATA, MESSAGES):
                try:
                    status = (self.root / entry.path / name).stat()
                except OSError:
                    continue
                yield f"{entry.path}/{name}", status.st_size, status.st_mtime_ns

    def _raw_records(self) -> Iterator[RawRecord]:
        for number, entry in enumerate(self._entries, start=1):
            faults: list[str] = []
            metadata = self._read(entry, METADATA, faults)
            messages = self._read(entry, MESSAGES, faults)
            if metadata is None and not faults:
                faults.append(f"There is no {METADATA}.")
            folder = TreeFolder(entry.session_id, entry.project_id, metadata, messages, faults)
            yield RawRecord(number, folder.to_bytes())

    def _read(self, entry: TreeEntry, name: str, faults: list[str]) -> bytes | None:
        """A file, None where there is none or it cannot be read; the latter is told."""
        path = os.path.realpath(self.root / entry.path / name)
        if not is_within(self._real_root, path):
            faults.append(f"{name} leads out of the tree.")
            return None
        try:
            with open(path, "rb", opener=_opened_at_once) as file:
                status = os.fstat(file.fileno())
                if not stat.S_ISREG(status.st_mode):
                    faults.append(f"{name} is no file.")
                elif status.st_size > RECORD_LIMIT_BYTES:
                    faults.append(f"{name} is too long to be looked at.")
                else:
                    content = file.read()
                    self.bytes_read += len(content)
                    return content
        except FileNotFoundError:
            return None
        except OSError as error:
            if self._must_read and not isinstance(error, IsADirectoryError):
                raise SourceError(f"{path} cannot be read: {error.strerror}.") from error
            faults.append(f"{name} cannot be read: {error.strerror}.")
        return None


def tree_entries(root: Path) -> list[TreeEntry]:
    """Where the sessions of a tree are: the flat ones by name, then project by project.

    Raises:
        SourceError: it holds no sessions' folders, or cannot be listed.
    """
    if not (root / FLAT).is_dir() and not (root / PROJECTS).is_dir():
        raise SourceError(f"{root} holds neither {FLAT} nor {PROJECTS}.")
    real_root = os.path.realpath(root)
    entries: list[TreeEntry] = []
    projects = [(f"{PROJECTS}/{name}", name) for name in _folders(root / PROJECTS)]
    for outer, project in [("", None), *projects]:
        inner = f"{outer}/{FLAT}".lstrip("/")
        if is_within(real_root, os.path.realpath(root / inner)):
            names = _folders(root / inner)
            entries += [TreeEntry(f"{inner}/{name}", name, project) for name in names]
        else:  # what is there is not looked at; reading it says why
            entries.append(TreeEntry(inner, FLAT, project))
    return entries


def is_within(real_root: str, real_path: str) -> bool:
    """Whether a path is below a root, both without links."""
    return os.path.commonpath([real_root, real_path]) == real_root


def _folders(folder: Path) -> list[str]:
    """The folders in one, by name; what begins with a dot is none of a session."""
    try:
        with os.scandir(folder) as found:
            return sorted(
                one.name for one in found if one.is_dir() and not one.name.startswith(".")
            )
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise SourceError(f"{folder} cannot be listed: {error.strerror}.") from error


def _opened_at_once(path: str, flags: int) -> int:
    # A pipe without a writer would keep us waiting.
    return os.open(path, flags | os.O_NONBLOCK)
