"""Notes that name the segments of several seals: how many there are, and how long one is used."""

from collections.abc import AsyncIterator, Iterator
from itertools import count

import pytest
from pymongo.asynchronous.database import AsyncDatabase

from app.domain.identity import SessionKey
from app.store.mongo import segment_notes
from app.store.mongo.store import MongoStore
from tests.factories import KEY, make_message, make_messages, make_new_session
from tests.fake_clock import START, FakeClock
from tests.mongo.facade import Document, database_in_memory

SEGMENT_BYTES = 64 * 1024
LONG_TEXT = "x" * 4500
"""One such message is sealed at once in a session that has segments; a merge takes in many."""
OTHERS = [KEY._replace(session_id=f"other {number}") for number in range(3)]
A_MINUTE_SECONDS = 60
HALF_AN_HOUR_SECONDS = 1800


@pytest.fixture
def database() -> AsyncDatabase[Document]:
    return database_in_memory()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def store(database: AsyncDatabase[Document], clock: FakeClock) -> AsyncIterator[MongoStore]:
    """With a session that has two segments of full size."""
    store = await opened(database, clock)
    await fill(store, KEY)
    yield store
    await store.aclose()


@pytest.fixture
def numbers() -> Iterator[int]:
    return count()


async def opened(database: AsyncDatabase[Document], clock: FakeClock) -> MongoStore:
    return await MongoStore.over(database, segment_bytes=SEGMENT_BYTES, clock=clock)


async def fill(store: MongoStore, key: SessionKey) -> None:
    messages = [make_message(f"long {number}", LONG_TEXT) for number in range(28)]
    await store.insert(make_new_session(key, messages=messages))


async def seal(store: MongoStore, numbers: Iterator[int], key: SessionKey = KEY) -> None:
    """Append what is sealed at once."""
    message = make_message(f"new {next(numbers)}", LONG_TEXT)
    await store.append(key, [message], at=START)
    await store.settle()


async def notes_in(database: AsyncDatabase[Document]) -> list[Document]:
    return await database["chores"].find({}).to_list()


async def chain_in(database: AsyncDatabase[Document]) -> list[str]:
    """The ids of the segments, oldest first."""
    segments = await database["segments"].find({}).to_list()
    return [one["_id"] for one in sorted(segments, key=lambda one: int(one["end_seq"]))]


async def test_several_seals_go_under_one_note(
    store: MongoStore, database: AsyncDatabase[Document], numbers: Iterator[int]
) -> None:
    before = await chain_in(database)
    for _ in range(5):
        await seal(store, numbers)

    (note,) = await notes_in(database)
    sealed = (await chain_in(database))[len(before) :]
    assert len(sealed) == 5
    assert note["segment_ids"][:5] == sealed


async def test_a_note_that_is_used_up_is_renewed(
    store: MongoStore, database: AsyncDatabase[Document], clock: FakeClock, numbers: Iterator[int]
) -> None:
    await seal(store, numbers)
    (first,) = await notes_in(database)
    clock.advance(60)
    for _ in range(len(first["segment_ids"])):
        await seal(store, numbers)

    (renewed,) = await notes_in(database)
    assert renewed["_id"] == first["_id"]
    assert renewed["due_at"] > first["due_at"]
    assert not set(renewed["segment_ids"]) & set(first["segment_ids"])
    assert (await chain_in(database))[-1] == renewed["segment_ids"][0]


async def test_a_note_goes_when_its_store_is_closed(
    database: AsyncDatabase[Document], clock: FakeClock, numbers: Iterator[int]
) -> None:
    store = await opened(database, clock)
    await fill(store, KEY)
    await seal(store, numbers)
    assert len(await notes_in(database)) == 1

    await store.aclose()

    assert await notes_in(database) == []


async def test_a_note_is_not_used_when_it_has_become_old(
    store: MongoStore, database: AsyncDatabase[Document], clock: FakeClock, numbers: Iterator[int]
) -> None:
    await seal(store, numbers)
    (old,) = await notes_in(database)
    clock.advance(HALF_AN_HOUR_SECONDS)

    await seal(store, numbers)

    (note,) = await notes_in(database)
    assert note["_id"] != old["_id"]
    assert note["segment_ids"][0] == (await chain_in(database))[-1]


async def test_what_others_have_tidied_is_not_used(
    store: MongoStore, database: AsyncDatabase[Document], clock: FakeClock, numbers: Iterator[int]
) -> None:
    await seal(store, numbers)
    clock.advance(2 * HALF_AN_HOUR_SECONDS)
    other = await opened(database, clock)
    assert await other.tidy() == 1
    assert await notes_in(database) == []

    await seal(store, numbers)
    clock.advance(2 * HALF_AN_HOUR_SECONDS)
    assert await other.tidy() == 1
    await other.aclose()

    assert len((await store.read(KEY)).messages()) == 30


async def test_a_session_made_anew_has_a_note_of_its_own(
    store: MongoStore, database: AsyncDatabase[Document], numbers: Iterator[int]
) -> None:
    await seal(store, numbers)
    (former,) = await notes_in(database)
    await store.delete(KEY, START)
    await fill(store, KEY)

    await seal(store, numbers)

    (note,) = await notes_in(database)
    (head,) = await database["sessions"].find({"session_id": KEY.session_id}).to_list()
    assert note["generation"] == head["generation"] != former["generation"]
    assert note["segment_ids"][0] == head["newest_segment"]


async def test_two_processes_seal_one_session_under_notes_of_their_own(
    store: MongoStore, database: AsyncDatabase[Document], clock: FakeClock, numbers: Iterator[int]
) -> None:
    other = await opened(database, clock)
    for _ in range(3):
        await seal(store, numbers)
        await seal(other, numbers)

    notes = await notes_in(database)
    sealed = (await chain_in(database))[-6:]
    assert [{*sealed[::2]} & {*note["segment_ids"]} for note in notes] == [{*sealed[::2]}, set()]
    assert {*sealed[1::2]} <= {*notes[1]["segment_ids"]}
    await other.aclose()
    assert len(await notes_in(database)) == 1
    assert len((await store.read(KEY)).messages()) == 34


async def test_a_process_keeps_so_many_notes_and_not_more(
    store: MongoStore,
    database: AsyncDatabase[Document],
    numbers: Iterator[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(segment_notes, "_LIMIT", 2)
    for key in OTHERS:
        await fill(store, key)

    for key in (KEY, *OTHERS):
        await seal(store, numbers, key)

    heads = {head["_id"]: head async for head in database["sessions"].find({})}
    named = {heads[note["head"]]["session_id"] for note in await notes_in(database)}
    assert named == {key.session_id for key in OTHERS[1:]}


async def test_old_notes_of_sessions_that_are_quiet_go_with_the_next_seal(
    store: MongoStore, database: AsyncDatabase[Document], clock: FakeClock, numbers: Iterator[int]
) -> None:
    quiet, busy = OTHERS[:2]
    for key in (quiet, busy):
        await fill(store, key)
        await seal(store, numbers, key)
    assert len(await notes_in(database)) == 2
    clock.advance(HALF_AN_HOUR_SECONDS)

    await seal(store, numbers, busy)

    (note,) = await notes_in(database)
    (head,) = await database["sessions"].find({"session_id": busy.session_id}).to_list()
    assert note["head"] == head["_id"]


async def test_a_large_batch_has_more_segments_than_a_note_has_ids(
    store: MongoStore, database: AsyncDatabase[Document], clock: FakeClock, numbers: Iterator[int]
) -> None:
    await seal(store, numbers)
    large = [make_message(f"large {number}", "x" * 60_000) for number in range(12)]

    await store.append(KEY, large[:4], at=START)
    await store.append(KEY, large[4:], at=START)
    await store.settle()
    await seal(store, numbers)
    clock.advance(A_MINUTE_SECONDS)  # then what was merged goes, with a note of its own
    await store.tidy()

    assert len(await notes_in(database)) == 1
    assert len((await store.read(KEY)).messages()) == 42


async def test_a_damaged_session_gets_no_note_after_note(
    store: MongoStore, database: AsyncDatabase[Document], numbers: Iterator[int]
) -> None:
    await store.append(KEY, [make_message("short")], at=START)
    await database["sessions"].update_one({}, {"$unset": {"messages.0.id": 1}})

    for _ in range(3):
        await seal(store, numbers)

    (head,) = await database["sessions"].find({}).to_list()
    assert len(head["messages"]) > 3
    assert len(await notes_in(database)) == 1


async def test_a_session_of_one_document_needs_no_note(
    database: AsyncDatabase[Document], clock: FakeClock
) -> None:
    store = await opened(database, clock)
    await store.insert(make_new_session(messages=make_messages(5)))
    await store.append(KEY, [make_message("new")], at=START)
    await store.settle()

    assert await notes_in(database) == []
    await store.aclose()
