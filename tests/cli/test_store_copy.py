"""`chatfold store copy`: its report, its exit statuses, and what is left when it is interrupted."""

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.cli.main import run
from app.domain.identity import SessionKey
from app.store.port import SessionStore
from app.store.sqlite.store import SQLiteStore
from tests.copying.stores_of_kin import DELETED, KEYS, MESSAGES, fill
from tests.factories import KEY, make_message, make_messages, make_new_session
from tests.fake_clock import instant

ROOT = Path(__file__).resolve().parents[2]


def url_of(file: Path) -> str:
    return f"sqlite:///{file}"


def with_store(file: Path, work: Any) -> Any:
    """Do something with the store of a file."""

    async def opened() -> Any:
        store = await SQLiteStore.open(file)
        try:
            return await work(store)
        finally:
            await store.aclose()

    return asyncio.run(opened())


@pytest.fixture
def source(tmp_path: Path) -> Path:
    with_store(tmp_path / "source.db", fill)
    return tmp_path / "source.db"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "target.db"


def ended_with(*arguments: str) -> int | str | None:
    with pytest.raises(SystemExit) as ended:
        run(["store", "copy", *arguments])
    return ended.value.code


def test_a_copy_tells_what_it_did_and_that_it_is_the_same(
    source: Path, target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = ended_with(url_of(source), url_of(target))

    assert status == 0
    captured = capsys.readouterr()
    first, *rest = captured.out.splitlines()
    assert first.startswith(f"copy of sqlite:///{source} to sqlite:///{target}: ")
    assert rest == [
        "sessions: 4 in the source; 4 stored, 0 replaced, 0 present, 0 removed",
        "messages copied: 305; deletion marks: 2",
        "left as they are: none",
        "verified: 4 sessions with 305 messages are equal by hash",
        "differences: none",
    ]
    assert captured.err == ""


def test_a_store_made_by_a_copy_takes_over_sessions_and_secret(source: Path, target: Path) -> None:
    ended_with(url_of(source), url_of(target))

    async def look(store: SQLiteStore) -> tuple[bytes, list[SessionKey], set[SessionKey]]:
        return store.marking_secret, await store.list_keys(), await store.find_deleted([DELETED])

    secret, keys, deleted = with_store(target, look)
    assert (keys, deleted) == (KEYS, {DELETED})
    assert secret == with_store(source, look)[0]


def test_the_report_is_json_where_it_is_asked_for(
    source: Path, target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = ended_with(url_of(source), url_of(target), "--json")

    assert status == 0
    report = json.loads(capsys.readouterr().out)
    assert report.pop("seconds") > 0
    assert report == {
        "source": f"sqlite:///{source}",
        "target": f"sqlite:///{target}",
        "copied": {
            "sessions": 4,
            "marks": 2,
            "stored": 4,
            "replaced": 0,
            "present": 0,
            "removed": 0,
            "messages": MESSAGES,
            "documents": 0,
            "documents_left": 0,
            "ledger_entries": 0,
            "ledger_entries_left": 0,
            "damaged_ledger_entries": {"counts": {}, "examples": []},
            "left": {"counts": {}, "examples": []},
        },
        "compared": {
            "equal": 4,
            "messages": MESSAGES,
            "missing_marks": 0,
            "equal_documents": 0,
            "different_documents": 0,
            "equal_ledger_entries": 0,
            "different_ledger_entries": 0,
            "damaged_ledger_entries": {"counts": {}, "examples": []},
            "differences": {"counts": {}, "examples": []},
        },
        "has_findings": False,
    }


def test_a_second_copy_finds_everything_present(
    source: Path, target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ended_with(url_of(source), url_of(target))
    capsys.readouterr()

    status = ended_with(url_of(source), url_of(target), "--no-verify")

    assert status == 0
    assert capsys.readouterr().out.splitlines()[1:] == [
        "sessions: 4 in the source; 0 stored, 0 replaced, 4 present, 0 removed",
        "messages copied: 0; deletion marks: 2",
        "left as they are: none",
        "not verified",
    ]


def test_what_is_not_the_same_ends_with_1_and_is_named(
    source: Path, target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ended_with(url_of(source), url_of(target))
    capsys.readouterr()

    async def write(store: SessionStore) -> None:
        await store.append(KEY, [make_message("own")], at=instant(60))

    with_store(target, write)

    assert ended_with(url_of(source), url_of(target), "--json") == 1
    report = json.loads(capsys.readouterr().out)
    example = {"finding": "other_in_target", "user_id": "ada", "session_id": "session"}
    findings = {"counts": {"other_in_target": 1}, "examples": [example]}
    assert report["copied"]["left"] == report["compared"]["differences"] == findings
    assert report["has_findings"] is True
    assert ended_with(url_of(source), url_of(target)) == 1
    assert capsys.readouterr().out.splitlines()[3:] == [
        "left as they are: 1 other_in_target",
        "    other_in_target: session 'session' of 'ada'",
        "verified: 3 sessions with 301 messages are equal by hash",
        "differences: 1 other_in_target",
        "    other_in_target: session 'session' of 'ada'",
    ]


def test_many_findings_are_counted_and_some_are_shown(
    source: Path, target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ended_with(url_of(source), url_of(target))
    capsys.readouterr()

    async def write(store: SessionStore) -> None:
        for number in range(12):
            await store.insert(make_new_session(SessionKey("zoe", f"s{number:02}")))

    with_store(target, write)

    assert ended_with(url_of(source), url_of(target), "--no-verify") == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[3] == "left as they are: 12 only_in_target"
    assert lines[4] == "    only_in_target: session 's00' of 'zoe'"
    assert lines[13] == "    only_in_target: session 's09' of 'zoe'"
    assert lines[14:] == ["    and 2 more (--json names up to 100)", "not verified"]


def test_deletion_marks_that_are_missing_are_a_finding(
    source: Path, target: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def forget(_store: SQLiteStore, _marks: Any) -> None:
        """Take no marks over."""

    monkeypatch.setattr(SQLiteStore, "put_marks", forget)

    assert ended_with(url_of(source), url_of(target)) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "deletion marks missing: 2"


def test_progress_goes_to_stderr_as_lines_where_it_is_asked_for(
    source: Path, target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ended_with(url_of(source), url_of(target), "--progress", "json")

    told = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    phases = list(dict.fromkeys(line["phase"] for line in told))
    assert phases == ["marks", "counting", "copying", "verifying"]
    assert {line["total"] for line in told[2:]} == {4}


def test_a_source_that_is_not_there_is_not_made(
    tmp_path: Path, target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = tmp_path / "missing.db"

    assert ended_with(url_of(missing), url_of(target)) == 2
    assert capsys.readouterr().err == f"chatfold: There is no store at sqlite:///{missing}.\n"
    assert list(tmp_path.iterdir()) == []


def test_a_store_is_not_copied_onto_itself(
    source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    same = source.parent / "." / ".." / source.parent.name / source.name

    assert ended_with(url_of(source), url_of(same)) == 2
    assert capsys.readouterr().err == "chatfold: FROM and TO are the same store.\n"


def test_a_target_that_cannot_read_the_marks_is_refused(
    source: Path, target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def write(store: SessionStore) -> None:
        await store.insert(make_new_session())

    with_store(target, write)

    assert ended_with(url_of(source), url_of(target)) == 2
    assert "another secret" in capsys.readouterr().err


def test_a_password_is_not_shown(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended_with(url_of(source), "mysql://ann:secret@one/db") == 2

    captured = capsys.readouterr()
    assert "secret" not in captured.out + captured.err


def test_a_store_that_fails_ends_with_3(
    source: Path, target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target.write_bytes(b"no database" * 1000)

    assert ended_with(url_of(source), url_of(target)) == 3
    assert capsys.readouterr().out == ""


def test_an_interrupted_copy_says_so_and_goes_on_when_it_is_run_again(
    tmp_path: Path, target: Path
) -> None:
    async def fill_with_many(store: SessionStore) -> None:
        await store.insert_absent(
            [
                make_new_session(SessionKey("ada", f"s{number:04}"), messages=make_messages(5))
                for number in range(3000)
            ]
        )

    with_store(tmp_path / "source.db", fill_with_many)
    command = [
        *(sys.executable, "-c", "from app.cli.main import run; run()"),
        *("store", "copy", url_of(tmp_path / "source.db"), url_of(target)),
    ]

    with subprocess.Popen(  # noqa: S603 - our own process
        [*command, "--progress", "json"],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as first:
        assert first.stderr is not None
        assert first.stdout is not None
        while '"copying"' not in first.stderr.readline():
            pass
        first.send_signal(signal.SIGINT)
        told = first.stderr.read().splitlines()
        report = first.stdout.read()
    second = subprocess.run(  # noqa: S603 - our own process
        [*command, "--json"], cwd=ROOT, check=False, capture_output=True
    )

    assert first.returncode == 3
    assert report == ""
    assert told[-1] == (
        "Stopped. What is in the target is whole; the same command goes on from there."
    )
    assert second.returncode == 0
    copied = json.loads(second.stdout)["copied"]
    assert copied["stored"] + copied["present"] == 3000
    assert copied["stored"] > 0
