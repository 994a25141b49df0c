"""Law 8: every record of a source is folded, skipped or rejected, and every folded text is kept.

The fold has tests of its own in `tests/migrations`; this is the way an operator goes.
"""

import asyncio
import json
from pathlib import Path
from typing import Any

import apsw
import pytest

from app.cli.main import run
from app.domain.identity import SessionKey
from tests.store_kind import Place
from tests.stores import SQLITE


def old_message(**changes: Any) -> dict[str, Any]:
    return {
        "id": "a0",
        "session_id": "s1",
        "user_id": "ada",
        "content": "First",
        "message_type": "user",
        "metadata": {},
        "created_at": "2024-01-01T12:00:00.500Z",
        **changes,
    }


FIRST = old_message()
LAST = old_message(
    id="a/9",
    content="Last, \0 and 中文 \U0001f600",
    message_type="assistant",
    metadata={"$a.b": 10**30},
    created_at="2024-01-01T13:00:02+01:00",
)
SAME_INSTANT = old_message(id="a1", content="  same instant, later id  ")
LINES = [
    json.dumps(LAST),
    json.dumps(FIRST),
    json.dumps(FIRST),
    "not json",
    json.dumps(old_message(id="b0", session_id="s/2", user_id="bob")),
    json.dumps(old_message(id="a8", session_id=None, content="belongs nowhere")),
    json.dumps(SAME_INSTANT),
]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "messages.jsonl"
    path.write_text("\n".join(LINES) + "\n")
    return path


class Command:
    """The command line on one source and one store."""

    def __init__(self, source: Path, place: Place, capsys: pytest.CaptureFixture[str]) -> None:
        url = place.environment["CHATFOLD_STORE"]
        self._options = [str(source), "--store", url, "--json"]
        self._capsys = capsys

    def __call__(self, name: str) -> tuple[int, dict[str, Any]]:
        """The exit status and the report."""
        with pytest.raises(SystemExit) as ended:
            run(["migrate", "group-messages", name, *self._options])
        status = ended.value.code
        assert isinstance(status, int)
        return status, json.loads(self._capsys.readouterr().out)


@pytest.fixture
def command(source: Path, place: Place, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(source, place, capsys)


def read_back(place: Place) -> dict[SessionKey, list[tuple[str, str]]]:
    """Ids and texts of every session in the store."""

    async def read() -> dict[SessionKey, list[tuple[str, str]]]:
        store = await place.open()
        try:
            return {
                key: [(m.id, m.content) for m in (await store.read(key)).messages()]
                for key in await store.list_keys()
            }
        finally:
            await store.aclose()

    return asyncio.run(read())


FOLDED = {
    SessionKey("ada", "s1"): [
        ("a0", "First"),
        ("a1", "  same instant, later id  "),
        ("a/9", "Last, \0 and 中文 \U0001f600"),
    ],
    SessionKey("bob", "s/2"): [("b0", "First")],
}


def test_every_record_is_accounted_for_and_every_text_is_kept(
    command: Command, source: Path, place: Place
) -> None:
    before = source.read_bytes()
    planned_status, planned = command("plan")
    assert read_back(place) == {}

    status, report = command("run")

    assert status == planned_status == 1
    assert report["records"] == planned["records"]
    counts = report["records"]
    assert [counts[kind] for kind in ("read", "folded", "skipped", "rejected")] == [7, 4, 1, 2]
    assert counts["reasons"] == {
        "exact_duplicate": 1,
        "malformed_json": 1,
        "missing_session_id": 1,
    }
    assert read_back(place) == FOLDED
    assert source.read_bytes() == before


def test_a_second_run_changes_nothing(command: Command, place: Place) -> None:
    command("run")

    _, report = command("run")

    assert report["messages_added"] == 0
    assert read_back(place) == FOLDED


def test_verify_passes_the_whole(command: Command) -> None:
    command("run")

    status, report = command("verify")

    assert (status, report["sessions_equal"], report["differences"]) == (0, 2, {})


def test_verify_names_what_is_missing(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = Command(source, Place(SQLITE, tmp_path), capsys)
    command("run")
    connection = apsw.Connection(str(tmp_path / "chatfold.db"))
    connection.execute("DELETE FROM session WHERE id = 's/2'")
    connection.close()

    status, report = command("verify")

    assert status == 1
    assert report["sessions_equal"] == 1
    assert sum(report["differences"].values()) == 1
