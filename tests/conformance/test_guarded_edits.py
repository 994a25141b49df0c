"""An edit can be made to hold only where the message still says what it said to the editor."""

import json

import pytest

from app.domain.message import ChatMessage, Wording
from app.store.port import ReadSelection, SessionStore
from tests.conformance.state import Neighbours, messages_of, state_of
from tests.factories import KEY, make_edit, make_message, make_messages, make_new_session
from tests.fake_clock import instant

SAID = Wording(content="first", metadata={"n": 1, "m": {"a": [1], "b": None}})


async def with_one_message(store: SessionStore) -> None:
    message = make_message("m0", SAID.content, metadata={"m": {"b": None, "a": [1]}, "n": 1})
    await store.insert(make_new_session(messages=[message, *make_messages(2, first=1)]))


async def test_an_edit_of_what_is_still_said_takes_effect(
    store: SessionStore, neighbours: Neighbours
) -> None:
    await with_one_message(store)

    edit = make_edit("second", replaces=SAID, at=instant(5))
    stored, version = await store.edit_message(KEY, "m0", edit)

    assert json.loads(stored)["content"] == "second"
    assert version.revision == 2
    assert (await messages_of(store, KEY))[0].content == "second"
    assert await neighbours.are_untouched()


@pytest.mark.parametrize(
    "expected",
    [
        Wording(content="First", metadata=SAID.metadata),
        Wording(content="first", metadata={}),
        Wording(content="first", metadata={**SAID.metadata, "n": 2}),
        Wording(content="first", metadata={**SAID.metadata, "n": True}),
        Wording(content="first", metadata={**SAID.metadata, "n": 1.0}),
        Wording(content="first", metadata={**SAID.metadata, "more": 1}),
    ],
)
async def test_an_edit_of_something_else_has_no_effect_and_shows_what_is_there(
    store: SessionStore, expected: Wording
) -> None:
    await with_one_message(store)
    before = await state_of(store, KEY)

    edit = make_edit("second", metadata={"x": 1}, replaces=expected, at=instant(5))
    stored, version = await store.edit_message(KEY, "m0", edit)

    assert ChatMessage.from_json(stored).wording == SAID
    assert version.revision == 1
    assert await state_of(store, KEY) == before


async def test_of_two_who_replace_the_same_only_the_first_succeeds(store: SessionStore) -> None:
    await with_one_message(store)

    await store.edit_message(KEY, "m0", make_edit("one", replaces=SAID, at=instant(1)))
    stored, _ = await store.edit_message(
        KEY, "m0", make_edit("other", replaces=SAID, at=instant(2))
    )

    assert json.loads(stored)["content"] == "one"
    assert [past.content for past in await store.list_past_texts(KEY, "m0")] == ["first"]


async def test_an_edit_that_keeps_no_past_adds_none_and_leaves_what_was_kept(
    store: SessionStore,
) -> None:
    await with_one_message(store)
    await store.edit_message(KEY, "m0", make_edit("second", at=instant(1)))

    for number in range(3):
        edit = make_edit(f"more {number}", keeps_past=False, at=instant(2 + number))
        _, version = await store.edit_message(KEY, "m0", edit)
        await store.edit_message(KEY, "m1", edit)

    assert version.revision == 7
    assert [past.content for past in await store.list_past_texts(KEY, "m0")] == ["first"]
    assert await store.list_past_texts(KEY, "m1") == []
    assert [m.content for m in await messages_of(store, KEY)] == [
        *("more 2", "more 2", "the text of m2")
    ]


async def test_each_edit_without_a_past_is_seen_by_who_reads_since(store: SessionStore) -> None:
    await with_one_message(store)
    seen = await store.find_version(KEY)

    for text in ("a", "ab", "abc"):
        _, version = await store.edit_message(KEY, "m0", make_edit(text, keeps_past=False))
        read = await store.read(KEY, ReadSelection(since=seen))
        assert [m.content for m in read.messages()] == [text]
        seen = version


async def test_edits_without_a_past_grow_a_message_anywhere_in_a_long_session(
    store: SessionStore,
) -> None:
    await store.insert(make_new_session(messages=make_messages(300)))

    for place in (0, 150, 299):
        for size in (10, 3000, 20):
            await store.edit_message(KEY, f"m{place}", make_edit("x" * size, keeps_past=False))

    texts = [m.content for m in await messages_of(store, KEY)]
    assert [texts[place] for place in (0, 150, 299)] == ["x" * 20] * 3
    assert texts[151] == "the text of m151"
    assert [await store.list_past_texts(KEY, f"m{place}") for place in (0, 150, 299)] == [[]] * 3
