"""Windows on the places of a session: forwards, backwards and by offset, tombstones included."""

import json

import pytest

from app.domain.identity import SessionKey
from app.errors import SessionNotFoundError
from app.store.port import MESSAGE_PAGE_LIMIT, MessageWindow, SessionStore
from tests.conformance.state import Neighbours
from tests.factories import KEY, make_edit, make_messages, make_new_session
from tests.fake_clock import START

FAR = 10**12


async def seqs(store: SessionStore, window: MessageWindow) -> list[int]:
    page = await store.list_messages(KEY, window)
    return [json.loads(one)["seq"] for one in page.messages_json]


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        (MessageWindow(), list(range(10))),
        (MessageWindow(limit=3), [0, 1, 2]),
        (MessageWindow(limit=10), list(range(10))),
        (MessageWindow(limit=11), list(range(10))),
        (MessageWindow(after_seq=-1, limit=2), [0, 1]),
        (MessageWindow(after_seq=-7, limit=2), [0, 1]),
        (MessageWindow(after_seq=0, limit=2), [1, 2]),
        (MessageWindow(after_seq=7, limit=2), [8, 9]),
        (MessageWindow(after_seq=8, limit=2), [9]),
        (MessageWindow(after_seq=9, limit=2), []),
        (MessageWindow(after_seq=FAR), []),
        (MessageWindow(before_seq=10, limit=3), [7, 8, 9]),
        (MessageWindow(before_seq=FAR, limit=3), [7, 8, 9]),
        (MessageWindow(before_seq=5, limit=2), [3, 4]),
        (MessageWindow(before_seq=2, limit=5), [0, 1]),
        (MessageWindow(before_seq=1, limit=1), [0]),
        (MessageWindow(before_seq=0), []),
        (MessageWindow(before_seq=-3), []),
        (MessageWindow(offset=0, limit=2), [0, 1]),
        (MessageWindow(offset=4, limit=3), [4, 5, 6]),
        (MessageWindow(offset=9, limit=3), [9]),
        (MessageWindow(offset=10, limit=3), []),
        (MessageWindow(offset=FAR), []),
    ],
)
async def test_a_window_shows_its_places_in_order(
    store: SessionStore, neighbours: Neighbours, window: MessageWindow, expected: list[int]
) -> None:
    await store.insert(make_new_session(messages=make_messages(4)))
    await store.append(KEY, make_messages(6, first=4), at=START)

    assert await seqs(store, window) == expected
    assert await neighbours.are_untouched()


async def test_a_page_tells_count_and_version(store: SessionStore) -> None:
    await store.insert(make_new_session(messages=make_messages(5), generation="00000000000000aa"))
    await store.delete_message(KEY, "m4", START)

    page = await store.list_messages(KEY, MessageWindow(limit=2, offset=99))

    assert page.messages_json == ()
    assert page.next_seq == 5
    assert page.version == ("00000000000000aa", 2)


async def test_an_empty_session_has_empty_pages(store: SessionStore) -> None:
    await store.insert(make_new_session())

    for window in (MessageWindow(), MessageWindow(before_seq=5), MessageWindow(after_seq=0)):
        page = await store.list_messages(KEY, window)
        assert (page.messages_json, page.next_seq) == ((), 0)


async def test_tombstones_hold_their_places_and_edits_are_shown(store: SessionStore) -> None:
    await store.insert(make_new_session(messages=make_messages(4)))
    await store.delete_message(KEY, "m1", START)
    await store.edit_message(KEY, "m2", make_edit("edited"))

    page = await store.list_messages(KEY, MessageWindow(offset=1, limit=2))

    whole = json.loads((await store.read(KEY)).to_json())["messages"]
    assert [json.loads(one) for one in page.messages_json] == whole[1:3]
    assert [json.loads(one)["content"] for one in page.messages_json] == ["", "edited"]


@pytest.mark.parametrize("limit", [1, 7, 63, 64, 65, 1000])
async def test_pages_together_are_the_whole_session(store: SessionStore, limit: int) -> None:
    await store.insert(make_new_session(messages=make_messages(150)))
    await store.append(KEY, make_messages(60, first=150), at=START)
    whole = (await store.read(KEY)).messages_json
    forwards: list[bytes] = []
    backwards: list[bytes] = []

    while len(forwards) < 210:
        window = MessageWindow(limit=limit, after_seq=len(forwards) - 1)
        forwards += (await store.list_messages(KEY, window)).messages_json
    while len(backwards) < 210:
        window = MessageWindow(limit=limit, before_seq=210 - len(backwards))
        backwards[:0] = (await store.list_messages(KEY, window)).messages_json

    assert b",".join(forwards) == whole
    assert b",".join(backwards) == whole


async def test_a_page_may_have_as_many_as_the_limit_says(store: SessionStore) -> None:
    assert MESSAGE_PAGE_LIMIT == 1000
    await store.insert(make_new_session(messages=make_messages(1200)))

    assert await seqs(store, MessageWindow(limit=1000)) == list(range(1000))
    assert await seqs(store, MessageWindow(limit=1000, before_seq=1100)) == list(range(100, 1100))


@pytest.mark.parametrize("key", [SessionKey("ada", "absent"), SessionKey("nobody", "session")])
async def test_an_absent_session_is_not_found(
    store: SessionStore, neighbours: Neighbours, key: SessionKey
) -> None:
    with pytest.raises(SessionNotFoundError):
        await store.list_messages(key, MessageWindow())

    assert await neighbours.are_untouched()
