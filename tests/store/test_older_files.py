"""A file that an older Chatfold has made opens, keeps what it has, and can do what is new."""

from pathlib import Path

import apsw
import pytest

from app.domain.ledger import LedgerEntry
from app.domain.owned_document import DocumentKey, OwnedDocument
from app.store.sqlite.store import SQLiteStore
from tests.factories import ADA, make_new_session
from tests.fake_clock import START
from tests.lived import live, lived_image

SINCE = {2: ("ledger_entry", "ledger_part"), 3: ("document",)}
"""Schema version → the tables that it has brought."""


def _make_older(path: Path, version: int) -> None:
    """Turn a file of today into an older one: the same without the tables that came since."""
    connection = apsw.Connection(str(path))
    for table in (table for came, tables in SINCE.items() if came > version for table in tables):
        connection.execute(f"DROP TABLE {table}")
    connection.pragma("user_version", version)
    connection.close()


@pytest.mark.parametrize("version", [1, 2])
async def test_an_older_file_gets_what_it_lacks_and_keeps_its_sessions(
    path: Path, version: int
) -> None:
    older = await SQLiteStore.open(path)
    await live(older)
    await older.erase_user("eve", START)
    await older.aclose()
    _make_older(path, version)

    store = await SQLiteStore.open(path)

    image = await lived_image()
    assert (await store.read_image(image.header.key)).digest() == image.digest()
    entry = LedgerEntry("run", 0, 1, b"{}", {ADA: b"of ada", "eve": b"of eve"})
    assert await store.put_ledger_entry(entry)
    assert await store.list_ledger_runs() == [entry.without_users({"eve"})]
    project = OwnedDocument.new(DocumentKey(ADA, "project", "p"), {}, group="", order="")
    assert await store.put_document(project, replaces=None)
    assert await store.list_document_keys() == [project.key]
    assert store.marking_secret == older.marking_secret
    await store.aclose()


@pytest.mark.parametrize("version", [1, 2])
async def test_it_has_the_very_layout_of_a_new_one(path: Path, version: int) -> None:
    store = await SQLiteStore.open(path)
    await store.insert(make_new_session())
    await store.aclose()
    before = _layout(path)
    _make_older(path, version)
    assert _layout(path) != before

    await (await SQLiteStore.open(path)).aclose()
    await (await SQLiteStore.open(path)).aclose()

    assert _layout(path) == before


def _layout(path: Path) -> tuple[object, list[tuple[object, ...]]]:
    connection = apsw.Connection(str(path))
    names = connection.execute("SELECT type, name, sql FROM sqlite_schema ORDER BY name").fetchall()
    version = connection.pragma("user_version")
    connection.close()
    return version, names
