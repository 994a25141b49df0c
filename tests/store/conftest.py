"""What the tests of the SQLite store share: a store whose file they know."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.store.sqlite.store import SQLiteStore


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "chats.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SQLiteStore]:
    store = await SQLiteStore.open(path)
    yield store
    await store.aclose()
