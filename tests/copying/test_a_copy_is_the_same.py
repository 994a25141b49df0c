"""After a copy, nobody who reads, writes, retries or searches can tell one store from the other."""

from collections.abc import Awaitable, Callable

import pytest

from app.domain.identity import Version
from app.errors import MessageIdConflictError
from app.store.comparing import compare_stores
from app.store.copying import copy_store
from app.store.memory import MemoryStore
from app.store.port import ReadSelection, SessionStore
from tests.conformance.state import contents_of, ids_listed, places_found
from tests.copying.stores_of_kin import (
    DELETED,
    EMPTY,
    KEYS,
    LONG,
    MESSAGES,
    OF_ERASED,
    OTHER,
    fill,
    kin_of,
    whole,
)
from tests.factories import ADA, BOB, KEY, make_message, make_messages, make_new_session
from tests.fake_clock import instant
from tests.lived import CREATION_DIGEST, GENERATION, LATER, VERSION

Copied = Callable[[], Awaitable[tuple[SessionStore, SessionStore]]]


@pytest.fixture(params=["from memory", "into memory"])
def copied(request: pytest.FixtureRequest, store: SessionStore) -> Copied:
    """A filled store and its copy; one of them of every kind."""

    async def copied_() -> tuple[SessionStore, SessionStore]:
        memory = kin_of(store)
        source, target = (memory, store) if request.param == "from memory" else (store, memory)
        await fill(source)
        await copy_store(source, target)
        return source, target

    return copied_


async def test_everything_is_there_and_counted(store: SessionStore) -> None:
    source = kin_of(store)
    await fill(source)

    copied = await copy_store(source, store)
    compared = await compare_stores(source, store)

    assert (copied.sessions, copied.stored, copied.messages) == (4, 4, MESSAGES)
    assert (copied.present, copied.replaced, copied.removed, copied.marks) == (0, 0, 0, 2)
    assert copied.left.counts == {}
    assert (compared.equal, compared.messages, compared.missing_marks) == (4, MESSAGES, 0)
    assert compared.differences.counts == {}


async def test_every_document_and_every_past_text_is_the_same(copied: Copied) -> None:
    source, target = await copied()

    assert await whole(target) == await whole(source)
    assert await target.list_keys() == KEYS
    assert await target.find_version(KEY) == VERSION


async def test_there_and_back_again_is_the_same(store: SessionStore) -> None:
    await fill(store)
    there, back = kin_of(store), kin_of(store)

    await copy_store(store, there)
    await copy_store(there, back)

    assert await whole(back) == await whole(store)
    assert await back.list_marks() == await store.list_marks()
    for key in KEYS:
        assert (await back.read_image(key)).digest() == (await store.read_image(key)).digest()


async def test_lists_searches_and_counts_are_the_same(copied: Copied) -> None:
    source, target = await copied()

    for user_id in (ADA, BOB, "eve"):
        assert await target.stats(user_id) == await source.stats(user_id)
        assert await ids_listed(target, user_id) == await ids_listed(source, user_id)
        recent = await target.list_recent_messages(user_id, limit=500)
        assert recent == await source.list_recent_messages(user_id, limit=500)
    assert await places_found(target, "said") == [("session", 0), ("empty", None)]
    assert await places_found(target, "text of m250", BOB) == [("long/会话", 250)]
    assert await places_found(target, "forgotten") == []


async def test_a_retry_of_what_the_source_took_is_stored_nowhere_twice(copied: Copied) -> None:
    _, target = await copied()
    before = await whole(target)

    again = await target.append(KEY, [LATER], at=instant(60))
    many = await target.append(LONG, make_messages(100, first=150), at=instant(60))
    header = await target.insert(make_new_session(creation_digest=CREATION_DIGEST))

    assert again.version == header.version == VERSION
    assert len(many.messages_json) == 100
    assert await whole(target) == before
    with pytest.raises(MessageIdConflictError):
        await target.append(LONG, [make_message("m7", "said otherwise")], at=instant(60))


async def test_a_reader_goes_on_from_a_version_that_the_source_gave(copied: Copied) -> None:
    source, target = await copied()

    for revision in range(1, 9):
        selection = ReadSelection(since=Version(GENERATION, revision))
        here, there = await source.read(KEY, selection), await target.read(KEY, selection)
        assert (there.version, there.messages_json) == (here.version, here.messages_json)
    behind = (await source.read(LONG)).version._replace(revision=1)
    news = await target.read(LONG, ReadSelection(since=behind))
    assert [message.id for message in news.messages()] == [f"m{n}" for n in range(200, 300)]


async def test_what_was_deleted_stays_deleted(copied: Copied) -> None:
    _, target = await copied()

    stored = await target.insert_absent([make_new_session(DELETED), make_new_session(OF_ERASED)])

    assert stored == [False, False]
    assert await target.find_deleted([DELETED, OF_ERASED, *KEYS]) == {DELETED, OF_ERASED}


async def test_life_goes_on_in_the_copy(copied: Copied) -> None:
    _, target = await copied()

    appended = await target.append(OTHER, [make_message("m1", "after the move")], at=instant(60))

    assert appended.version.revision == 2
    assert await contents_of(target, OTHER) == ["of another user", "after the move"]


async def test_an_empty_store_is_copied_too(store: SessionStore) -> None:
    copied = await copy_store(MemoryStore(), store)

    assert (copied.sessions, copied.stored, copied.left.counts) == (0, 0, {})
    assert await store.list_keys() == []


async def test_more_sessions_than_a_page_of_keys_are_copied() -> None:
    source, target = MemoryStore(), MemoryStore()
    await source.insert_absent(
        [make_new_session(EMPTY._replace(session_id=f"s{number:04}")) for number in range(1003)]
    )

    copied = await copy_store(source, target)

    assert (copied.sessions, copied.stored) == (1003, 1003)
    assert (await compare_stores(source, target)).equal == 1003
