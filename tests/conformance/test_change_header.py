"""A header changes as its owner wants, and nothing else of the session does."""

from typing import Any

import pytest

from app.domain.identity import SessionKey
from app.domain.session import HeaderChange, Origin
from app.errors import InvalidInputError, SessionNotFoundError
from app.store.port import SessionStore
from tests.conformance.state import Neighbours, header_of, messages_of, state_of
from tests.factories import KEY, make_messages, make_new_session, make_patch, make_put
from tests.fake_clock import START, instant


async def test_named_fields_are_set_and_all_others_stay(
    store: SessionStore, neighbours: Neighbours
) -> None:
    origin = Origin(format="jsonl", source_id="s1", extras={"kept": True})
    await store.insert(
        make_new_session(
            messages=make_messages(2),
            session_name="Before",
            tags=["old"],
            context={"a": {"b": 1}},
            metadata={"kept": 1},
            project_id="p1",
            origin=origin,
        )
    )
    messages = await messages_of(store, KEY)

    changed = await store.change_header(
        KEY,
        make_put(
            at=instant(5),
            session_name="After",
            tags=["new", "newer"],
            context={"c": 2},
            project_id=None,
        ),
    )

    assert changed == await header_of(store, KEY)
    assert changed.session_name == "After"
    assert changed.tags == ("new", "newer")
    assert changed.context == {"c": 2}
    assert changed.project_id is None
    assert changed.metadata == {"kept": 1}
    assert changed.origin == origin
    assert (changed.revision, changed.changes) == (2, 1)
    assert changed.updated_at == instant(5)
    assert changed.created_at == START
    assert (changed.message_count, changed.next_seq, changed.last_message_at) == (2, 2, START)
    assert await messages_of(store, KEY) == messages
    assert await neighbours.are_untouched()


async def test_a_merge_reaches_into_objects_and_null_removes(store: SessionStore) -> None:
    await store.insert(
        make_new_session(
            session_name="Before", context={"a": {"b": 1, "c": 2}, "d": 3}, metadata={"kept": 1}
        )
    )

    changed = await store.change_header(
        KEY,
        make_patch(session_name=None, context={"a": {"b": None, "e": [1, None]}, "d": {"f": None}}),
    )

    assert changed.session_name is None
    assert changed.context == {"a": {"c": 2, "e": [1, None]}, "d": {}}
    assert changed.metadata == {"kept": 1}
    assert changed == await header_of(store, KEY)


@pytest.mark.parametrize(
    "change",
    [
        make_put(at=instant(9)),
        make_patch(at=instant(9)),
        make_put(at=instant(9), session_name="Name"),
        make_put(at=instant(9), context={"b": 2, "a": 1}),
        make_put(at=instant(9), is_active=True),
        make_put(at=instant(9), status="active", is_active=True),
        make_patch(at=instant(9), context={"a": 1}),
        make_patch(at=instant(9), context={"absent": None}),
        make_patch(at=instant(9), project_id=None),
        make_put(at=instant(9), tags=["t"]),
    ],
)
async def test_a_change_without_effect_raises_no_revision(
    store: SessionStore, change: HeaderChange
) -> None:
    await store.insert(make_new_session(session_name="Name", context={"a": 1, "b": 2}, tags=["t"]))
    before = await state_of(store, KEY)

    header = await store.change_header(KEY, change)

    assert (header.revision, header.changes, header.updated_at) == (1, 0, START)
    assert await state_of(store, KEY) == before


@pytest.mark.parametrize(
    ("before", "after"), [({"a": 1}, {"a": 1.0}), ({"a": 1}, {"a": True}), ({"a": 0}, {"a": False})]
)
async def test_values_that_only_python_calls_equal_are_a_change(
    store: SessionStore, before: dict[str, Any], after: dict[str, Any]
) -> None:
    await store.insert(make_new_session(metadata=before))

    await store.change_header(KEY, make_put(metadata=after))

    header = await header_of(store, KEY)
    assert header.revision == 2
    assert repr(header.metadata) == repr(after)


@pytest.mark.parametrize(
    ("start", "members", "status"),
    [
        ("active", {"is_active": False}, "archived"),
        ("archived", {"is_active": False}, "archived"),
        ("completed", {"is_active": False}, "completed"),
        ("completed", {"is_active": True}, "active"),
        ("archived", {"is_active": True}, "active"),
        ("active", {"status": "completed", "is_active": False}, "completed"),
        ("archived", {"status": "completed"}, "completed"),
    ],
)
async def test_is_active_moves_the_status(
    store: SessionStore, start: str, members: dict[str, Any], status: str
) -> None:
    await store.insert(make_new_session(status=start))

    header = await store.change_header(KEY, make_put(**members))

    assert header.status == status
    assert header.is_active is (status == "active")
    assert header == await header_of(store, KEY)


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ({"nickname": "x"}, "/nickname"),
        ({"id": "x"}, "/id"),
        ({"user_id": "bob"}, "/user_id"),
        ({"revision": 9}, "/revision"),
        ({"generation": "00000000000000ff"}, "/generation"),
        ({"created_at": "2020-01-01T00:00:00Z"}, "/created_at"),
        ({"message_count": 0}, "/message_count"),
        ({"messages": []}, "/messages"),
        ({"status": "paused"}, "/status"),
        ({"is_active": "yes"}, "/is_active"),
        ({"is_active": None}, "/is_active"),
        ({"is_active": True, "status": "archived"}, "/is_active"),
        ({"tags": "red"}, "/tags"),
        ({"tags": [""]}, "/tags/0"),
        ({"tags": ["t"] * 101}, "/tags"),
        ({"session_name": "x" * 1001}, "/session_name"),
        ({"session_name": "\ud800"}, "/session_name"),
        ({"context": {"x": float("inf")}}, "/context"),
        ({"context": []}, "/context"),
        ({"is_pinned": None}, "/is_pinned"),
        ({"project_id": ""}, "/project_id"),
        ({"project_id": "a\0b"}, "/project_id"),
        ({"workspace_id": "x" * 1025}, "/workspace_id"),
    ],
)
async def test_a_change_that_breaks_a_rule_is_refused_and_nothing_changes(
    store: SessionStore, neighbours: Neighbours, members: dict[str, Any], pointer: str
) -> None:
    await store.insert(make_new_session(session_name="Name"))
    before = await state_of(store, KEY)

    with pytest.raises(InvalidInputError) as caught:
        await store.change_header(KEY, make_put(**{"tags": ["good"], **members}))

    assert [fault.pointer for fault in caught.value.faults] == [pointer]
    assert await state_of(store, KEY) == before
    assert await neighbours.are_untouched()


@pytest.mark.parametrize("key", [SessionKey("ada", "absent"), SessionKey("nobody", "session")])
async def test_an_absent_session_is_not_found(
    store: SessionStore, neighbours: Neighbours, key: SessionKey
) -> None:
    with pytest.raises(SessionNotFoundError):
        await store.change_header(key, make_put(session_name="x"))

    assert await store.find_version(key) is None
    assert await neighbours.are_untouched()


async def test_no_status_blocks_appends(store: SessionStore) -> None:
    await store.insert(make_new_session(status="archived"))

    await store.append(KEY, make_messages(1), at=START)
    await store.change_header(KEY, make_put(status="completed"))
    await store.append(KEY, make_messages(1, first=1), at=START)

    header = await header_of(store, KEY)
    assert (header.status, header.message_count) == ("completed", 2)


async def test_what_an_append_counts_survives_a_header_change(store: SessionStore) -> None:
    await store.insert(make_new_session(messages=make_messages(2)))
    await store.delete_message(KEY, "m1", START)

    await store.change_header(KEY, make_put(session_name="x"))
    await store.append(KEY, make_messages(1, first=2), at=START)

    header = await header_of(store, KEY)
    assert (header.message_count, header.next_seq, header.revision, header.changes) == (2, 3, 4, 2)
    assert header.session_name == "x"
