"""Finish takes from a source just what was folded and verified; a rollback gives it back."""

import gzip
import json
import os
from pathlib import Path
from typing import Any

import bson
import pytest

from app.clock import SystemClock
from app.domain.source_options import AS_IT_IS, SourceOptions
from app.errors import MigrationError, RunBusyError, RunStateError
from app.store.memory import MemoryStore
from app.store.port import SessionStore
from migrations.finish import FinishReport, finish, restore_source
from migrations.finish_record import FinishManner
from migrations.jobs.fold_sessions import FOLD_SESSIONS
from migrations.jobs.group_messages import GROUP_MESSAGES
from migrations.ledger import Holder, RunLedger, RunState, find_run
from migrations.proof import fingerprint_of, note_proof
from migrations.runner import Manner, run
from tests.fake_clock import FakeClock
from tests.migrations.sources import at, document, write_source

GOOD = [document(f"m{number}", f"text {number}", created_at=at(number)) for number in range(6)]
REJECTED = document("bad", created_at="never")
RENAME, REMOVE, MARK = FinishManner.RENAME, FinishManner.REMOVE, FinishManner.MARK


async def folded(
    path: Path, store: SessionStore, options: SourceOptions = AS_IT_IS, part_records: int = 10_000
) -> RunLedger:
    job = GROUP_MESSAGES.told(options)
    report = await run(job, job.open(str(path)), store, manner=Manner(part_records=part_records))
    return await find_run(store, report.run_id)


async def proven(
    path: Path, store: SessionStore, options: SourceOptions = AS_IT_IS, part_records: int = 10_000
) -> RunLedger:
    """A run that a verify has passed on."""
    ledger = await folded(path, store, options, part_records)
    job = GROUP_MESSAGES.told(options)
    seen = fingerprint_of(job, str(path))
    noted = await note_proof(store, job, str(path), seen, SystemClock())
    assert noted is not None
    assert noted.run_id == ledger.run_id
    return noted


async def finished(
    ledger: RunLedger, path: Path, manner: FinishManner, **options: Any
) -> FinishReport:
    return await finish(ledger, GROUP_MESSAGES, str(path), manner, **options)


def mixed(path: Path) -> Path:
    """Six good lines, a duplicate, and three that are rejected, with blank lines between."""
    lines: list[dict[str, Any] | bytes] = [
        *GOOD[:3],
        b"",
        b"not JSON",
        GOOD[0],
        REJECTED,
        *GOOD[3:],
        b'["neither"]  ',
    ]
    return write_source(path, lines)


STAYS = b"not JSON\n" + json.dumps(REJECTED).encode() + b'\n["neither"]  \n'


async def test_a_finished_source_has_another_name(store: SessionStore, tmp_path: Path) -> None:
    path = mixed(tmp_path / "source.jsonl")
    before = path.read_bytes()
    ledger = await proven(path, store)

    report = await finished(ledger, path, RENAME)

    aside = tmp_path / f"source.jsonl.migrated_{ledger.run_id}"
    assert list(tmp_path.glob("*.jsonl*")) == [aside]
    assert aside.read_bytes() == before
    assert (report.aside, report.backup) == (str(aside), None)
    assert (report.records_removed, report.records_left) == (7, 3)
    assert (await find_run(store, ledger.run_id)).record.state is RunState.FINISHED


async def test_what_was_not_folded_stays(store: SessionStore, tmp_path: Path) -> None:
    path = mixed(tmp_path / "source.jsonl")
    path.chmod(0o640)
    before = path.read_bytes()
    ledger = await proven(path, store)

    report = await finished(ledger, path, REMOVE, backup_folder=tmp_path / "backups")

    assert path.read_bytes() == STAYS
    assert path.stat().st_mode & 0o777 == 0o640
    assert (report.records_removed, report.records_left) == (7, 3)
    assert report.backup == str(tmp_path / "backups" / f"source.jsonl.{ledger.run_id}.gz")
    backup = Path(report.backup)
    assert gzip.decompress(backup.read_bytes()) == before
    assert backup.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.glob(".*")] == []


async def test_a_file_of_which_nothing_stays_goes(tmp_path: Path) -> None:
    path = write_source(tmp_path / "source.jsonl", [*GOOD, b"", b" "])
    ledger = await proven(path, MemoryStore())

    report = await finished(ledger, path, REMOVE)

    assert not path.exists()
    assert (report.records_removed, report.records_left) == (6, 0)


async def test_a_mark_leaves_the_source(tmp_path: Path) -> None:
    path = mixed(tmp_path / "source.jsonl")
    before = path.read_bytes()
    ledger = await proven(path, MemoryStore())

    report = await finished(ledger, path, MARK)

    assert path.read_bytes() == before
    assert report.aside is not None
    note = json.loads(Path(report.aside).read_bytes())
    assert (note["run"], note["records_folded"]) == (ledger.run_id, 7)


@pytest.mark.parametrize("manner", list(FinishManner))
async def test_what_is_given_back_is_what_it_was(
    store: SessionStore, tmp_path: Path, manner: FinishManner
) -> None:
    folder = tmp_path / "source"
    folder.mkdir()
    path = mixed(folder / "source.jsonl")
    path.chmod(0o604)
    os.utime(path, ns=(1, 1_700_000_000_123_456_789))
    before, fingerprint = path.read_bytes(), fingerprint_of(GROUP_MESSAGES, str(path))
    ledger = await proven(path, store)
    await finished(ledger, path, manner, backup_folder=tmp_path / "backups")

    assert await restore_source(ledger)

    assert list(folder.iterdir()) == [path]
    assert path.read_bytes() == before
    assert fingerprint_of(GROUP_MESSAGES, str(path)) == fingerprint
    assert path.stat().st_mode & 0o777 == 0o604
    assert not await restore_source(ledger)


@pytest.mark.parametrize("manner", list(FinishManner))
async def test_a_dry_finish_and_a_dry_restore_touch_nothing(
    tmp_path: Path, manner: FinishManner
) -> None:
    folder = tmp_path / "source"
    folder.mkdir()
    path = mixed(folder / "source.jsonl")
    before = path.read_bytes()
    ledger = await proven(path, MemoryStore())
    backups = tmp_path / "backups"

    report = await finished(ledger, path, manner, backup_folder=backups, is_dry=True)

    assert (report.records_removed, report.records_left, report.backup) == (7, 3, str(backups))
    assert list(folder.iterdir()) == [path]
    assert path.read_bytes() == before
    assert not backups.exists()
    assert ledger.record.state is RunState.DONE
    await finished(ledger, path, manner, backup_folder=backups)
    after = {file: file.read_bytes() for file in folder.iterdir()}
    assert await restore_source(ledger, is_dry=True)
    assert {file: file.read_bytes() for file in folder.iterdir()} == after


def as_array(documents: list[dict[str, Any]]) -> bytes:
    return json.dumps(documents).encode()


def as_bson(documents: list[dict[str, Any]]) -> bytes:
    return b"".join(map(bson.encode, documents))


@pytest.mark.parametrize(
    ("name", "written", "left"),
    [
        ("a.json", as_array([*GOOD, REJECTED]), b"[\n%b\n]\n" % json.dumps(REJECTED).encode()),
        ("a.bson", as_bson([*GOOD, REJECTED]), bson.encode(REJECTED)),
        ("a.bson", as_bson(GOOD) + b"\xff\xff\xff\xff", b"\xff\xff\xff\xff"),
    ],
)
@pytest.mark.parametrize("is_compressed", [False, True])
async def test_every_form_of_file_keeps_its_form(
    tmp_path: Path, name: str, written: bytes, left: bytes, is_compressed: bool
) -> None:
    path = tmp_path / (name + ".gz" * is_compressed)
    path.write_bytes(gzip.compress(written) if is_compressed else written)
    before = path.read_bytes()
    ledger = await proven(path, MemoryStore())

    report = await finished(ledger, path, REMOVE, backup_folder=tmp_path / "backups")

    after = path.read_bytes()
    assert (gzip.decompress(after) if is_compressed else after) == left
    assert (report.records_removed, report.records_left) == (6, 1)
    again = await folded(path, MemoryStore())
    assert again.record.records_read == 1
    assert await restore_source(ledger)
    assert path.read_bytes() == before


async def test_a_document_of_many_messages_goes_only_whole(tmp_path: Path) -> None:
    messages = [
        {"id": f"m{n}", "role": "user", "content": "x", "created_at": at(n)} for n in (1, 2)
    ]
    whole = {"id": "whole", "user_id": "ada", "created_at": at(0), "messages": messages}
    torn = {**whole, "id": "torn", "messages": [*messages, {"id": "m3", "content": 5}]}
    path = write_source(tmp_path / "sessions.jsonl", [whole, torn, {**whole, "id": "other"}])
    before = path.read_bytes()
    store = MemoryStore()
    await run(FOLD_SESSIONS, FOLD_SESSIONS.open(str(path)), store)
    seen = fingerprint_of(FOLD_SESSIONS, str(path))
    ledger = await note_proof(store, FOLD_SESSIONS, str(path), seen, SystemClock())
    assert ledger is not None

    report = await finish(
        ledger, FOLD_SESSIONS, str(path), REMOVE, backup_folder=tmp_path / "backups"
    )

    assert (report.records_removed, report.records_left) == (2, 1)
    assert json.loads(path.read_bytes()) == torn
    assert await restore_source(ledger)
    assert path.read_bytes() == before


async def test_what_a_run_was_not_asked_for_stays(tmp_path: Path) -> None:
    others = [document("o1", session_id="other"), document("o2", user_id="bob")]
    path = write_source(tmp_path / "source.jsonl", [*GOOD[:2], *others, *GOOD[2:]])
    options = SourceOptions(user="ada", session="s1", limit=5)
    ledger = await proven(path, MemoryStore(), options)

    await finished(ledger, path, REMOVE)

    staying = [*others, *GOOD[3:]]
    assert [json.loads(line) for line in path.read_bytes().splitlines()] == staying


async def test_a_session_in_parts_leaves_whole(tmp_path: Path) -> None:
    path = write_source(tmp_path / "source.jsonl", GOOD)
    ledger = await proven(path, MemoryStore(), part_records=2)

    report = await finished(ledger, path, REMOVE)

    assert (report.records_removed, report.records_left) == (6, 0)


async def test_records_of_an_erased_user_stay(store: SessionStore, tmp_path: Path) -> None:
    theirs = document("t", user_id="bob")
    path = write_source(tmp_path / "source.jsonl", [*GOOD, theirs])
    ledger = await proven(path, store)
    await store.erase_user("bob", FakeClock().now())

    report = await finished(ledger, path, REMOVE)

    assert (report.records_removed, report.records_left) == (6, 1)
    assert json.loads(path.read_bytes()) == theirs


async def test_a_run_must_be_verified_first(store: SessionStore, tmp_path: Path) -> None:
    path = mixed(tmp_path / "source.jsonl")
    before = path.read_bytes()
    ledger = await folded(path, store)

    with pytest.raises(RunStateError, match="No verify"):
        await finished(ledger, path, REMOVE)

    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        (RunState.RUNNING, "not at its end"),
        (RunState.FINISHED, "finished already"),
        (RunState.ROLLING_BACK, "being rolled back"),
        (RunState.ROLLED_BACK, "is rolled back"),
    ],
)
async def test_a_run_in_another_state_is_refused(
    tmp_path: Path, state: RunState, sentence: str
) -> None:
    path = mixed(tmp_path / "source.jsonl")
    ledger = await proven(path, MemoryStore())
    await ledger.change(state=state)

    with pytest.raises(RunStateError, match=sentence):
        await finished(ledger, path, REMOVE)

    assert path.exists()


async def test_a_run_that_another_process_works_on_is_refused(tmp_path: Path) -> None:
    path = mixed(tmp_path / "source.jsonl")
    ledger = await proven(path, MemoryStore())
    await ledger.change(holder=Holder(host="elsewhere", process_id=1, began_at_seconds=0))

    with pytest.raises(RunBusyError):
        await finished(ledger, path, REMOVE)

    await finished(ledger, path, RENAME, takes_over=True)
    assert ledger.record.state is RunState.FINISHED


async def test_a_source_that_has_changed_is_left_alone(tmp_path: Path) -> None:
    path = mixed(tmp_path / "source.jsonl")
    ledger = await proven(path, MemoryStore())
    with path.open("ab") as file:
        file.write(json.dumps(document("new")).encode())
    changed = path.read_bytes()

    with pytest.raises(RunStateError, match="has changed since"):
        await finished(ledger, path, REMOVE)

    assert path.read_bytes() == changed
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("manner", "said", "changed", "message"),
    [
        (REMOVE, b'"text 3"', b'"text 4"', "has changed since"),
        (REMOVE, b'"m3", "session_id": "s1"', b'"m3", "session_id": "s2"', "has changed since"),
        (
            RENAME,
            b'"m3", "session_id": "s1"',
            b'"m3", "session_id": "s2"',
            "does not have what the ledger",
        ),
    ],
)
async def test_an_edit_that_was_made_to_look_like_none_stops_everything(
    tmp_path: Path, manner: FinishManner, said: bytes, changed: bytes, message: str
) -> None:
    """Size and date are what they were, and so are the first and the last bytes."""
    more = [document(f"x{number}", "x" * 60_000, session_id="long") for number in range(4)]
    path = write_source(tmp_path / "source.jsonl", [*more, *GOOD, *more])
    ledger = await proven(path, MemoryStore())
    stat = path.stat()
    assert path.read_bytes().count(said) == 1
    edited = path.read_bytes().replace(said, changed)
    path.write_bytes(edited)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert fingerprint_of(GROUP_MESSAGES, str(path)) == ledger.record.verified_fingerprint

    with pytest.raises(RunStateError, match=message):
        await finished(ledger, path, manner, backup_folder=tmp_path / "backups")

    assert path.read_bytes() == edited
    assert list(tmp_path.glob(".*")) == []


async def test_a_name_that_is_taken_is_not_taken_again(tmp_path: Path) -> None:
    path = mixed(tmp_path / "source.jsonl")
    ledger = await proven(path, MemoryStore())
    taken = tmp_path / f"source.jsonl.migrated_{ledger.run_id}"
    taken.write_text("theirs")

    with pytest.raises(RunStateError, match="is there already"):
        await finished(ledger, path, RENAME)

    assert (taken.read_text(), path.exists()) == ("theirs", True)


async def test_a_run_of_another_job_is_refused(tmp_path: Path) -> None:
    path = mixed(tmp_path / "source.jsonl")
    ledger = await proven(path, MemoryStore())
    await ledger.change(job="another")

    with pytest.raises(RunStateError, match="is one of another"):
        await finished(ledger, path, REMOVE)


async def test_what_has_no_backup_cannot_be_given_back(tmp_path: Path) -> None:
    path = mixed(tmp_path / "source.jsonl")
    ledger = await proven(path, MemoryStore())
    await finished(ledger, path, REMOVE)

    for is_dry in (True, False):
        with pytest.raises(RunStateError, match="there is no backup"):
            await restore_source(ledger, is_dry=is_dry)

    assert path.read_bytes() == STAYS


async def test_a_damaged_backup_is_not_given_back(tmp_path: Path) -> None:
    path = mixed(tmp_path / "source.jsonl")
    ledger = await proven(path, MemoryStore())
    report = await finished(ledger, path, REMOVE, backup_folder=tmp_path / "backups")
    backup = Path(report.backup or "")
    whole = backup.read_bytes()
    for damaged in (whole[:-9], whole[:40] + b"\0\0\0" + whole[43:], b"", gzip.compress(b"other")):
        backup.write_bytes(damaged)

        with pytest.raises(RunStateError, match="gone or damaged"):
            await restore_source(ledger)

        assert path.read_bytes() == STAYS
    backup.unlink()
    with pytest.raises(RunStateError, match="gone or damaged"):
        await restore_source(ledger)


async def test_what_was_written_in_the_place_since_is_not_overwritten(tmp_path: Path) -> None:
    path = mixed(tmp_path / "source.jsonl")
    before = path.read_bytes()
    ledger = await proven(path, MemoryStore())
    await finished(ledger, path, REMOVE, backup_folder=tmp_path / "backups")
    path.write_bytes(STAYS + b"more\n")

    with pytest.raises(RunStateError, match="move it away"):
        await restore_source(ledger)

    assert path.read_bytes() == STAYS + b"more\n"
    path.rename(tmp_path / "elsewhere")
    assert await restore_source(ledger)
    assert path.read_bytes() == before


async def test_a_renamed_source_that_was_touched_comes_back_from_its_backup(
    tmp_path: Path,
) -> None:
    path = mixed(tmp_path / "source.jsonl")
    before = path.read_bytes()
    ledger = await proven(path, MemoryStore())
    report = await finished(ledger, path, RENAME, backup_folder=tmp_path / "backups")
    Path(report.aside or "").write_text("touched")

    assert await restore_source(ledger)

    assert path.read_bytes() == before


async def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    path = mixed(tmp_path / "source.jsonl")
    before = path.read_bytes()
    ledger = await proven(path, MemoryStore())
    blocked = tmp_path / "file"
    blocked.write_text("no folder")

    with pytest.raises(MigrationError, match="file"):
        await finished(ledger, path, REMOVE, backup_folder=blocked / "backups")

    assert path.read_bytes() == before
    assert ledger.record.state is RunState.DONE


async def test_a_report_is_for_people(tmp_path: Path) -> None:
    path = mixed(tmp_path / "source.jsonl")
    ledger = await proven(path, MemoryStore())

    report = await finished(ledger, path, REMOVE, backup_folder=tmp_path / "backups")

    told = report.to_text().splitlines()
    assert told[0].startswith(f"finish of group-messages run {ledger.run_id} of {path}: ")
    assert told[1:] == [
        "records removed from the source: 7; left in it: 3",
        f"backup: {tmp_path}/backups/source.jsonl.{ledger.run_id}.gz",
    ]
    assert not report.has_findings
