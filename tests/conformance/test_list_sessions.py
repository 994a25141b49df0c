"""Lists of a user's sessions: summaries only, in the order asked for, through the filters given."""

import json
from typing import Any

from app.domain.encoded import decoded_summary
from app.domain.identity import SessionKey
from app.domain.session import SessionStatus
from app.store.port import ListOrder, SessionStore
from tests.conformance.state import Neighbours, ids_listed
from tests.factories import ADA, BOB, KEY, make_edit, make_messages, make_new_session, make_put
from tests.fake_clock import START, instant


async def test_a_user_without_sessions_has_an_empty_page(
    store: SessionStore, neighbours: Neighbours
) -> None:
    for order in ListOrder:
        page = await store.list_summaries("nobody", order=order)

        assert page.items == ()
        assert page.next_position is None
    assert await neighbours.are_untouched()


async def test_a_summary_has_the_header_without_its_free_json(store: SessionStore) -> None:
    await store.insert(
        make_new_session(
            generation="00000000000000aa",
            session_name="Name",
            status="archived",
            tags=["red"],
            is_pinned=True,
            project_id="p1",
            workspace_id="w1",
            context={"a": 1},
            metadata={"b": 2},
            messages=make_messages(3),
        )
    )
    await store.delete_message(KEY, "m2", instant(9))

    (item,) = (await store.list_summaries(ADA)).items

    assert json.loads(item) == {
        "id": "session",
        "user_id": "ada",
        "session_name": "Name",
        "status": "archived",
        "is_active": False,
        "tags": ["red"],
        "is_pinned": True,
        "project_id": "p1",
        "workspace_id": "w1",
        "created_at": "2026-01-02T03:04:05.678Z",
        "generation": "00000000000000aa",
        "message_count": 2,
        "next_seq": 3,
        "last_message_at": "2026-01-02T03:04:05.678Z",
        "updated_at": "2026-01-02T03:04:14.678Z",
        "revision": 2,
        "changes": 1,
    }


async def test_a_list_shows_every_kind_of_change_at_once(store: SessionStore) -> None:
    await store.insert(make_new_session())

    async def counters() -> tuple[int, int, int]:
        (item,) = (await store.list_summaries(ADA)).items
        summary = decoded_summary(item)
        return summary.revision, summary.message_count, summary.changes

    assert await counters() == (1, 0, 0)
    await store.append(KEY, make_messages(2), at=START)
    assert await counters() == (2, 2, 0)
    await store.edit_message(KEY, "m0", make_edit("x"))
    assert await counters() == (3, 2, 1)
    await store.delete_message(KEY, "m0", START)
    assert await counters() == (4, 1, 2)
    await store.change_header(KEY, make_put(session_name="x"))
    assert await counters() == (5, 1, 3)


async def test_activity_is_newest_first_with_ties_by_falling_id(store: SessionStore) -> None:
    for name, created, updated in [
        ("b", 0, 10),
        ("a", 0, 10),
        ("é", 0, 10),
        ("\U0001f600", 0, 10),
        ("\uff5e", 0, 10),
        ("B", 0, 10),
        ("new", -5, 20),
        ("old", 5, 5),
    ]:
        await store.insert(
            make_new_session(
                SessionKey(ADA, name), created_at=instant(created), updated_at=instant(updated)
            )
        )

    assert await ids_listed(store) == ["new", "\U0001f600", "\uff5e", "é", "b", "a", "B", "old"]


async def test_creation_is_oldest_first_with_ties_by_rising_id(store: SessionStore) -> None:
    for name, created, updated in [("b", 0, 10), ("a", 0, 11), ("B", 0, 9), ("old", -5, 20)]:
        await store.insert(
            make_new_session(
                SessionKey(ADA, name), created_at=instant(created), updated_at=instant(updated)
            )
        )

    assert await ids_listed(store, order=ListOrder.CREATED) == ["old", "B", "a", "b"]


async def test_every_change_moves_a_session_to_the_front(store: SessionStore) -> None:
    for name in ("a", "b", "c"):
        await store.insert(make_new_session(SessionKey(ADA, name), messages=make_messages(2)))
    assert await ids_listed(store) == ["c", "b", "a"]

    await store.append(SessionKey(ADA, "a"), make_messages(1, first=2), at=instant(1))
    assert await ids_listed(store) == ["a", "c", "b"]
    await store.edit_message(SessionKey(ADA, "b"), "m0", make_edit("x", at=instant(2)))
    assert await ids_listed(store) == ["b", "a", "c"]
    await store.delete_message(SessionKey(ADA, "c"), "m0", instant(3))
    assert await ids_listed(store) == ["c", "b", "a"]
    await store.change_header(SessionKey(ADA, "a"), make_put(at=instant(4), is_pinned=True))
    assert await ids_listed(store) == ["a", "c", "b"]
    assert await ids_listed(store, order=ListOrder.CREATED) == ["a", "b", "c"]


async def test_what_changes_nothing_moves_nothing(store: SessionStore) -> None:
    for name in ("a", "b"):
        await store.insert(make_new_session(SessionKey(ADA, name), messages=make_messages(1)))

    await store.append(SessionKey(ADA, "a"), make_messages(1), at=instant(1))
    await store.edit_message(SessionKey(ADA, "a"), "m0", make_edit("the text of m0", at=instant(2)))
    await store.change_header(SessionKey(ADA, "a"), make_put(at=instant(4), is_pinned=False))

    assert await ids_listed(store) == ["b", "a"]


FILTERS: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ["active", "archived", "completed", "plain"]),
    ({"status": SessionStatus.ACTIVE}, ["active", "plain"]),
    ({"status": SessionStatus.ARCHIVED}, ["archived"]),
    ({"status": SessionStatus.COMPLETED}, ["completed"]),
    ({"is_active": True}, ["active", "plain"]),
    ({"is_active": False}, ["archived", "completed"]),
    ({"is_active": True, "status": SessionStatus.ARCHIVED}, []),
    ({"project_id": "p1"}, ["active", "archived"]),
    ({"project_id": "p"}, []),
    ({"project_id": "P1"}, []),
    ({"workspace_id": "w"}, ["archived", "completed"]),
    ({"workspace_id": "W"}, []),
    ({"workspace_id": "w", "project_id": "p1"}, ["archived"]),
    ({"tag": "red"}, ["active", "completed"]),
    ({"tag": "re"}, []),
    ({"tag": 'with "quotes"'}, ["completed"]),
    ({"tag": "a,b"}, ["archived"]),
    ({"tag": "a"}, []),
    ({"tag": "緑"}, ["archived"]),
    ({"is_pinned": True}, ["archived"]),
    ({"is_pinned": False}, ["active", "completed", "plain"]),
    ({"name_contains": "strasse"}, ["active"]),
    ({"name_contains": "STRASSE"}, ["active"]),
    ({"name_contains": "straße 1"}, ["active"]),
    ({"name_contains": "100%"}, ["archived"]),
    ({"name_contains": "%"}, ["archived"]),
    ({"name_contains": "_"}, ["archived"]),
    ({"name_contains": "文"}, ["completed"]),
    ({"name_contains": "É"}, ["completed"]),
    ({"name_contains": "e"}, ["active"]),
    ({"name_contains": ""}, ["active", "archived", "completed", "plain"]),
    ({"tag": "red", "is_active": False}, ["completed"]),
    ({"tag": "red", "is_active": False, "name_contains": "x"}, []),
]


async def test_a_filter_shows_what_meets_every_condition(store: SessionStore) -> None:
    sessions: dict[str, dict[str, Any]] = {
        "active": {"session_name": "Straße 1", "project_id": "p1", "tags": ["red", "green"]},
        "archived": {
            "status": "archived",
            "session_name": "100%_",
            "project_id": "p1",
            "workspace_id": "w",
            "is_pinned": True,
            "tags": ["a,b", "緑"],
        },
        "completed": {
            "status": "completed",
            "session_name": "中文 é",
            "project_id": "p/2",
            "workspace_id": "w",
            "tags": ["red", 'with "quotes"'],
        },
        "plain": {},
    }
    for name, fields in sessions.items():
        await store.insert(make_new_session(SessionKey(ADA, name), **fields))
        await store.insert(make_new_session(SessionKey(BOB, f"bob's {name}"), **fields))

    for order in ListOrder:
        for wanted, expected in FILTERS:
            found = await ids_listed(store, order=order, **wanted)
            assert (wanted, sorted(found)) == (wanted, expected)


async def test_filters_follow_changes(store: SessionStore) -> None:
    await store.insert(make_new_session(tags=["old"], project_id="p1", session_name="old"))
    assert await ids_listed(store, tag="old", project_id="p1", name_contains="old") == ["session"]

    await store.change_header(
        KEY, make_put(tags=["new"], project_id="p2", session_name="new", status="completed")
    )

    assert await ids_listed(store, tag="old") == []
    assert await ids_listed(store, project_id="p1") == []
    assert await ids_listed(store, name_contains="old") == []
    assert await ids_listed(
        store, tag="new", project_id="p2", name_contains="new", is_active=False
    ) == ["session"]
