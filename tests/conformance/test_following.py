"""Who follows a session learns of everything once, wherever they have stopped in between."""

import asyncio
from contextlib import aclosing

import pytest

from app.domain.following import (
    LOOK_LIMIT,
    MISSED_LIMIT,
    Bookmark,
    ChangeKind,
    SessionChange,
    bookmark_text,
)
from app.domain.message import ChatMessage
from app.errors import SessionNotFoundError
from app.store.port import HEADER_ONLY, SessionStore
from tests.conformance.state import Neighbours
from tests.factories import (
    KEY,
    make_edit,
    make_message,
    make_messages,
    make_new_session,
    make_put,
)
from tests.fake_clock import START, instant

GENERATION = "00000000000000aa"
A, E, D, H = ChangeKind.APPENDED, ChangeKind.EDITED, ChangeKind.DELETED, ChangeKind.HEADER


async def lived(store: SessionStore) -> None:
    """A session with every kind of change, several in one place, in every order."""
    await store.insert(make_new_session(messages=make_messages(2), generation=GENERATION))
    await store.append(KEY, make_messages(2, first=2), at=START)
    await store.edit_message(KEY, "m0", make_edit("edited"))
    await store.append(KEY, [make_message("long", "long " * 500)], at=START)
    await store.change_header(KEY, make_put(session_name="named"))
    await store.edit_message(KEY, "m3", make_edit("edited", at=instant(1)))
    await store.edit_message(KEY, "m3", make_edit("edited again", at=instant(2)))
    await store.append(KEY, make_messages(30, first=4), at=START)
    await store.delete_message(KEY, "m2", instant(3))


async def changes_after(store: SessionStore, bookmark: Bookmark) -> list[SessionChange]:
    """All that comes after a bookmark, however many looks that takes."""
    told: list[SessionChange] = []
    while True:
        found = await store.read_changes(KEY, bookmark)
        assert found.changes is not None
        told.extend(found.changes)
        bookmark = told[-1].bookmark if told else bookmark
        if bookmark == found.latest:
            return told
        assert found.changes


def outline(changes: list[SessionChange]) -> list[tuple[str, ChangeKind, int]]:
    return [
        (
            bookmark_text(one.bookmark).removeprefix(GENERATION),
            one.kind,
            -1 if one.kind is H else ChatMessage.from_json(one.json).seq,
        )
        for one in changes
    ]


async def test_everything_comes_in_the_order_in_which_it_happened(store: SessionStore) -> None:
    await lived(store)

    told = await changes_after(store, Bookmark(GENERATION, 2, 0))

    assert outline(told) == [
        (".3.0", A, 2),
        (".4.0", A, 3),
        (".4.1", E, 0),
        (".5.1", A, 4),
        # The first edit of m3 cannot be told from a change of the header any more.
        (".5.3", H, -1),
        (".5.4", E, 3),
        *((f".{seq + 1}.4", A, seq) for seq in range(5, 35)),
        (".35.5", D, 2),
    ]


async def test_each_change_brings_what_it_made_as_it_is_now(store: SessionStore) -> None:
    await lived(store)

    told = await changes_after(store, Bookmark(GENERATION, 2, 0))

    whole = await store.read(KEY)
    messages = {message.seq: message.to_json() for message in whole.messages()}
    for one in told:
        if one.kind is H:
            assert one.json == whole.header_json
        else:
            assert one.json == messages[ChatMessage.from_json(one.json).seq]


async def test_whoever_stops_anywhere_goes_on_right_there(store: SessionStore) -> None:
    await lived(store)
    told = await changes_after(store, Bookmark(GENERATION, 0, 0))

    for number, one in enumerate(told, start=1):
        assert await changes_after(store, one.bookmark) == told[number:]
    assert outline(told)[:2] == [(".1.0", A, 0), (".2.0", A, 1)]


async def test_what_comes_after_a_stop_comes_after_what_was_left(store: SessionStore) -> None:
    await lived(store)
    told = await changes_after(store, Bookmark(GENERATION, 2, 0))
    stops = [one.bookmark for one in told]
    left = [outline(told[number:]) for number in range(1, len(told) + 1)]

    await store.edit_message(KEY, "m0", make_edit("edited once more", at=instant(4)))
    await store.append(KEY, [make_message("last")], at=START)

    for stop, rest in zip(stops, left, strict=True):
        found = outline(await changes_after(store, stop))
        # An edit that was not told of yet is told of as the last one, and once.
        others = [one for one in rest if one[1:] != (E, 0)]
        hidden = [one for one in found if one[1] is H and one not in rest]
        assert [one for one in found if one not in hidden] == [
            *others,
            (".35.6", E, 0),
            (".36.6", A, 35),
        ]
        assert len(hidden) <= 1


async def test_nothing_has_happened_since_the_bookmark_of_now(store: SessionStore) -> None:
    await lived(store)
    now = (await store.find_bookmarks([KEY]))[KEY]

    found = await store.read_changes(KEY, now)

    assert (found.latest, found.changes) == (now, ())


async def test_a_whole_read_is_a_bookmark(store: SessionStore) -> None:
    await lived(store)
    header = (await store.read(KEY, HEADER_ONLY)).header()

    now = (await store.find_bookmarks([KEY]))[KEY]

    assert now == (GENERATION, 35, 5) == (header.generation, header.next_seq, header.changes)


async def test_many_changes_come_in_several_looks(store: SessionStore) -> None:
    await store.insert(make_new_session(generation=GENERATION))
    await store.append(KEY, make_messages(LOOK_LIMIT + 20), at=START)
    await store.edit_message(KEY, "m0", make_edit("edited"))

    first = await store.read_changes(KEY, Bookmark(GENERATION, 0, 0))
    assert first.changes is not None
    rest = await changes_after(store, first.changes[-1].bookmark)

    assert len(first.changes) == LOOK_LIMIT
    assert [seq for _, _, seq in outline([*first.changes, *rest])] == [*range(LOOK_LIMIT + 20), 0]


async def test_another_life_of_the_session_cannot_be_told_from_here(store: SessionStore) -> None:
    await lived(store)
    before = (await store.find_bookmarks([KEY]))[KEY]
    await store.delete(KEY, START)
    await store.insert(make_new_session(messages=make_messages(50)))

    found = await store.read_changes(KEY, before)

    assert found.changes is None
    assert found.latest == (await store.find_bookmarks([KEY]))[KEY] != before


async def test_a_bookmark_that_was_never_given_is_no_bookmark(store: SessionStore) -> None:
    await lived(store)

    for next_seq, changes in ((36, 0), (0, 6), (35, 6), (10**17, 0), (0, 10**17)):
        found = await store.read_changes(KEY, Bookmark(GENERATION, next_seq, changes))
        assert found.changes is None


async def test_who_has_missed_too_much_is_told_so(store: SessionStore) -> None:
    await store.insert(make_new_session(messages=make_messages(3), generation=GENERATION))
    long = KEY._replace(session_id="long")
    too_many = [make_message(f"m{number}", "x") for number in range(MISSED_LIMIT + 1)]
    await store.insert(make_new_session(long, messages=too_many, generation=GENERATION))

    missed_all = await store.read_changes(long, Bookmark(GENERATION, 0, 0))
    missed_less = await store.read_changes(long, Bookmark(GENERATION, 1, 0))

    assert missed_all.changes is None
    assert missed_less.changes is not None


async def test_an_absent_session_has_no_bookmark_and_no_changes(
    store: SessionStore, neighbours: Neighbours
) -> None:
    present = KEY._replace(session_id="neighbour")

    found = await store.find_bookmarks([KEY, present, KEY._replace(user_id="nobody")])

    assert list(found) == [present]
    assert await store.find_bookmarks([]) == {}
    with pytest.raises(SessionNotFoundError):
        await store.read_changes(KEY, found[present])
    assert await neighbours.are_untouched()


async def test_thousands_of_bookmarks_are_found_at_once(store: SessionStore) -> None:
    keys = [KEY._replace(session_id=f"s{number}") for number in range(4)]
    await store.insert_absent([make_new_session(key) for key in keys])
    absent = [KEY._replace(session_id=f"absent{number}") for number in range(2000)]

    found = await store.find_bookmarks([keys[0], *absent, *keys[1:]])

    assert set(found) == set(keys)


async def test_a_watch_wakes_after_every_change(store: SessionStore) -> None:
    await store.insert(make_new_session(messages=make_messages(1)))

    async with asyncio.timeout(20), aclosing(await store.watch()) as changes:
        await anext(changes)
        for number in (1, 2):
            await store.append(KEY, make_messages(1, first=number), at=START)
            await anext(changes)

    assert (await store.find_bookmarks([KEY]))[KEY].next_seq == 3
