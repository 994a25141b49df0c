"""The commands: reports on standard output, sentences on standard error, telling statuses."""

import asyncio
import gzip
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from app.cli.migrate import migrate_app
from app.store.sqlite.store import SQLiteStore
from migrations.__main__ import command
from tests.migrations.sources import at, contents_of, document, write_source
from tests.stores import settle_sqlite

ROOT = Path(__file__).resolve().parents[2]
WHOLE = [document("m0", "zero", created_at=at(0)), document("m1", "one", created_at=at(1))]
CONFLICT = document("m1", "otherwise", created_at=at(9))


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/chatfold.db"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_source(tmp_path / "source.jsonl", WHOLE)


def called(*arguments: str | Path) -> tuple[int, str, str]:
    """Status, standard output and standard error of `chatfold migrate group-messages …`."""
    result = CliRunner().invoke(migrate_app, ["group-messages", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def in_a_process(
    arguments: Sequence[str | Path], *, stdin: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(  # noqa: S603 - our own process
        [sys.executable, "-m", "migrations", "group-messages", *map(str, arguments)],
        cwd=ROOT,
        input=stdin,
        capture_output=True,
        check=False,
    )


def test_plan_run_and_verify_of_a_whole_source_are_done(source: Path, url: str) -> None:
    planned = called("plan", source, "--store", url)
    folded = called("run", source, "--store", url)
    verified = called("verify", source, "--store", url)

    assert [planned[0], folded[0], verified[0]] == [0, 0, 0]
    assert "nothing was written" in planned[1]
    assert "records read: 2 = 2 folded + 0 skipped + 0 rejected (blank lines: 0)" in folded[1]
    assert "sessions: 1 created, 0 completed, 0 unchanged, 0 refused" in folded[1]
    assert "differences: none" in verified[1]
    assert (planned[2], folded[2], verified[2]) == ("", "", "")


def test_a_rejected_record_is_a_finding(tmp_path: Path, url: str) -> None:
    source = write_source(tmp_path / "source.jsonl", [*WHOLE, CONFLICT])

    assert called("plan", source, "--store", url)[0] == 1
    status, report, _ = called("run", source, "--store", url)

    assert status == 1
    assert (
        "rejected, conflicting_id: 1\n"
        "    line 3: session 's1', user 'ada', message 'm1', kept is line 2\n"
    ) in report


def test_a_difference_is_a_finding(source: Path, url: str, tmp_path: Path) -> None:
    called("run", source, "--store", url)
    other = write_source(tmp_path / "other.jsonl", [WHOLE[0], {**WHOLE[1], "content": "altered"}])

    status, report, _ = called("verify", other, "--store", url)

    assert status == 1
    assert "differences: 1 content_differs" in report
    assert "user 'ada', session 's1', message 'm1', line 2" in report


def test_a_store_that_was_never_made_lacks_everything_and_is_not_made(
    source: Path, url: str, tmp_path: Path
) -> None:
    status, report, _ = called("verify", source, "--store", url)

    assert status == 1
    assert "1 session_missing" in report
    assert [one.name for one in tmp_path.iterdir()] == ["source.jsonl"]


def test_a_plan_makes_no_store(source: Path, url: str, tmp_path: Path) -> None:
    status, report, _ = called("plan", source, "--store", url)

    assert status == 0
    assert "sessions: 1 created" in report
    assert [one.name for one in tmp_path.iterdir()] == ["source.jsonl"]


async def test_a_plan_leaves_the_bytes_of_the_store_as_they_are(
    source: Path, url: str, tmp_path: Path
) -> None:
    store = await SQLiteStore.open(tmp_path / "chatfold.db")
    await settle_sqlite(tmp_path)
    await store.aclose()
    before = (tmp_path / "chatfold.db").read_bytes()

    finished = in_a_process(["plan", source, "--store", url])

    assert finished.returncode == 0
    assert (tmp_path / "chatfold.db").read_bytes() == before


@pytest.mark.parametrize("name", ["plan", "run", "verify"])
def test_a_report_is_json_where_that_is_asked_for(source: Path, url: str, name: str) -> None:
    called("run", source, "--store", url)

    status, report, _ = called(name, source, "--store", url, "--json")

    parsed = json.loads(report)
    assert status == 0
    assert parsed["job"] == "group-messages"
    assert parsed["source"] == str(source)
    assert parsed["has_findings"] is False


def test_json_counts_records_and_names_conflicts(tmp_path: Path, url: str) -> None:
    source = write_source(tmp_path / "source.jsonl", [*WHOLE, CONFLICT])

    _, report, _ = called("run", source, "--store", url, "--json")

    records = json.loads(report)["records"]
    assert (records["read"], records["folded"], records["rejected"]) == (3, 2, 1)
    assert records["examples"]["conflicting_id"] == [
        {
            "position": 3,
            "kind": "rejected",
            "code": "conflicting_id",
            "place": "line 3",
            "detail": None,
            "user_id": "ada",
            "session_id": "s1",
            "message_id": "m1",
            "kept_position": 2,
            "kept_place": "line 2",
        }
    ]


def test_every_outcome_that_is_not_plain_is_written_where_that_is_asked_for(
    tmp_path: Path, url: str
) -> None:
    source = write_source(
        tmp_path / "source.jsonl",
        [*WHOLE, CONFLICT, WHOLE[0], b"{", {**WHOLE[0], "id": "m2", "content": None}],
    )
    outcomes = tmp_path / "outcomes.jsonl"

    called("run", source, "--store", url, "--outcomes", outcomes)

    written = [json.loads(line) for line in outcomes.read_text().splitlines()]
    assert sorted((one["position"], one["kind"], one["code"]) for one in written) == [
        (3, "rejected", "conflicting_id"),
        (4, "skipped", "exact_duplicate"),
        (5, "rejected", "malformed_json"),
        (6, "folded", "null_content"),
    ]


def test_progress_is_told_as_json_lines_where_that_is_asked_for(source: Path, url: str) -> None:
    _, report, told = called("run", source, "--store", url, "--progress", "json")

    assert [json.loads(line)["phase"] for line in told.splitlines()] == ["reading", "folding"]
    assert report.startswith("group-messages run 2")


def test_standard_input_is_a_source(url: str, source: Path) -> None:
    folded = in_a_process(["run", "-", "--store", url], stdin=source.read_bytes())
    verified = in_a_process(
        ["verify", "-", "--store", url], stdin=gzip.compress(source.read_bytes())
    )

    assert (folded.returncode, verified.returncode) == (0, 0)
    assert b"standard input" in folded.stdout
    assert b"differences: none" in verified.stdout
    assert folded.stderr == b""


async def test_the_store_of_the_environment_is_the_default(
    tmp_path: Path, source: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHATFOLD_STORE", url)

    finished = in_a_process(["run", source])

    assert finished.returncode == 0
    store = await SQLiteStore.open(tmp_path / "chatfold.db")
    assert await contents_of(store) == ["zero", "one"]
    await store.aclose()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["run", "no-such-file"], "no-such-file does not exist."),
        (["run", "."], ". is a folder."),
        (["run"], "Missing argument"),
        (["run", "SOURCE", "--store", "nonsense://"], "nonsense://"),
        (["run", "SOURCE", "--store", "memory://", "--outcomes", "/"], "/"),
        (
            ["plan", "SOURCE", "--store", "memory://", "--outcomes", "no/folder"],
            "cannot be written",
        ),
        (["run", "SOURCE", "--progress", "loud"], "loud"),
        (["run", "SOURCE", "--store", "memory://", "--field", "timestamp"], "NAME=THEIRS"),
        (
            ["verify", "SOURCE", "--store", "memory://", "--field", "role=kind"],
            "There is no field 'role'",
        ),
        (
            ["plan", "SOURCE", "--store", "memory://", "--time-zone", "Mars"],
            "There is no time zone",
        ),
        (["run", "SOURCE", "--limit", "0"], "--limit"),
        (["run", "mongodb://127.0.0.1:1/db", "--store", "memory://"], "names no collection"),
    ],
)
def test_a_wrong_command_is_status_2_and_a_sentence(
    source: Path, arguments: list[str], sentence: str
) -> None:
    status, report, told = called(*(source if one == "SOURCE" else one for one in arguments))

    assert status == 2
    assert report == ""
    assert sentence in told


@pytest.mark.parametrize("name", ["plan", "run", "verify"])
def test_a_source_that_cannot_be_read_is_a_failure_and_stores_nothing(
    tmp_path: Path, url: str, name: str
) -> None:
    source = tmp_path / "source.jsonl.gz"
    whole = gzip.compress(write_source(tmp_path / "plain", WHOLE * 100).read_bytes())
    source.write_bytes(whole[: len(whole) // 2])

    status, report, told = called(name, source, "--store", url)

    assert status == 3
    assert report == ""
    assert "The source cannot be read" in told
    if name == "run":
        assert called("verify", tmp_path / "plain", "--store", url)[0] == 1


def test_a_store_that_cannot_be_opened_is_a_failure(source: Path, tmp_path: Path) -> None:
    (tmp_path / "chatfold.db").write_bytes(b"This is no database, and never was one." * 100)

    status, _, told = called("run", source, "--store", f"sqlite:///{tmp_path}/chatfold.db")

    assert status == 3
    assert len(told.splitlines()) == 1


def test_an_interrupted_run_is_a_failure_with_a_sentence(tmp_path: Path, url: str) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    process = subprocess.Popen(  # noqa: S603 - our own process
        [sys.executable, "-m", "migrations", "group-messages", "run", str(pipe), "--store", url],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    line = json.dumps(WHOLE[0]).encode() + b"\n"
    # Opens once the process reads, and so has begun; without a buffer that could not be flushed.
    with pipe.open("wb", buffering=0) as into:
        for _ in range(30):
            into.write(line * 1000)
        process.send_signal(signal.SIGINT)
        feed_until_it_ends(process, into, line)
    stdout, stderr = process.communicate(timeout=30)

    assert process.returncode == 3
    assert stdout == b""
    assert stderr == b"Stopped. What is stored is whole; the same command goes on from there.\n"


def feed_until_it_ends(process: subprocess.Popen[bytes], into: Any, line: bytes) -> None:
    deadline_seconds = time.monotonic() + 30
    try:
        while process.poll() is None and time.monotonic() < deadline_seconds:
            into.write(line * 1000)
    except BrokenPipeError:
        pass


@pytest.mark.parametrize("name", ["plan", "run", "verify"])
def test_every_command_has_help(name: str) -> None:
    for app, arguments in ((migrate_app, ["group-messages"]), (command, ["group-messages"])):
        result = CliRunner().invoke(app, [*arguments, name, "--help"])

        assert result.exit_code == 0
        assert "SOURCE" in result.stdout
        assert "--store" in result.stdout


def test_options_say_how_a_source_is_read_and_how_much_of_it(tmp_path: Path, url: str) -> None:
    theirs = [
        {
            "key": "m0",
            "session_id": "s1",
            "text": "noon",
            "role": "user",
            "when": "2024-01-01 12:00",
        },
        {
            "key": "m1",
            "session_id": "s2",
            "text": "later",
            "role": "user",
            "when": "2024-01-01 13:00",
        },
    ]
    source = write_source(tmp_path / "source.jsonl", theirs)
    options = [
        *("--field", "id=key", "--field", "content=text"),
        *("--field", "created_at=when", "--time-zone", "Europe/Berlin"),
        *("--default-user", "ada", "--session", "s1", "--store", url),
    ]

    folded = called("run", source, *options)
    verified = called("verify", source, *options)

    assert [folded[0], verified[0]] == [0, 0]
    assert "records read: 1 = 1 folded + 0 skipped + 0 rejected" in folded[1]
    assert "records of sessions that were not asked for: 1" in folded[1]
    assert "sessions expected: 1; equal: 1" in verified[1]
    assert json.loads(in_store(tmp_path))["created_at"] == "2024-01-01T11:00:00.000Z"


def in_store(folder: Path) -> bytes:
    """The only session of the store."""

    async def read() -> bytes:
        store = await SQLiteStore.open(folder / "chatfold.db")
        (key,) = await store.list_keys()
        session = await store.read(key)
        await store.aclose()
        return session.to_json()

    return asyncio.run(read())


@pytest.mark.parametrize("name", ["plan", "run", "verify"])
def test_a_collection_that_cannot_be_reached_is_a_failure_without_its_password(name: str) -> None:
    source = "mongodb://ada:secret@127.0.0.1:1/db.messages?serverSelectionTimeoutMS=50"

    status, report, told = called(name, source, "--store", "memory://")

    assert (status, report) == (3, "")
    assert "mongodb://ada:***@127.0.0.1:1/db.messages" in told
    assert "secret" not in told
