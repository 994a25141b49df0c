"""What a fold did can be taken back: as if it had never been there, or as it was before."""

import asyncio
from dataclasses import replace

import pytest

from app.domain.identity import SessionKey, Version
from app.domain.image import SessionImage
from app.errors import (
    CorruptDocumentError,
    DocumentTooLargeError,
    SessionNotFoundError,
)
from app.store.port import Appended, PutOutcome, SessionStore
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
from tests.lived import live, lived_image, with_header, with_json, with_message

OTHER_GENERATION = "fedcba9876543210"
OTHERS = SessionKey(BOB, "session")
MESSAGE_LIMIT = 8_388_608


async def version_of(store: SessionStore, key: SessionKey = KEY) -> Version:
    version = await store.find_version(key)
    assert version is not None
    return version


async def appended_to(store: SessionStore, *, count: int) -> SessionImage:
    """A session that has lived, and to which a fold appends then; as it was before that."""
    await live(store)
    header = await header_of(store, KEY)
    for number in range(count):
        await store.append(KEY, [make_message(f"folded {number}", "zebra")], at=instant(8))
    return (await store.read_image(KEY)).before(header, generation=OTHER_GENERATION)


# --- without an earlier state -------------------------------------------------------------------


async def test_a_session_of_this_version_goes_and_its_key_is_free(
    store: SessionStore, neighbours: Neighbours, open_store: OpenStore
) -> None:
    session = make_new_session(
        messages=[*make_messages(300), make_message("z", "zebra")], session_name="zebra"
    )
    assert await store.insert_absent([session]) == [True]
    assert len(await places_found(store, "zebra")) == 2

    is_taken_back = await store.take_back(KEY, Version(session.generation, 1))

    assert is_taken_back
    await open_store.settle()
    assert await store.find_version(KEY) is None
    assert await store.find_deleted([KEY]) == set()
    assert await store.list_marks() == []
    assert await store.list_keys() == sorted([SessionKey(ADA, "neighbour"), OTHERS])
    assert await store.find_owners("session") == [BOB]
    assert await places_found(store, "zebra") == []
    assert await ids_listed(store) == ["neighbour"]
    assert [one.session_id for one in await store.list_recent_messages(ADA, limit=10)] == [
        "neighbour"
    ] * 2
    with pytest.raises(SessionNotFoundError):
        await store.read(KEY)
    with pytest.raises(SessionNotFoundError):
        await store.append(KEY, [make_message()], at=START)
    assert await neighbours.are_untouched()


async def test_what_was_taken_back_can_be_folded_again(store: SessionStore) -> None:
    await live(store)
    assert await store.take_back(KEY, await version_of(store))

    stored = await store.insert_absent([make_new_session(messages=[make_message("m0", "anew")])])

    assert stored == [True]
    assert await contents_of(store, KEY) == ["anew"]
    assert await store.list_past_texts(KEY, "m0") == []


async def test_nothing_of_it_is_left_to_erase(store: SessionStore) -> None:
    await live(store)
    await store.take_back(KEY, await version_of(store))

    erasure = await store.erase_user(ADA, START)

    assert (erasure.session_count, erasure.message_count, erasure.past_text_count) == (0, 0, 0)


async def test_a_mark_that_came_from_elsewhere_goes_too(store: SessionStore) -> None:
    await live(store)
    await store.delete(KEY, START)
    marks = await store.list_marks()
    await live(store)
    await store.put_marks(marks)

    await store.take_back(KEY, await version_of(store))

    assert await store.find_deleted([KEY]) == set()
    assert await store.insert_absent([make_new_session()]) == [True]


@pytest.mark.parametrize("with_earlier", [False, True])
async def test_an_absent_session_is_not_taken_back(
    store: SessionStore, neighbours: Neighbours, *, with_earlier: bool
) -> None:
    earlier = with_header(await lived_image(), generation=OTHER_GENERATION)

    is_taken_back = await store.take_back(
        KEY, Version("0123456789abcdef", 1), earlier if with_earlier else None
    )

    assert not is_taken_back
    assert await store.find_version(KEY) is None
    assert await neighbours.are_untouched()


@pytest.mark.parametrize("with_earlier", [False, True])
async def test_a_deleted_session_stays_deleted(store: SessionStore, *, with_earlier: bool) -> None:
    await live(store)
    version = await version_of(store)
    earlier = with_header(await lived_image(), generation=OTHER_GENERATION)
    await store.delete(KEY, START)

    is_taken_back = await store.take_back(KEY, version, earlier if with_earlier else None)

    assert not is_taken_back
    assert await store.find_version(KEY) is None
    assert await store.find_deleted([KEY]) == {KEY}


@pytest.mark.parametrize("write", ["append", "edit", "delete", "rename", "another life"])
@pytest.mark.parametrize("with_earlier", [False, True])
async def test_a_session_of_another_version_is_left_alone(
    store: SessionStore, write: str, *, with_earlier: bool
) -> None:
    earlier = await appended_to(store, count=1)
    version = await version_of(store)
    match write:
        case "append":
            await store.append(KEY, [make_message("since")], at=START)
        case "edit":
            await store.edit_message(KEY, "m0", make_edit("since"))
        case "delete":
            await store.delete_message(KEY, "m0", START)
        case "rename":
            await store.change_header(KEY, make_put(session_name="since"))
        case _:
            await store.delete(KEY, START)
            await store.insert(make_new_session())
    before = await state_of(store, KEY)

    is_taken_back = await store.take_back(KEY, version, earlier if with_earlier else None)

    assert not is_taken_back
    assert await state_of(store, KEY) == before


async def test_the_same_id_of_another_user_is_left_alone(store: SessionStore) -> None:
    session = make_new_session(generation=OTHER_GENERATION, messages=make_messages(2))
    await store.insert(session)

    is_taken_back = await store.take_back(OTHERS, Version(OTHER_GENERATION, 1))

    assert not is_taken_back
    assert await version_of(store) == Version(OTHER_GENERATION, 1)


# --- with an earlier state ----------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 300])
async def test_a_session_is_again_what_it_was_under_another_generation(
    store: SessionStore, neighbours: Neighbours, open_store: OpenStore, count: int
) -> None:
    earlier = await appended_to(store, count=count)
    assert len(await places_found(store, "zebra")) > 0

    is_taken_back = await store.take_back(KEY, await version_of(store), earlier)

    assert is_taken_back
    assert (await store.read_image(KEY)).digest() == earlier.digest()
    assert await version_of(store) == Version(OTHER_GENERATION, 7)
    expected = replace(await lived_image(), header=earlier.header)
    assert (await store.read_image(KEY)).digest() == expected.digest()
    await open_store.settle()
    assert await places_found(store, "zebra") == []
    assert await places_found(store, "said") == [("session", 0)]
    assert [one.content for one in await store.list_past_texts(KEY, "m0")] == [
        "what was said first",
        "said again",
    ]
    assert await neighbours.are_untouched()


async def test_it_lives_on_from_there(store: SessionStore) -> None:
    earlier = await appended_to(store, count=300)
    await store.take_back(KEY, await version_of(store), earlier)

    retried = await store.append(KEY, [make_message("m3", "会话的最后")], at=instant(9))
    appended = await store.append(KEY, [make_message("folded 0", "another text")], at=instant(9))
    await store.edit_message(KEY, "m2", make_edit("said anew", at=instant(10)))

    assert retried.version == Version(OTHER_GENERATION, 7)
    assert appended.version == Version(OTHER_GENERATION, 8)
    assert await contents_of(store, KEY) == [
        "said at last",
        "",
        "said anew",
        "会话的最后",
        "another text",
    ]
    assert (await header_of(store, KEY)).next_seq == 5


async def test_a_second_time_finds_another_version(store: SessionStore) -> None:
    earlier = await appended_to(store, count=1)
    version = await version_of(store)
    await store.take_back(KEY, version, earlier)

    assert not await store.take_back(KEY, version, earlier)

    assert (await store.read_image(KEY)).digest() == earlier.digest()


async def test_an_earlier_state_may_be_long(store: SessionStore, open_store: OpenStore) -> None:
    await store.insert(make_new_session(messages=make_messages(300)))
    header = await header_of(store, KEY)
    await store.append(KEY, [make_message("folded")], at=START)
    earlier = (await store.read_image(KEY)).before(header, generation=OTHER_GENERATION)

    assert await store.take_back(KEY, await version_of(store), earlier)

    await open_store.settle()
    assert (await store.read_image(KEY)).digest() == earlier.digest()
    assert await store.put_image(earlier) is PutOutcome.PRESENT


@pytest.mark.parametrize(
    "image",
    [
        lambda one: with_header(one, user_id=BOB),
        lambda one: with_header(one, id="another"),
        lambda one: with_header(one, generation="0123456789abcdef"),
        lambda one: replace(one, messages=one.messages[:-1]),
    ],
    ids=["another user's", "another session's", "of the same generation", "not whole"],
)
async def test_what_cannot_stand_there_is_refused(
    store: SessionStore, neighbours: Neighbours, image: object
) -> None:
    await live(store)
    before = await state_of(store, KEY)
    earlier = with_header(await lived_image(), generation=OTHER_GENERATION)
    assert callable(image)

    with pytest.raises(CorruptDocumentError):
        await store.take_back(KEY, await version_of(store), image(earlier))

    assert await state_of(store, KEY) == before
    assert await neighbours.are_untouched()


async def test_what_passes_the_limits_is_refused(store: SessionStore) -> None:
    await live(store)
    before = await state_of(store, KEY)
    earlier = with_header(await lived_image(), generation=OTHER_GENERATION)
    long_text = b'"content":"%b"' % (b"x" * MESSAGE_LIMIT)
    too_long = with_json(earlier, 2, b'"content":"an answer"', long_text)
    too_wide = with_header(earlier, context={"filler": "x" * 262_144})

    for one in (too_long, too_wide):
        with pytest.raises(DocumentTooLargeError):
            await store.take_back(KEY, await version_of(store), one)

    assert await state_of(store, KEY) == before


# --- against others -----------------------------------------------------------------------------


@pytest.mark.parametrize("with_earlier", [False, True])
async def test_no_append_that_was_acknowledged_is_lost(
    store: SessionStore, *, with_earlier: bool
) -> None:
    earlier = await appended_to(store, count=1)
    version = await version_of(store)

    is_taken_back, *answers = await asyncio.gather(
        store.take_back(KEY, version, earlier if with_earlier else None),
        *(store.append(KEY, [make_message(f"new {n}")], at=START) for n in range(20)),
        return_exceptions=True,
    )

    acknowledged = {f"new {n}" for n, one in enumerate(answers) if isinstance(one, Appended)}
    there: set[str] = set()
    if await store.find_version(KEY) is not None:
        there = {message.id for message in (await store.read(KEY)).messages()}
    assert isinstance(is_taken_back, bool)
    if is_taken_back and not with_earlier:
        assert (acknowledged, there) == (set(), set())
    else:
        assert acknowledged == {f"new {n}" for n in range(20)}
        assert there >= acknowledged
        assert ("folded 0" in there) is not is_taken_back


async def test_of_two_that_take_back_one_does(store: SessionStore) -> None:
    await live(store)
    version = await version_of(store)

    answers = await asyncio.gather(*(store.take_back(KEY, version) for _ in range(5)))

    assert sorted(answers) == [False, False, False, False, True]
    assert await store.find_version(KEY) is None


# --- the image as it was ------------------------------------------------------------------------


async def test_an_image_remembers_what_it_was_before_appends(store: SessionStore) -> None:
    await live(store)
    header = await header_of(store, KEY)
    await store.append(KEY, make_messages(3, first=10), at=instant(8))
    await store.append(KEY, make_messages(2, first=20), at=instant(9))

    earlier = (await store.read_image(KEY)).before(header, generation=OTHER_GENERATION)

    expected = with_header(await lived_image(), generation=OTHER_GENERATION)
    assert earlier.digest() == expected.digest()


async def test_an_image_is_what_it_was_when_nothing_has_happened() -> None:
    image = await lived_image()

    earlier = image.before(image.header, generation=OTHER_GENERATION)

    assert earlier.digest() == with_header(image, generation=OTHER_GENERATION).digest()


@pytest.mark.parametrize("write", ["edit", "delete", "rename"])
async def test_more_than_appends_cannot_be_undone(store: SessionStore, write: str) -> None:
    await live(store)
    header = await header_of(store, KEY)
    match write:
        case "edit":
            await store.edit_message(KEY, "m2", make_edit("since"))
        case "delete":
            await store.delete_message(KEY, "m2", START)
        case _:
            await store.change_header(KEY, make_put(session_name="since"))
    image = await store.read_image(KEY)

    with pytest.raises(CorruptDocumentError):
        image.before(header, generation=OTHER_GENERATION)


async def test_a_header_that_is_not_of_the_images_past_is_refused() -> None:
    image = await lived_image()
    header = image.header
    others: list[dict[str, object]] = [
        {"generation": OTHER_GENERATION},
        {"user_id": BOB},
        {"id": "another"},
        {"created_at": instant(1)},
        {"revision": 8},
        {"next_seq": 3},
        {"next_seq": 5},
        {"message_count": 2},
        {"last_message_at": None},
        {"revision": 2},
    ]

    for changes in others:
        with pytest.raises(CorruptDocumentError):
            image.before(header.model_copy(update=changes), generation=OTHER_GENERATION)


async def test_a_change_after_the_header_is_seen_whatever_the_counts_say() -> None:
    image = with_message(await lived_image(), 0, changed_revision=7)
    header = image.header.model_copy(update={"revision": 6})

    with pytest.raises(CorruptDocumentError):
        image.before(header, generation=OTHER_GENERATION)
