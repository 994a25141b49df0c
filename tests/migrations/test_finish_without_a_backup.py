"""Who removes a source without a backup is told in plain words that nothing brings it back."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from app.store.memory import MemoryStore
from app.store.sqlite.store import SQLiteStore
from migrations.finish_record import FinishManner
from tests.migrations.sources import document, write_source
from tests.migrations.test_finish import finished, mixed, proven

ROOT = Path(__file__).resolve().parents[2]
REMOVE, RENAME, MARK = FinishManner.REMOVE, FinishManner.RENAME, FinishManner.MARK


@pytest.mark.parametrize(("is_dry", "verb"), [(True, "would be"), (False, "is")])
async def test_the_report_says_that_there_is_no_way_back(
    tmp_path: Path, verb: str, *, is_dry: bool
) -> None:
    path = mixed(tmp_path / "source.jsonl")
    ledger = await proven(path, MemoryStore())

    report = await finished(ledger, path, REMOVE, is_dry=is_dry)

    assert not report.can_be_rolled_back
    assert report.to_text().splitlines()[-2:] == [
        "backup: none",
        f"WITHOUT A BACKUP what is removed {verb} gone, and the run CANNOT BE ROLLED BACK",
    ]


@pytest.mark.parametrize("is_dry", [True, False])
@pytest.mark.parametrize("manner", [REMOVE, RENAME, MARK])
async def test_other_reports_say_nothing_of_the_kind(
    tmp_path: Path, manner: FinishManner, *, is_dry: bool
) -> None:
    path = mixed(tmp_path / "source.jsonl")
    ledger = await proven(path, MemoryStore())
    folder = tmp_path / "backups" if manner is REMOVE else None

    report = await finished(ledger, path, manner, is_dry=is_dry, backup_folder=folder)

    assert report.can_be_rolled_back
    assert "ROLLED BACK" not in report.to_text()


def asked(*arguments: str) -> tuple[int, str]:
    """The exit status, and what a terminal shows, on which the answer is no."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "migrations", "group-messages", "finish", *arguments]
    with (
        os.fdopen(ours, "rb", buffering=0),
        subprocess.Popen(  # noqa: S603 - ourselves
            command, cwd=ROOT, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as process,
    ):
        os.close(theirs)
        os.write(ours, b"n\n")
        shown, _ = process.communicate()
    return process.returncode, shown.decode()


async def test_the_question_on_a_terminal_says_it(tmp_path: Path) -> None:
    path = write_source(tmp_path / "source.jsonl", [document()])
    before = path.read_bytes()
    file = tmp_path / "chatfold.db"
    store = await SQLiteStore.open(file)
    await proven(path, store)
    await store.aclose()

    options = ["--store", f"sqlite:///{file}", "--source", "remove"]
    status, shown = asked(str(path), *options, "--no-backup")
    _, shown_with_backup = asked(str(path), *options)

    assert status == 1
    assert shown.startswith(
        "There will be no backup: what is removed from the source is gone, and the run can never"
        f" be rolled back.\nRemove {path}? [y/N]: "
    )
    assert shown_with_backup.startswith(f"Remove {path}? [y/N]: ")
    assert path.read_bytes() == before
