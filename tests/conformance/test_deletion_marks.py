"""What was deleted in one store stays deleted in another that takes over its marks."""

from app.domain.identity import SessionKey
from app.store.marking import Marking
from app.store.memory import MemoryStore
from app.store.port import DeletionMark, SessionStore
from tests.conformance.state import Neighbours
from tests.factories import ADA, KEY, make_new_session
from tests.fake_clock import START, instant
from tests.lived import lived_image

KEYS = [SessionKey(ADA, f"s{number}") for number in range(5)]


def mark_of(store: SessionStore, *parts: str) -> bytes:
    return Marking(store.marking_secret).mark(*parts)


async def test_a_store_without_deletions_has_no_marks(
    store: SessionStore, neighbours: Neighbours
) -> None:
    assert await store.list_marks() == []
    assert await neighbours.are_untouched()


async def test_marks_tell_when_and_not_what(store: SessionStore) -> None:
    await store.insert(make_new_session())
    await store.delete(KEY, instant(1))
    await store.erase_user("eve", instant(2))

    marks = await store.list_marks()

    assert sorted(marks, key=lambda one: one.at) == [
        DeletionMark(mark_of(store, "ada", "session"), instant(1)),
        DeletionMark(mark_of(store, "eve"), instant(2)),
    ]
    assert [len(one.mark) for one in marks] == [16, 16]


async def test_marks_are_listed_in_pages(store: SessionStore) -> None:
    for key in KEYS:
        await store.insert(make_new_session(key))
        await store.delete(key, START)
    expected = sorted(mark_of(store, *key) for key in KEYS)

    first = await store.list_marks(limit=2)
    second = await store.list_marks(after=first[-1].mark, limit=2)
    third = await store.list_marks(after=second[-1].mark, limit=2)

    assert [one.mark for one in [*first, *second, *third]] == expected
    assert await store.list_marks(after=expected[-1], limit=2) == []


async def test_a_mark_taken_over_is_obeyed(store: SessionStore, neighbours: Neighbours) -> None:
    marks = [
        DeletionMark(mark_of(store, *KEY), START),
        DeletionMark(mark_of(store, "eve"), START),
    ]
    of_eve = SessionKey("eve", "any")

    await store.put_marks(marks)

    assert await store.find_deleted([KEY, of_eve, KEYS[0]]) == {KEY, of_eve}
    assert await store.insert_absent([make_new_session(), make_new_session(of_eve)]) == [
        False,
        False,
    ]
    assert await store.list_marks() == sorted(marks, key=lambda one: one.mark)
    assert await neighbours.are_untouched()


async def test_a_mark_taken_over_does_not_keep_a_user_from_making_the_session(
    store: SessionStore,
) -> None:
    await store.put_marks([DeletionMark(mark_of(store, *KEY), START)])

    await store.insert(make_new_session())

    assert await store.find_deleted([KEY]) == set()


async def test_a_session_made_anew_clears_its_mark(store: SessionStore) -> None:
    image = await lived_image()
    for make in (store.insert(make_new_session()), store.put_image(image)):
        await store.put_marks([DeletionMark(mark_of(store, *KEY), START)])
        await make
        assert await store.list_marks() == []
        await store.delete(KEY, START)


async def test_the_mark_of_a_session_that_lives_does_not_count(store: SessionStore) -> None:
    await store.insert(make_new_session())

    await store.put_marks([DeletionMark(mark_of(store, *KEY), START)])

    assert await store.find_deleted([KEY]) == set()
    assert await store.find_version(KEY) is not None


async def test_taking_marks_over_again_changes_nothing_but_to_a_later_date(
    store: SessionStore,
) -> None:
    mark = mark_of(store, *KEY)
    for seconds in (5, 5, 3, 8, 1):
        await store.put_marks([DeletionMark(mark, instant(seconds))])

    assert await store.list_marks() == [DeletionMark(mark, instant(8))]


async def test_no_marks_are_none(store: SessionStore) -> None:
    await store.put_marks([])

    assert await store.list_marks() == []


async def test_a_store_made_with_the_secret_of_another_knows_its_marks(
    store: SessionStore,
) -> None:
    await store.insert(make_new_session())
    await store.delete(KEY, START)
    heir = MemoryStore(new_secret=store.marking_secret)

    await heir.put_marks(await store.list_marks())

    assert await heir.find_deleted([KEY, KEYS[0]]) == {KEY}


async def test_each_new_store_has_a_secret_of_its_own(store: SessionStore) -> None:
    assert len(store.marking_secret) == 32
    assert store.marking_secret != MemoryStore().marking_secret
