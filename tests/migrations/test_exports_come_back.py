"""An export that comes into an empty store is exported again as it was; again, it is a no-op."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.identity import SessionKey, Version
from app.domain.source_options import SourceOptions
from app.formats.chatfold_export import exported_image
from app.formats.faults import FaultError
from app.formats.file_source import FileSource
from app.store.memory import MemoryStore
from app.store.port import ReadSelection, SessionStore
from migrations.importing import import_export
from migrations.ledger import list_runs
from migrations.outcomes import Outcome
from migrations.report import RunReport
from migrations.rollback import roll_back
from migrations.verify_export import verify_export
from migrations.verify_report import VerifyReport
from tests.factories import KEY, make_message, make_new_session
from tests.fake_clock import instant
from tests.lived import GENERATION, live

OTHER = SessionKey(KEY.user_id, "another")


async def lived_store() -> MemoryStore:
    """A session with every kind of history, and an empty one."""
    source = MemoryStore()
    await live(source)
    await source.insert(make_new_session(OTHER, generation="f" * 16))
    return source


async def exported(store: SessionStore, path: Path) -> Path:
    """Every session of a store, as the service exports them."""
    lines = [(await store.read(key)).to_json() for key in await store.list_keys()]
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


async def imported(path: Path, store: SessionStore) -> RunReport:
    report = await import_export(FileSource(path), store)
    records = report.records
    assert records.read == records.folded + records.skipped + records.rejected
    return report


async def proof(path: Path, store: SessionStore) -> VerifyReport:
    return await verify_export("import-export", str(path), store)


async def test_an_empty_store_gives_the_same_export(store: SessionStore, tmp_path: Path) -> None:
    path = await exported(await lived_store(), tmp_path / "export.jsonl")

    report = await imported(path, store)

    assert (await exported(store, tmp_path / "again.jsonl")).read_bytes() == path.read_bytes()
    assert (report.records.read, report.records.folded) == (2, 2)
    assert report.sessions["created"] == 2
    assert report.messages_added == 4
    proven = await proof(path, store)
    assert (proven.differences, proven.sessions_equal) == ({}, 2)


async def test_importing_again_changes_nothing(store: SessionStore, tmp_path: Path) -> None:
    path = await exported(await lived_store(), tmp_path / "export.jsonl")
    await imported(path, store)

    report = await imported(path, store)

    assert (await exported(store, tmp_path / "again.jsonl")).read_bytes() == path.read_bytes()
    assert report.sessions == {"created": 0, "completed": 0, "unchanged": 2, "refused": 0}
    assert report.messages_added == 0


async def test_a_store_that_goes_on_is_left_alone(tmp_path: Path) -> None:
    store = await lived_store()
    path = await exported(store, tmp_path / "export.jsonl")
    await store.append(KEY, [make_message("new")], at=instant(20))
    before = (await store.read(KEY)).to_json()

    report = await imported(path, store)

    assert (await store.read(KEY)).to_json() == before
    assert report.sessions["unchanged"] == 2
    proven = await proof(path, store)
    assert proven.differences == {}
    assert [one["session_id"] for one in proven.written_since] == [KEY.session_id]


async def test_another_life_and_a_deleted_session_are_told(
    store: SessionStore, tmp_path: Path
) -> None:
    path = await exported(await lived_store(), tmp_path / "export.jsonl")
    await store.insert(make_new_session(KEY, generation="e" * 16))
    await store.insert(make_new_session(OTHER))
    await store.delete(OTHER, instant(1))

    report = await imported(path, store)

    assert report.records.reasons == {"target_not_ours": 1, "deleted_by_user": 1}
    assert list(await store.list_keys()) == [KEY]
    proven = await proof(path, store)
    assert (len(proven.not_ours), len(proven.deleted_since)) == (1, 1)


async def test_a_reader_of_an_older_copy_misses_nothing(
    store: SessionStore, tmp_path: Path
) -> None:
    path = await exported(await lived_store(), tmp_path / "export.jsonl")
    await imported(path, store)

    for revision in range(1, 7):
        since = ReadSelection(since=Version(GENERATION, revision))
        told = [message.id for message in (await store.read(KEY, since)).messages()]
        original = (await (await lived_store()).read(KEY, since)).messages()
        assert {message.id for message in original} <= set(told)


async def test_a_retry_of_an_unchanged_message_is_known(
    store: SessionStore, tmp_path: Path
) -> None:
    path = await exported(await lived_store(), tmp_path / "export.jsonl")
    await imported(path, store)
    last = make_message("m3", "会话的最后")

    appended = await store.append(KEY, [last], at=instant(30))

    assert json.loads(appended.messages_json[0])["seq"] == 3
    assert appended.version == Version(GENERATION, 7)


async def test_rollback_takes_back_what_came_in(store: SessionStore, tmp_path: Path) -> None:
    path = await exported(await lived_store(), tmp_path / "export.jsonl")
    await imported(path, store)
    (ledger,) = await list_runs(store)

    undone = await roll_back(ledger, store)

    assert await store.list_keys() == []
    assert undone.sessions["removed"] == 2
    assert await store.find_deleted([KEY, OTHER]) == set()


async def test_rollback_leaves_what_users_went_on_with(store: SessionStore, tmp_path: Path) -> None:
    path = await exported(await lived_store(), tmp_path / "export.jsonl")
    await imported(path, store)
    await store.append(KEY, [make_message("new")], at=instant(20))
    (ledger,) = await list_runs(store)

    undone = await roll_back(ledger, store)

    assert await store.list_keys() == [KEY]
    assert [one["session_id"] for one in undone.left] == [KEY.session_id]


async def test_only_one_session_is_imported(tmp_path: Path) -> None:
    path = await exported(await lived_store(), tmp_path / "export.jsonl")
    store = MemoryStore()

    report = await import_export(
        FileSource(path), store, options=SourceOptions(session=OTHER.session_id)
    )

    assert await store.list_keys() == [OTHER]
    assert (report.records.read, report.records.outside) == (1, 1)


async def test_what_is_damaged_is_told_and_nothing_else_suffers(tmp_path: Path) -> None:
    source = await lived_store()
    whole = (await source.read(KEY)).to_json()
    other = (await source.read(OTHER)).to_json()
    damaged = [
        whole[:-20],
        b"[1]",
        b'{"messages": []}',
        whole.replace(b'"seq":2', b'"seq":5'),
        whole.replace(b'"revision":7', b'"revision":1'),
        whole.replace(b'"message_count":3', b'"message_count":4'),
    ]
    path = tmp_path / "export.jsonl"
    path.write_bytes(b"\n".join([*damaged, other, other]))
    store = MemoryStore()
    outcomes: list[Outcome] = []

    report = await import_export(FileSource(path), store, observer=outcomes.append)

    assert await store.list_keys() == [OTHER]
    assert [(one.place, one.code) for one in outcomes] == [
        ("line 1", "malformed_json"),
        ("line 2", "not_an_object"),
        ("line 3", "damaged_session"),
        ("line 4", "damaged_session"),
        ("line 5", "damaged_session"),
        ("line 6", "damaged_session"),
        ("line 8", "exact_duplicate"),
    ]
    assert (report.records.read, report.records.folded, report.records.skipped) == (8, 1, 1)


async def test_verify_names_what_differs(tmp_path: Path) -> None:
    source = await lived_store()
    path = await exported(source, tmp_path / "export.jsonl")
    changed = path.read_bytes().replace(b"said at last", b"never said")
    (tmp_path / "changed.jsonl").write_bytes(changed)
    store = MemoryStore()
    await imported(tmp_path / "changed.jsonl", store)
    await store.take_back(OTHER, (await store.read(OTHER)).version)

    proven = await proof(path, store)

    assert proven.differences == {"session_differs": 1, "session_missing": 1}
    assert proven.examples[1].detail == "Not as exported: messages."


@given(st.binary() | st.text().map(str.encode))
def test_any_bytes_are_a_session_or_a_fault(raw: bytes) -> None:
    with pytest.raises(FaultError):
        exported_image(raw)
