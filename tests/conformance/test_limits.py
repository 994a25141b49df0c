"""The published limits hold to the byte: at the limit passes, one byte more changes nothing."""

import pytest

from app.domain.message import NewMessage
from app.errors import DocumentTooLargeError, LimitExceededError
from app.store.port import SessionStore
from tests.conformance.state import Neighbours, contents_of, header_of, messages_of, state_of
from tests.factories import (
    KEY,
    make_edit,
    make_message,
    make_messages,
    make_new_session,
    make_put,
)
from tests.fake_clock import START

MESSAGE_LIMIT = 8_388_608
HEADER_LIMIT = 262_144

# What a stored message has besides its content and its place, which comes with the append.
MESSAGE_FRAME = len(
    '{"id":"mX","content":"","message_type":"user","user_id":null,"metadata":{},'
    '"created_at":"2026-01-02T03:04:05.678Z","parent_id":null,"edited_at":null,"deleted_at":null}'
)
# What an edited message has besides its content.
EDITED_FRAME = len(
    '{"seq":0,"id":"mX","content":"","message_type":"user","user_id":null,"metadata":{},'
    '"created_at":"2026-01-02T03:04:05.678Z","parent_id":null,'
    '"edited_at":"2026-01-02T03:04:05.678Z","deleted_at":null}'
)
# What a stored header has besides its filler, its counters and its outer punctuation.
HEADER_FRAME = len(
    '"id":"session","user_id":"ada","session_name":null,"status":"active","is_active":true,'
    '"tags":[],"is_pinned":false,"project_id":null,"workspace_id":null,'
    '"created_at":"2026-01-02T03:04:05.678Z","generation":"0123456789abcdef"'
    '"context":{"filler":""},"metadata":{},"origin":null'
)


def message_of_bytes(size: int, id_: str = "m0") -> NewMessage:
    return make_message(id_, "x" * (size - MESSAGE_FRAME))


def header_of_bytes(size: int) -> dict[str, str]:
    """A context with which the whole header has this size."""
    return {"filler": "x" * (size - HEADER_FRAME)}


def test_the_limits_are_published(store: SessionStore) -> None:
    assert store.limits.message_bytes == MESSAGE_LIMIT
    assert store.limits.batch_bytes == MESSAGE_LIMIT
    assert store.limits.batch_messages == 1000
    assert store.limits.header_bytes == HEADER_LIMIT
    assert store.limits.json_depth == 64


async def test_a_message_at_the_limit_is_stored(store: SessionStore) -> None:
    await store.insert(make_new_session())

    await store.append(KEY, [message_of_bytes(MESSAGE_LIMIT)], at=START)

    assert [len(text) for text in await contents_of(store, KEY)] == [MESSAGE_LIMIT - MESSAGE_FRAME]


async def test_a_message_one_byte_over_is_refused(
    store: SessionStore, neighbours: Neighbours
) -> None:
    await store.insert(make_new_session())
    before = await state_of(store, KEY)

    with pytest.raises(DocumentTooLargeError):
        await store.append(KEY, [message_of_bytes(MESSAGE_LIMIT + 1)], at=START)

    assert await state_of(store, KEY) == before
    assert await neighbours.are_untouched()


async def test_bytes_are_counted_not_characters(store: SessionStore) -> None:
    await store.insert(make_new_session())

    with pytest.raises(DocumentTooLargeError):
        await store.append(KEY, [make_message("m0", "中" * (MESSAGE_LIMIT // 3))], at=START)

    assert await messages_of(store, KEY) == ()


async def test_a_new_session_may_hold_a_message_at_the_limit_only(store: SessionStore) -> None:
    with pytest.raises(DocumentTooLargeError):
        await store.insert(make_new_session(messages=[message_of_bytes(MESSAGE_LIMIT + 1)]))
    assert await store.find_version(KEY) is None

    await store.insert(make_new_session(messages=[message_of_bytes(MESSAGE_LIMIT)]))

    assert (await header_of(store, KEY)).message_count == 1


async def test_a_batch_at_the_limit_is_stored_and_one_byte_over_is_refused(
    store: SessionStore,
) -> None:
    await store.insert(make_new_session())
    half = MESSAGE_LIMIT // 2

    with pytest.raises(DocumentTooLargeError):
        await store.append(
            KEY, [message_of_bytes(half, "m0"), message_of_bytes(half + 1, "m1")], at=START
        )
    assert await messages_of(store, KEY) == ()

    await store.append(KEY, [message_of_bytes(half, "m0"), message_of_bytes(half, "m1")], at=START)

    assert (await header_of(store, KEY)).message_count == 2


async def test_a_batch_of_a_thousand_is_stored_and_one_more_is_refused(
    store: SessionStore, neighbours: Neighbours
) -> None:
    await store.insert(make_new_session())

    with pytest.raises(LimitExceededError) as caught:
        await store.append(KEY, make_messages(1001), at=START)
    assert caught.value.limit == 1000
    assert not isinstance(caught.value, DocumentTooLargeError)
    assert (await header_of(store, KEY)).revision == 1

    await store.append(KEY, make_messages(1000), at=START)

    assert (await header_of(store, KEY)).message_count == 1000
    assert await neighbours.are_untouched()


async def test_known_messages_count_in_a_batch_too(store: SessionStore) -> None:
    await store.insert(make_new_session(messages=make_messages(1001)))
    before = await store.read(KEY)

    with pytest.raises(LimitExceededError):
        await store.append(KEY, make_messages(1001), at=START)

    assert await store.read(KEY) == before


async def test_a_header_at_the_limit_is_stored(store: SessionStore) -> None:
    await store.insert(
        make_new_session(context=header_of_bytes(HEADER_LIMIT), generation="0123456789abcdef")
    )

    header = await header_of(store, KEY)
    assert len(header.context["filler"]) == HEADER_LIMIT - HEADER_FRAME


async def test_a_header_one_byte_over_is_refused(
    store: SessionStore, neighbours: Neighbours
) -> None:
    with pytest.raises(DocumentTooLargeError):
        await store.insert(make_new_session(context=header_of_bytes(HEADER_LIMIT + 1)))

    assert await store.find_version(KEY) is None
    assert await neighbours.are_untouched()


async def test_a_header_may_grow_to_the_limit_only(store: SessionStore) -> None:
    await store.insert(make_new_session())
    before = await state_of(store, KEY)

    with pytest.raises(DocumentTooLargeError):
        await store.change_header(KEY, make_put(context=header_of_bytes(HEADER_LIMIT + 1)))
    assert await state_of(store, KEY) == before

    await store.change_header(KEY, make_put(context=header_of_bytes(HEADER_LIMIT)))

    header = await header_of(store, KEY)
    assert len(header.context["filler"]) == HEADER_LIMIT - HEADER_FRAME


async def test_a_full_header_still_takes_appends(store: SessionStore) -> None:
    await store.insert(make_new_session(context=header_of_bytes(HEADER_LIMIT)))

    await store.append(KEY, make_messages(1000), at=START)
    await store.append(KEY, make_messages(1, first=1000), at=START)

    assert (await header_of(store, KEY)).message_count == 1001


async def test_an_edit_may_not_pass_the_limit(store: SessionStore, neighbours: Neighbours) -> None:
    await store.insert(make_new_session(messages=make_messages(2)))
    before = await state_of(store, KEY)

    longest = MESSAGE_LIMIT - EDITED_FRAME

    with pytest.raises(DocumentTooLargeError):
        await store.edit_message(KEY, "m0", make_edit("x" * (longest + 1)))
    with pytest.raises(DocumentTooLargeError):
        await store.edit_message(KEY, "m0", make_edit(metadata={"x": "x" * MESSAGE_LIMIT}))
    assert await state_of(store, KEY) == before

    await store.edit_message(KEY, "m0", make_edit("x" * longest))

    assert len((await contents_of(store, KEY))[0]) == longest
    assert await neighbours.are_untouched()


async def test_the_history_of_a_large_message_has_no_limit_of_its_own(store: SessionStore) -> None:
    await store.insert(make_new_session(messages=make_messages(1)))

    for letter in "abc":
        await store.edit_message(KEY, "m0", make_edit(letter * (4 * 1024 * 1024)))

    past = await store.list_past_texts(KEY, "m0")
    assert [len(one.content) for one in past] == [14, 4194304, 4194304]
