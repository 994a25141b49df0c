"""The commands of runs: what the ledger knows, a proof that is noted, and the way back."""

import asyncio
import gzip
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli.migrate import migrate_app
from app.store.sqlite.store import SQLiteStore
from migrations.ledger import Holder, list_runs
from tests.migrations.sources import document, write_source

WHOLE = [document("m0"), document("m1", "one"), document("m2", session_id="s2")]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/chatfold.db"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_source(tmp_path / "source.jsonl", WHOLE)


def called(*arguments: str | Path) -> tuple[int, str, str]:
    result = CliRunner().invoke(migrate_app, list(map(str, arguments)))
    return result.exit_code, result.stdout, result.stderr


def folded(source: Path, url: str) -> str:
    """The id of the run."""
    status, out, _ = called("group-messages", "run", source, "--store", url, "--json")
    assert status == 0
    run_id: str = json.loads(out)["run_id"]
    return run_id


def runs_of(url: str) -> list[dict[str, object]]:
    status, out, _ = called("status", "--store", url, "--json")
    assert status in {0, 1}
    runs: list[dict[str, object]] = json.loads(out)["runs"]
    return runs


def test_status_says_what_is_left_at_every_step(source: Path, url: str) -> None:
    assert called("status", "--store", url)[1] == "no runs\n"

    run_id = folded(source, url)
    after_run = called("status", "--store", url)[1]
    called("group-messages", "verify", source, "--store", url)
    after_verify = called("status", "--store", url)[1]
    called("rollback", run_id, "--store", url, "--yes")
    after_rollback = called("status", "--store", url)[1]

    assert f"{run_id}  done: group-messages of {source}" in after_run
    assert "records: 3 read = 3 folded + 0 skipped + 0 rejected; 0 late; sessions: 2" in after_run
    assert "next: `group-messages verify`" in after_run
    assert "next: `group-messages finish`" in after_verify
    assert f"{run_id}  rolled_back" in after_rollback
    assert "next: nothing" in after_rollback


def test_only_a_verify_that_passes_is_a_proof(source: Path, url: str) -> None:
    folded(source, url)
    write_source(source, [*WHOLE, document("m3", session_id="s3")])
    assert called("group-messages", "verify", source, "--store", url)[0] == 1
    assert runs_of(url)[0]["verified_at"] is None

    folded(source, url)
    assert called("group-messages", "verify", source, "--store", url)[0] == 0

    first, second = runs_of(url)
    assert first["verified_at"] is None
    assert second["verified_at"] is not None


def test_a_rollback_asks_first(source: Path, url: str) -> None:
    run_id = folded(source, url)

    status, _, told = called("rollback", run_id, "--store", url)

    assert (status, told) == (2, "There is no terminal to ask on: say --yes.\n")
    assert runs_of(url)[0]["state"] == "done"


def test_a_dry_rollback_does_not_ask(source: Path, url: str) -> None:
    run_id = folded(source, url)

    status, out, _ = called("rollback", run_id, "--store", url, "--dry-run")

    assert status == 0
    assert out.startswith(f"dry rollback of group-messages run {run_id}")
    assert "sessions: 2 removed" in out


def test_no_such_run(url: str, source: Path) -> None:
    folded(source, url)

    status, _, told = called("rollback", "20260101-000000-nobody", "--store", url, "--yes")

    assert (status, told) == (3, "No such run: There is no run '20260101-000000-nobody'.\n")


async def give_to_another_machine(file: Path, state: str) -> None:
    store = await SQLiteStore.open(file)
    (ledger,) = await list_runs(store)
    elsewhere = Holder(host="elsewhere", process_id=1, began_at_seconds=1.0)
    await ledger.change(holder=elsewhere, state=state)
    await store.aclose()


def test_a_run_of_another_machine_is_left_to_it_unless_told(
    source: Path, url: str, tmp_path: Path
) -> None:
    run_id = folded(source, url)
    asyncio.run(give_to_another_machine(tmp_path / "chatfold.db", "running"))
    run = ("group-messages", "run", source, "--store", url)

    status, _, told = called(*run)

    assert status == 3
    assert told.startswith(f"The run is under way: Process 1 on elsewhere works on run {run_id}.")
    assert called(*run, "--take-over")[0] == 0
    assert [run["state"] for run in runs_of(url)] == ["done"]


def test_a_finish_of_another_machine_is_left_to_it_unless_told(
    source: Path, url: str, tmp_path: Path
) -> None:
    run_id = folded(source, url)
    called("group-messages", "verify", source, "--store", url)
    asyncio.run(give_to_another_machine(tmp_path / "chatfold.db", "done"))
    finish = ("group-messages", "finish", source, "--store", url, "--yes")

    status, _, told = called(*finish)

    assert status == 3
    assert f"Process 1 on elsewhere works on run {run_id}." in told
    assert source.exists()
    assert called(*finish, "--take-over")[0] == 0
    assert not source.exists()


def test_fewer_messages_in_a_second(source: Path, url: str) -> None:
    run = ("group-messages", "run", source, "--store", url)

    status, out, _ = called(*run, "--max-rate", "1000", "--workers", "1")

    assert (status, "3 folded" in out) == (0, True)


def test_a_finish_needs_a_proof_and_a_rollback_gives_the_source_back(
    source: Path, url: str, tmp_path: Path
) -> None:
    original = source.read_bytes()
    run_id = folded(source, url)
    finish = ("group-messages", "finish", source, "--store", url, "--yes")
    assert called(*finish)[0] == 3
    assert "No verify of run" in called(*finish)[2]
    called("group-messages", "verify", source, "--store", url)
    dry = called(*finish, "--dry-run")

    status, out, _ = called(*finish)

    assert (status, dry[0]) == (0, 0)
    assert f"renamed to: {source}.migrated_{run_id}" in out
    assert not source.exists()
    assert runs_of(url)[0]["state"] == "finished"
    undone = called("rollback", run_id, "--store", url, "--yes")
    assert undone[0] == 0
    assert "the source is what it was before the finish" in undone[1]
    assert source.read_bytes() == original
    (backup,) = tmp_path.glob(f"source.jsonl.{run_id}.gz")  # it stays, whatever becomes of the rest
    assert gzip.decompress(backup.read_bytes()) == original


def test_every_record_has_one_outcome(source: Path, url: str) -> None:
    again, otherwise = WHOLE[0], document("m1", "otherwise", created_at="2025-01-01T00:00:00Z")
    odd = document("m3", session_id="s2", message_type="robot")
    write_source(source, [*WHOLE, b"{", again, otherwise, odd])
    status, out, _ = called("group-messages", "run", source, "--store", url, "--json")
    assert status == 1
    run_id = json.loads(out)["run_id"]

    told = [json.loads(line) for line in called("outcomes", run_id, "--store", url)[1].splitlines()]

    by_position = sorted(told, key=lambda outcome: outcome["position"])
    assert [(one["position"], one["kind"], one.get("code")) for one in by_position] == [
        (1, "folded", None),
        (2, "folded", None),
        (3, "folded", None),
        (4, "rejected", "malformed_json"),
        (5, "skipped", "exact_duplicate"),
        (6, "rejected", "conflicting_id"),
        (7, "folded", "unknown_message_type"),
    ]
    assert by_position[5]["kept_position"] == 2
    assert by_position[0] == {
        "position": 1,
        "kind": "folded",
        "user_id": "ada",
        "session_id": "s1",
    }


def test_a_run_is_reported_in_text_as_json_and_as_a_page(
    source: Path, url: str, tmp_path: Path
) -> None:
    run_id = folded(source, url)
    page = tmp_path / "report.html"

    status, text, _ = called("report", run_id, "--store", url, "--html", page)
    as_json = called("report", run_id, "--store", url, "--json")

    assert status == 0
    assert run_id in text
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert run_id in page.read_text(encoding="utf-8")
    assert json.loads(as_json[1])["run_id"] == run_id


def test_a_page_that_cannot_be_written_is_the_callers_mistake(
    source: Path, url: str, tmp_path: Path
) -> None:
    run_id = folded(source, url)

    status, _, told = called("report", run_id, "--store", url, "--html", tmp_path / "no" / "where")

    assert status == 2
    assert "cannot be written: No such file or directory." in told


def test_a_finish_that_was_killed_goes_on_though_its_source_has_gone(
    source: Path, url: str
) -> None:
    run_id = folded(source, url)
    called("group-messages", "verify", source, "--store", url)
    finish = ("group-messages", "finish", source, "--store", url, "--yes")
    assert called(*finish)[0] == 0

    status, _, told = called(*finish)

    assert status == 3
    assert told == f"Not with this run: Run {run_id} is finished already.\n"
