"""An edit sets a text, keeps what was there, and touches nothing else."""

import json
from typing import Any

import pytest

from app.domain.identity import SessionKey
from app.domain.message import MessageEdit
from app.errors import MessageNotFoundError, SessionNotFoundError
from app.store.port import SessionStore
from tests.conformance.state import Neighbours, header_of, messages_of, state_of
from tests.factories import KEY, make_edit, make_message, make_messages, make_new_session
from tests.fake_clock import START, instant


async def test_an_edit_sets_the_text_and_keeps_what_was_there(
    store: SessionStore, neighbours: Neighbours
) -> None:
    await store.insert(
        make_new_session(
            generation="00000000000000aa",
            messages=[
                make_message("m0", "first", metadata={"k": 1}, user_id="eve"),
                make_message("m1"),
            ],
        )
    )
    assert await store.list_past_texts(KEY, "m0") == []
    untouched = (await messages_of(store, KEY))[1]

    stored, version = await store.edit_message(KEY, "m0", make_edit("second", at=instant(5)))

    assert json.loads(stored) == {
        "seq": 0,
        "id": "m0",
        "content": "second",
        "message_type": "user",
        "user_id": "eve",
        "metadata": {"k": 1},
        "created_at": "2026-01-02T03:04:05.678Z",
        "parent_id": None,
        "edited_at": "2026-01-02T03:04:10.678Z",
        "deleted_at": None,
    }
    assert version == ("00000000000000aa", 2)
    read = await store.read(KEY)
    assert read.version == version
    assert (read.messages_json or b"").startswith(stored)
    (past,) = await store.list_past_texts(KEY, "m0")
    assert (past.content, past.metadata, past.replaced_at) == ("first", {"k": 1}, instant(5))
    assert (await messages_of(store, KEY))[1] == untouched
    assert await neighbours.are_untouched()


async def test_an_edit_moves_revision_changes_and_date_only(store: SessionStore) -> None:
    await store.insert(make_new_session(messages=make_messages(3), session_name="Name"))
    before = await header_of(store, KEY)

    await store.edit_message(KEY, "m0", make_edit("edited", at=instant(5)))

    after = await header_of(store, KEY)
    assert (after.revision, after.changes, after.updated_at) == (2, 1, instant(5))
    assert (
        after.model_copy(update={"revision": 1, "changes": 0, "updated_at": before.updated_at})
        == before
    )


@pytest.mark.parametrize(
    ("edit", "content", "metadata"),
    [
        (make_edit("second"), "second", {"k": 1}),
        (make_edit(""), "", {"k": 1}),
        (make_edit(metadata={"n": 2}), "first", {"n": 2}),
        (make_edit(metadata={}), "first", {}),
        (make_edit("second", metadata={"n": 2}), "second", {"n": 2}),
    ],
)
async def test_what_an_edit_does_not_name_stays(
    store: SessionStore, edit: MessageEdit, content: str, metadata: dict[str, Any]
) -> None:
    await store.insert(make_new_session(messages=[make_message("m0", "first", metadata={"k": 1})]))

    await store.edit_message(KEY, "m0", edit)

    (message,) = await messages_of(store, KEY)
    assert (message.content, message.metadata) == (content, metadata)
    (past,) = await store.list_past_texts(KEY, "m0")
    assert (past.content, past.metadata) == ("first", {"k": 1})


@pytest.mark.parametrize(
    "edit",
    [
        make_edit(at=instant(9)),
        make_edit("first", at=instant(9)),
        make_edit(metadata={"b": 2, "a": 1}, at=instant(9)),
        make_edit("first", metadata={"a": 1, "b": 2}, at=instant(9)),
    ],
)
async def test_an_edit_without_effect_raises_no_revision(
    store: SessionStore, neighbours: Neighbours, edit: MessageEdit
) -> None:
    await store.insert(
        make_new_session(messages=[make_message("m0", "first", metadata={"a": 1, "b": 2})])
    )
    before = await state_of(store, KEY)

    stored, version = await store.edit_message(KEY, "m0", edit)

    assert stored == (await store.read(KEY)).messages_json
    assert version.revision == 1
    assert await state_of(store, KEY) == before
    assert await neighbours.are_untouched()


async def test_every_earlier_text_is_kept_oldest_first(store: SessionStore) -> None:
    await store.insert(make_new_session(messages=make_messages(2)))

    for number in range(1, 6):
        await store.edit_message(KEY, "m0", make_edit(f"edit {number}", at=instant(number)))
    await store.edit_message(KEY, "m0", make_edit("edit 5", at=instant(99)))
    await store.edit_message(KEY, "m0", make_edit("the text of m0", at=instant(6)))

    past = await store.list_past_texts(KEY, "m0")
    assert [one.content for one in past] == [
        "the text of m0",
        "edit 1",
        "edit 2",
        "edit 3",
        "edit 4",
        "edit 5",
    ]
    assert [one.replaced_at for one in past] == [instant(number) for number in range(1, 7)]
    assert await store.list_past_texts(KEY, "m1") == []


async def test_history_is_no_part_of_a_whole_read(store: SessionStore) -> None:
    await store.insert(make_new_session(messages=[make_message("m0", "secret past")]))

    await store.edit_message(KEY, "m0", make_edit("present"))

    assert b"secret past" not in (await store.read(KEY)).to_json()


@pytest.mark.parametrize("message_id", ["absent", "M0", "m0 ", ""])
async def test_an_absent_message_is_not_found(
    store: SessionStore, neighbours: Neighbours, message_id: str
) -> None:
    await store.insert(make_new_session(messages=make_messages(1)))
    before = await state_of(store, KEY)

    with pytest.raises(MessageNotFoundError) as caught:
        await store.edit_message(KEY, message_id, make_edit("x"))
    with pytest.raises(MessageNotFoundError):
        await store.list_past_texts(KEY, message_id)

    assert (caught.value.session_id, caught.value.message_id) == ("session", message_id)
    assert await state_of(store, KEY) == before
    assert await neighbours.are_untouched()


@pytest.mark.parametrize("key", [SessionKey("ada", "absent"), SessionKey("nobody", "session")])
async def test_an_absent_session_is_not_found(
    store: SessionStore, neighbours: Neighbours, key: SessionKey
) -> None:
    with pytest.raises(SessionNotFoundError):
        await store.edit_message(key, "m0", make_edit("x"))
    with pytest.raises(SessionNotFoundError):
        await store.list_past_texts(key, "m0")

    assert await neighbours.are_untouched()


async def test_a_deleted_message_cannot_be_edited(store: SessionStore) -> None:
    await store.insert(make_new_session(messages=make_messages(2)))
    await store.delete_message(KEY, "m0", START)
    before = await state_of(store, KEY)

    with pytest.raises(MessageNotFoundError):
        await store.edit_message(KEY, "m0", make_edit("back"))
    with pytest.raises(MessageNotFoundError):
        await store.list_past_texts(KEY, "m0")

    assert await state_of(store, KEY) == before


async def test_messages_in_every_part_of_a_long_session_can_be_edited(
    store: SessionStore,
) -> None:
    await store.insert(make_new_session(messages=make_messages(400)))
    edited = [0, 1, 63, 64, 65, 127, 128, 200, 335, 336, 398, 399]

    for seq in edited:
        longer = f"edited {seq} " * 20
        await store.edit_message(KEY, f"m{seq}", make_edit(longer))
        await store.edit_message(KEY, f"m{seq}", make_edit(f"edited {seq}"))

    messages = await messages_of(store, KEY)
    assert [m.content for m in messages] == [
        f"edited {seq}" if seq in edited else f"the text of m{seq}" for seq in range(400)
    ]
    assert [m.seq for m in messages] == list(range(400))
    assert [len(await store.list_past_texts(KEY, f"m{seq}")) for seq in edited] == [2] * 12
