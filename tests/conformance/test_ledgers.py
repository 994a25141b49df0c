"""Ledgers: jobs keep small documents beside the sessions, and what is of a user goes with them."""

import asyncio
from dataclasses import replace

import pytest

from app.domain.ledger import LEDGER_ENTRY_LIMIT_BYTES, LedgerEntry
from app.errors import DocumentTooLargeError
from app.store.port import SessionStore
from tests.conformance.state import Neighbours
from tests.factories import ADA, BOB, KEY, make_messages, make_new_session
from tests.fake_clock import START

RUN = "2026-01-02T03:04:05Z/run"
PARTS = {ADA: b"\x00\xff of ada", BOB: b"of bob"}
BOBS = {BOB: b"of bob"}


def make_entry(
    number: int = 0,
    revision: int = 1,
    *,
    run_id: str = RUN,
    body: bytes = b'{"state":"running"}',
    parts: dict[str, bytes] | None = None,
) -> LedgerEntry:
    return LedgerEntry(run_id, number, revision, body, parts or {})


async def all_entries(store: SessionStore, run_id: str = RUN) -> list[LedgerEntry]:
    return await store.list_ledger_entries(run_id)


# --- putting ------------------------------------------------------------------------------------


async def test_an_entry_is_read_as_it_was_put(store: SessionStore, neighbours: Neighbours) -> None:
    entry = make_entry(3, body=b'{"a": "\xc3\xa4"}', parts={**PARTS, "eve/会话": b""})

    assert await store.put_ledger_entry(entry)

    assert await store.read_ledger_entry(RUN, 3) == entry
    assert await neighbours.are_untouched()


async def test_what_was_never_put_is_not_there(store: SessionStore) -> None:
    await store.put_ledger_entry(make_entry(1))

    assert await store.read_ledger_entry(RUN, 0) is None
    assert await store.read_ledger_entry("another", 1) is None


async def test_the_next_revision_replaces_all_of_an_entry(store: SessionStore) -> None:
    await store.put_ledger_entry(make_entry(parts=PARTS))
    await store.put_ledger_entry(make_entry(1, parts=PARTS))
    second = make_entry(revision=2, body=b"[]", parts=BOBS)

    assert await store.put_ledger_entry(second)

    assert await store.read_ledger_entry(RUN, 0) == second
    assert await store.read_ledger_entry(RUN, 1) == make_entry(1, parts=PARTS)


@pytest.mark.parametrize("revision", [1, 2, 4])
async def test_another_revision_than_the_next_one_changes_nothing(
    store: SessionStore, revision: int
) -> None:
    for number in (1, 2):
        await store.put_ledger_entry(make_entry(revision=number, parts=PARTS))
    before = await store.read_ledger_entry(RUN, 0)

    is_stored = await store.put_ledger_entry(make_entry(revision=revision, body=b"other"))

    assert not is_stored
    assert await store.read_ledger_entry(RUN, 0) == before


async def test_a_later_revision_of_nothing_is_not_stored(store: SessionStore) -> None:
    assert not await store.put_ledger_entry(make_entry(revision=2))

    assert await store.read_ledger_entry(RUN, 0) is None


async def test_the_very_same_entry_may_be_put_again(store: SessionStore) -> None:
    for revision in (1, 2):
        await store.put_ledger_entry(make_entry(revision=revision, parts=PARTS))

    is_stored = await store.put_ledger_entry(make_entry(revision=2, parts=PARTS))

    assert is_stored
    assert await store.read_ledger_entry(RUN, 0) == make_entry(revision=2, parts=PARTS)


async def test_the_same_revision_with_other_parts_is_another_entry(store: SessionStore) -> None:
    entry = make_entry(parts=PARTS)
    await store.put_ledger_entry(entry)

    for parts in (BOBS, {**PARTS, ADA: b"other"}, {**PARTS, "eve": b"of eve"}):
        assert not await store.put_ledger_entry(replace(entry, parts=parts))

    assert await store.read_ledger_entry(RUN, 0) == entry


async def test_a_copy_may_leave_revisions_out(store: SessionStore) -> None:
    assert await store.put_ledger_entry(make_entry(revision=7), replaces=0)
    assert not await store.put_ledger_entry(make_entry(revision=9), replaces=6)
    assert await store.put_ledger_entry(make_entry(revision=9), replaces=7)
    assert not await store.put_ledger_entry(make_entry(revision=12), replaces=0)

    assert await store.read_ledger_entry(RUN, 0) == make_entry(revision=9)


async def test_of_many_at_once_one_is_stored(store: SessionStore) -> None:
    await store.put_ledger_entry(make_entry())
    entries = [make_entry(revision=2, body=b"by %d" % n, parts=PARTS) for n in range(20)]

    answers = await asyncio.gather(*map(store.put_ledger_entry, entries))

    (winner,) = [entry for entry, answer in zip(entries, answers, strict=True) if answer]
    assert await store.read_ledger_entry(RUN, 0) == winner


async def test_what_is_as_large_as_the_limit_is_kept_and_more_is_not(store: SessionStore) -> None:
    parts = {ADA: b"p" * 1000, BOB: b"q" * 1000}
    body = b"x" * (LEDGER_ENTRY_LIMIT_BYTES - 2000 - len("adabob"))

    assert await store.put_ledger_entry(make_entry(body=body, parts=parts))
    for larger in (make_entry(2, body=body + b"x"), make_entry(2, body=body)):
        with pytest.raises(DocumentTooLargeError):
            await store.put_ledger_entry(replace(larger, parts={**parts, ADA: b"p" * 1001}))

    assert await store.read_ledger_entry(RUN, 0) == make_entry(body=body, parts=parts)
    assert await store.read_ledger_entry(RUN, 2) is None


async def test_an_entry_is_the_callers_own(store: SessionStore) -> None:
    parts = dict(PARTS)
    await store.put_ledger_entry(make_entry(parts=parts))

    parts[ADA] = b"spoilt"
    for read in (
        await store.read_ledger_entry(RUN, 0),
        *await all_entries(store),
        *await store.list_ledger_runs(),
    ):
        assert read is not None
        assert isinstance(read.parts, dict)
        read.parts[BOB] = b"spoilt"

    assert await store.read_ledger_entry(RUN, 0) == make_entry(parts=PARTS)


# --- listing and removing -----------------------------------------------------------------------


async def test_entries_are_listed_by_number_in_pages(store: SessionStore) -> None:
    for number in (10, 2, 0, 9, 1):
        await store.put_ledger_entry(make_entry(number, parts={ADA: b"%d" % number}))
    await store.put_ledger_entry(make_entry(3, run_id="another"))

    first = await store.list_ledger_entries(RUN, limit=2)
    second = await store.list_ledger_entries(RUN, after=first[-1].number, limit=2)
    third = await store.list_ledger_entries(RUN, after=second[-1].number, limit=2)

    assert [one.number for one in (*first, *second, *third)] == [0, 1, 2, 9, 10]
    assert [one.parts for one in second] == [{ADA: b"2"}, {ADA: b"9"}]
    assert await store.list_ledger_entries(RUN, after=10) == []
    assert await store.list_ledger_entries("none") == []


async def test_runs_are_listed_by_their_ids(store: SessionStore) -> None:
    assert await store.list_ledger_runs() == []
    for run_id in ("b", "a/1", "a", "ä"):
        await store.put_ledger_entry(make_entry(run_id=run_id, parts={ADA: run_id.encode()}))
        await store.put_ledger_entry(make_entry(1, run_id=run_id))
    await store.put_ledger_entry(make_entry(1, run_id="without a beginning"))

    runs = await store.list_ledger_runs()

    assert [(one.run_id, one.number) for one in runs] == [
        ("a", 0),
        ("a/1", 0),
        ("b", 0),
        ("ä", 0),
    ]
    assert runs[1].parts == {ADA: b"a/1"}


async def test_places_are_listed_by_run_and_number(store: SessionStore) -> None:
    assert await store.list_ledger_places() == []
    for run_id, number in (("b", 0), ("a", 10), ("a", 2), ("ä", 1), ("a", 0), ("a/1", 0)):
        await store.put_ledger_entry(make_entry(number, run_id=run_id, parts=PARTS))

    first = await store.list_ledger_places(limit=2)
    second = await store.list_ledger_places(after=first[-1], limit=3)
    third = await store.list_ledger_places(after=second[-1], limit=3)

    assert first == [("a", 0), ("a", 2)]
    assert second == [("a", 10), ("a/1", 0), ("b", 0)]
    assert third == [("ä", 1)]
    assert await store.list_ledger_places(after=third[-1]) == []


async def test_a_ledger_is_removed_whole_and_others_stay(
    store: SessionStore, neighbours: Neighbours
) -> None:
    for number in range(40):
        await store.put_ledger_entry(make_entry(number, parts=PARTS))
    other = make_entry(run_id="another", parts=PARTS)
    await store.put_ledger_entry(other)
    assert len(await all_entries(store)) == 40

    await store.remove_ledger(RUN)
    await store.remove_ledger(RUN)

    assert await all_entries(store) == []
    assert await store.list_ledger_runs() == [other]
    assert await neighbours.are_untouched()
    assert (await store.erase_user(ADA, START)).ledger_part_count == 1
    assert await store.put_ledger_entry(make_entry())


# --- users who are erased -----------------------------------------------------------------------


async def test_what_is_said_of_a_user_goes_with_them_and_is_counted(
    store: SessionStore, neighbours: Neighbours
) -> None:
    await store.put_ledger_entry(make_entry(parts={"eve": b"x", **PARTS}))
    await store.put_ledger_entry(make_entry(1, parts={"eve": b"y"}))
    await store.put_ledger_entry(make_entry(2, parts=PARTS))
    await store.put_ledger_entry(make_entry(run_id="another", parts={"eve": b"z"}))

    erasure = await store.erase_user("eve", START)

    assert erasure.ledger_part_count == 3
    assert [one.parts for one in await all_entries(store)] == [PARTS, {}, PARTS]
    assert [one.parts for one in await store.list_ledger_runs()] == [PARTS, {}]
    assert await store.read_ledger_entry(RUN, 1) == make_entry(1)
    assert (await store.erase_user("eve", START)).ledger_part_count == 0
    assert await neighbours.are_untouched()


async def test_parts_of_erased_users_are_left_out_of_what_comes_after(store: SessionStore) -> None:
    await store.put_ledger_entry(make_entry(parts=PARTS))
    await store.erase_user(ADA, START)

    assert await store.put_ledger_entry(make_entry(parts=PARTS))
    assert await store.put_ledger_entry(make_entry(revision=2, parts=PARTS))
    assert await store.put_ledger_entry(make_entry(1, parts={ADA: b"only of ada"}))

    assert await all_entries(store) == [make_entry(revision=2, parts=BOBS), make_entry(1)]


async def test_who_comes_back_after_an_erasure_has_still_no_parts(store: SessionStore) -> None:
    await store.erase_user(ADA, START)
    await store.insert(make_new_session(KEY, messages=make_messages(1)))

    await store.put_ledger_entry(make_entry(parts=PARTS))

    assert await store.read_ledger_entry(RUN, 0) == make_entry(parts=BOBS)


async def test_no_part_outlives_an_erasure_at_the_same_time(store: SessionStore) -> None:
    entries = [make_entry(number, parts=PARTS) for number in range(20)]

    puts = [store.put_ledger_entry(entry) for entry in entries]
    await asyncio.gather(*puts[:10], store.erase_user(ADA, START), *puts[10:])

    assert [one.parts for one in await all_entries(store)] == [BOBS] * 20
