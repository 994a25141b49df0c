"""A session made anew under an old id: nothing of the earlier one comes back."""

import pytest

from app.domain.identity import Version
from app.errors import MessageNotFoundError
from app.store.port import ReadSelection, SessionStore
from tests.conformance.state import (
    Neighbours,
    contents_of,
    header_of,
    ids_listed,
    messages_of,
    places_found,
)
from tests.factories import (
    ADA,
    KEY,
    make_edit,
    make_message,
    make_messages,
    make_new_session,
)
from tests.fake_clock import START, instant


@pytest.fixture
async def store_after_a_deletion(store: SessionStore) -> SessionStore:
    await store.insert(
        make_new_session(
            messages=[make_message("m0", "zebra"), *make_messages(4, first=1)],
            session_name="zebra",
            tags=["old"],
            context={"old": True},
            generation="00000000000000aa",
            creation_digest=b"a" * 16,
        )
    )
    await store.edit_message(KEY, "m0", make_edit("zebra edited"))
    await store.delete_message(KEY, "m1", START)
    await store.delete(KEY, START)
    return store


async def test_a_new_session_under_an_old_id_is_new(
    store_after_a_deletion: SessionStore, neighbours: Neighbours
) -> None:
    store = store_after_a_deletion

    header = await store.insert(
        make_new_session(generation="00000000000000bb", created_at=instant(60))
    )

    assert header.version == Version("00000000000000bb", 1)
    assert (header.session_name, header.tags, header.context) == (None, (), {})
    assert (header.message_count, header.next_seq, header.changes) == (0, 0, 0)
    assert header.created_at == instant(60)
    assert (await store.read(KEY)).messages_json == b""
    assert await places_found(store, "zebra") == []
    assert await ids_listed(store, tag="old") == []
    assert await neighbours.are_untouched()


async def test_creating_anew_clears_the_marker(store_after_a_deletion: SessionStore) -> None:
    assert await store_after_a_deletion.find_deleted([KEY]) == {KEY}

    await store_after_a_deletion.insert(make_new_session())

    assert await store_after_a_deletion.find_deleted([KEY]) == set()


async def test_the_same_creation_after_a_deletion_creates(
    store_after_a_deletion: SessionStore,
) -> None:
    header = await store_after_a_deletion.insert(
        make_new_session(generation="00000000000000bb", creation_digest=b"a" * 16)
    )

    assert header.generation == "00000000000000bb"
    assert header.message_count == 0


async def test_old_message_ids_are_unknown(store_after_a_deletion: SessionStore) -> None:
    store = store_after_a_deletion
    await store.insert(make_new_session())

    for message_id in ("m0", "m1", "m4"):
        with pytest.raises(MessageNotFoundError):
            await store.edit_message(KEY, message_id, make_edit("x"))
        with pytest.raises(MessageNotFoundError):
            await store.list_past_texts(KEY, message_id)
        with pytest.raises(MessageNotFoundError):
            await store.delete_message(KEY, message_id, START)

    assert await messages_of(store, KEY) == ()


async def test_old_message_ids_may_come_with_other_content(
    store_after_a_deletion: SessionStore,
) -> None:
    store = store_after_a_deletion
    await store.insert(make_new_session())

    appended = await store.append(
        KEY, [make_message("m4", "new"), make_message("m0", "anew")], at=START
    )

    assert [b'"seq":0' in one for one in appended.messages_json] == [True, False]
    assert await contents_of(store, KEY) == ["new", "anew"]
    assert await store.list_past_texts(KEY, "m0") == []


async def test_since_an_old_generation_brings_all_of_the_new(
    store_after_a_deletion: SessionStore,
) -> None:
    store = store_after_a_deletion
    await store.insert(make_new_session(messages=[make_message("n0")]))

    news = await store.read(KEY, ReadSelection(since=Version("00000000000000aa", 1)))

    assert [message.id for message in news.messages()] == ["n0"]


async def test_an_id_may_be_used_again_and_again(store: SessionStore) -> None:
    for life in range(4):
        await store.insert(
            make_new_session(messages=[make_message("m0", f"life {life} word{life}")])
        )
        await store.append(KEY, make_messages(2, first=1), at=START)
        assert (await header_of(store, KEY)).message_count == 3
        assert await contents_of(store, KEY) == [
            f"life {life} word{life}",
            "the text of m1",
            "the text of m2",
        ]
        assert await places_found(store, f"word{life}") == [("session", 0)]
        assert await places_found(store, f"word{life - 1}") == []
        await store.delete(KEY, START)

    assert await store.list_recent_messages(ADA, limit=10) == []
