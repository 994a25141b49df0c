"""A session that is longer than what is held in memory is folded in parts, as if it were in one."""

from pathlib import Path
from typing import Any

import pytest

from app.domain.identity import SessionKey
from app.errors import StoreUnavailableError
from app.store.memory import MemoryStore
from app.store.port import Appended, SessionStore
from tests.migrations.sources import (
    at,
    contents_of,
    document,
    fold,
    messages_of,
    verified,
    write_source,
)

SIX = [
    document(f"m{number}", f"text {number}", created_at=at(number)) for number in (3, 0, 5, 1, 4, 2)
]
TEXTS = ["text 0", "text 1", "text 2", "text 3", "text 4", "text 5"]


@pytest.mark.parametrize("part_records", [1, 2, 3, 4, 5, 6])
async def test_parts_make_one_session_in_one_order(
    store: SessionStore, tmp_path: Path, part_records: int
) -> None:
    path = write_source(tmp_path / "source.jsonl", [*SIX, document("n", session_id="s2")])

    report = await fold(path, store, part_records=part_records)

    assert await contents_of(store) == TEXTS
    assert await contents_of(store, "s2") == ["Hello!"]
    assert report.sessions == {"created": 2, "completed": 0, "unchanged": 0, "refused": 0}
    assert (report.records.folded, report.messages_added) == (7, 7)
    assert not (await verified(path, store)).has_findings


async def test_ids_of_earlier_parts_are_remembered(store: SessionStore, tmp_path: Path) -> None:
    again = document("m0", "text 0", created_at=at(10))
    other = document("m1", "another text", created_at=at(11))

    report = await fold(
        write_source(tmp_path / "source.jsonl", [*SIX, again, other]), store, part_records=2
    )

    assert await contents_of(store) == TEXTS
    assert report.records.reasons == {"exact_duplicate": 1, "conflicting_id": 1}
    (conflict,) = report.records.examples["conflicting_id"]
    assert (conflict.position, conflict.kept_position) == (8, 4)


async def test_records_without_a_user_find_their_place_in_a_long_session(
    store: SessionStore, tmp_path: Path
) -> None:
    unnamed: list[dict[str, Any]] = [{**one, "user_id": None} for one in SIX[1:]]

    report = await fold(
        write_source(tmp_path / "source.jsonl", [*unnamed, SIX[0]]), store, part_records=2
    )

    assert await contents_of(store) == TEXTS
    assert report.records.findings == {"user_inferred": 5}


class FailingStore(MemoryStore):
    """Has room for so many appends only."""

    def __init__(self, appends: int) -> None:
        super().__init__()
        self.appends_left = appends

    async def append(self, *arguments: Any, **named: Any) -> Appended:
        if self.appends_left == 0:
            raise StoreUnavailableError("The disk is full.")
        self.appends_left -= 1
        return await super().append(*arguments, **named)


@pytest.mark.parametrize("appends", [0, 1])
async def test_a_long_session_that_was_begun_is_completed_when_the_run_goes_on(
    tmp_path: Path, appends: int
) -> None:
    store = FailingStore(appends)
    path = write_source(tmp_path / "source.jsonl", SIX)
    with pytest.raises(StoreUnavailableError):
        await fold(path, store, part_records=2)
    assert await contents_of(store) == TEXTS[: 2 + 2 * appends]
    store.appends_left = 100

    report = await fold(path, store, part_records=2)

    assert await contents_of(store) == TEXTS
    assert report.sessions == {"created": 1, "completed": 0, "unchanged": 0, "refused": 0}
    assert report.messages_added == 6


async def test_a_long_session_of_another_maker_is_refused_in_all_its_parts(
    store: SessionStore, tmp_path: Path
) -> None:
    path = write_source(tmp_path / "source.jsonl", SIX)
    await fold(path, store, part_records=2)
    await store.delete(SessionKey("ada", "s1"), (await messages_of(store))[0].created_at)

    report = await fold(path, store, part_records=2)

    assert report.records.reasons == {"deleted_by_user": 6}
    assert report.sessions == {"created": 0, "completed": 0, "unchanged": 0, "refused": 1}
