"""What a server says of its sizes is passed on; what it does not say is left out with a reason."""

import pytest

from app.store.mongo.store import MongoStore
from app.store.port import PartSizes
from tests.mongo.wire.server import Failure, WireServer, hangs_up_before, never_answers, refusal

PARTS = ["sessions", "segments", "chores", "ledgers", "documents", "meta"]
OF_COLLECTION = {
    "count": 3,
    "size": 1000.0,  # some servers send doubles
    "storageSize": 4096,
    "totalIndexSize": 300,
    "indexSizes": {"_id_": 100, "by_activity": 200},
    "ok": 1.0,
}


async def test_what_the_server_says_is_told(wire: WireServer, patient_store: MongoStore) -> None:
    wire.answers["collStats"] = OF_COLLECTION
    wire.answers["dbStats"] = {"fsTotalSize": 10_000, "fsUsedSize": 4000.0, "ok": 1.0}

    sizes = await patient_store.sizes()

    assert [part.name for part in sizes.parts] == PARTS
    assert sizes.parts[0] == PartSizes(
        "sessions", 3, 1000, 4096, 300, {"_id_": 100, "by_activity": 200}
    )
    assert sizes.sizes_bytes == {"store_disk": 10_000, "store_disk_used": 4000}
    assert sizes.unknown == {}


async def test_what_the_server_leaves_out_is_not_made_up(
    wire: WireServer, patient_store: MongoStore
) -> None:
    wire.answers["collStats"] = {"count": 3, "ok": 1.0}
    wire.answers["dbStats"] = {"dataSize": 5, "ok": 1.0}

    sizes = await patient_store.sizes()

    assert sizes.parts[0] == PartSizes("sessions", 3, None, None, None, {})
    assert sizes.sizes_bytes == {}
    assert set(sizes.unknown.values()) == {"The server does not say it."}


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (refusal(59), "The server has no collStats."),
        (refusal(26), "There is no such collection."),
        (refusal(13), "The database refuses the credentials, or they do not allow this."),
        (hangs_up_before, "The connection to the database broke."),
    ],
    ids=["no command", "no collection", "forbidden", "broken"],
)
async def test_one_answer_that_fails_leaves_the_others(
    wire: WireServer, patient_store: MongoStore, failure: Failure, reason: str
) -> None:
    wire.answers["collStats"] = OF_COLLECTION
    wire.answers["dbStats"] = {"fsTotalSize": 10_000, "fsUsedSize": 4000, "ok": 1.0}
    wire.fail_once("collStats", failure)

    sizes = await patient_store.sizes()

    assert sizes.unknown == {"sessions": reason}
    assert [part.name for part in sizes.parts] == PARTS[1:]
    assert sizes.sizes_bytes["store_disk"] == 10_000


async def test_a_server_that_does_not_answer_is_not_waited_for_long(
    wire: WireServer, wired_store: MongoStore
) -> None:
    wire.failures["collStats"] = never_answers

    sizes = await wired_store.sizes()  # the test has a timeout; the store's is half a second

    assert sizes.unknown.keys() == {*PARTS, "store_disk", "store_disk_used"}
    assert sizes.parts == []
