"""What is erased is overwritten in the file, not only left out of its tables."""

from pathlib import Path

from app.domain.ledger import LedgerEntry
from app.store.sqlite.store import SQLiteStore
from tests.factories import ADA, BOB
from tests.fake_clock import START

SECRET = b"what a run has noted of ada"


async def test_what_ledgers_say_of_a_user_is_overwritten(path: Path) -> None:
    store = await SQLiteStore.open(path)
    for number in range(20):
        parts = {ADA: SECRET * 100, BOB: b"of bob"}
        await store.put_ledger_entry(LedgerEntry("run", number, 1, b"{}", parts))
    await store.aclose()
    assert SECRET in _all_bytes(path)
    store = await SQLiteStore.open(path)

    erasure = await store.erase_user(ADA, START)
    await store.aclose()

    assert erasure.ledger_part_count == 20
    assert SECRET not in _all_bytes(path)
    assert b"of bob" in _all_bytes(path)


def _all_bytes(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in path.parent.iterdir())
