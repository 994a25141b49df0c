"""A clock that goes backwards moves no place and no date of activity back."""

from app.domain.identity import SessionKey
from app.store.port import ListOrder, SessionStore
from tests.conformance.state import header_of, ids_listed, messages_of
from tests.factories import (
    ADA,
    KEY,
    make_edit,
    make_message,
    make_messages,
    make_new_session,
    make_put,
)
from tests.fake_clock import FakeClock, instant


async def test_updated_at_never_goes_back(store: SessionStore, clock: FakeClock) -> None:
    await store.insert(make_new_session(created_at=clock.now(), messages=make_messages(2)))
    dates = [(await header_of(store, KEY)).updated_at]

    await store.append(KEY, make_messages(1, first=2), at=clock.advance(100))
    dates.append((await header_of(store, KEY)).updated_at)
    await store.append(KEY, make_messages(1, first=3), at=clock.set_back(500))
    dates.append((await header_of(store, KEY)).updated_at)
    await store.edit_message(KEY, "m0", make_edit("edited", at=clock.set_back(500)))
    dates.append((await header_of(store, KEY)).updated_at)
    await store.delete_message(KEY, "m1", clock.set_back(500))
    dates.append((await header_of(store, KEY)).updated_at)
    await store.change_header(KEY, make_put(at=clock.set_back(500), session_name="named"))
    dates.append((await header_of(store, KEY)).updated_at)
    await store.append(KEY, make_messages(1, first=4), at=instant(101))
    dates.append((await header_of(store, KEY)).updated_at)

    assert dates == [instant(0), *[instant(100)] * 5, instant(101)]
    header = await header_of(store, KEY)
    assert (header.revision, header.changes, header.created_at) == (7, 3, instant(0))


async def test_places_rise_while_dates_fall(store: SessionStore, clock: FakeClock) -> None:
    await store.insert(make_new_session())

    for number in range(5):
        now = clock.set_back(60)
        await store.append(KEY, [make_message(f"m{number}", created_at=now)], at=now)

    messages = await messages_of(store, KEY)
    assert [m.id for m in messages] == ["m0", "m1", "m2", "m3", "m4"]
    assert [m.created_at for m in messages] == [instant(-60 * n) for n in range(1, 6)]
    assert (await header_of(store, KEY)).last_message_at == instant(-300)


async def test_dates_of_what_was_done_are_those_of_the_clock(
    store: SessionStore, clock: FakeClock
) -> None:
    await store.insert(make_new_session(messages=make_messages(2)))

    await store.edit_message(KEY, "m0", make_edit("edited", at=clock.set_back(10)))
    await store.delete_message(KEY, "m1", clock.set_back(10))

    edited, deleted = await messages_of(store, KEY)
    assert edited.edited_at == instant(-10)
    assert deleted.deleted_at == instant(-20)


async def test_lists_by_activity_stay_in_order(store: SessionStore, clock: FakeClock) -> None:
    for name in ("a", "b", "c"):
        await store.insert(make_new_session(SessionKey(ADA, name), created_at=clock.advance(1)))

    await store.append(SessionKey(ADA, "a"), make_messages(1), at=clock.advance(10))
    await store.append(SessionKey(ADA, "b"), make_messages(1), at=clock.set_back(100))

    assert await ids_listed(store) == ["a", "c", "b"]
    assert await ids_listed(store, order=ListOrder.CREATED) == ["a", "b", "c"]


async def test_a_session_may_be_updated_before_it_was_created(store: SessionStore) -> None:
    await store.insert(make_new_session(created_at=instant(50), updated_at=instant(10)))

    await store.append(KEY, make_messages(1), at=instant(20))

    header = await header_of(store, KEY)
    assert (header.created_at, header.updated_at) == (instant(50), instant(20))
