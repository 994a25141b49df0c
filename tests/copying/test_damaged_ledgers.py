"""One damaged entry of a ledger is named by a copy, and left; all others come."""

import json
from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase

from app.domain.ledger import LedgerEntry, LedgerPlace
from app.store.comparing import compare_stores
from app.store.copy_report import CopyReport, DamagedEntry, Finding
from app.store.copying import copy_store
from app.store.memory import MemoryStore
from app.store.mongo.store import MongoStore
from app.store.port import SessionStore
from tests.copying.stores_of_kin import fill, kin_of
from tests.copying.test_ledgers_are_copied import COUNT, RUNS, note_runs
from tests.mongo.facade import database_in_memory

IN_SOURCE, IN_TARGET = Finding.DAMAGED_IN_SOURCE, Finding.DAMAGED_IN_TARGET
DAMAGES: list[dict[str, Any]] = [
    {"$set": {"parts": 7}},
    {"$set": {"revision": "one"}},
    {"$unset": {"body": ""}},
]
PLACES = [(RUNS[0], 0), (RUNS[0], 7), (RUNS[0], 19), (RUNS[1], COUNT - 1)]
"""The run itself, and entries within, at the end of a page, and at the very end."""


async def damaged(place: tuple[str, int], damage: dict[str, Any]) -> tuple[MemoryStore, MongoStore]:
    """A filled store, and one with all that it has, of which one entry cannot be decoded."""
    database: AsyncDatabase[dict[str, Any]] = database_in_memory()
    hurt = await MongoStore.over(database, segment_bytes=256 * 1024)
    whole = kin_of(hurt)
    await fill(whole)
    await note_runs(whole)
    await copy_store(whole, hurt)
    run_id, number = place
    await database["ledgers"].update_one({"_id": f"{run_id}/{number}"}, damage)
    return whole, hurt


async def places_of(store: SessionStore) -> set[LedgerPlace]:
    return set(await store.list_ledger_places())


@pytest.mark.parametrize(
    ("place", "damage"),
    [*((place, DAMAGES[0]) for place in PLACES), *((PLACES[1], one) for one in DAMAGES[1:])],
)
async def test_what_is_damaged_in_the_source_is_named_and_the_rest_is_copied(
    place: tuple[str, int], damage: dict[str, Any]
) -> None:
    whole, source = await damaged(place, damage)
    target = kin_of(whole)

    copied = await copy_store(source, target)
    compared = await compare_stores(source, target)

    (named,) = copied.damaged_ledger_entries.examples
    assert named == DamagedEntry(IN_SOURCE, *place)
    assert (copied.sessions, copied.ledger_entries) == (4, 2 * COUNT - 1)
    assert await places_of(target) == await places_of(whole) - {place}
    assert compared.damaged_ledger_entries.counts == {IN_SOURCE: 1}
    assert (compared.equal_ledger_entries, compared.different_ledger_entries) == (2 * COUNT - 1, 0)


@pytest.mark.parametrize("place", PLACES)
async def test_what_is_damaged_in_the_target_is_named_and_left(place: tuple[str, int]) -> None:
    source, target = await damaged(place, DAMAGES[0])
    newer = LedgerEntry(RUNS[0], COUNT, 1, b"{}", {})
    await source.put_ledger_entry(newer)

    copied = await copy_store(source, target)
    compared = await compare_stores(source, target)

    assert copied.damaged_ledger_entries.examples == [DamagedEntry(IN_TARGET, *place)]
    assert await target.read_ledger_entry(RUNS[0], COUNT) == newer
    assert copied.ledger_entries == 1
    assert compared.damaged_ledger_entries.counts == {IN_TARGET: 1}
    assert compared.equal_ledger_entries == 2 * COUNT


async def test_the_report_tells_where_the_damage_is() -> None:
    whole, source = await damaged((RUNS[0], 7), DAMAGES[0])
    target = kin_of(whole)
    copied = await copy_store(source, target)
    compared = await compare_stores(source, target)

    unverified = CopyReport("one", "other", 1.0, copied, None)
    report = CopyReport("one", "other", 1.0, copied, compared)

    assert unverified.has_findings
    assert "damaged ledger entries left: 1 damaged_in_source" in unverified.to_text()
    lines = report.to_text().splitlines()
    assert lines.count("    damaged_in_source: entry 7 of run 'a run'") == 2
    told = json.loads(report.to_json())["copied"]["damaged_ledger_entries"]
    assert told["examples"] == [{"finding": "damaged_in_source", "run_id": "a run", "number": 7}]


async def test_a_sound_copy_tells_of_no_damage() -> None:
    source = MemoryStore()
    await note_runs(source)
    copied = await copy_store(source, target := kin_of(source))
    compared = await compare_stores(source, target)

    report = CopyReport("one", "other", 1.0, copied, compared)

    assert not report.has_findings
    assert "damaged" not in report.to_text()
