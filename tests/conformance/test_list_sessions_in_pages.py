"""Paging through a user's sessions: complete, without repeats, while sessions change."""

from typing import Any

import pytest

from app.domain.encoded import decoded_summary
from app.domain.identity import SessionKey
from app.domain.page import Position
from app.store.port import PAGE_LIMIT, ListFilter, ListOrder, SessionStore
from tests.factories import ADA, BOB, make_messages, make_new_session, make_put
from tests.fake_clock import START, instant


async def insert_sessions(store: SessionStore, number: int, *, user_id: str = ADA) -> list[str]:
    """Sessions `s00`, `s01`, …, three of which always share their dates."""
    names = [f"s{index:02}" for index in range(number)]
    for index, name in enumerate(names):
        await store.insert(
            make_new_session(
                SessionKey(user_id, name),
                created_at=instant(index // 3),
                is_pinned=index % 2 == 0,
            )
        )
    return names


async def page_of(
    store: SessionStore, after: Position | None, limit: int, order: ListOrder, **wanted: Any
) -> tuple[list[str], Position | None]:
    page = await store.list_summaries(
        ADA, order=order, filter=ListFilter(**wanted), limit=limit, after=after
    )
    return [decoded_summary(item).id for item in page.items], page.next_position


async def walk(store: SessionStore, order: ListOrder, limit: int, **wanted: Any) -> list[list[str]]:
    pages = []
    position = None
    for _ in range(100):
        names, position = await page_of(store, position, limit, order, **wanted)
        pages.append(names)
        if position is None:
            return pages
    raise AssertionError("the walk has no end")


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 7, 9, 10, 11])
async def test_pages_together_are_the_whole_list(store: SessionStore, limit: int) -> None:
    names = await insert_sessions(store, 10)
    await insert_sessions(store, 12, user_id=BOB)

    by_creation = await walk(store, ListOrder.CREATED, limit)
    by_activity = await walk(store, ListOrder.ACTIVITY, limit)

    assert [name for page in by_creation for name in page] == names
    assert [name for page in by_activity for name in page] == names[::-1]
    assert all(len(page) == limit for page in by_creation[:-1])
    assert all(by_creation)


async def test_the_last_page_names_no_next_one(store: SessionStore) -> None:
    await insert_sessions(store, 4)

    names, position = await page_of(store, None, 4, ListOrder.ACTIVITY)

    assert names == ["s03", "s02", "s01", "s00"]
    assert position is None


async def test_a_position_is_an_instant_text_and_an_id(store: SessionStore) -> None:
    await insert_sessions(store, 3)

    _, by_activity = await page_of(store, None, 2, ListOrder.ACTIVITY)
    _, by_creation = await page_of(store, None, 2, ListOrder.CREATED)

    assert by_activity == ("2026-01-02T03:04:05.678Z", "s01")
    assert by_creation == ("2026-01-02T03:04:05.678Z", "s01")


async def test_a_page_may_have_as_many_as_the_limit_says(store: SessionStore) -> None:
    assert PAGE_LIMIT == 200
    for index in range(201):
        await store.insert(make_new_session(SessionKey(ADA, f"s{index:03}")))

    names, position = await page_of(store, None, 200, ListOrder.CREATED)
    rest, end = await page_of(store, position, 200, ListOrder.CREATED)

    assert (len(names), rest, end) == (200, ["s200"], None)


async def test_filtered_pages_are_full(store: SessionStore) -> None:
    await insert_sessions(store, 10)

    pages = await walk(store, ListOrder.CREATED, 2, is_pinned=True)

    assert pages == [["s00", "s02"], ["s04", "s06"], ["s08"]]


async def test_a_walk_by_activity_shows_nothing_twice_while_sessions_change(
    store: SessionStore,
) -> None:
    names = await insert_sessions(store, 12)
    seen: list[str] = []
    position: Position | None = None

    for step in range(100):
        page, position = await page_of(store, position, 3, ListOrder.ACTIVITY)
        seen.extend(page)
        if position is None:
            break
        # One that was shown and one that was not: both move to the front.
        shown, unshown = page[0], next(name for name in names if name not in seen)
        for name in (shown, unshown):
            await store.append(
                SessionKey(ADA, name), make_messages(1, first=step), at=instant(100 + step)
            )

    assert len(seen) == len(set(seen))
    moved = set(names) - set(seen)
    front, _ = await page_of(store, None, len(moved) * 2, ListOrder.ACTIVITY)
    assert moved <= set(front)
    assert moved


async def test_a_changed_session_is_on_page_one_again(store: SessionStore) -> None:
    await insert_sessions(store, 6)
    first, position = await page_of(store, None, 2, ListOrder.ACTIVITY)
    assert first == ["s05", "s04"]

    await store.change_header(
        SessionKey(ADA, "s00"), make_put(at=instant(50), session_name="changed")
    )

    second, position = await page_of(store, position, 2, ListOrder.ACTIVITY)
    third, end = await page_of(store, position, 2, ListOrder.ACTIVITY)
    assert (second, third, end) == (["s03", "s02"], ["s01"], None)
    assert (await page_of(store, None, 2, ListOrder.ACTIVITY))[0] == ["s00", "s05"]


async def test_a_walk_by_activity_shows_nothing_twice_under_a_clock_that_stands_still(
    store: SessionStore,
) -> None:
    for name in ("a", "b", "c", "d"):
        await store.insert(make_new_session(SessionKey(ADA, name)))
    first, position = await page_of(store, None, 2, ListOrder.ACTIVITY)
    assert first == ["d", "c"]

    for name in ("a", "c", "d"):
        await store.change_header(SessionKey(ADA, name), make_put(at=START, session_name="x"))

    rest, end = await page_of(store, position, 5, ListOrder.ACTIVITY)
    assert (rest, end) == (["b", "a"], None)


async def test_a_walk_by_creation_meets_every_session_that_lives_through_it(
    store: SessionStore,
) -> None:
    names = await insert_sessions(store, 12)
    seen: list[str] = []
    position: Position | None = None

    for step in range(100):
        page, position = await page_of(store, position, 2, ListOrder.CREATED)
        seen.extend(page)
        if position is None:
            break
        for name in names[2:8]:
            await store.append(
                SessionKey(ADA, name), make_messages(1, first=step), at=instant(100 + step)
            )
        if step == 1:
            await store.delete(SessionKey(ADA, "s10"), START)
            await store.delete(SessionKey(ADA, "s00"), START)
            await store.insert(make_new_session(SessionKey(ADA, "late"), created_at=instant(99)))

    assert seen == [name for name in names if name != "s10"] + ["late"]


@pytest.mark.parametrize("order", list(ListOrder))
async def test_a_page_begins_after_its_position_even_where_that_session_is_gone(
    store: SessionStore, order: ListOrder
) -> None:
    await insert_sessions(store, 6)
    first, position = await page_of(store, None, 3, order)

    await store.delete(SessionKey(ADA, first[-1]), START)

    rest, _ = await page_of(store, position, 10, order)
    assert sorted(first + rest) == ["s00", "s01", "s02", "s03", "s04", "s05"]
