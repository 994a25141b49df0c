"""What goes in and what comes out is the caller's own: changing it changes nothing stored."""

from typing import Any

from app.store.port import SessionStore
from tests.conformance.state import state_of
from tests.factories import KEY, make_edit, make_message, make_new_session, make_put
from tests.fake_clock import START


def spoil(value: dict[str, Any]) -> None:
    """Change a free value in its depth."""
    value["inner"]["list"].append("spoilt")
    value["spoilt"] = True


def fresh() -> dict[str, Any]:
    return {"inner": {"list": [1]}}


async def test_what_went_in_may_be_changed_after(store: SessionStore) -> None:
    context, metadata, change, edit = fresh(), fresh(), fresh(), fresh()
    await store.insert(
        make_new_session(context=context, messages=[make_message("m0", metadata=metadata)])
    )
    await store.append(KEY, [make_message("m1", metadata=metadata)], at=START)
    await store.change_header(KEY, make_put(metadata=change))
    await store.edit_message(KEY, "m1", make_edit("x", metadata=edit))
    await store.edit_message(KEY, "m1", make_edit("y"))
    before = await state_of(store, KEY)

    for value in (context, metadata, change, edit):
        spoil(value)

    assert await state_of(store, KEY) == before
    assert b"spoilt" not in before[0]


async def test_what_came_out_may_be_changed_after(store: SessionStore) -> None:
    created = await store.insert(
        make_new_session(
            context=fresh(),
            metadata=fresh(),
            creation_digest=b"a" * 16,
            messages=[make_message("m0", metadata=fresh())],
        )
    )
    await store.edit_message(KEY, "m0", make_edit("x"))
    before = await state_of(store, KEY)
    again = await store.insert(make_new_session(creation_digest=b"a" * 16))
    unchanged = await store.change_header(KEY, make_put())
    past = await store.list_past_texts(KEY, "m0")
    owned = await store.list_recent_messages("ada", limit=1)
    read = (await store.read(KEY)).document()

    for value in (
        created.context,
        again.metadata,
        unchanged.context,
        past[0].metadata,
        owned[0].message.metadata,
        read.context,
        read.messages[0].metadata,
    ):
        spoil(value)

    assert await state_of(store, KEY) == before


async def test_a_changed_header_that_came_out_may_be_changed_after(store: SessionStore) -> None:
    await store.insert(make_new_session(context=fresh()))
    changed = await store.change_header(KEY, make_put(metadata=fresh()))
    before = await state_of(store, KEY)

    spoil(changed.metadata)
    spoil(changed.context)

    assert await state_of(store, KEY) == before
