"""Finish takes from an export just the sessions that came into the store; a rollback undoes it."""

import json
from pathlib import Path

import pytest

from app.clock import SystemClock
from app.domain.identity import SessionKey
from app.errors import RunStateError
from app.store.memory import MemoryStore
from app.store.port import SessionStore
from migrations.finish import FinishReport, finish
from migrations.finish_record import FinishManner
from migrations.jobs.import_export import IMPORT_EXPORT
from migrations.ledger import RunLedger, find_run
from migrations.proof import fingerprint_of, note_proof
from migrations.rollback import roll_back
from tests.factories import KEY, make_new_session
from tests.migrations.test_exports_come_back import OTHER, exported, imported, lived_store, proof

THIRD = SessionKey(KEY.user_id, "third")


async def mixed(path: Path) -> tuple[Path, list[bytes]]:
    """Three sessions, one of them twice, and a damaged one; the lines are told, too."""
    source = await lived_store()
    await source.insert(make_new_session(THIRD))
    lines = (await exported(source, path)).read_bytes().splitlines(keepends=True)
    lines = [*lines[:1], b'{"messages": 7}\n', *lines[1:], lines[0]]
    path.write_bytes(b"".join(lines))
    return path, lines


async def proven(path: Path, store: SessionStore) -> RunLedger:
    """An import that a verify has passed on."""
    report = await imported(path, store)
    seen = fingerprint_of(IMPORT_EXPORT, str(path))
    assert (await proof(path, store)).differences == {}
    noted = await note_proof(store, IMPORT_EXPORT, str(path), seen, SystemClock())
    assert noted is not None
    assert noted.run_id == report.run_id
    return noted


async def finished(ledger: RunLedger, path: Path, manner: FinishManner) -> FinishReport:
    return await finish(
        ledger, IMPORT_EXPORT, str(path), manner, backup_folder=path.parent / "backups"
    )


async def test_what_did_not_come_in_stays(store: SessionStore, tmp_path: Path) -> None:
    path, lines = await mixed(tmp_path / "export.jsonl")
    await store.insert(make_new_session(THIRD, generation="e" * 16))
    ledger = await proven(path, store)

    report = await finished(ledger, path, FinishManner.REMOVE)

    (of_third,) = [line for line in lines if b'"id":"third"' in line]
    assert sorted(path.read_bytes().splitlines(keepends=True)) == sorted([lines[1], of_third])
    assert (report.records_removed, report.records_left) == (3, 2)


@pytest.mark.parametrize("manner", list(FinishManner))
async def test_a_rollback_gives_the_export_back(
    store: SessionStore, tmp_path: Path, manner: FinishManner
) -> None:
    path, lines = await mixed(tmp_path / "export.jsonl")
    ledger = await proven(path, store)
    await finished(ledger, path, manner)

    undone = await roll_back(ledger, store)

    assert undone.is_source_back
    assert path.read_bytes() == b"".join(lines)
    assert await store.list_keys() == []


async def test_a_session_of_an_array_leaves_it(tmp_path: Path) -> None:
    source = await lived_store()
    sessions = [json.loads((await source.read(key)).to_json()) for key in (KEY, OTHER)]
    path = tmp_path / "export.json"
    path.write_text(json.dumps([sessions[0], "no session", sessions[1]]))
    ledger = await proven(path, MemoryStore())

    report = await finished(ledger, path, FinishManner.REMOVE)

    assert json.loads(path.read_bytes()) == ["no session"]
    assert (report.records_removed, report.records_left) == (2, 1)


async def test_an_import_must_be_verified_first(tmp_path: Path) -> None:
    path, lines = await mixed(tmp_path / "export.jsonl")
    store = MemoryStore()
    report = await imported(path, store)

    with pytest.raises(RunStateError, match="No verify"):
        await finished(await find_run(store, report.run_id), path, FinishManner.REMOVE)

    assert path.read_bytes() == b"".join(lines)
