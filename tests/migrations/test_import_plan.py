"""The plan of an import counts what a run would then do, and writes nothing."""

from dataclasses import replace
from pathlib import Path

import pytest

from app.domain.limits import StoreLimits
from app.domain.source_options import SourceOptions
from app.formats.file_source import FileSource
from app.store.memory import MemoryStore
from app.store.port import SessionStore
from migrations.import_plan import plan_import
from migrations.importing import import_export
from migrations.ledger import list_runs
from migrations.outcomes import Outcome
from migrations.report import PlanReport
from migrations.space import ScratchStore
from tests.factories import ADA, KEY, make_message, make_new_session
from tests.fake_clock import instant
from tests.migrations.test_exports_come_back import OTHER, exported, imported, lived_store
from tests.migrations.test_imports_go_on import key_of

LATER, DELETED = key_of(1), key_of(2)


async def planned(
    path: Path, store: SessionStore, outcomes: list[Outcome] | None = None
) -> PlanReport:
    scratch = ScratchStore(MemoryStore(), path.parent)
    told = [] if outcomes is None else outcomes
    return await plan_import(FileSource(path), store, scratch, observer=told.append)


async def mixed(path: Path) -> Path:
    """Four sessions, one of them twice, and a damaged record."""
    source = await lived_store()
    await source.insert(make_new_session(LATER, generation="1" * 16))
    await source.insert(make_new_session(DELETED, generation="2" * 16))
    lines = (await exported(source, path)).read_bytes().splitlines()
    path.write_bytes(b"\n".join([*lines, b"damaged", lines[0]]))
    return path


async def test_an_empty_store_would_get_all(store: SessionStore, tmp_path: Path) -> None:
    path = await mixed(tmp_path / "export.jsonl")
    before = path.read_bytes()

    report = await planned(path, store)

    assert await store.list_keys() == []
    assert await list_runs(store) == []
    assert path.read_bytes() == before
    assert report.sessions == {"created": 4, "completed": 0, "unchanged": 0, "refused": 0}
    run = await imported(path, store)
    assert (report.records, report.sessions) == (run.records, run.sessions)
    assert report.messages_to_add == run.messages_added == 4
    assert report.records.reasons == {"exact_duplicate": 1, "malformed_json": 1}
    assert report.has_findings


async def test_what_is_there_is_told_as_a_run_tells_it(store: SessionStore, tmp_path: Path) -> None:
    path = await mixed(tmp_path / "export.jsonl")
    await store.insert(make_new_session(LATER, generation="1" * 16))
    await store.append(LATER, [make_message("new")], at=instant(20))
    await store.insert(make_new_session(KEY, generation="e" * 16))
    await store.insert(make_new_session(DELETED))
    await store.delete(DELETED, instant(1))
    before = [(await store.read(key)).to_json() for key in await store.list_keys()]
    outcomes: list[Outcome] = []

    report = await planned(path, store, outcomes)

    assert [(await store.read(key)).to_json() for key in await store.list_keys()] == before
    assert report.sessions == {"created": 1, "completed": 0, "unchanged": 1, "refused": 2}
    told = {one.code: one.session_id for one in outcomes}
    assert told["target_not_ours"] == KEY.session_id
    assert told["deleted_by_user"] == DELETED.session_id
    run = await imported(path, store)
    assert (report.records, report.sessions) == (run.records, run.sessions)


@pytest.mark.parametrize("is_same", [True, False])
async def test_a_session_that_comes_again_far_behind_is_told(tmp_path: Path, is_same: bool) -> None:
    source = MemoryStore()
    for number in range(210):
        await source.insert(make_new_session(key_of(number), generation=f"{number:016x}"))
    lines = (await all_of(source, tmp_path / "all.jsonl")).read_bytes().splitlines()
    again = lines[0] if is_same else lines[0].replace(b'"generation":"0', b'"generation":"f')
    assert (again == lines[0]) is is_same
    path = tmp_path / "export.jsonl"
    path.write_bytes(b"\n".join([*lines, again]))

    report = await planned(path, MemoryStore())

    run = await import_export(FileSource(path), MemoryStore())
    assert (report.records, report.sessions) == (run.records, run.sessions)
    assert report.sessions["created"] == 210


async def all_of(store: SessionStore, path: Path) -> Path:
    keys = await store.list_keys(limit=1000)
    path.write_bytes(b"\n".join([(await store.read(key)).to_json() for key in keys]))
    return path


async def test_a_message_that_no_store_keeps_is_told(tmp_path: Path) -> None:
    source = MemoryStore()
    await source.insert(make_new_session(KEY, messages=[make_message("m", "x" * 5000)]))
    await source.insert(make_new_session(OTHER, messages=[make_message("m", "x")]))
    path = await exported(source, tmp_path / "export.jsonl")
    narrow = MemoryStore(replace(StoreLimits(), message_bytes=4000))

    report = await planned(path, narrow)

    assert report.records.reasons == {"session_too_large": 1}
    run = await imported(path, narrow)
    assert (report.records, report.sessions) == (run.records, run.sessions)


async def test_only_one_user_is_planned(tmp_path: Path) -> None:
    source = await lived_store()
    await source.insert(make_new_session(key_of(0)))
    path = await exported(source, tmp_path / "export.jsonl")
    scratch = ScratchStore(MemoryStore(), tmp_path)

    report = await plan_import(
        FileSource(path), MemoryStore(), scratch, options=SourceOptions(user=ADA), free_bytes=1
    )

    assert (report.records.read, report.records.outside) == (2, 1)
    assert report.free_bytes == 1
    assert "import-export plan of" in report.to_text()
