"""A plan says what a run would do, and leaves store and source as they are."""

from pathlib import Path
from typing import Any

from app.domain.identity import SessionKey
from app.store.memory import MemoryStore
from app.store.port import SessionStore
from app.store.sqlite.store import SQLiteStore
from migrations.jobs.group_messages import GROUP_MESSAGES
from migrations.plan import plan
from migrations.report import PlanReport
from migrations.space import ScratchStore, free_bytes_at
from tests.factories import make_message, make_new_session
from tests.fake_clock import START
from tests.migrations.sources import at, document, fold, write_source

DEFECTS: list[dict[str, Any] | bytes] = [
    document("m0", "zero", created_at=at(0)),
    document("m1", "one", created_at=at(1), message_type="human"),
    document("m1", "one", created_at=at(1), message_type="human"),
    document("m1", "other", created_at=at(8)),
    document("m2", session_id=None),
    document("m3", user_id=None, session_id="nobody's"),
    b"{",
    b"",
    document("n0", "neighbour", session_id="s2"),
]


async def planned(path: Path, store: SessionStore) -> PlanReport:
    scratch = ScratchStore(MemoryStore(), path.parent)
    return await plan(GROUP_MESSAGES, GROUP_MESSAGES.open(str(path)), store, scratch)


async def test_a_plan_counts_what_a_run_then_counts(store: SessionStore, tmp_path: Path) -> None:
    path = write_source(tmp_path / "source.jsonl", DEFECTS)

    report = await planned(path, store)

    assert await store.list_keys() == []
    run = await fold(path, store)
    assert report.records == run.records
    assert report.sessions == run.sessions
    assert report.messages_to_add == run.messages_added == 3
    assert report.has_findings


async def test_a_plan_changes_no_session(store: SessionStore, tmp_path: Path) -> None:
    path = write_source(tmp_path / "source.jsonl", DEFECTS)
    await fold(write_source(tmp_path / "first.jsonl", DEFECTS[:1]), store)
    theirs = SessionKey("ada", "s2")
    await store.insert(make_new_session(theirs, messages=[make_message("x")]))
    before = [await store.read(key) for key in await store.list_keys()]

    report = await planned(path, store)

    assert [await store.read(key) for key in await store.list_keys()] == before
    assert report.sessions == {"created": 0, "completed": 1, "unchanged": 0, "refused": 1}
    assert report.messages_to_add == 1
    assert report.records.reasons["target_not_ours"] == 1


async def test_a_plan_says_what_was_deleted(store: SessionStore, tmp_path: Path) -> None:
    path = write_source(tmp_path / "source.jsonl", DEFECTS)
    await fold(path, store)
    await store.delete(SessionKey("ada", "s2"), START)

    report = await planned(path, store)

    assert report.sessions == {"created": 0, "completed": 0, "unchanged": 1, "refused": 1}
    assert report.records.reasons["deleted_by_user"] == 1


async def test_a_plan_leaves_the_source_as_it_is(store: SessionStore, tmp_path: Path) -> None:
    path = write_source(tmp_path / "source.jsonl", DEFECTS)
    before = path.read_bytes()

    await planned(path, store)

    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.glob("*.jsonl*")] == ["source.jsonl"]


async def test_a_plan_shows_two_sessions_before_and_after(
    store: SessionStore, tmp_path: Path
) -> None:
    long_text = "x" * 1000
    path = write_source(
        tmp_path / "source.jsonl",
        [
            document("m1", "second \x9b", created_at=at(1)),
            document("m0", "first", created_at=at(0)),
            document("n0", long_text, session_id="s2", user_id=None),
            document("n1", long_text, session_id="s2"),
            document("o0", session_id="s3"),
        ],
    )

    report = await planned(path, store)

    first, second = sorted(report.samples, key=lambda sample: sample.after["id"])
    assert [one[:12] for one in first.before] == ['{"id": "m1",', '{"id": "m0",']
    assert first.after == {
        "user_id": "ada",
        "id": "s1",
        "created_at": "2024-01-01T12:00:00.000Z",
        "updated_at": "2024-01-01T12:00:01.000Z",
        "message_count": 2,
        "messages": [
            {
                "id": "m0",
                "created_at": "2024-01-01T12:00:00.000Z",
                "message_type": "user",
                "content": "first",
            },
            {
                "id": "m1",
                "created_at": "2024-01-01T12:00:01.000Z",
                "message_type": "user",
                "content": "second \\u009b",
            },
        ],
    }
    assert second.after["messages"][0]["content"] == "x" * 300 + "…"
    assert all(len(line) <= 301 for line in second.before)


async def test_a_plan_estimates_the_time_of_a_run(store: SessionStore, tmp_path: Path) -> None:
    path = write_source(
        tmp_path / "source.jsonl", (document(f"m{number}") for number in range(3000))
    )

    report = await planned(path, store)

    assert 0 < report.estimated_run_seconds < 60


async def test_text_shows_three_examples_of_each_reason(
    store: SessionStore, tmp_path: Path
) -> None:
    path = write_source(tmp_path / "source.jsonl", [b"{"] * 5)

    report = await planned(path, store)

    assert report.to_text().splitlines()[1:7] == [
        "records read: 5 = 0 folded + 0 skipped + 5 rejected (blank lines: 0)",
        "rejected, malformed_json: 5",
        "    line 1: The record is not JSON in UTF-8.",
        "    line 2: The record is not JSON in UTF-8.",
        "    line 3: The record is not JSON in UTF-8.",
        "    and 2 more (--outcomes FILE names every one)",
    ]


async def test_a_plan_says_whether_there_is_room(tmp_path: Path) -> None:
    path = write_source(
        tmp_path / "source.jsonl", (document(f"m{number}", "x" * 1000) for number in range(4000))
    )
    folder = tmp_path / "scratch"
    folder.mkdir()
    store = await SQLiteStore.open(folder / "sample.db")
    scratch = ScratchStore(store, folder)

    report = await plan(
        GROUP_MESSAGES,
        GROUP_MESSAGES.open(str(path)),
        MemoryStore(),
        scratch,
        free_bytes=1024 * 1024,
    )

    assert 4_000_000 < report.needed_bytes < 16_000_000
    assert report.is_too_large
    assert report.has_findings
    assert "1.0 MiB are free there, WHICH IS NOT ENOUGH" in report.to_text()
    await store.aclose()


def test_free_space_is_asked_where_the_store_will_be(tmp_path: Path) -> None:
    free = free_bytes_at(f"sqlite:///{tmp_path}/not/yet/there.db")

    assert free is not None
    assert free > 0
    assert free_bytes_at("mongodb://127.0.0.1/chatfold") is None
