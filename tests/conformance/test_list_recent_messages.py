"""The newest living messages of all of a user's sessions, by (date, session, place), rising."""

from app.domain.identity import SessionKey
from app.store.port import SessionStore
from tests.factories import ADA, BOB, make_edit, make_message, make_messages, make_new_session
from tests.fake_clock import START, instant


async def recent(
    store: SessionStore, limit: int = 100, offset: int = 0, user_id: str = ADA
) -> list[tuple[str, str]]:
    owned = await store.list_recent_messages(user_id, limit=limit, offset=offset)
    return [(one.session_id, one.message.id) for one in owned]


async def insert(store: SessionStore, name: str, *dates: float, user_id: str = ADA) -> None:
    messages = [make_message(f"m{n}", created_at=instant(date)) for n, date in enumerate(dates)]
    await store.insert(make_new_session(SessionKey(user_id, name), messages=messages))


async def test_a_user_without_messages_has_none(store: SessionStore) -> None:
    await insert(store, "empty")
    await insert(store, "other", 1, 2, user_id=BOB)

    assert await recent(store) == []
    assert await recent(store, user_id="nobody") == []


async def test_messages_of_all_sessions_come_by_date(store: SessionStore) -> None:
    await insert(store, "a", 1, 4, 5)
    await insert(store, "b", 2, 3, 9)
    await insert(store, "a", 6, 7, user_id=BOB)

    assert await recent(store) == [
        ("a", "m0"),
        ("b", "m0"),
        ("b", "m1"),
        ("a", "m1"),
        ("a", "m2"),
        ("b", "m2"),
    ]


async def test_equal_dates_come_by_session_and_place(store: SessionStore) -> None:
    for name in ("é", "a", "B", "\U0001f600", "\uff5e"):
        await insert(store, name, 0, 0)

    assert await recent(store) == [
        (name, message_id)
        for name in ("B", "a", "é", "\uff5e", "\U0001f600")
        for message_id in ("m0", "m1")
    ]


async def test_dates_out_of_place_order_are_ordered_here(store: SessionStore) -> None:
    await insert(store, "a", 5, 1, 3)

    assert await recent(store) == [("a", "m1"), ("a", "m2"), ("a", "m0")]


async def test_limit_and_offset_count_from_the_newest_end(store: SessionStore) -> None:
    await insert(store, "a", 0, 2, 4, 6, 8)
    await insert(store, "b", 1, 3, 5, 7, 9)
    everything = await recent(store)
    assert len(everything) == 10

    for limit in (1, 3, 9, 10, 11, 1000):
        for offset in (0, 1, 5, 9, 10, 11, 500):
            stop = max(0, 10 - offset)
            expected = everything[max(0, stop - limit) : stop]
            assert await recent(store, limit, offset) == expected


async def test_only_the_living_are_shown_and_counted(store: SessionStore) -> None:
    await insert(store, "a", 1, 2, 3, 4)
    await insert(store, "b", 5)
    await store.delete_message(SessionKey(ADA, "a"), "m2", START)
    await store.delete_message(SessionKey(ADA, "b"), "m0", START)

    assert await recent(store) == [("a", "m0"), ("a", "m1"), ("a", "m3")]
    assert await recent(store, limit=1, offset=1) == [("a", "m1")]


async def test_an_edited_message_stays_at_its_date(store: SessionStore) -> None:
    await insert(store, "a", 1, 2)
    await store.edit_message(SessionKey(ADA, "a"), "m0", make_edit("edited", at=instant(9)))

    owned = await store.list_recent_messages(ADA, limit=2)

    assert [one.message.content for one in owned] == ["edited", "the text of m1"]
    assert owned[0].message == (await store.read(SessionKey(ADA, "a"))).messages()[0]


async def test_old_dates_appended_late_and_late_dates_in_old_sessions_are_found(
    store: SessionStore,
) -> None:
    await insert(store, "old", -100, 50)
    await insert(store, "new", 10, 20)
    await store.append(
        SessionKey(ADA, "new"), [make_message("late", created_at=instant(-200))], at=instant(99)
    )
    await store.delete_message(SessionKey(ADA, "new"), "m1", instant(100))

    assert await recent(store, limit=2) == [("new", "m0"), ("old", "m1")]
    assert await recent(store, limit=9) == [
        ("new", "late"),
        ("old", "m0"),
        ("new", "m0"),
        ("old", "m1"),
    ]


async def test_a_page_of_a_thousand_out_of_many_sessions(store: SessionStore) -> None:
    for index in range(30):
        key = SessionKey(ADA, f"s{index:02}")
        await store.insert(make_new_session(key, messages=make_messages(50)))

    page = await recent(store, limit=1000, offset=100)

    everything = [(f"s{index:02}", f"m{seq}") for index in range(30) for seq in range(50)]
    assert page == everything[400:1400]
