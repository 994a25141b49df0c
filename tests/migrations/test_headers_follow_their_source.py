"""What a source says anew of a session reaches its header, but for what its user has changed."""

import json
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from app.domain.identity import SessionKey, Version
from app.domain.image import SessionImage
from app.domain.instants import instant_text
from app.errors import StoreUnavailableError
from app.store.memory import MemoryStore
from app.store.port import SessionStore
from migrations.command_work import thrown_away
from migrations.jobs.fold_sessions import FOLD_SESSIONS
from migrations.jobs.nest_sessions import NEST_SESSIONS
from migrations.ledger import list_runs
from migrations.ledger_report import ledger_report
from migrations.plan import plan
from migrations.report import RunReport
from tests.factories import make_edit, make_message, make_put
from tests.fake_clock import START
from tests.migrations.sources import at, contents_of, fold, session_of, verified, write_source
from tests.migrations.test_rollback import FailingStore, counted, exported, undo
from tests.migrations.test_session_documents_are_folded import folded, message, proof, session
from tests.migrations.trees import meta, said, write_session

KEY = SessionKey("ada", "s1")
FIRST = session(
    message("a", "one"),
    message("b", "two"),
    title="Tea",
    tags=["x"],
    colour="green",
    created_at=at(0),
    updated_at=at(10),
)
THEN = FIRST | {
    "title": "Coffee",
    "tags": ["x", "y"],
    "colour": "black",
    "is_active": False,
    "created_at": "2023-01-01T00:00:00Z",
    "updated_at": at(20),
}
LATE = THEN | {"messages": [*THEN["messages"], message("c", "three")]}
OTHER = session(message("d", "four"), id="s2", title="Other")


async def name_of(store: SessionStore) -> str | None:
    return (await session_of(store)).session_name


async def folded_twice(
    folder: Path, store: SessionStore, then: dict[str, Any] = THEN
) -> tuple[RunReport, RunReport, Path]:
    first, _ = await folded(folder, store, FIRST, OTHER)
    second, path = await folded(folder, store, then, OTHER)
    return first, second, path


async def test_a_header_that_nobody_has_changed_follows(
    store: SessionStore, tmp_path: Path
) -> None:
    await folded(tmp_path, store, FIRST, OTHER)
    before = await session_of(store)

    report, path = await folded(tmp_path, store, THEN, OTHER)

    after = await session_of(store)
    assert (after.session_name, after.tags, after.status) == ("Coffee", ("x", "y"), "archived")
    assert (after.created_at.year, after.updated_at.second) == (2023, 20)
    assert after.origin is not None
    assert after.origin.extras == {"colour": "black"}
    assert after.messages == before.messages
    assert after.generation != before.generation
    assert report.sessions == {"created": 0, "completed": 1, "unchanged": 1, "refused": 0}
    assert (report.retold, report.late, report.messages_added) == (1, 0, 0)
    proven = await proof(path, store)
    assert (proven.differences, proven.written_since, proven.sessions_equal) == ({}, [], 2)


async def test_a_header_follows_again_and_again(store: SessionStore, tmp_path: Path) -> None:
    await folded_twice(tmp_path, store)
    version = await store.find_version(KEY)

    same, _ = await folded(tmp_path, store, THEN, OTHER)

    assert (same.retold, same.sessions["unchanged"]) == (0, 2)
    assert await store.find_version(KEY) == version
    back, path = await folded(tmp_path, store, FIRST, OTHER)
    assert back.retold == 1
    assert await name_of(store) == "Tea"
    assert (await proof(path, store)).differences == {}


@pytest.mark.parametrize("updated_at", [at(5), at(20)])
async def test_a_date_alone_is_something_new(
    store: SessionStore, tmp_path: Path, updated_at: str
) -> None:
    _, report, path = await folded_twice(tmp_path, store, FIRST | {"updated_at": updated_at})

    assert report.retold == 1
    assert instant_text((await session_of(store)).updated_at) == updated_at
    assert (await proof(path, store)).differences == {}


async def test_the_metadata_of_a_folder_is_followed_too(tmp_path: Path) -> None:
    store = MemoryStore()
    folder = write_session(tmp_path / "chat_sessions/s1", [said("a", "one")], meta())
    await fold(tmp_path, store, job=NEST_SESSIONS)
    (folder / "metadata.json").write_text(json.dumps(meta(title="Coffee")))

    report = await fold(tmp_path, store, job=NEST_SESSIONS)

    assert (report.retold, await name_of(store)) == (1, "Coffee")
    assert (await verified(tmp_path, store, NEST_SESSIONS)).differences == {}


async def test_a_plan_says_it_before(store: SessionStore, tmp_path: Path) -> None:
    await folded(tmp_path, store, FIRST, OTHER)
    path = write_source(tmp_path / "then.jsonl", [THEN, OTHER])

    async with thrown_away() as scratch:
        planned = await plan(FOLD_SESSIONS, FOLD_SESSIONS.open(str(path)), store, scratch)

    assert planned.sessions == {"created": 0, "completed": 1, "unchanged": 1, "refused": 0}
    assert await name_of(store) == "Tea"


async def test_the_reports_tell_it(tmp_path: Path) -> None:
    store = MemoryStore()
    first, second, _ = await folded_twice(tmp_path, store)

    told = "sessions folded before whose header follows the source again: 1"
    assert told in second.to_text()
    assert told in (await ledger_report(store, second.run_id)).to_text()
    assert "follows the source again" not in first.to_text()


async def test_what_a_user_has_changed_stays(store: SessionStore, tmp_path: Path) -> None:
    await folded(tmp_path, store, FIRST)
    await store.change_header(KEY, make_put(session_name="Mine", at=START))
    await store.edit_message(KEY, "a", make_edit("edited"))

    _, path = await folded(tmp_path, store, THEN)

    after = await session_of(store)
    assert (after.session_name, after.tags, after.status) == ("Mine", ("x",), "active")
    assert after.origin is not None
    assert after.origin.extras == {"colour": "black"}  # which only the source can say
    assert await contents_of(store) == ["edited", "two"]
    assert [one.content for one in await store.list_past_texts(KEY, "a")] == ["one"]
    proven = await proof(path, store)
    assert (proven.differences, len(proven.written_since)) == ({}, 1)


async def test_what_a_user_has_written_stays_beside_a_new_header(
    store: SessionStore, tmp_path: Path
) -> None:
    await folded(tmp_path, store, FIRST)
    await store.append(KEY, [make_message("new", "mine")], at=START)

    _, path = await folded(tmp_path, store, LATE)

    after = await session_of(store)
    assert after.session_name == "Coffee"
    assert after.updated_at == START
    assert await contents_of(store) == ["one", "two", "mine", "three"]
    proven = await proof(path, store)
    assert (proven.differences, len(proven.written_since)) == ({}, 1)


async def test_a_session_that_its_user_deleted_does_not_come_back(
    store: SessionStore, tmp_path: Path
) -> None:
    await folded(tmp_path, store, FIRST)
    await store.delete(KEY, START)

    report, _ = await folded(tmp_path, store, THEN)

    assert await store.find_version(KEY) is None
    assert report.records.reasons == {"deleted_by_user": 3}


@pytest.mark.parametrize("then", [THEN, LATE])
async def test_a_rollback_puts_the_header_back(
    store: SessionStore, tmp_path: Path, then: dict[str, Any]
) -> None:
    first, _ = await folded(tmp_path, store, FIRST, OTHER)
    before = await exported(store)
    second, _ = await folded(tmp_path, store, then, OTHER)
    assert await exported(store) != before

    report = await undo(store, second.run_id)

    assert counted(report) == {"restored": 1, "untouched": 1}
    assert await exported(store) == before
    assert counted(await undo(store, first.run_id)) == {"removed": 2}


async def test_runs_are_undone_one_by_one_from_the_last(
    store: SessionStore, tmp_path: Path
) -> None:
    _, second, _ = await folded_twice(tmp_path, store)
    third, _ = await folded(tmp_path, store, LATE | {"title": "Water"}, OTHER)

    assert await name_of(store) == "Water"
    assert counted(await undo(store, third.run_id)) == {"restored": 1, "untouched": 1}
    assert await name_of(store) == "Coffee"
    assert counted(await undo(store, second.run_id)) == {"restored": 1, "untouched": 1}
    assert await name_of(store) == "Tea"


async def test_the_first_run_cannot_go_where_a_later_one_has_been(
    store: SessionStore, tmp_path: Path
) -> None:
    first, _, _ = await folded_twice(tmp_path, store)

    report = await undo(store, first.run_id)

    assert counted(report) == {"removed": 1, "left": 1}
    assert [one["why"] for one in report.left] == ["A later run has changed it since."]
    assert await name_of(store) == "Coffee"


async def test_a_header_that_its_user_changed_since_is_not_put_back(
    store: SessionStore, tmp_path: Path
) -> None:
    _, second, _ = await folded_twice(tmp_path, store)
    await store.change_header(KEY, make_put(session_name="Mine", at=START))

    report = await undo(store, second.run_id)

    assert counted(report) == {"untouched": 1, "left": 1}
    assert await name_of(store) == "Mine"


@pytest.mark.parametrize("fails_after", [False, True])
async def test_a_run_that_was_cut_short_anywhere_goes_on_and_can_be_undone(
    tmp_path: Path, *, fails_after: bool
) -> None:
    for writes in count():
        store = FailingStore(fails_after=fails_after)
        await folded(tmp_path, store, FIRST, OTHER)
        before = await exported(store)
        store.writes_left = writes
        path = write_source(tmp_path / "sessions.jsonl", [LATE, OTHER])
        was_cut = False
        try:
            await fold(path, store, job=FOLD_SESSIONS)
        except StoreUnavailableError:
            was_cut = True
        store.writes_left = -1

        report = await fold(path, store, job=FOLD_SESSIONS)

        _, *runs = await list_runs(store)
        assert runs[-1].run_id == report.run_id or not was_cut
        assert (await proof(path, store)).differences == {}, f"cut at write {writes}"
        assert await contents_of(store) == ["one", "two", "three"]
        if len(runs) == 1:
            assert (report.retold, report.late) == (1, 1), f"cut at write {writes}"
        for ledger in reversed(runs):
            assert (await undo(store, ledger.run_id)).left == [], f"cut at write {writes}"
        assert await exported(store) == before, f"cut at write {writes}"
        if not was_cut:
            break
    assert writes > 6


class BusyStore(MemoryStore):
    """Its user writes to a session at each moment in which something is to be taken back."""

    async def take_back(
        self, key: SessionKey, version: Version, earlier: SessionImage | None = None
    ) -> bool:
        await self.append(key, [make_message(f"new {version.revision}")], at=START)
        return await super().take_back(key, version, earlier)


async def test_a_session_that_is_written_to_all_the_time_is_left_and_named(tmp_path: Path) -> None:
    store = BusyStore()
    await folded(tmp_path, store, FIRST)

    report, path = await folded(tmp_path, store, THEN)

    assert (report.retold, report.sessions["unchanged"]) == (0, 1)
    assert await name_of(store) == "Tea"
    assert set((await proof(path, store)).differences) == {
        "session_differs",
        "session_date_differs",
    }
