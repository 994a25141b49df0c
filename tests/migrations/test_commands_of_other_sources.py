"""The commands for session documents, trees and exports, as operators call them."""

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli.migrate import migrate_app
from app.store.sqlite.store import SQLiteStore
from tests.lived import live
from tests.migrations.trees import meta, said, write_session


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/chatfold.db"


def called(*arguments: str | Path) -> tuple[int, str, str]:
    """Status, standard output and standard error of `chatfold migrate …`."""
    result = CliRunner().invoke(migrate_app, [*map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def test_session_documents_are_folded_and_verified(tmp_path: Path, url: str) -> None:
    source = tmp_path / "sessions.json"
    source.write_text(json.dumps([{"id": "s", "user_id": "u", "turns": [said("a", "one"), 7]}]))
    arguments = (source, "--store", url, "--field", "messages=turns")

    planned = called("fold-sessions", "plan", *arguments)
    folded = called("fold-sessions", "run", *arguments)
    verified = called("fold-sessions", "verify", *arguments)

    assert (planned[0], folded[0], verified[0]) == (1, 1, 0)
    assert "element 1, message 2" in planned[1]
    assert "element 1, message 2" in folded[1]
    assert "differences: none" in verified[1]


def test_a_tree_is_folded_written_and_nested(tmp_path: Path, url: str) -> None:
    root = tmp_path / "data"
    write_session(root / "chat_sessions/s1", [said("a", "one")], meta())

    folded = called("nest-sessions", "run", root, "--store", url)
    written = called("nest-sessions", "write", tmp_path / "out", "--store", url)
    tried = called("nest-sessions", "move", root, "--project", "p", "--dry-run")
    moved = called("nest-sessions", "move", root, "--project", "p")
    refused = called("nest-sessions", "move", tmp_path / "out", "--json")

    assert [one[0] for one in (folded, written, tried, moved, refused)] == [0, 0, 0, 0, 1]
    assert "(nothing was done)" in tried[1]
    assert (root / "projects/p/chat_sessions/s1/messages.json").is_file()
    assert json.loads(refused[1])["refused"][0]["session"] == "s1"


def test_a_tree_is_finished_and_given_back(tmp_path: Path, url: str) -> None:
    root = tmp_path / "data"
    folder = write_session(root / "chat_sessions/s1", [said("a", "one")], meta())
    called("nest-sessions", "run", root, "--store", url)
    finish = ("nest-sessions", "finish", root, "--store", url, "--source", "remove", "--yes")

    unproven = called(*finish)
    called("nest-sessions", "verify", root, "--store", url)
    finished = called(*finish)
    is_gone = not folder.exists()
    (run,) = json.loads(called("status", "--store", url, "--json")[1])["runs"]
    undone = called("rollback", run["run_id"], "--store", url, "--yes")

    assert (unproven[0], finished[0], undone[0]) == (3, 0, 0)
    assert "records removed from the source: 1; left in it: 0" in finished[1]
    assert f"backup: {tmp_path}/data.{run['run_id']}.tar.gz" in finished[1]
    assert is_gone
    assert (folder / "messages.json").is_file()


@pytest.mark.parametrize(
    ("job", "name", "sentence"),
    [
        ("nest-sessions", "file", "is no folder."),
        ("nest-sessions", "folder", "holds neither chat_sessions nor projects."),
        ("fold-sessions", "folder", "is a folder."),
        ("import-export", "folder", "is no file."),
        ("import-export", "absent", "is no file."),
    ],
)
def test_a_source_of_another_kind_is_refused(
    job: str, name: str, sentence: str, tmp_path: Path, url: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()

    status, _, errors = called(job, "run", tmp_path / name, "--store", url)

    assert status in {2, 3}
    assert sentence in "".join(errors.split("\n")).replace("│", "").replace("  ", "")


def test_an_export_is_imported_and_verified(tmp_path: Path, url: str) -> None:
    source = tmp_path / "export.jsonl"

    async def export() -> None:
        store = await SQLiteStore.open(tmp_path / "other.db")
        try:
            await live(store)
            (key,) = await store.list_keys()
            source.write_bytes((await store.read(key)).to_json())
        finally:
            await store.aclose()

    asyncio.run(export())

    planned = called("import-export", "plan", source, "--store", url)
    is_stored = (tmp_path / "chatfold.db").exists()
    imported = called("import-export", "run", source, "--store", url)
    again = called("import-export", "run", source, "--store", url, "--json")
    verified = called("import-export", "verify", source, "--store", url)
    listed = called("status", "--store", url)
    finished = called("import-export", "finish", source, "--store", url, "--yes")

    assert [one[0] for one in (planned, imported, again, verified, finished)] == [0] * 5
    assert "sessions: 1 created, 0 completed, 0 unchanged, 0 refused" in planned[1]
    assert not is_stored
    assert not source.exists()
    assert json.loads(again[1])["sessions"]["unchanged"] == 1
    assert "sessions expected: 1; equal: 1" in verified[1]
    assert listed[1].count("import-export") >= 2
