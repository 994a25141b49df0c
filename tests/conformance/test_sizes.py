"""Sizes are told as far as they are known, and what is not known has a reason."""

from app.store.port import SessionStore
from tests.factories import make_messages, make_new_session


async def test_sizes_are_told_or_have_a_reason(store: SessionStore) -> None:
    await store.insert(make_new_session(messages=make_messages(3)))

    sizes = await store.sizes()

    assert sizes.sizes_bytes or sizes.parts or sizes.unknown
    assert all(size >= 0 for size in sizes.sizes_bytes.values())
    assert all(reason.endswith(".") for reason in sizes.unknown.values())
    assert not sizes.unknown.keys() & {part.name for part in sizes.parts}


async def test_parts_count_what_is_in_them(store: SessionStore) -> None:
    before = {part.name: part for part in (await store.sizes()).parts}
    await store.insert(make_new_session(messages=make_messages(3)))

    after = {part.name: part for part in (await store.sizes()).parts}

    assert before.keys() <= after.keys()  # some servers make collections by the first write
    if after:  # a store of one part, or one that cannot count, has none
        assert after["sessions"].documents == 1
        assert (after["sessions"].documents_bytes or 1) > 0
