"""A named parent must be in the session or earlier in the batch."""

import pytest

from app.errors import ParentNotFoundError
from app.store.port import SessionStore
from tests.conformance.state import Neighbours, messages_of, state_of
from tests.factories import KEY, make_edit, make_message, make_messages, make_new_session
from tests.fake_clock import START


async def parents(store: SessionStore) -> list[str | None]:
    return [message.parent_id for message in await messages_of(store, KEY)]


async def test_a_parent_in_the_session_is_kept(store: SessionStore) -> None:
    await store.insert(make_new_session(messages=make_messages(2)))

    await store.append(
        KEY,
        [make_message("a", parent_id="m0"), make_message("b", parent_id="m1"), make_message("c")],
        at=START,
    )

    assert await parents(store) == [None, None, "m0", "m1", None]


async def test_a_parent_earlier_in_the_batch_is_kept(store: SessionStore) -> None:
    await store.insert(make_new_session())

    await store.append(KEY, [make_message("a"), make_message("b", parent_id="a")], at=START)

    assert await parents(store) == [None, "a"]


@pytest.mark.parametrize("parent_id", ["absent", "later", "self", "M0"])
async def test_any_other_parent_refuses_the_whole_batch(
    store: SessionStore, neighbours: Neighbours, parent_id: str
) -> None:
    await store.insert(make_new_session(messages=make_messages(1)))
    before = await state_of(store, KEY)

    with pytest.raises(ParentNotFoundError) as caught:
        await store.append(
            KEY,
            [make_message("new"), make_message("self", parent_id=parent_id), make_message("later")],
            at=START,
        )

    assert (caught.value.parent_id, caught.value.index) == (parent_id, 1)
    assert await state_of(store, KEY) == before
    assert await neighbours.are_untouched()


async def test_a_message_of_another_session_is_no_parent(
    store: SessionStore, neighbours: Neighbours
) -> None:
    await store.insert(make_new_session())

    with pytest.raises(ParentNotFoundError):
        await store.append(KEY, [make_message("a", parent_id="m0")], at=START)

    assert await neighbours.are_untouched()


async def test_edited_and_deleted_messages_stay_parents(store: SessionStore) -> None:
    await store.insert(make_new_session(messages=make_messages(2)))
    await store.edit_message(KEY, "m0", make_edit("edited"))
    await store.delete_message(KEY, "m1", START)

    await store.append(
        KEY,
        [make_message("a", parent_id="m0"), make_message("b", parent_id="m1")],
        at=START,
    )

    assert await parents(store) == [None, None, "m0", "m1"]


async def test_a_fresh_message_may_have_a_parent_too(store: SessionStore) -> None:
    await store.insert(make_new_session(messages=make_messages(1)))

    await store.append(KEY, [make_message("f", parent_id="m0", is_id_fresh=True)], at=START)
    with pytest.raises(ParentNotFoundError):
        await store.append(KEY, [make_message("g", parent_id="x", is_id_fresh=True)], at=START)

    assert await parents(store) == [None, "m0"]


async def test_a_retry_with_its_parent_is_known(store: SessionStore) -> None:
    await store.insert(make_new_session(messages=make_messages(1)))
    first = await store.append(KEY, [make_message("a", parent_id="m0")], at=START)
    await store.delete_message(KEY, "m0", START)

    again = await store.append(KEY, [make_message("a", parent_id="m0")], at=START)

    assert again.messages_json == first.messages_json


async def test_a_new_session_keeps_the_parents_of_its_messages(store: SessionStore) -> None:
    await store.insert(
        make_new_session(messages=[make_message("a"), make_message("b", parent_id="a")])
    )

    assert await parents(store) == [None, "a"]
