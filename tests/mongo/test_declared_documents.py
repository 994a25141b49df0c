"""The declarations are true: whatever the store leaves in a database is what they say.

Every test of the contract that runs on a database in memory is held to this too (`kinds.py`).
"""

import pytest

from app.store.mongo.store import MongoStore
from tests.fake_clock import FakeClock
from tests.mongo import scenario
from tests.mongo.declared import Document, undeclared_in
from tests.mongo.facade import database_in_memory
from tests.mongo.kinds import SMALL_SEGMENT_BYTES


async def test_all_that_a_store_keeps_is_declared_at_each_stage_of_its_life() -> None:
    database = database_in_memory()
    clock = FakeClock()
    store = await MongoStore.over(database, segment_bytes=SMALL_SEGMENT_BYTES, clock=clock)
    findings = {"made": await undeclared_in(database)}

    for stage in (scenario.write, scenario.read, scenario.copy, scenario.fold, scenario.remove):
        await stage(store)
        await store.settle()
        findings[stage.__name__] = await undeclared_in(database)
    clock.advance(7200)
    await store.tidy()
    findings["tidy"] = await undeclared_in(database)
    await store.aclose()

    assert list(findings) == ["made", "write", "read", "copy", "fold", "remove", "tidy"]
    assert [finding for found in findings.values() for finding in found] == []
    assert await database["sessions"].count_documents({"deleted_at": None}) > 0
    assert await database["segments"].count_documents({}) > 0
    assert await database["ledgers"].count_documents({}) > 0


@pytest.mark.parametrize(
    ("collection", "change", "finding"),
    [
        ("sessions", {"other": 1}, "sessions SessionHead other: Extra inputs are not permitted"),
        ("sessions", {"revision": "1"}, "Input should be a valid integer"),
        ("sessions", {"messages.0.other": 1}, "messages.0.other: Extra inputs are not permitted"),
        ("segments", {"terms": None}, "segments Segment terms: Input should be a valid list"),
        ("meta", {"secret": "text"}, "meta Meta secret: Input should be a valid bytes"),
    ],
)
async def test_what_is_not_declared_is_found(
    collection: str, change: Document, finding: str
) -> None:
    database = database_in_memory()
    store = await MongoStore.over(database, segment_bytes=SMALL_SEGMENT_BYTES)
    await scenario.write(store)
    await store.settle()
    selected: Document = {} if collection == "meta" else {"user_id": "ada"}
    if "messages.0.other" in change:
        selected["messages.0"] = {"$exists": True}
    await database[collection].update_one(selected, {"$set": change})

    findings = await undeclared_in(database)
    await store.aclose()

    assert len(findings) == 1
    assert finding in findings[0]
