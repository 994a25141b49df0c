"""A finish takes from a live collection just what was folded; a rollback gives it back."""

import gzip
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import bson
import pytest
from bson.objectid import ObjectId
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.database import Database

from app.clock import SystemClock
from app.errors import RunStateError, SourceError
from app.formats.emptied_collection import EmptiedCollection
from app.store.memory import MemoryStore
from migrations.finish import FinishReport, finish, restore_source
from migrations.finish_record import FinishManner, FinishRecord, FinishStage
from migrations.jobs.group_messages import GROUP_MESSAGES
from migrations.ledger import RunLedger, RunState, find_run
from migrations.proof import fingerprint_of, note_proof
from migrations.rollback import roll_back
from migrations.runner import run
from migrations.spool import spool_path
from tests.engines.running import url_of
from tests.migrations.sources import at, document
from tests.mongo.kinds import with_options
from tests.stores import ENGINES

GOOD = [
    {"_id": ObjectId(), **document(f"m{n}", f"text {n}", created_at=at(n)), "more": {"a": n}}
    for n in range(6)
]
REJECTED = {"_id": "bad", **document("bad", created_at="never")}
RENAME, REMOVE, MARK = FinishManner.RENAME, FinishManner.REMOVE, FinishManner.MARK
Documents = Database[dict[str, Any]]


@pytest.fixture(params=ENGINES)
def engine_name(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def database_url(engine_name: str) -> str:
    parts = urlsplit(with_options(engine_name, url_of(engine_name)))
    return urlunsplit(parts._replace(path=f"/chatfold-test-finish-{secrets.token_hex(6)}"))


@pytest.fixture
def database(database_url: str) -> Iterator[Documents]:
    client: MongoClient[dict[str, Any]] = MongoClient(database_url)
    yield client.get_default_database()
    client.drop_database(client.get_default_database().name)
    client.close()


@pytest.fixture
def location(database_url: str) -> str:
    parts = urlsplit(database_url)
    return urlunsplit(parts._replace(path=f"{parts.path}.messages"))


@pytest.fixture
def messages(database: Documents) -> Collection[dict[str, Any]]:
    database["messages"].insert_many([*GOOD, REJECTED])
    return database["messages"]


class Killed(BaseException):
    """Nothing goes on after it."""


def all_of(collection: Collection[dict[str, Any]]) -> list[dict[str, Any]]:
    return list(collection.find({}, sort=[("_id", 1)]))


async def proven(location: str) -> RunLedger:
    store = MemoryStore()
    report = await run(GROUP_MESSAGES, GROUP_MESSAGES.open(location), store)
    seen = fingerprint_of(GROUP_MESSAGES, location)
    assert await note_proof(store, GROUP_MESSAGES, location, seen, SystemClock())
    return await find_run(store, report.run_id)


async def finished(
    ledger: RunLedger, location: str, manner: FinishManner, **options: Any
) -> FinishReport:
    return await finish(ledger, GROUP_MESSAGES, location, manner, **options)


async def test_what_was_folded_goes_and_comes_back(
    messages: Collection[dict[str, Any]], location: str, tmp_path: Path
) -> None:
    assert all_of(messages) == [REJECTED, *GOOD]
    ledger = await proven(location)

    report = await finished(ledger, location, REMOVE, backup_folder=tmp_path)

    assert all_of(messages) == [REJECTED]
    assert (report.records_removed, report.records_left) == (6, 1)
    backup = Path(report.backup or "")
    assert backup.name == f"messages_migrated_{ledger.run_id}.bson.gz"
    kept = bson.decode_all(gzip.decompress(backup.read_bytes()))
    assert kept == GOOD
    messages.insert_one({"_id": "new"})
    await roll_back(ledger, ledger.store)
    assert await ledger.store.list_keys() == []
    assert all_of(messages) == [REJECTED, {"_id": "new"}, *GOOD]


async def test_a_document_that_was_changed_meanwhile_stays(
    messages: Collection[dict[str, Any]],
    location: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ledger = await proven(location)
    remove = EmptiedCollection.remove

    def change_first(self: EmptiedCollection, documents: Sequence[bytes]) -> int:
        messages.update_one({"_id": GOOD[2]["_id"]}, {"$set": {"more": {"a": "changed"}}})
        return remove(self, documents)

    monkeypatch.setattr(EmptiedCollection, "remove", change_first)

    report = await finished(ledger, location, REMOVE, backup_folder=tmp_path)

    assert all_of(messages) == [REJECTED, {**GOOD[2], "more": {"a": "changed"}}]
    assert (report.records_removed, report.records_left) == (5, 2)


async def test_a_document_that_is_changed_while_it_goes_stays(
    messages: Collection[dict[str, Any]],
    location: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ledger = await proven(location)
    write = Collection.bulk_write

    def change_first(self: Collection[dict[str, Any]], *args: Any, **options: Any) -> Any:
        messages.update_one({"_id": GOOD[2]["_id"]}, {"$set": {"content": "changed"}})
        return write(self, *args, **options)

    monkeypatch.setattr(Collection, "bulk_write", change_first)

    report = await finished(ledger, location, REMOVE, backup_folder=tmp_path)

    assert all_of(messages) == [REJECTED, {**GOOD[2], "content": "changed"}]
    assert (report.records_removed, report.records_left) == (5, 2)


async def test_a_renamed_collection_comes_back(
    messages: Collection[dict[str, Any]], database: Documents, location: str
) -> None:
    before = all_of(messages)
    ledger = await proven(location)

    report = await finished(ledger, location, RENAME)

    aside = f"messages_migrated_{ledger.run_id}"
    assert report.aside == aside
    assert database.list_collection_names() == [aside]
    assert all_of(database[aside]) == before
    assert await restore_source(ledger)
    assert database.list_collection_names() == ["messages"]
    assert all_of(messages) == before


async def test_a_new_collection_in_the_place_of_a_renamed_one_is_left_alone(
    messages: Collection[dict[str, Any]], location: str
) -> None:
    ledger = await proven(location)
    await finished(ledger, location, RENAME)
    messages.insert_one({"_id": "new"})

    with pytest.raises(RunStateError, match="new collection"):
        await restore_source(ledger)

    assert messages.find_one({"_id": "new"}) == {"_id": "new"}


@pytest.mark.parametrize("manner", list(FinishManner))
async def test_a_dry_finish_and_a_mark_write_nothing(
    messages: Collection[dict[str, Any]],
    database: Documents,
    location: str,
    tmp_path: Path,
    manner: FinishManner,
) -> None:
    before = all_of(messages)
    ledger = await proven(location)

    report = await finished(ledger, location, manner, backup_folder=tmp_path, is_dry=True)

    assert (report.records_removed, report.records_left) == (6, 1)
    assert ledger.record.state is RunState.DONE
    await finished(ledger, location, MARK, backup_folder=tmp_path)
    assert await restore_source(ledger)
    assert (all_of(messages), database.list_collection_names()) == (before, ["messages"])
    assert list(tmp_path.iterdir()) == []


async def test_a_text_that_was_changed_since_the_verify_stops_it(
    messages: Collection[dict[str, Any]], location: str, tmp_path: Path
) -> None:
    ledger = await proven(location)
    messages.update_one({"_id": GOOD[2]["_id"]}, {"$set": {"content": "changed"}})
    before = all_of(messages)

    with pytest.raises(RunStateError, match="has changed since"):
        await finished(ledger, location, REMOVE, backup_folder=tmp_path)

    assert all_of(messages) == before


async def test_a_killed_finish_goes_on_and_leaves_what_was_changed(
    messages: Collection[dict[str, Any]],
    location: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ledger = await proven(location)

    def fail(_self: EmptiedCollection, documents: list[bytes]) -> int:
        messages.delete_one({"_id": bson.decode(documents[0])["_id"]})
        raise SourceError("The server is gone.")

    with monkeypatch.context() as patch:
        patch.setattr(EmptiedCollection, "remove", fail)
        with pytest.raises(SourceError):
            await finished(ledger, location, REMOVE, backup_folder=tmp_path)
    assert FinishRecord.model_validate(ledger.record.finish).stage is FinishStage.READY
    messages.update_one({"_id": GOOD[3]["_id"]}, {"$set": {"content": "changed"}})

    report = await finished(ledger, location, REMOVE, backup_folder=tmp_path)

    assert (report.records_removed, report.records_left) == (5, 2)
    assert all_of(messages) == [REJECTED, {**GOOD[3], "content": "changed"}]


async def test_without_a_backup_nothing_is_kept_and_nothing_comes_back(
    messages: Collection[dict[str, Any]], location: str
) -> None:
    ledger = await proven(location)

    report = await finished(ledger, location, REMOVE)

    assert all_of(messages) == [REJECTED]
    assert report.backup is None
    assert not spool_path(ledger.run_id).with_suffix(".bson.gz").exists()
    with pytest.raises(RunStateError, match="no backup"):
        await roll_back(ledger, ledger.store)
    assert len(await ledger.store.list_keys()) == 1


async def test_a_finish_without_a_backup_that_is_killed_as_it_ends_goes_on(
    messages: Collection[dict[str, Any]], location: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Just before the ledger says so, and just after it, when only what was kept is left."""
    ledger = await proven(location)
    kept = spool_path(ledger.run_id).with_suffix(".bson.gz")
    change = RunLedger.change

    async def die_before(self: RunLedger, **members: Any) -> None:
        if members.get("state") is RunState.FINISHED:
            raise Killed
        await change(self, **members)

    async def die_after(self: RunLedger, **members: Any) -> None:
        await change(self, **members)
        if members.get("state") is RunState.FINISHED:
            raise Killed

    for die in (die_before, die_after):
        with monkeypatch.context() as patch:
            patch.setattr(RunLedger, "change", die)
            with pytest.raises(Killed):
                await finished(ledger, location, REMOVE)
        assert kept.exists()
    assert (ledger.record.state, all_of(messages)) == (RunState.FINISHED, [REJECTED])
    assert FinishRecord.model_validate(ledger.record.finish).backup is None

    with pytest.raises(RunStateError, match="finished already"):
        await finished(ledger, location, REMOVE)

    assert not kept.exists()


async def test_a_restoring_that_is_killed_as_it_ends_can_be_repeated(
    messages: Collection[dict[str, Any]], location: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = all_of(messages)
    ledger = await proven(location)
    kept = spool_path(ledger.run_id).with_suffix(".bson.gz")
    change = RunLedger.change

    async def die(self: RunLedger, **members: Any) -> None:
        stage = members.get("finish", {}).get("stage")
        if stage in {FinishStage.DONE, FinishStage.RESTORED}:
            raise Killed
        await change(self, **members)

    with monkeypatch.context() as patch:
        patch.setattr(RunLedger, "change", die)
        with pytest.raises(Killed):
            await finished(ledger, location, REMOVE)
        with pytest.raises(Killed):
            await restore_source(ledger, location)
    assert kept.exists()

    assert await restore_source(ledger, location)
    assert not await restore_source(ledger, location)
    assert (all_of(messages), kept.exists()) == (before, False)


async def test_many_documents_go_and_come_back(
    database: Documents, location: str, tmp_path: Path
) -> None:
    many = [
        {"_id": n, **document(f"m{n}", f"text {n}", created_at=1_704_110_400_000 + n)}
        for n in range(1200)
    ]
    database["messages"].insert_many(many)
    ledger = await proven(location)

    await finished(ledger, location, REMOVE, backup_folder=tmp_path)

    assert all_of(database["messages"]) == []
    assert await restore_source(ledger, location)
    assert all_of(database["messages"]) == many
