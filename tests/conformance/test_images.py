"""An image carries a session from one store into another, where nobody can tell the difference."""

from dataclasses import replace
from typing import Any

import pytest

from app.domain.identity import SessionKey, Version
from app.domain.message import PastText
from app.errors import (
    CorruptDocumentError,
    DocumentTooLargeError,
    MessageIdConflictError,
    SessionExistsError,
    SessionNotFoundError,
)
from app.store.memory import MemoryStore
from app.store.port import PutOutcome, ReadSelection, SessionStore
from tests.conformance.state import (
    Neighbours,
    contents_of,
    header_of,
    ids_listed,
    places_found,
    state_of,
)
from tests.conftest import OpenStore
from tests.factories import (
    ADA,
    BOB,
    KEY,
    make_edit,
    make_message,
    make_messages,
    make_new_session,
    make_put,
)
from tests.fake_clock import START, instant
from tests.lived import (
    CREATION_DIGEST,
    FIRST,
    GENERATION,
    LATER,
    VERSION,
    live,
    lived_image,
    with_header,
    with_json,
    with_message,
)

MESSAGE_LIMIT = 8_388_608


# --- reading ------------------------------------------------------------------------------------


async def test_an_image_holds_what_users_see_and_what_retries_and_histories_need(
    store: SessionStore,
) -> None:
    await live(store)

    image = await store.read_image(KEY)

    assert image.header == await header_of(store, KEY)
    assert image.header.version == VERSION
    assert image.creation_digest == CREATION_DIGEST
    assert [one.appended_revision for one in image.messages] == [1, 1, 2, 3]
    assert [one.changed_revision for one in image.messages] == [5, 6, None, None]
    assert [one.digest for one in image.messages[::2]] == [FIRST.digest(), LATER.digest()]
    assert [one.past_texts for one in image.messages] == [
        (
            PastText(
                content="what was said first", metadata=FIRST.metadata, replaced_at=instant(4)
            ),
            PastText(content="said again", metadata=FIRST.metadata, replaced_at=instant(5)),
        ),
        (),
        (),
        (),
    ]
    assert image.messages[2].stored_json == (
        b'{"seq":2,"id":"m2","content":"an answer","message_type":"assistant","user_id":null,'
        b'"metadata":{},"created_at":"2026-01-02T03:04:05.678Z","parent_id":"m0",'
        b'"edited_at":null,"deleted_at":null}'
    )


async def test_an_empty_session_has_an_image(store: SessionStore) -> None:
    await store.insert(make_new_session())

    image = await store.read_image(KEY)

    assert (image.creation_digest, image.messages) == (None, ())
    assert image.header.version.revision == 1


async def test_there_is_no_image_of_what_is_absent(
    store: SessionStore, neighbours: Neighbours
) -> None:
    with pytest.raises(SessionNotFoundError):
        await store.read_image(KEY)

    assert await neighbours.are_untouched()


async def test_the_digest_of_an_image_is_the_same_in_every_store(store: SessionStore) -> None:
    await live(store)

    image = await store.read_image(KEY)

    assert image.digest() == (await lived_image()).digest()
    assert image == await lived_image()


# --- putting ------------------------------------------------------------------------------------


async def test_a_session_put_is_served_as_where_it_came_from(
    store: SessionStore, neighbours: Neighbours
) -> None:
    source = MemoryStore()
    await live(source)

    outcome = await store.put_image(await source.read_image(KEY))

    assert outcome is PutOutcome.STORED
    assert await state_of(store, KEY) == await state_of(source, KEY)
    assert (await store.read_image(KEY)).digest() == (await source.read_image(KEY)).digest()
    assert await store.find_version(KEY) == VERSION
    assert await neighbours.are_untouched()


async def test_a_session_put_is_listed_counted_and_found(
    store: SessionStore, open_store: OpenStore
) -> None:
    await store.insert(make_new_session(SessionKey(ADA, "other"), messages=[make_message("x")]))

    await store.put_image(await lived_image())

    for _ in ("at once", "later"):
        assert await ids_listed(store, tag="lived") == ["session"]
        assert await ids_listed(store, is_pinned=True) == ["session"]
        assert await ids_listed(store) == ["session", "other"]
        assert await store.find_owners("session") == [ADA]
        assert (await store.stats(ADA)).message_count == 4
        assert await places_found(store, "answer") == [("session", 2)]
        assert await places_found(store, "最后") == [("session", 3)]
        assert await places_found(store, "said") == [("session", 0)]
        assert await places_found(store, "forgotten") == []
        assert await places_found(store, "long life") == [("session", None)]
        recent = await store.list_recent_messages(ADA, limit=10)
        assert [(one.session_id, one.message.id) for one in recent] == [
            ("other", "x"),
            ("session", "m0"),
            ("session", "m2"),
            ("session", "m3"),
        ]
        await open_store.settle()


async def test_reads_since_any_version_bring_the_same_as_before(store: SessionStore) -> None:
    source = MemoryStore()
    await live(source)
    await store.put_image(await source.read_image(KEY))

    found = [
        [
            message.id
            for message in (
                await store.read(KEY, ReadSelection(since=Version(GENERATION, revision)))
            ).messages()
        ]
        for revision in range(1, 9)
    ]

    assert found == [
        ["m0", "m1", "m2", "m3"],
        ["m0", "m1", "m3"],
        ["m0", "m1"],
        ["m0", "m1"],
        ["m1"],
        [],
        [],
        ["m0", "m1", "m2", "m3"],  # a revision that there never was
    ]


async def test_retries_of_what_the_other_store_took_are_known(store: SessionStore) -> None:
    await store.put_image(await lived_image())

    again = await store.append(KEY, [LATER, FIRST], at=instant(50))

    assert again.version == VERSION
    assert b'"content":"an answer"' in again.messages_json[0]
    assert b'"content":"said at last"' in again.messages_json[1]
    with pytest.raises(MessageIdConflictError):
        await store.append(KEY, [make_message("m1", "something else")], at=instant(50))
    repeated = await store.insert(make_new_session(creation_digest=CREATION_DIGEST))
    assert repeated.version == VERSION
    with pytest.raises(SessionExistsError):
        await store.insert(make_new_session(creation_digest=b"created by someone else"))


async def test_a_session_put_goes_on_living(store: SessionStore) -> None:
    await store.put_image(await lived_image())

    appended = await store.append(KEY, [make_message("m4", parent_id="m1")], at=instant(8))
    await store.edit_message(KEY, "m0", make_edit("after the move", at=instant(9)))
    await store.delete_message(KEY, "m3", instant(10))

    assert appended.version == Version(GENERATION, 8)
    header = await header_of(store, KEY)
    assert (header.revision, header.changes, header.message_count) == (10, 6, 3)
    assert await contents_of(store, KEY) == [
        "after the move",
        "",
        "an answer",
        "",
        "the text of m4",
    ]
    past = await store.list_past_texts(KEY, "m0")
    assert [one.content for one in past] == ["what was said first", "said again", "said at last"]


async def test_a_long_session_arrives_whole(store: SessionStore) -> None:
    source = MemoryStore()
    await source.insert(make_new_session(messages=make_messages(150)))
    for first in range(150, 450, 100):
        await source.append(KEY, make_messages(100, first=first), at=START)
    await source.edit_message(KEY, "m70", make_edit("an edited text"))

    await store.put_image(await source.read_image(KEY))

    assert (await store.read_image(KEY)).digest() == (await source.read_image(KEY)).digest()
    assert await state_of(store, KEY) == await state_of(source, KEY)
    assert await places_found(store, "edited") == [("session", 70)]
    await store.append(KEY, make_messages(200, first=450), at=START)
    assert (await header_of(store, KEY)).next_seq == 650
    assert len(await contents_of(store, KEY)) == 650


async def test_a_message_at_the_limit_moves_too(store: SessionStore) -> None:
    source = MemoryStore()
    frame = len(make_message("m0", "").unplaced_json())
    await source.insert(
        make_new_session(messages=[make_message("m0", "x" * (MESSAGE_LIMIT - frame))])
    )

    outcome = await store.put_image(await source.read_image(KEY))

    assert outcome is PutOutcome.STORED
    assert [len(text) for text in await contents_of(store, KEY)] == [MESSAGE_LIMIT - frame]


# --- what is there already ----------------------------------------------------------------------


async def test_the_very_same_version_is_left_as_it_is(
    store: SessionStore, neighbours: Neighbours
) -> None:
    await store.put_image(await lived_image())
    before = await state_of(store, KEY)

    outcome = await store.put_image(await lived_image())

    assert outcome is PutOutcome.PRESENT
    assert await state_of(store, KEY) == before
    assert await neighbours.are_untouched()


async def test_an_earlier_state_is_replaced(
    store: SessionStore, open_store: OpenStore, neighbours: Neighbours
) -> None:
    source = MemoryStore()
    await live(source)
    await store.put_image(await source.read_image(KEY))
    await open_store.settle()
    await source.append(KEY, [make_message("m4", "the newest word")], at=instant(8))
    await source.edit_message(KEY, "m2", make_edit("another reply", at=instant(9)))
    await source.delete_message(KEY, "m3", instant(10))

    outcome = await store.put_image(await source.read_image(KEY))

    assert outcome is PutOutcome.REPLACED
    assert await state_of(store, KEY) == await state_of(source, KEY)
    for _ in ("at once", "later"):
        assert await places_found(store, "answer") == []
        assert await places_found(store, "reply") == [("session", 2)]
        assert await places_found(store, "newest") == [("session", 4)]
        assert (await store.stats(ADA)).session_count == 2
        assert len(await store.list_recent_messages(ADA, limit=10)) == 5
        await open_store.settle()
    assert (await store.read_image(KEY)).digest() == (await source.read_image(KEY)).digest()
    assert await neighbours.are_untouched()


async def test_a_header_change_alone_is_a_new_version_to_put(store: SessionStore) -> None:
    source = MemoryStore()
    await live(source)
    await store.put_image(await source.read_image(KEY))
    await source.change_header(KEY, make_put(at=instant(9), session_name="Renamed"))

    outcome = await store.put_image(await source.read_image(KEY))

    assert outcome is PutOutcome.REPLACED
    assert (await header_of(store, KEY)).session_name == "Renamed"


async def test_another_generation_is_not_replaced(
    store: SessionStore, neighbours: Neighbours
) -> None:
    await store.insert(make_new_session(messages=[make_message("n0", "made anew")]))
    before = await state_of(store, KEY)

    with pytest.raises(SessionExistsError):
        await store.put_image(await lived_image())

    assert await state_of(store, KEY) == before
    assert await neighbours.are_untouched()


async def test_a_later_revision_is_not_replaced(store: SessionStore) -> None:
    await store.put_image(await lived_image())
    await store.append(KEY, [make_message("m4")], at=instant(8))
    before = await state_of(store, KEY)

    with pytest.raises(SessionExistsError):
        await store.put_image(await lived_image())

    assert await state_of(store, KEY) == before


@pytest.mark.parametrize("write", ["append", "edit", "delete"])
async def test_a_state_with_writes_of_its_own_is_not_replaced(
    store: SessionStore, write: str
) -> None:
    source = MemoryStore()
    await live(source)
    await store.put_image(await source.read_image(KEY))
    if write == "append":
        await store.append(KEY, [make_message("only here")], at=instant(8))
    elif write == "edit":
        await store.edit_message(KEY, "m2", make_edit("edited only here", at=instant(8)))
    else:
        await store.delete_message(KEY, "m2", instant(8))
    before = await state_of(store, KEY)
    for number in range(3):
        await source.append(KEY, [make_message(f"only there {number}")], at=instant(9))

    with pytest.raises(SessionExistsError):
        await store.put_image(await source.read_image(KEY))

    assert await state_of(store, KEY) == before


async def test_the_same_id_of_another_user_is_another_session(store: SessionStore) -> None:
    await live(store)
    source = MemoryStore()
    await source.insert(make_new_session(SessionKey(BOB, "session"), messages=[make_message()]))

    outcome = await store.put_image(await source.read_image(SessionKey(BOB, "session")))

    assert outcome is PutOutcome.STORED
    assert await store.find_owners("session", limit=5) == [ADA, BOB]
    assert (await store.read_image(KEY)).digest() == (await lived_image()).digest()


async def test_a_deletion_does_not_hinder_a_session_that_is_put(store: SessionStore) -> None:
    await store.insert(make_new_session())
    await store.delete(KEY, START)
    await store.erase_user(ADA, START)
    assert await store.find_deleted([KEY]) == {KEY}

    outcome = await store.put_image(await lived_image())

    assert outcome is PutOutcome.STORED
    assert await store.find_deleted([KEY]) == set()
    await store.delete(KEY, START)
    assert await store.find_deleted([KEY]) == {KEY}


# --- what is no image ---------------------------------------------------------------------------


DAMAGES = {
    "a place is missing": lambda one: replace(one, messages=one.messages[:-1]),
    "a place is there twice": lambda one: replace(one, messages=one.messages + one.messages[-1:]),
    "two places are exchanged": lambda one: replace(one, messages=one.messages[::-1]),
    "an id is there twice": lambda one: with_json(one, 2, b'"id":"m2"', b'"id":"m0"'),
    "a message is no JSON": lambda one: with_message(one, 2, stored_json=b'{"seq":2'),
    "a message has no date": lambda one: with_json(one, 2, b'"created_at"', b'"creation"'),
    "a living message too many": lambda one: with_header(one, message_count=4),
    "a place too many": lambda one: with_header(one, next_seq=5),
    "another last date": lambda one: with_header(one, last_message_at=instant(99)),
    "a change from the future": lambda one: with_message(one, 0, changed_revision=8),
    "a change before the append": lambda one: with_message(one, 2, changed_revision=2),
    "a deletion without a revision": lambda one: with_message(one, 1, changed_revision=None),
    "an append from the future": lambda one: with_message(one, 3, appended_revision=8),
    "an append before the one before": lambda one: with_message(one, 3, appended_revision=1),
    "a past without a change": lambda one: with_message(
        one, 2, past_texts=(PastText(content="x", metadata={}, replaced_at=START),)
    ),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
async def test_what_does_not_fit_together_is_refused(
    store: SessionStore, neighbours: Neighbours, damage: Any
) -> None:
    image = damage(await lived_image())

    with pytest.raises(CorruptDocumentError):
        await store.put_image(image)

    assert await store.find_version(KEY) is None
    assert await neighbours.are_untouched()


async def test_what_passes_the_limits_is_refused(
    store: SessionStore, neighbours: Neighbours
) -> None:
    image = await lived_image()
    long_text = b'"content":"%b"' % (b"x" * MESSAGE_LIMIT)
    too_long = with_json(image, 2, b'"content":"an answer"', long_text)
    too_wide = with_header(image, context={"filler": "x" * 262_144})

    for one in (too_long, too_wide):
        with pytest.raises(DocumentTooLargeError):
            await store.put_image(one)

    assert await store.find_version(KEY) is None
    assert await neighbours.are_untouched()


async def test_an_image_is_the_callers_own(store: SessionStore) -> None:
    image = await lived_image()
    await store.put_image(image)
    before = await state_of(store, KEY)

    image.header.context["spoilt"] = True
    image.messages[0].past_texts[0].metadata["spoilt"] = True
    read = await store.read_image(KEY)
    read.header.context["spoilt"] = True
    read.messages[0].past_texts[0].metadata["spoilt"] = True

    assert await state_of(store, KEY) == before
