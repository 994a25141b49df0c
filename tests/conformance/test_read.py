"""A whole session in one read, or the part of it that was asked for, always of one version."""

import pytest

from app.domain.identity import SessionKey
from app.errors import SessionNotFoundError
from app.store.port import HEADER_ONLY, WHOLE, ReadSelection, SessionStore
from tests.conformance.state import Neighbours
from tests.factories import KEY, make_message, make_messages, make_new_session
from tests.fake_clock import START

FOREIGN = [
    SessionKey("ada", "absent"),
    SessionKey("bob", "absent"),
    SessionKey("nobody", "session"),
]


async def seqs(store: SessionStore, selection: ReadSelection) -> list[int]:
    return [message.seq for message in (await store.read(KEY, selection)).messages()]


@pytest.mark.parametrize("key", FOREIGN)
@pytest.mark.parametrize("selection", [WHOLE, HEADER_ONLY, ReadSelection(after_seq=0)])
async def test_an_absent_session_is_not_found(
    store: SessionStore, neighbours: Neighbours, key: SessionKey, selection: ReadSelection
) -> None:
    with pytest.raises(SessionNotFoundError) as caught:
        await store.read(key, selection)

    assert caught.value.session_id == key.session_id
    assert await neighbours.are_untouched()


async def test_the_header_comes_alone_where_messages_are_not_wanted(store: SessionStore) -> None:
    await store.insert(make_new_session(messages=make_messages(2)))

    encoded = await store.read(KEY, HEADER_ONLY)

    assert encoded.messages_json is None
    assert b'"messages"' not in encoded.to_json()
    assert encoded.header() == (await store.read(KEY)).header()
    assert encoded.header().message_count == 2


@pytest.mark.parametrize(
    ("after_seq", "expected"),
    [
        (None, [0, 1, 2, 3, 4]),
        (-5, [0, 1, 2, 3, 4]),
        (-1, [0, 1, 2, 3, 4]),
        (0, [1, 2, 3, 4]),
        (3, [4]),
        (4, []),
        (5, []),
        (2**62, []),
    ],
)
async def test_after_seq_brings_only_higher_places(
    store: SessionStore, after_seq: int | None, expected: list[int]
) -> None:
    await store.insert(make_new_session(messages=make_messages(2)))
    await store.append(KEY, make_messages(3, first=2), at=START)

    assert await seqs(store, ReadSelection(after_seq=after_seq)) == expected


async def test_tombstones_are_read_in_their_places(store: SessionStore) -> None:
    await store.insert(make_new_session(messages=make_messages(3)))
    await store.delete_message(KEY, "m1", START)

    messages = (await store.read(KEY)).messages()

    assert [message.id for message in messages] == ["m0", "m1", "m2"]
    assert [message.is_deleted for message in messages] == [False, True, False]


async def test_places_follow_the_appends_and_no_date(store: SessionStore) -> None:
    await store.insert(make_new_session())
    late = make_message("late", created_at=START.replace(year=2030))
    early = make_message("early", created_at=START.replace(year=1990))
    middle = make_message("middle", created_at=START)

    await store.append(KEY, [late, early], at=START)
    await store.append(KEY, [middle], at=START.replace(year=2000))

    messages = (await store.read(KEY)).messages()
    assert [message.id for message in messages] == ["late", "early", "middle"]
    assert [message.created_at.year for message in messages] == [2030, 1990, 2026]


async def test_reading_changes_nothing(store: SessionStore) -> None:
    await store.insert(make_new_session(messages=make_messages(2)))
    first = await store.read(KEY)

    await store.read(KEY, HEADER_ONLY)
    await store.read(KEY, ReadSelection(after_seq=0, since=first.version))

    assert await store.read(KEY) == first
