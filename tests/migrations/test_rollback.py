"""A rollback leaves the store as it was before the run, but for what users did since."""

from itertools import count
from pathlib import Path
from typing import Any

import pytest

from app.domain.identity import SessionKey, Version
from app.domain.image import SessionImage
from app.errors import RunStateError, StoreUnavailableError
from app.store.memory import MemoryStore
from app.store.port import Appended, SessionStore
from migrations.ledger import RunState, find_run, list_runs
from migrations.report import RollbackReport
from migrations.rollback import roll_back
from tests.factories import make_edit, make_message, make_new_session, make_put
from tests.fake_clock import START
from tests.migrations.sources import (
    at,
    contents_of,
    document,
    fold,
    verified,
    write_source,
)

KEY = SessionKey("ada", "s1")
OTHER = SessionKey("bob", "s2")
SOME = [
    document("m0", "zero", created_at=at(0)),
    document("m1", "one", created_at=at(1)),
    document("m2", "two", created_at=at(2), session_id="s2", user_id="bob"),
]
LATE = document("late", "late", created_at=at(0.5))
LONG = [document(f"n{number}", f"text {number}", created_at=at(number)) for number in range(7)]


async def exported(store: SessionStore) -> list[dict[str, Any]]:
    """Every session as it is exported, but for its generation."""
    sessions = [(await store.read(key)).document() for key in await store.list_keys()]
    return [session.model_dump(exclude={"generation"}) for session in sessions]


async def undo(store: SessionStore, run_id: str, *, is_dry: bool = False) -> RollbackReport:
    return await roll_back(await find_run(store, run_id), store, is_dry=is_dry)


def counted(report: RollbackReport) -> dict[str, int]:
    return {state: count for state, count in report.sessions.items() if count}


async def test_what_a_run_has_made_is_gone_and_can_be_made_again(
    store: SessionStore, tmp_path: Path
) -> None:
    path = write_source(tmp_path / "source.jsonl", SOME)
    run = await fold(path, store)
    folded = await exported(store)

    report = await undo(store, run.run_id)

    assert counted(report) == {"removed": 2}
    assert await store.list_keys() == []
    assert await store.find_deleted([KEY, OTHER]) == set()
    again = await fold(path, store)
    assert again.sessions["created"] == 2
    assert [one | {"origin": None} for one in await exported(store)] == [
        one | {"origin": None} for one in folded
    ]
    assert (await verified(path, store)).has_findings is False


async def test_sessions_that_were_there_before_are_what_they_were(
    store: SessionStore, tmp_path: Path
) -> None:
    own = SessionKey("ada", "own")
    await store.insert(make_new_session(own, messages=[make_message("mine")]))
    path = write_source(tmp_path / "source.jsonl", SOME)
    first = await fold(path, store)
    before = await exported(store)
    version_before = await store.find_version(KEY)
    write_source(path, [*SOME, LATE])
    second = await fold(path, store)
    assert (second.late, second.sessions["completed"]) == (1, 1)

    report = await undo(store, second.run_id)

    assert counted(report) == {"restored": 1, "untouched": 1}
    assert await exported(store) == before
    restored = await store.find_version(KEY)
    assert restored is not None
    assert version_before is not None
    assert restored.revision == version_before.revision
    assert restored.generation != version_before.generation  # nobody's copy passes for it
    assert counted(await undo(store, first.run_id)) == {"removed": 2}
    assert await store.list_keys() == [own]


async def test_the_first_run_can_go_while_the_second_stays(
    store: SessionStore, tmp_path: Path
) -> None:
    path = write_source(tmp_path / "source.jsonl", SOME)
    first = await fold(path, store)
    write_source(path, [*SOME, LATE])
    await fold(path, store)

    report = await undo(store, first.run_id)

    assert counted(report) == {"removed": 1, "left": 1}
    assert await contents_of(store) == ["zero", "one", "late"]
    assert report.has_findings


@pytest.mark.parametrize("change", ["append", "edit", "delete message", "header", "anew"])
async def test_what_users_have_changed_is_left_alone_and_named(
    store: SessionStore, tmp_path: Path, change: str
) -> None:
    run = await fold(write_source(tmp_path / "source.jsonl", SOME), store)
    if change == "append":
        await store.append(KEY, [make_message("new")], at=START)
    elif change == "edit":
        await store.edit_message(KEY, "m1", make_edit("changed"))
    elif change == "delete message":
        await store.delete_message(KEY, "m1", START)
    elif change == "header":
        await store.change_header(KEY, make_put(session_name="mine"))
    else:
        await store.delete(KEY, START)
        await store.insert(make_new_session(KEY, messages=[make_message("anew")]))
    before = (await store.read(KEY)).to_json()

    report = await undo(store, run.run_id)

    assert counted(report) == {"removed": 1, "left": 1}
    assert [(one["user_id"], one["session_id"]) for one in report.left] == [KEY]
    assert report.left[0]["why"].endswith("since.")
    assert (await store.read(KEY)).to_json() == before
    assert "left alone: session 's1' of 'ada'" in report.to_text()


async def test_what_users_have_deleted_stays_deleted(store: SessionStore, tmp_path: Path) -> None:
    run = await fold(write_source(tmp_path / "source.jsonl", SOME), store)
    await store.delete(KEY, START)
    await store.erase_user("bob", START)

    report = await undo(store, run.run_id)

    assert counted(report) == {"gone": 1}  # nothing is known of who was erased
    assert await store.find_deleted([KEY, OTHER]) == {KEY, OTHER}


async def test_a_dry_rollback_says_the_same_and_changes_nothing(
    store: SessionStore, tmp_path: Path
) -> None:
    path = write_source(tmp_path / "source.jsonl", SOME)
    await fold(path, store)
    write_source(path, [*SOME, LATE])
    run = await fold(path, store)
    before = await exported(store)
    entries = await store.list_ledger_entries(run.run_id)

    dry = await undo(store, run.run_id, is_dry=True)

    assert await exported(store) == before
    assert await store.list_ledger_entries(run.run_id) == entries
    assert dry.to_text().startswith("dry rollback of group-messages run")
    assert (await undo(store, run.run_id)).sessions == dry.sessions


async def test_a_run_is_rolled_back_once(store: SessionStore, tmp_path: Path) -> None:
    run = await fold(write_source(tmp_path / "source.jsonl", SOME), store)
    await undo(store, run.run_id)

    with pytest.raises(RunStateError, match="rolled back already"):
        await undo(store, run.run_id)


class FailingStore(MemoryStore):
    """Fails once so many of its writes have been done; before or after the write that fails."""

    def __init__(self, *, fails_after: bool) -> None:
        super().__init__()
        self.fails_after = fails_after
        self.writes_left = -1

    def _count(self) -> bool:
        """Whether this is the write that fails."""
        self.writes_left -= 1
        if self.writes_left == -1 and not self.fails_after:
            raise StoreUnavailableError("The connection is lost.")
        return self.writes_left == -1

    @staticmethod
    def _fail() -> None:
        raise StoreUnavailableError("The connection is lost.")

    async def insert_absent(self, *arguments: Any, **named: Any) -> list[bool]:
        is_last = self._count()
        answer = await super().insert_absent(*arguments, **named)
        if is_last:
            self._fail()
        return answer

    async def append(self, *arguments: Any, **named: Any) -> Appended:
        is_last = self._count()
        answer = await super().append(*arguments, **named)
        if is_last:
            self._fail()
        return answer

    async def put_ledger_entry(self, *arguments: Any, **named: Any) -> bool:
        is_last = self._count()
        answer = await super().put_ledger_entry(*arguments, **named)
        if is_last:
            self._fail()
        return answer

    async def take_back(
        self, key: SessionKey, version: Version, earlier: SessionImage | None = None
    ) -> bool:
        is_last = self._count()
        answer = await super().take_back(key, version, earlier)
        if is_last:
            self._fail()
        return answer


class CutShort:
    """A store where a second run has failed at one of its writes."""

    def __init__(self, folder: Path, *, fails_after: bool) -> None:
        self.store = FailingStore(fails_after=fails_after)
        self.path = folder / "source.jsonl"
        self.before: list[dict[str, Any]] = []
        self.was_cut = False
        self._first_run = ""

    async def begin(self, writes: int) -> None:
        """Let the first run be done, and the second so many writes long."""
        self._first_run = (await fold(write_source(self.path, SOME), self.store)).run_id
        self.before = await exported(self.store)
        write_source(self.path, [*SOME, *LONG, LATE, document("m9", session_id="s3")])
        self.store.writes_left = writes
        try:
            await fold(self.path, self.store, part_records=3)
        except StoreUnavailableError:
            self.was_cut = True
        self.store.writes_left = -1

    async def second_run(self) -> str | None:
        """Its id; None where it has not come so far."""
        runs = [entry.run_id for entry in await self.store.list_ledger_runs()]
        return next((run_id for run_id in runs if run_id != self._first_run), None)


@pytest.mark.parametrize("fails_after", [False, True])
async def test_a_run_that_was_cut_short_anywhere_can_be_undone(
    tmp_path: Path, *, fails_after: bool
) -> None:
    for writes in count():
        cut = CutShort(tmp_path, fails_after=fails_after)
        await cut.begin(writes)
        run_id = await cut.second_run()
        if run_id is not None:
            report = await undo(cut.store, run_id)
            assert report.left == []
        assert await exported(cut.store) == cut.before, f"cut at write {writes}"
        if not cut.was_cut:
            break
    assert writes > 8


@pytest.mark.parametrize("fails_after", [False, True])
async def test_a_run_that_was_cut_short_anywhere_can_go_on(
    tmp_path: Path, *, fails_after: bool
) -> None:
    for writes in count():
        cut = CutShort(tmp_path, fails_after=fails_after)
        await cut.begin(writes)
        report = await fold(cut.path, cut.store, part_records=3)
        proof = await verified(cut.path, cut.store)
        assert (proof.has_findings, proof.sessions_equal) == (False, 3), f"cut at write {writes}"
        assert report.records.folded == report.records.read == 12
        _, *later = await list_runs(cut.store)
        if cut.was_cut and len(later) == 1:
            assert (report.late, report.messages_added) == (8, 9), f"cut at write {writes}"
        for ledger in reversed(later):
            assert (await undo(cut.store, ledger.run_id)).left == []
        assert await exported(cut.store) == cut.before, f"cut at write {writes}"
        if not cut.was_cut:
            break
    assert writes > 8


@pytest.mark.parametrize("fails_after", [False, True])
async def test_a_rollback_that_was_cut_short_anywhere_goes_on(
    tmp_path: Path, *, fails_after: bool
) -> None:
    was_cut = True
    for writes in count():
        cut = CutShort(tmp_path, fails_after=fails_after)
        await cut.begin(1000)
        run_id = await cut.second_run()
        assert run_id is not None
        cut.store.writes_left = writes
        try:
            await undo(cut.store, run_id)
            was_cut = False
        except StoreUnavailableError:
            cut.store.writes_left = -1
            ledger = await find_run(cut.store, run_id)
            if ledger.record.state is not RunState.ROLLED_BACK:
                assert (await undo(cut.store, run_id)).left == []
        assert await exported(cut.store) == cut.before, f"cut at write {writes}"
        if not was_cut:
            break
    assert writes > 5
