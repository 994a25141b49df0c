"""Law 10 below the store: each way a file can fail has a name, and none looks like absence."""

import asyncio
import fcntl
import os
from pathlib import Path
from typing import Any

import apsw
import pytest

from app.domain.identity import Version
from app.domain.ledger import LedgerEntry
from app.errors import (
    AppError,
    CorruptDocumentError,
    CorruptStoreError,
    StoreBusyError,
    StoreFullError,
    StoreReadOnlyError,
    StoreUnavailableError,
    StoreVersionError,
)
from app.store.sqlite import connections
from app.store.sqlite.failures import translated
from app.store.sqlite.store import SQLiteStore
from tests.factories import ADA, KEY, make_message, make_messages, make_new_session
from tests.fake_clock import START
from tests.store.system_calls import full_disk


def _as_stranger(path: Path, statement: str) -> list[Any]:
    """What a database shell beside the service does to the file.

    Through the same library: two copies of SQLite in one process do not see each other's locks.
    """
    stranger = apsw.Connection(str(path))
    rows = stranger.execute(statement).fetchall()
    stranger.close()
    return rows


async def test_a_full_disk_is_named_and_stores_nothing(store: SQLiteStore) -> None:
    await store.insert(make_new_session())

    with full_disk(), pytest.raises(StoreFullError):
        await store.append(KEY, [make_message("lost")], at=START)

    assert (await store.read(KEY)).messages() == ()
    await store.append(KEY, [make_message("kept")], at=START)
    assert [message.id for message in (await store.read(KEY)).messages()] == ["kept"]


async def test_a_full_disk_takes_nothing_back_and_notes_nothing(store: SQLiteStore) -> None:
    session = make_new_session(messages=make_messages(3))
    await store.insert(session)
    entry = LedgerEntry("run", 0, 1, b"{}", {ADA: b"of ada"})

    with full_disk():
        with pytest.raises(StoreFullError):
            await store.take_back(KEY, Version(session.generation, 1))
        with pytest.raises(StoreFullError):
            await store.put_ledger_entry(entry)

    assert len((await store.read(KEY)).messages()) == 3
    assert await store.list_ledger_runs() == []
    assert await store.take_back(KEY, Version(session.generation, 1))
    assert await store.put_ledger_entry(entry)


async def test_a_lock_held_elsewhere_is_named_in_time(path: Path) -> None:
    store = await SQLiteStore.open(path, write_timeout_seconds=0.1)
    await store.insert(make_new_session())
    held = os.open(f"{path}.lock", os.O_RDWR)
    fcntl.flock(held, fcntl.LOCK_EX)

    with pytest.raises(StoreBusyError):
        await store.append(KEY, [make_message("given up")], at=START)
    read_meanwhile = await store.read(KEY)

    assert read_meanwhile.messages() == ()
    os.close(held)
    appended = await _until_free(store)
    assert appended.startswith(b'{"seq":0,"id":"after"')
    await store.aclose()


async def test_a_lock_held_elsewhere_does_not_keep_a_start_waiting(path: Path) -> None:
    await (await SQLiteStore.open(path)).aclose()
    held = os.open(f"{path}.lock", os.O_RDWR)
    fcntl.flock(held, fcntl.LOCK_EX)

    with pytest.raises(StoreBusyError, match=r"Another process has held the store for 0\.1"):
        await SQLiteStore.open(path, write_timeout_seconds=0.1)

    os.close(held)
    await (await SQLiteStore.open(path)).aclose()


async def _until_free(store: SQLiteStore) -> bytes:
    for _ in range(50):
        try:
            return (await store.append(KEY, [make_message("after")], at=START)).messages_json[0]
        except StoreBusyError:
            continue
    raise AssertionError("the store never became free")


async def test_a_strangers_transaction_is_named(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "BUSY_TIMEOUT_MILLISECONDS", 20)
    store = await SQLiteStore.open(path)
    stranger = apsw.Connection(str(path))
    stranger.execute("BEGIN IMMEDIATE")

    with pytest.raises(StoreBusyError):
        await store.insert(make_new_session())

    stranger.close()
    await store.insert(make_new_session())
    await store.aclose()


async def test_a_file_that_is_no_database_is_named(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"not a database at all " * 500)

    with pytest.raises(CorruptStoreError):
        await SQLiteStore.open(path)


async def test_damaged_pages_are_named(path: Path) -> None:
    store = await SQLiteStore.open(path)
    await store.insert(make_new_session(messages=make_messages(500)))
    await store.aclose()
    damaged = bytearray(path.read_bytes())
    for page in range(4096, len(damaged), 4096):
        damaged[page : page + 64] = b"\xee" * 64
    path.write_bytes(damaged)

    with pytest.raises((CorruptStoreError, StoreUnavailableError)) as caught:
        await (await SQLiteStore.open(path)).read(KEY)

    assert caught.value.code in {"store_corrupt", "store_unavailable"}


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE run SET body = x'00'",
        "UPDATE run SET lengths = x'000000'",
        "UPDATE run SET lengths = x'01000000'",
        "DELETE FROM run WHERE first_seq = 64",
        "UPDATE message SET body = x'7b' WHERE seq = 199",
        "DELETE FROM message WHERE seq = 199",
    ],
)
async def test_a_damaged_document_is_named_and_its_neighbours_are_served(
    path: Path, damage: str
) -> None:
    store = await SQLiteStore.open(path)
    other = KEY._replace(session_id="other")
    await store.insert(make_new_session(messages=make_messages(128)))
    await store.append(KEY, make_messages(72, first=128), at=START)
    _as_stranger(path, damage)
    await store.insert(make_new_session(other, messages=make_messages(3)))

    with pytest.raises(CorruptDocumentError):
        await store.read(KEY)

    assert len((await store.read(other)).messages()) == 3
    await store.aclose()


async def test_a_newer_file_is_refused_with_both_versions(path: Path) -> None:
    await (await SQLiteStore.open(path)).aclose()
    _as_stranger(path, "PRAGMA user_version = 99")

    with pytest.raises(StoreVersionError, match="version 99 and this Chatfold knows 3"):
        await SQLiteStore.open(path)


async def test_somebody_elses_database_is_refused_and_left_alone(path: Path) -> None:
    path.parent.mkdir()
    _as_stranger(path, "CREATE TABLE theirs (text)")

    with pytest.raises(StoreVersionError, match="not one of Chatfold's"):
        await SQLiteStore.open(path)

    assert _as_stranger(path, "SELECT name FROM sqlite_schema") == [("theirs",)]


async def test_a_library_with_a_known_fault_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apsw, "sqlite_lib_version", lambda: "3.51.2")

    with pytest.raises(StoreVersionError, match=r"3\.51\.2; at least 3\.51\.3"):
        await SQLiteStore.open(path)

    assert not path.exists()


async def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(StoreUnavailableError):
        await SQLiteStore.open(tmp_path / "file" / "chats.db")


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        (apsw.BusyError("x"), StoreBusyError),
        (apsw.LockedError("x"), StoreBusyError),
        (apsw.FullError("x"), StoreFullError),
        (apsw.ReadOnlyError("x"), StoreReadOnlyError),
        (PermissionError(13, "x"), StoreReadOnlyError),
        (apsw.CorruptError("x"), CorruptStoreError),
        (apsw.NotADBError("x"), CorruptStoreError),
        (apsw.CantOpenError("x"), StoreUnavailableError),
        (apsw.IOError("x"), StoreUnavailableError),
    ],
)
def test_each_cause_has_its_name(cause: Exception, expected: type[AppError]) -> None:
    error = translated(cause)

    assert type(error) is expected


async def test_a_closed_store_says_so(path: Path) -> None:
    store = await SQLiteStore.open(path)
    await store.aclose()

    for call in (
        store.find_version(KEY),
        store.read(KEY),
        store.stats(ADA),
        store.insert(make_new_session()),
    ):
        with pytest.raises(StoreUnavailableError):
            await call


async def test_a_check_asks_reader_and_writer(store: SQLiteStore, path: Path) -> None:
    await store.check()

    _as_stranger(path, "DROP TABLE session")

    with pytest.raises(StoreUnavailableError):
        await store.check()


async def test_one_failing_write_leaves_those_beside_it_alone(store: SQLiteStore) -> None:
    await store.insert(make_new_session())
    await store.append(KEY, [make_message("taken")], at=START)

    outcomes = await asyncio.gather(
        store.append(KEY, [make_message("before")], at=START),
        store.append(KEY, [make_message("taken", "another text")], at=START),
        store.append(KEY, [make_message("after")], at=START),
        return_exceptions=True,
    )

    assert [type(outcome).__name__ for outcome in outcomes] == [
        "Appended",
        "MessageIdConflictError",
        "Appended",
    ]
    assert [m.id for m in (await store.read(KEY)).messages()] == ["taken", "before", "after"]
