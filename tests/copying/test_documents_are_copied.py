"""A copy carries documents beside sessions, and never puts an older state over a newer one."""

import json
from pathlib import Path

import apsw
import pytest

from app.domain.owned_document import DocumentKey, OwnedDocument
from app.store.comparing import compare_stores
from app.store.copy_report import CopyReport
from app.store.copying import copy_store
from app.store.memory import MemoryStore
from app.store.port import SessionStore
from app.store.sqlite.store import SQLiteStore
from tests.copying.stores_of_kin import kin_of
from tests.factories import ADA, BOB
from tests.fake_clock import START

COUNT = 6


def make_document(number: int) -> OwnedDocument:
    key = DocumentKey((ADA, BOB)[number % 2], "project", f"p{number}")
    return OwnedDocument.new(key, {"n": number, "odd": {"a.b": 1.0}}, group="g", order=f"{number}")


@pytest.fixture(params=["from memory", "into memory"])
async def two(
    request: pytest.FixtureRequest, store: SessionStore
) -> tuple[SessionStore, SessionStore]:
    """A source with documents, and a target; one of them of every kind."""
    memory = kin_of(store)
    source, target = (memory, store) if request.param == "from memory" else (store, memory)
    for number in range(COUNT):
        await source.put_document(make_document(number), replaces=None)
    return source, target


async def all_of(store: SessionStore) -> list[OwnedDocument | None]:
    return [await store.read_document(key) for key in await store.list_document_keys()]


async def change(store: SessionStore, key: DocumentKey, title: str) -> OwnedDocument:
    document = await store.read_document(key)
    assert document is not None
    changed = document.changed({"title": title})
    assert await store.put_document(changed, replaces=document.version)
    return changed


async def test_every_document_comes_with_its_version(
    two: tuple[SessionStore, SessionStore],
) -> None:
    source, target = two

    first = await copy_store(source, target)
    changed = await change(source, make_document(2).key, "changed since")
    second = await copy_store(source, target)
    third = await copy_store(source, target)

    assert [one.documents for one in (first, second, third)] == [COUNT, 1, 0]
    assert third.documents_left == 0
    assert await all_of(target) == await all_of(source)
    assert await target.read_document(changed.key) == changed
    compared = await compare_stores(source, target)
    assert (compared.equal_documents, compared.different_documents) == (COUNT, 0)


async def test_what_the_target_has_of_its_own_stays(
    two: tuple[SessionStore, SessionStore],
) -> None:
    source, target = two
    await copy_store(source, target)
    later = await change(target, make_document(0).key, "of the target")
    gone = await source.read_document(make_document(2).key)
    assert gone is not None
    assert await source.remove_document(gone.key, gone.version)
    assert await source.put_document(make_document(2), replaces=None)  # made anew

    copied = await copy_store(source, target)
    compared = await compare_stores(source, target)

    assert (copied.documents, copied.documents_left) == (0, 2)
    assert await target.read_document(later.key) == later
    assert await target.read_document(gone.key) == gone
    assert (compared.equal_documents, compared.different_documents) == (COUNT - 2, 2)
    report = CopyReport("a", "b", 1.0, copied, compared)
    assert report.has_findings
    assert "documents left as they are: 2" in report.to_text()
    assert "documents that differ: 2" in report.to_text()
    assert json.loads(report.to_json())["copied"]["documents_left"] == 2


async def test_those_of_a_user_who_is_erased_there_do_not_come_back(
    two: tuple[SessionStore, SessionStore],
) -> None:
    source, target = two
    await target.erase_user(ADA, START)

    copied = await copy_store(source, target)

    assert (copied.documents, copied.documents_left) == (COUNT // 2, COUNT // 2)
    assert {key.user_id for key in await target.list_document_keys()} == {BOB}


async def test_those_that_an_erased_user_has_made_since_come_along(
    two: tuple[SessionStore, SessionStore],
) -> None:
    source, target = two
    await source.erase_user(ADA, START)
    made_since = make_document(0)
    assert await source.put_document(made_since, replaces=None)

    copied = await copy_store(source, target)

    assert (copied.documents, copied.documents_left) == (COUNT // 2 + 1, 0)
    assert await target.read_document(made_since.key) == made_since


async def test_a_damaged_document_does_not_end_the_copy(tmp_path: Path) -> None:
    source, target = await SQLiteStore.open(tmp_path / "source.db"), MemoryStore()
    for number in range(COUNT):
        await source.put_document(make_document(number), replaces=None)
    connection = apsw.Connection(str(tmp_path / "source.db"))
    connection.execute("UPDATE document SET body = CAST('{' AS BLOB) WHERE id = 'p1'")
    connection.close()

    copied = await copy_store(source, target)
    compared = await compare_stores(source, target)

    assert (copied.documents, copied.documents_left) == (COUNT - 1, 1)
    assert (compared.equal_documents, compared.different_documents) == (COUNT - 1, 1)
    await source.aclose()
