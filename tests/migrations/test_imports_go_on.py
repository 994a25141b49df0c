"""An import that did not end goes on where it was; a rollback takes back just what it stored."""

import asyncio
from pathlib import Path

import pytest

from app.domain.identity import SessionKey
from app.domain.image import SessionImage
from app.domain.ledger import LedgerEntry
from app.domain.source_options import SourceOptions
from app.errors import RunBusyError, RunStateError, StoreUnavailableError
from app.formats.file_source import FileSource
from app.store.memory import MemoryStore
from app.store.port import PutOutcome
from migrations.importing import import_export
from migrations.ledger import Holder, RunState, list_runs
from migrations.outcomes import Outcome
from migrations.rollback import roll_back
from tests.factories import make_message, make_new_session
from tests.fake_clock import instant

COUNT = 230
"""Of sessions: a batch and a part of a second one."""
OPTIONS = SourceOptions(user="ada")


def key_of(number: int) -> SessionKey:
    return SessionKey("bob" if number % 7 == 0 else "ada", f"s{number:03}")


def generation_of(number: int) -> str:
    return f"{number:016x}"


class Broken(MemoryStore):
    """Fails at one of its writes, before or after it is done."""

    writes_left = 0
    is_done = False
    is_interrupted = False
    """As by Ctrl-C, instead of failing."""

    async def _fail(self, *, is_done: bool) -> None:
        if self.writes_left == 1 and is_done == self.is_done:
            self.writes_left = 0
            task = asyncio.current_task()
            if not self.is_interrupted or task is None:
                raise StoreUnavailableError("away")
            task.cancel()
            await asyncio.sleep(0)
        self.writes_left -= is_done

    async def put_image(self, image: SessionImage) -> PutOutcome:
        await self._fail(is_done=False)
        outcome = await super().put_image(image)
        await self._fail(is_done=True)
        return outcome

    async def put_ledger_entry(self, entry: LedgerEntry, *, replaces: int | None = None) -> bool:
        await self._fail(is_done=False)
        is_put = await super().put_ledger_entry(entry, replaces=replaces)
        await self._fail(is_done=True)
        return is_put


async def written_export(path: Path) -> Path:
    """Every session has a message; every fiftieth line is damaged."""
    store = MemoryStore()
    lines: list[bytes] = []
    for number in range(COUNT):
        session = make_new_session(key_of(number), generation=generation_of(number))
        await store.insert(session)
        await store.append(key_of(number), [make_message(f"m{number}")], at=instant(1))
        lines.append((await store.read(key_of(number))).to_json())
        if number % 50 == 0:
            lines.append(b"damaged")
    path.write_bytes(b"\n".join(lines))
    return path


async def with_earlier_sessions(path: Path, folder: Path) -> Broken:
    """A store with the first twenty sessions from an earlier import, and one of another life."""
    store = Broken()
    some = folder / "some.jsonl"
    some.write_bytes(b"\n".join(path.read_bytes().splitlines()[:21]))
    await import_export(FileSource(some), store)
    await store.insert(make_new_session(key_of(25), generation="e" * 16))
    return store


@pytest.mark.parametrize("is_done", [False, True])
@pytest.mark.parametrize("write", [2, 3, 100, 150, 151, 152, 153, 154, 170])
async def test_an_import_that_was_cut_short_goes_on(
    tmp_path: Path, write: int, is_done: bool
) -> None:
    path = await written_export(tmp_path / "export.jsonl")
    store = await with_earlier_sessions(path, tmp_path)
    whole = await with_earlier_sessions(path, tmp_path)
    expected = await import_export(FileSource(path), whole, options=OPTIONS)
    keys_before = await store.list_keys(limit=COUNT)
    store.writes_left, store.is_done = write, is_done
    with pytest.raises(StoreUnavailableError):
        await import_export(FileSource(path), store, options=OPTIONS)

    outcomes: list[Outcome] = []
    report = await import_export(FileSource(path), store, options=OPTIONS, observer=outcomes.append)

    _, ledger = await list_runs(store)
    assert (ledger.record.state, ledger.run_id) == (RunState.DONE, report.run_id)
    assert (report.records, report.sessions) == (expected.records, expected.sessions)
    assert report.messages_added == expected.messages_added
    assert ledger.record.outside == sum(number % 7 == 0 for number in range(COUNT))
    assert len(outcomes) == 6
    assert await store.list_keys(limit=COUNT) == await whole.list_keys(limit=COUNT)
    await roll_back(ledger, store)
    assert await store.list_keys(limit=COUNT) == keys_before


@pytest.mark.parametrize("write", [2, 3, 100, 202, 215])
async def test_an_import_that_was_cut_short_can_be_undone(tmp_path: Path, write: int) -> None:
    path = await written_export(tmp_path / "export.jsonl")
    store = await with_earlier_sessions(path, tmp_path)
    keys_before = await store.list_keys(limit=COUNT)
    store.writes_left, store.is_done = write, True
    with pytest.raises(StoreUnavailableError):
        await import_export(FileSource(path), store)
    _, ledger = await list_runs(store)

    await roll_back(ledger, store)

    assert await store.list_keys(limit=COUNT) == keys_before


async def test_what_a_user_wrote_in_between_is_not_taken_back(tmp_path: Path) -> None:
    path = await written_export(tmp_path / "export.jsonl")
    store = Broken()
    store.writes_left, store.is_done = 10, True
    with pytest.raises(StoreUnavailableError):
        await import_export(FileSource(path), store)
    await store.append(key_of(1), [make_message("new")], at=instant(20))

    report = await import_export(FileSource(path), store)

    assert report.sessions["created"] == COUNT
    (ledger,) = await list_runs(store)
    undone = await roll_back(ledger, store)
    assert [one["session_id"] for one in undone.left] == ["s001"]
    assert await store.list_keys() == [key_of(1)]


async def test_an_interrupted_import_lets_go_of_its_run(tmp_path: Path) -> None:
    path = await written_export(tmp_path / "export.jsonl")
    store = Broken()
    store.writes_left, store.is_interrupted = 100, True
    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(import_export(FileSource(path), store))
    (ledger,) = await list_runs(store)
    assert (ledger.record.state, ledger.record.holder) == (RunState.RUNNING, None)
    assert len(await store.list_keys(limit=COUNT)) == 97

    report = await import_export(FileSource(path), store)

    assert (report.run_id, report.sessions["created"]) == (ledger.run_id, COUNT)


async def test_an_import_that_others_are_at_work_on_is_left_to_them(tmp_path: Path) -> None:
    path = await written_export(tmp_path / "export.jsonl")
    store = Broken()
    store.writes_left = 5
    with pytest.raises(StoreUnavailableError):
        await import_export(FileSource(path), store)
    (ledger,) = await list_runs(store)
    await ledger.change(holder=Holder(host="elsewhere", process_id=1, began_at_seconds=0))

    with pytest.raises(RunBusyError):
        await import_export(FileSource(path), store)

    report = await import_export(FileSource(path), store, takes_over=True)
    assert report.run_id == ledger.run_id


async def test_an_import_that_is_being_rolled_back_does_not_go_on(tmp_path: Path) -> None:
    path = await written_export(tmp_path / "export.jsonl")
    store = MemoryStore()
    await import_export(FileSource(path), store)
    (ledger,) = await list_runs(store)
    await ledger.change(state=RunState.ROLLING_BACK)

    with pytest.raises(RunStateError, match="being rolled back"):
        await import_export(FileSource(path), store)


async def test_an_export_that_has_changed_is_imported_anew(tmp_path: Path) -> None:
    path = await written_export(tmp_path / "export.jsonl")
    store = Broken()
    store.writes_left = 100
    with pytest.raises(StoreUnavailableError):
        await import_export(FileSource(path), store)
    path.write_bytes(path.read_bytes() + b"\nmore")

    report = await import_export(FileSource(path), store)

    assert len(await list_runs(store)) == 2
    assert report.records.read == COUNT + 6
