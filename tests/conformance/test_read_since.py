"""`since` brings what was appended, edited or deleted after a version, and all where it must."""

from collections.abc import Awaitable, Callable
from typing import Any

from app.domain.identity import Version
from app.store.port import ReadSelection, SessionStore
from tests.factories import KEY, make_edit, make_message, make_messages, make_new_session, make_put
from tests.fake_clock import START, instant


async def ids_since(
    store: SessionStore, version: Version, after_seq: int | None = None
) -> list[str]:
    encoded = await store.read(KEY, ReadSelection(since=version, after_seq=after_seq))
    assert encoded.header() == (await store.read(KEY)).header()
    return [message.id for message in encoded.messages()]


async def version_of(store: SessionStore) -> Version:
    return (await store.read(KEY)).version


async def test_nothing_is_new_at_the_version_of_now(store: SessionStore) -> None:
    await store.insert(make_new_session(messages=make_messages(3)))

    assert await ids_since(store, await version_of(store)) == []


async def test_appends_edits_and_deletions_are_new_in_seq_order(store: SessionStore) -> None:
    await store.insert(make_new_session(messages=make_messages(5)))
    seen = await version_of(store)

    await store.append(KEY, make_messages(2, first=5), at=START)
    await store.edit_message(KEY, "m3", make_edit("edited"))
    await store.delete_message(KEY, "m1", START)

    assert await ids_since(store, seen) == ["m1", "m3", "m5", "m6"]


async def test_each_version_has_its_own_news(store: SessionStore) -> None:
    await store.insert(make_new_session(messages=make_messages(3), generation="00000000000000aa"))
    await store.append(KEY, make_messages(1, first=3), at=START)
    await store.edit_message(KEY, "m0", make_edit("edited"))
    await store.change_header(KEY, make_put(session_name="named"))
    await store.delete_message(KEY, "m3", START)
    await store.edit_message(KEY, "m0", make_edit("edited again"))

    news = [await ids_since(store, Version("00000000000000aa", n)) for n in range(1, 7)]

    assert news == [["m0", "m3"], ["m0", "m3"], ["m0", "m3"], ["m0", "m3"], ["m0"], []]


async def test_a_header_change_brings_no_message(store: SessionStore) -> None:
    await store.insert(make_new_session(messages=make_messages(3)))
    seen = await version_of(store)

    await store.change_header(KEY, make_put(session_name="named"))

    assert await ids_since(store, seen) == []
    assert (await version_of(store)).revision == seen.revision + 1


async def test_what_changed_nothing_is_not_new(store: SessionStore) -> None:
    await store.insert(make_new_session(messages=make_messages(3)))
    await store.delete_message(KEY, "m2", START)
    seen = await version_of(store)

    await store.append(KEY, make_messages(3), at=instant(1))
    await store.edit_message(KEY, "m0", make_edit("the text of m0", at=instant(2)))
    await store.delete_message(KEY, "m2", instant(3))

    assert await version_of(store) == seen
    assert await ids_since(store, seen) == []


async def test_another_generation_brings_everything(store: SessionStore) -> None:
    await store.insert(make_new_session(messages=make_messages(2), generation="00000000000000aa"))
    await store.append(KEY, make_messages(2, first=2), at=START)
    await store.delete(KEY, START)
    await store.insert(
        make_new_session(messages=[make_message("n")], generation="00000000000000bb")
    )
    await store.append(KEY, [make_message("o")], at=START)

    assert await ids_since(store, Version("00000000000000aa", 2)) == ["n", "o"]
    assert await ids_since(store, Version("00000000000000aa", 1)) == ["n", "o"]
    assert await ids_since(store, Version("00000000000000bb", 1)) == ["o"]


async def test_a_revision_that_never_was_brings_everything(store: SessionStore) -> None:
    await store.insert(make_new_session(messages=make_messages(2), generation="00000000000000aa"))

    assert await ids_since(store, Version("00000000000000aa", 1)) == []
    assert await ids_since(store, Version("00000000000000aa", 2)) == ["m0", "m1"]
    assert await ids_since(store, Version("00000000000000aa", 10**17)) == ["m0", "m1"]


async def test_since_and_after_seq_both_hold(store: SessionStore) -> None:
    await store.insert(make_new_session(messages=make_messages(4), generation="00000000000000aa"))
    seen = await version_of(store)
    await store.edit_message(KEY, "m0", make_edit("edited"))
    await store.edit_message(KEY, "m2", make_edit("edited"))
    await store.append(KEY, make_messages(2, first=4), at=START)

    assert await ids_since(store, seen, after_seq=0) == ["m2", "m4", "m5"]
    assert await ids_since(store, seen, after_seq=4) == ["m5"]
    assert await ids_since(store, Version("00000000000000aa", 99), after_seq=2) == [
        "m3",
        "m4",
        "m5",
    ]


async def test_replayed_news_rebuild_the_whole_session(store: SessionStore) -> None:
    await store.insert(make_new_session(messages=make_messages(3)))
    first = await store.read(KEY)
    copy = {message.seq: message for message in first.messages()}
    seen = first.version
    steps: list[Callable[[], Awaitable[Any]]] = [
        lambda: store.append(KEY, make_messages(3, first=3), at=START),
        lambda: store.edit_message(KEY, "m0", make_edit("edited")),
        lambda: store.delete_message(KEY, "m4", START),
        lambda: store.edit_message(KEY, "m5", make_edit(metadata={"a": 1})),
        lambda: store.delete_message(KEY, "m0", START),
        lambda: store.append(KEY, make_messages(1, first=6), at=START),
    ]

    for step in steps:
        await step()
        news = await store.read(KEY, ReadSelection(since=seen))
        seen = news.version
        copy.update({message.seq: message for message in news.messages()})

    assert tuple(copy[seq] for seq in sorted(copy)) == (await store.read(KEY)).messages()
