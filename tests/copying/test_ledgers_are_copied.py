"""A copy carries what runs of folds have noted, and never puts an older state over a newer one."""

import json
from dataclasses import replace

import pytest

from app.domain.ledger import LedgerEntry
from app.store.comparing import compare_stores
from app.store.copy_report import CopyReport
from app.store.copying import copy_store
from app.store.memory import MemoryStore
from app.store.port import SessionStore
from tests.copying.stores_of_kin import kin_of
from tests.factories import ADA, BOB
from tests.fake_clock import START

PARTS = {ADA: b"of ada", BOB: b"of bob", "eve": b"of eve"}
RUNS = ("a run", "another run")
COUNT = 45
"""Entries of each run; more than a page."""


def make_entry(
    number: int = 0, revision: int = 1, *, run_id: str = RUNS[0], parts: dict[str, bytes] = PARTS
) -> LedgerEntry:
    return LedgerEntry(run_id, number, revision, b'{"number":%d}' % number, parts)


async def note_runs(store: SessionStore) -> None:
    """Entries of two runs, the last of which have had several states."""
    for run_id in RUNS:
        for number in range(COUNT):
            await store.put_ledger_entry(make_entry(number, run_id=run_id))
        await store.put_ledger_entry(make_entry(COUNT - 1, 2, run_id=run_id))


async def entries_of(store: SessionStore) -> list[LedgerEntry]:
    return [
        entry
        for run in await store.list_ledger_runs()
        for entry in await store.list_ledger_entries(run.run_id)
    ]


@pytest.fixture(params=["from memory", "into memory"])
async def two(
    request: pytest.FixtureRequest, store: SessionStore
) -> tuple[SessionStore, SessionStore]:
    """A source in which runs have noted something, and a target; one of them of every kind."""
    memory = kin_of(store)
    source, target = (memory, store) if request.param == "from memory" else (store, memory)
    await note_runs(source)
    return source, target


async def test_every_entry_comes_with_its_revision(two: tuple[SessionStore, SessionStore]) -> None:
    source, target = two

    copied = await copy_store(source, target)
    compared = await compare_stores(source, target)

    assert (copied.ledger_entries, copied.ledger_entries_left) == (2 * COUNT, 0)
    assert (compared.equal_ledger_entries, compared.different_ledger_entries) == (2 * COUNT, 0)
    assert len(await entries_of(target)) == 2 * COUNT
    assert await entries_of(target) == await entries_of(source)
    assert await target.read_ledger_entry(RUNS[1], COUNT - 1) == make_entry(
        COUNT - 1, 2, run_id=RUNS[1]
    )


async def test_a_second_copy_does_nothing(store: SessionStore) -> None:
    source = kin_of(store)
    await note_runs(source)
    await copy_store(source, store)
    before = await entries_of(store)

    copied = await copy_store(source, store)

    assert (copied.ledger_entries, copied.ledger_entries_left) == (0, 0)
    assert await entries_of(store) == before


async def test_what_was_noted_since_is_brought(store: SessionStore) -> None:
    source = kin_of(store)
    await note_runs(source)
    await copy_store(source, store)
    for revision in (2, 3):
        await source.put_ledger_entry(make_entry(0, revision, parts={}))
    await source.put_ledger_entry(make_entry(run_id="a new run"))

    copied = await copy_store(source, store)

    assert (copied.ledger_entries, copied.ledger_entries_left) == (2, 0)
    assert await entries_of(store) == await entries_of(source)


async def test_what_was_noted_in_the_target_since_stays(store: SessionStore) -> None:
    source = kin_of(store)
    await note_runs(source)
    await copy_store(source, store)
    later, other = make_entry(0, 2, parts={}), make_entry(1, 2, parts={ADA: b"in the target"})
    for entry in (later, other, make_entry(run_id="only in the target")):
        await store.put_ledger_entry(entry)
    await source.put_ledger_entry(make_entry(1, 2, parts={ADA: b"in the source"}))

    copied = await copy_store(source, store)
    compared = await compare_stores(source, store)

    assert (copied.ledger_entries, copied.ledger_entries_left) == (0, 2)
    assert await store.list_ledger_entries(RUNS[0], limit=2) == [later, other]
    assert (compared.equal_ledger_entries, compared.different_ledger_entries) == (2 * COUNT - 2, 3)


async def test_what_is_missing_is_different(store: SessionStore) -> None:
    source = kin_of(store)
    await note_runs(source)

    compared = await compare_stores(source, store)

    assert (compared.equal_ledger_entries, compared.different_ledger_entries) == (0, 2 * COUNT)


async def test_parts_of_users_erased_in_the_target_do_not_come_back(store: SessionStore) -> None:
    source = kin_of(store)
    await note_runs(source)
    await store.erase_user("eve", START)

    first = await copy_store(source, store)
    second = await copy_store(source, store)
    compared = await compare_stores(source, store)

    kept = {ADA: b"of ada", BOB: b"of bob"}
    assert (first.ledger_entries, second.ledger_entries) == (2 * COUNT, 0)
    assert second.ledger_entries_left == 0
    assert (compared.equal_ledger_entries, compared.different_ledger_entries) == (2 * COUNT, 0)
    assert all(entry.parts == kept for entry in await entries_of(store))


async def test_parts_of_users_erased_in_the_source_since_go_from_the_target(
    store: SessionStore,
) -> None:
    source = kin_of(store)
    await note_runs(source)
    await copy_store(source, store)
    await source.erase_user("eve", START)

    copied = await copy_store(source, store)

    assert (copied.ledger_entries, copied.ledger_entries_left) == (2 * COUNT, 0)
    assert await entries_of(store) == await entries_of(source)
    assert (await store.erase_user("eve", START)).ledger_part_count == 0


async def test_the_report_tells_of_entries_where_there_are_any() -> None:
    source, target = MemoryStore(), MemoryStore()
    await note_runs(source)
    copied = await copy_store(source, target)
    report = CopyReport("a", "b", 1.0, copied, await compare_stores(source, target))
    await target.put_ledger_entry(make_entry(0, 2))
    later = CopyReport(
        "a", "b", 1.0, await copy_store(source, target), await compare_stores(source, target)
    )

    assert not report.has_findings
    assert "ledger entries copied: 90\n" in report.to_text()
    assert "ledger entries that are equal: 90\n" in report.to_text()
    assert later.has_findings
    assert replace(later, compared=None).has_findings
    assert "ledger entries left as they are: 1\n" in later.to_text()
    assert "ledger entries that differ: 1\n" in later.to_text()
    assert json.loads(later.to_json())["copied"]["ledger_entries_left"] == 1
