"""A second copy brings what has happened since the first, and nothing that has not."""

from app.store.comparing import compare_stores
from app.store.copy_report import Finding
from app.store.copying import copy_store
from app.store.port import SessionStore
from tests.conformance.state import contents_of
from tests.copying.stores_of_kin import (
    DELETED,
    EMPTY,
    KEYS,
    LONG,
    OF_ERASED,
    OTHER,
    fill,
    found_in,
    kin_of,
    whole,
)
from tests.factories import ADA, KEY, make_edit, make_message, make_new_session, make_put
from tests.fake_clock import instant


async def copied_once(store: SessionStore) -> SessionStore:
    """The source of a copy into this store."""
    source = kin_of(store)
    await fill(source)
    await copy_store(source, store)
    return source


async def test_nothing_new_is_nothing_done(store: SessionStore) -> None:
    source = await copied_once(store)
    before = await whole(store)

    copied = await copy_store(source, store)

    assert (copied.present, copied.stored, copied.replaced, copied.removed) == (4, 0, 0, 0)
    assert copied.messages == 0
    assert await whole(store) == before


async def test_what_was_written_since_is_brought(store: SessionStore) -> None:
    source = await copied_once(store)
    await source.append(LONG, [make_message("new", "said since")], at=instant(40))
    await source.edit_message(KEY, "m2", make_edit("edited since", at=instant(40)))
    await source.delete_message(OTHER, "m0", instant(40))
    await source.change_header(EMPTY, make_put(at=instant(40), session_name="Named since"))
    await source.insert(make_new_session(KEY._replace(session_id="new"), created_at=instant(40)))

    copied = await copy_store(source, store)

    assert (copied.stored, copied.replaced, copied.present) == (1, 4, 0)
    assert copied.left.counts == {}
    assert await whole(store) == await whole(source)
    assert (await compare_stores(source, store)).equal == 5


async def test_what_was_deleted_since_is_removed(store: SessionStore) -> None:
    source = await copied_once(store)
    await source.delete(KEY, instant(40))
    await source.erase_user("bob", instant(41))

    copied = await copy_store(source, store)

    assert (copied.present, copied.removed) == (1, 3)
    assert copied.left.counts == {}
    assert await store.list_keys() == [EMPTY]
    assert await store.find_deleted(KEYS) == {KEY, LONG, OTHER}
    assert (await compare_stores(source, store)).missing_marks == 0


async def test_what_was_deleted_before_the_first_copy_and_made_anew_since_is_brought(
    store: SessionStore,
) -> None:
    source = await copied_once(store)
    await source.insert(
        make_new_session(DELETED, messages=[make_message("n", "anew")], created_at=instant(40))
    )
    await source.insert(make_new_session(OF_ERASED, created_at=instant(40)))

    copied = await copy_store(source, store)

    assert (copied.stored, copied.left.counts) == (2, {})
    assert await contents_of(store, DELETED) == ["anew"]
    assert await store.find_deleted([DELETED, OF_ERASED]) == set()
    assert (await compare_stores(source, store)).differences.counts == {}


async def test_what_was_deleted_and_made_anew_between_two_copies_takes_the_place_of_the_former(
    store: SessionStore,
) -> None:
    source = await copied_once(store)
    await source.delete(KEY, instant(40))
    await source.insert(
        make_new_session(messages=[make_message("n", "anew")], created_at=instant(41))
    )

    copied = await copy_store(source, store)

    assert (copied.stored, copied.present, copied.left.counts) == (1, 3, {})
    assert await contents_of(store, KEY) == ["anew"]
    assert await store.find_deleted([KEY]) == set()
    assert (await compare_stores(source, store)).equal == 4


async def test_what_happens_between_a_copy_and_its_comparison_is_named(
    store: SessionStore,
) -> None:
    source = await copied_once(store)
    await source.append(KEY, [make_message("m4", "said meanwhile")], at=instant(40))
    await source.delete(OTHER, instant(40))
    await source.delete(EMPTY, instant(40))
    await source.insert(make_new_session(EMPTY, created_at=instant(41)))

    compared = await compare_stores(source, store)

    assert found_in(compared) == [
        (Finding.WRITTEN_SINCE, ADA, "empty"),
        (Finding.WRITTEN_SINCE, ADA, "session"),
        (Finding.WRITTEN_SINCE, "bob", "session"),
    ]
    assert (compared.equal, compared.missing_marks) == (1, 1)
