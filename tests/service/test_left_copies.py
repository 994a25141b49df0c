"""An erasure's receipt names the copies that finished migrations keep of their sources."""

from pathlib import Path

import pytest

from app.domain.ledger import LedgerEntry
from app.errors import CorruptDocumentError
from app.service.left_copies import left_copies
from app.service.read_cache import ReadCache
from app.service.users import UserService
from app.store.memory import MemoryStore
from app.store.port import SessionStore
from migrations.finish import restore_source
from migrations.finish_record import FinishManner
from tests.fake_clock import FakeClock
from tests.migrations.sources import write_source
from tests.migrations.test_finish import GOOD, finished, folded, mixed, proven

REMOVE, RENAME, MARK = FinishManner.REMOVE, FinishManner.RENAME, FinishManner.MARK


async def erased(store: SessionStore) -> tuple[str, ...]:
    """What a receipt says that was not reached."""
    receipt = await UserService(store, FakeClock(), ReadCache(0)).erase("ada")
    return receipt.erasure.not_reached


@pytest.mark.parametrize(
    ("manner", "what"),
    [
        (RENAME, "The source of migration {}, which has the name source.jsonl.migrated_{} now"),
        (MARK, "The source of migration {}, which stays as it was"),
        (REMOVE, "What migration {} has left in its source"),
    ],
)
async def test_a_receipt_names_what_a_finish_has_left(
    store: SessionStore, tmp_path: Path, manner: FinishManner, what: str
) -> None:
    path = mixed(tmp_path / "source.jsonl")
    ledger = await proven(path, store)
    await finished(ledger, path, manner, backup_folder=tmp_path / "backups")

    not_reached = await erased(store)

    run_id, may_hold = ledger.run_id, ", which may hold messages of the user."
    copies = [one for one in not_reached if run_id in one]
    assert copies == [
        f"The backup source.jsonl.{run_id}.gz of migration {run_id}{may_hold}",
        what.format(run_id, run_id) + may_hold,
    ]
    assert str(tmp_path) not in " ".join(not_reached)


async def test_what_was_removed_without_a_backup_is_nowhere(tmp_path: Path) -> None:
    store = MemoryStore()
    path = write_source(tmp_path / "source.jsonl", GOOD)
    ledger = await proven(path, store)
    await finished(ledger, path, REMOVE)

    assert await left_copies(store) == []


async def test_a_source_that_was_given_back_is_no_copy_of_ours(tmp_path: Path) -> None:
    store = MemoryStore()
    path = mixed(tmp_path / "source.jsonl")
    await folded(path, store)
    ledger = await proven(path, store)
    await finished(ledger, path, RENAME)
    assert len(await left_copies(store)) == 1

    await restore_source(ledger)

    assert await left_copies(store) == []


async def test_a_damaged_ledger_hinders_no_erasure(store: SessionStore, tmp_path: Path) -> None:
    await proven(mixed(tmp_path / "source.jsonl"), store)
    await store.put_ledger_entry(LedgerEntry("damaged", 0, 1, b'{"finish": 1}', {}))

    not_reached = await erased(store)

    assert "Copies that migration damaged may keep: its ledger is damaged." in not_reached
    assert await store.list_keys() == []


async def test_an_entry_that_cannot_be_decoded_hinders_none_either() -> None:
    class Damaged(MemoryStore):
        async def list_ledger_runs(self) -> list[LedgerEntry]:
            raise CorruptDocumentError("ledger entry")

    assert await left_copies(Damaged()) == [
        "Copies that migrations may keep: the ledger of one is damaged."
    ]
