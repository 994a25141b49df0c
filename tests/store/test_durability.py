"""Law 1 below the store: the bytes are on the disk before the answer, and so is the file's name."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from app.store.sqlite.statements import run
from app.store.sqlite.store import SQLiteStore
from app.store.sqlite.writer import Writer


class _TracedFile(apsw.VFSFile):
    def __init__(self, name: Any, flags: list[int], events: list[str]) -> None:
        super().__init__("unix", name, flags)
        self._name = Path(name.filename() if isinstance(name, apsw.URIFilename) else name).name
        self._events = events

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - SQLite's name
        self._events.append(f"write {self._name}")
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:  # noqa: N802 - SQLite's name
        super().xSync(flags)
        self._events.append(f"sync {self._name}")


class _TracingVFS(apsw.VFS):
    def __init__(self, events: list[str]) -> None:
        super().__init__("traced", base="unix", makedefault=True)
        self._events = events

    def xOpen(self, name: Any, flags: list[int]) -> _TracedFile:  # noqa: N802 - SQLite's name
        return _TracedFile(name, flags, self._events)


@pytest.fixture
def events() -> Iterator[list[str]]:
    """What reaches the disk, in order.

    A file layer written in Python has no shared memory, which a WAL needs unless one connection has
    the file for itself; that changes nothing in what a commit writes and syncs.
    """
    traced: list[str] = []
    vfs = _TracingVFS(traced)

    def alone(connection: apsw.Connection) -> None:
        connection.pragma("locking_mode", "exclusive")

    apsw.connection_hooks.append(alone)
    yield traced
    apsw.connection_hooks.remove(alone)
    vfs.unregister()


def _make_table(connection: apsw.Connection) -> None:
    run(connection, "CREATE TABLE note (text TEXT)")


def _add_note(connection: apsw.Connection) -> None:
    run(connection, "INSERT INTO note VALUES ('kept')")


async def test_a_commit_is_synced_before_its_answer(tmp_path: Path, events: list[str]) -> None:
    writer = Writer(tmp_path / "chats.db", chores=(), write_timeout_seconds=10)
    writer.start(_make_table)
    events.clear()

    await writer.run(_add_note)
    events.append("answer")

    assert "write chats.db-wal" in events
    last_write = max(i for i, event in enumerate(events) if event == "write chats.db-wal")
    assert events[last_write + 1 :] == ["sync chats.db-wal", "answer"]
    await writer.aclose()


async def test_those_who_wait_together_share_one_sync(tmp_path: Path, events: list[str]) -> None:
    writer = Writer(tmp_path / "chats.db", chores=(), write_timeout_seconds=10)
    writer.start(_make_table)
    events.clear()

    await asyncio.gather(*(writer.run(_add_note) for _ in range(200)))

    assert 1 <= events.count("sync chats.db-wal") < 100
    await writer.aclose()


async def test_only_the_owner_may_read_what_is_made(path: Path) -> None:
    store = await SQLiteStore.open(path)
    await store.check()

    modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}

    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert set(modes.values()) == {0o600}
    assert {"chats.db", "chats.db-wal", "chats.db-shm", "chats.db.lock"} <= set(modes)
    await store.aclose()


async def test_the_folder_is_synced_when_the_file_is_made(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    sync = os.fsync

    def noted_sync(file: int) -> None:
        synced.append(os.fstat(file).st_ino)
        sync(file)

    monkeypatch.setattr(os, "fsync", noted_sync)

    store = await SQLiteStore.open(path)
    await store.aclose()
    assert synced == [path.parent.stat().st_ino]

    store = await SQLiteStore.open(path)
    await store.aclose()
    assert len(synced) == 1
