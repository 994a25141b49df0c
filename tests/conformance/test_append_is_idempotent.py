"""The same message is never stored twice, and its id never names another."""

import json
from typing import Any

import pytest

from app.domain.message import MessageType, NewMessage
from app.errors import MessageIdConflictError
from app.store.port import SessionStore
from tests.conformance.state import Neighbours, contents_of, header_of, state_of
from tests.factories import KEY, make_edit, make_message, make_messages, make_new_session
from tests.fake_clock import START, instant


def ids_and_seqs(encoded: tuple[bytes, ...]) -> list[tuple[str, int]]:
    return [(message["id"], message["seq"]) for message in map(json.loads, encoded)]


async def test_a_retry_gets_the_first_answer_and_changes_nothing(
    store: SessionStore, neighbours: Neighbours
) -> None:
    await store.insert(make_new_session())
    first = await store.append(KEY, make_messages(3), at=instant(1))
    before = await state_of(store, KEY)

    again = await store.append(KEY, make_messages(3), at=instant(2))

    assert again == first
    assert await state_of(store, KEY) == before
    assert await neighbours.are_untouched()


async def test_a_retry_after_other_appends_gets_the_same_messages(store: SessionStore) -> None:
    await store.insert(make_new_session())
    first = await store.append(KEY, make_messages(2), at=START)
    later = await store.append(KEY, make_messages(2, first=2), at=START)

    again = await store.append(KEY, make_messages(2), at=START)

    assert again.messages_json == first.messages_json
    assert again.version == later.version


async def test_messages_a_session_was_made_with_are_known(store: SessionStore) -> None:
    await store.insert(make_new_session(messages=make_messages(3)))
    before = await state_of(store, KEY)

    again = await store.append(KEY, make_messages(3)[1:], at=START)

    assert ids_and_seqs(again.messages_json) == [("m1", 1), ("m2", 2)]
    assert await state_of(store, KEY) == before
    with pytest.raises(MessageIdConflictError):
        await store.append(KEY, [make_message("m1", "other")], at=START)


@pytest.mark.parametrize(
    "other",
    [
        make_message("m0", "other text"),
        make_message("m0", "the text of m0 "),
        make_message("m0", ""),
        make_message("m0", message_type=MessageType.ASSISTANT),
        make_message("m0", user_id="eve"),
        make_message("m0", metadata={"a": 1}),
        make_message("m0", parent_id="root"),
    ],
)
async def test_a_known_id_with_another_content_is_refused(
    store: SessionStore, neighbours: Neighbours, other: NewMessage
) -> None:
    await store.insert(make_new_session(messages=[make_message("root")]))
    await store.append(KEY, [make_message("m0")], at=START)
    before = await state_of(store, KEY)

    with pytest.raises(MessageIdConflictError) as caught:
        await store.append(KEY, [make_message("new"), other], at=START)

    assert (caught.value.message_id, caught.value.index) == ("m0", 1)
    assert await state_of(store, KEY) == before
    assert await neighbours.are_untouched()


async def test_the_date_of_a_retry_does_not_matter(store: SessionStore) -> None:
    await store.insert(make_new_session())
    first = await store.append(KEY, [make_message("m0", created_at=START)], at=START)

    again = await store.append(KEY, [make_message("m0", created_at=instant(99))], at=instant(99))

    assert again == first


async def test_the_order_of_names_in_metadata_is_no_content(store: SessionStore) -> None:
    await store.insert(make_new_session())
    first = await store.append(
        KEY, [make_message("m0", metadata={"a": {"x": 1, "y": 2}, "b": 3})], at=START
    )

    again = await store.append(
        KEY, [make_message("m0", metadata={"b": 3, "a": {"y": 2, "x": 1}})], at=START
    )

    assert again == first


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"a": [1, 2]}, {"a": [2, 1]}),
        ({"a": 1}, {"a": 1.0}),
        ({"a": 1}, {"a": True}),
        ({"a": 1}, {"a": "1"}),
        ({"a": None}, {}),
        ({"a": 10**30}, {"a": 10**30 + 1}),
    ],
)
async def test_metadata_that_differs_in_json_is_another_content(
    store: SessionStore, first: dict[str, Any], second: dict[str, Any]
) -> None:
    await store.insert(make_new_session())
    await store.append(KEY, [make_message("m0", metadata=first)], at=START)

    with pytest.raises(MessageIdConflictError):
        await store.append(KEY, [make_message("m0", metadata=second)], at=START)


async def test_of_a_partly_known_batch_only_the_unknown_is_stored(store: SessionStore) -> None:
    await store.insert(make_new_session())
    await store.append(KEY, make_messages(3), at=START)
    batch = [make_message(name) for name in ("n0", "m1", "n1", "m0", "n2")]

    appended = await store.append(KEY, batch, at=START)

    assert ids_and_seqs(appended.messages_json) == [
        ("n0", 3),
        ("m1", 1),
        ("n1", 4),
        ("m0", 0),
        ("n2", 5),
    ]
    header = await header_of(store, KEY)
    assert (header.message_count, header.next_seq, header.revision) == (6, 6, 3)
    again = await store.append(KEY, batch, at=START)
    assert again == appended


async def test_equal_messages_with_one_id_in_a_batch_count_once(store: SessionStore) -> None:
    await store.insert(make_new_session())

    appended = await store.append(
        KEY,
        [make_message("a"), make_message("b"), make_message("a"), make_message("a")],
        at=START,
    )

    assert ids_and_seqs(appended.messages_json) == [("a", 0), ("b", 1), ("a", 0), ("a", 0)]
    assert (await header_of(store, KEY)).message_count == 2


async def test_different_messages_with_one_id_in_a_batch_are_refused(store: SessionStore) -> None:
    await store.insert(make_new_session())

    with pytest.raises(MessageIdConflictError) as caught:
        await store.append(
            KEY, [make_message("a"), make_message("b"), make_message("a", "other")], at=START
        )

    assert (caught.value.message_id, caught.value.index) == ("a", 2)
    assert await contents_of(store, KEY) == []
    assert (await header_of(store, KEY)).revision == 1


async def test_a_retry_after_an_edit_gets_the_message_of_now(store: SessionStore) -> None:
    await store.insert(make_new_session())
    await store.append(KEY, [make_message("m0", "first")], at=START)
    edited, version = await store.edit_message(KEY, "m0", make_edit("edited"))

    again = await store.append(KEY, [make_message("m0", "first")], at=START)

    assert again.messages_json == (edited,)
    assert again.version == version
    assert await contents_of(store, KEY) == ["edited"]


async def test_the_text_of_an_edit_is_not_the_first_content(store: SessionStore) -> None:
    await store.insert(make_new_session())
    await store.append(KEY, [make_message("m0", "first")], at=START)
    await store.edit_message(KEY, "m0", make_edit("edited"))

    with pytest.raises(MessageIdConflictError):
        await store.append(KEY, [make_message("m0", "edited")], at=START)

    assert await contents_of(store, KEY) == ["edited"]


async def test_a_retry_after_a_deletion_gets_the_tombstone(store: SessionStore) -> None:
    await store.insert(make_new_session())
    await store.append(KEY, [make_message("m0", "first")], at=START)
    await store.edit_message(KEY, "m0", make_edit("edited"))
    await store.delete_message(KEY, "m0", instant(9))
    before = await state_of(store, KEY)

    again = await store.append(KEY, [make_message("m0", "first")], at=START)

    (tombstone,) = (json.loads(one) for one in again.messages_json)
    assert (tombstone["content"], tombstone["deleted_at"]) == ("", "2026-01-02T03:04:14.678Z")
    assert await state_of(store, KEY) == before
    with pytest.raises(MessageIdConflictError):
        await store.append(KEY, [make_message("m0", "other")], at=START)
    assert await state_of(store, KEY) == before


async def test_ids_that_differ_only_in_form_are_different(store: SessionStore) -> None:
    await store.insert(make_new_session())
    names = ["A", "a", "a ", "\u00e9", "e\u0301", "1", "01", "a\x01"]

    await store.append(KEY, [make_message(name) for name in names], at=START)

    assert [m.id for m in (await store.read(KEY)).messages()] == names
