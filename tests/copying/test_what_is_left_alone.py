"""What a target has of its own is named and never touched; so is what cannot be copied."""

import pytest

from app.domain.identity import SessionKey
from app.domain.limits import StoreLimits
from app.errors import ConfigurationError
from app.store.comparing import compare_stores
from app.store.copy_report import Finding
from app.store.copying import copy_store
from app.store.memory import MemoryStore
from app.store.port import SessionStore
from tests.copying.stores_of_kin import (
    DELETED,
    EMPTY,
    KEYS,
    LONG,
    OTHER,
    fill,
    found_in,
    kin_of,
    whole,
)
from tests.factories import ADA, BOB, KEY, make_message, make_new_session
from tests.fake_clock import instant

OWN = SessionKey(BOB, "own")


async def test_sessions_of_its_own_stay(store: SessionStore) -> None:
    source = kin_of(store)
    await fill(source)
    await store.insert(make_new_session(OWN, messages=[make_message("m", "the target's own")]))
    before = (await whole(store))[OWN]

    copied = await copy_store(source, store)

    assert copied.left.counts == {Finding.ONLY_IN_TARGET: 1}
    assert (await whole(store))[OWN] == before
    assert found_in(await compare_stores(source, store)) == [(Finding.ONLY_IN_TARGET, BOB, "own")]


async def test_another_session_under_the_same_key_stays(store: SessionStore) -> None:
    source = kin_of(store)
    await fill(source)
    await store.insert(
        make_new_session(messages=[make_message("m", "the target's own")], created_at=instant(5))
    )
    before = (await whole(store))[KEY]

    copied = await copy_store(source, store)

    assert copied.left.counts == {Finding.OTHER_IN_TARGET: 1}
    assert copied.stored == 3
    assert (await whole(store))[KEY] == before
    compared = await compare_stores(source, store)
    assert found_in(compared) == [(Finding.OTHER_IN_TARGET, ADA, "session")]


async def test_an_older_session_of_a_store_that_is_not_of_kin_stays(store: SessionStore) -> None:
    source = MemoryStore()
    await source.insert(make_new_session(created_at=instant(50)))
    await store.insert(make_new_session(messages=[make_message("m", "the target's own")]))

    copied = await copy_store(source, store)

    assert copied.left.counts == {Finding.OTHER_IN_TARGET: 1}


async def test_what_users_wrote_in_the_target_stays(store: SessionStore) -> None:
    source = kin_of(store)
    await fill(source)
    await copy_store(source, store)
    await store.append(KEY, [make_message("m4", "written after the move")], at=instant(40))
    await store.append(OTHER, [make_message("m1", "written here")], at=instant(40))
    await source.append(OTHER, [make_message("m1", "written there")], at=instant(41))
    await source.append(OTHER, [make_message("m2", "and there")], at=instant(42))
    before = await whole(store)

    copied = await copy_store(source, store)

    assert copied.left.counts == {Finding.OTHER_IN_TARGET: 2}
    assert await whole(store) == before
    assert found_in(await compare_stores(source, store)) == [
        (Finding.OTHER_IN_TARGET, ADA, "session"),
        (Finding.OTHER_IN_TARGET, BOB, "session"),
    ]


async def test_what_users_wrote_in_the_target_outlives_its_deletion_in_the_source(
    store: SessionStore,
) -> None:
    source = kin_of(store)
    await fill(source)
    await copy_store(source, store)
    await source.delete(OTHER, instant(40))
    await store.append(OTHER, [make_message("m1", "written here")], at=instant(41))

    copied = await copy_store(source, store)

    assert copied.left.counts == {Finding.ONLY_IN_TARGET: 1}
    assert await store.list_keys() == KEYS


async def test_what_users_deleted_in_the_target_does_not_come_back(store: SessionStore) -> None:
    source = kin_of(store)
    await fill(source)
    await copy_store(source, store)
    await store.delete(KEY, instant(40))
    await store.erase_user(BOB, instant(40))

    copied = await copy_store(source, store)

    assert copied.left.counts == {Finding.DELETED_IN_TARGET: 3}
    assert await store.list_keys() == [EMPTY]
    assert found_in(await compare_stores(source, store)) == [
        (Finding.DELETED_IN_TARGET, ADA, "session"),
        (Finding.DELETED_IN_TARGET, BOB, "long/会话"),
        (Finding.DELETED_IN_TARGET, BOB, "session"),
    ]


async def test_what_users_made_anew_in_the_target_stays(store: SessionStore) -> None:
    source = kin_of(store)
    await fill(source)
    await copy_store(source, store)
    await store.insert(make_new_session(DELETED, created_at=instant(40)))

    copied = await copy_store(source, store)

    assert copied.left.counts == {Finding.ONLY_IN_TARGET: 1}
    assert await store.find_version(DELETED) is not None


async def test_marks_of_another_secret_are_refused_before_anything_is_copied(
    store: SessionStore,
) -> None:
    source = MemoryStore()
    await fill(source)

    with pytest.raises(ConfigurationError, match="another secret"):
        await copy_store(source, store)

    assert await store.list_keys() == []
    assert await store.list_marks() == []


async def test_without_marks_another_secret_is_no_matter(store: SessionStore) -> None:
    source = MemoryStore()
    await source.insert(make_new_session(messages=[make_message()]))

    copied = await copy_store(source, store)

    assert (copied.stored, copied.left.counts) == (1, {})
    assert (await compare_stores(source, store)).equal == 1


async def test_what_is_too_large_for_the_target_is_named(store: SessionStore) -> None:
    await fill(store)
    narrow = MemoryStore(StoreLimits(message_bytes=300), new_secret=store.marking_secret)
    await store.append(LONG, [make_message("wide", "x" * 300)], at=instant(40))

    copied = await copy_store(store, narrow)

    assert copied.left.counts == {Finding.TOO_LARGE: 1}
    assert await narrow.list_keys() == [EMPTY, KEY, OTHER]
    assert found_in(await compare_stores(store, narrow)) == [(Finding.MISSING, BOB, "long/会话")]
