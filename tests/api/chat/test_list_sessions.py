"""Lists of sessions: order, filters, pages, and cursors that fit only their own listing."""

from typing import Any

import httpx
import pytest

from tests.api.requests import SESSIONS, append, make_session, problem
from tests.fake_clock import FakeClock


async def make_sessions(client: httpx.AsyncClient, clock: FakeClock, count: int) -> None:
    """Sessions s0, s1, …, a second apart."""
    for number in range(count):
        await make_session(client, f"s{number}")
        clock.advance(1)


def ids(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [summary["id"] for summary in answer.json()["items"]]


async def test_a_user_without_sessions_has_an_empty_list(ada: httpx.AsyncClient) -> None:
    answer = await ada.get(SESSIONS)

    assert answer.json() == {"items": [], "next_cursor": None}
    assert "link" not in answer.headers
    assert answer.headers["cache-control"] == "private, no-cache"


async def test_a_summary_has_no_messages_and_no_free_json(ada: httpx.AsyncClient) -> None:
    await make_session(ada, context={"a": 1}, session_name="x")
    await append(ada, "hello")

    answer = await ada.get(SESSIONS)

    (summary,) = answer.json()["items"]
    assert summary["message_count"] == 1
    assert list(summary) == [
        "id",
        "user_id",
        "session_name",
        "status",
        "is_active",
        "tags",
        "is_pinned",
        "project_id",
        "workspace_id",
        "created_at",
        "generation",
        "message_count",
        "next_seq",
        "last_message_at",
        "updated_at",
        "revision",
        "changes",
    ]


async def test_the_most_recently_active_come_first(
    ada: httpx.AsyncClient, clock: FakeClock
) -> None:
    await make_sessions(ada, clock, 3)
    await append(ada, "hello", path=f"{SESSIONS}/s0/messages")

    by_activity = await ada.get(SESSIONS)
    by_creation = await ada.get(SESSIONS, params={"order": "created"})

    assert ids(by_activity) == ["s0", "s2", "s1"]
    assert ids(by_creation) == ["s0", "s1", "s2"]


async def test_pages_follow_each_other_by_link(ada: httpx.AsyncClient, clock: FakeClock) -> None:
    await make_sessions(ada, clock, 5)

    first = await ada.get(SESSIONS, params={"limit": 2, "order": "created", "is_active": "true"})
    second = await ada.get(first.links["next"]["url"])
    third = await ada.get(second.links["next"]["url"])

    assert [ids(page) for page in (first, second, third)] == [["s0", "s1"], ["s2", "s3"], ["s4"]]
    cursor = first.json()["next_cursor"]
    assert first.headers["link"] == (
        f'</api/chat/sessions?limit=2&order=created&is_active=true&cursor={cursor}>; rel="next"'
    )
    assert (third.json()["next_cursor"], "link" in third.headers) == (None, False)


async def test_a_walk_by_activity_shows_nothing_twice(
    ada: httpx.AsyncClient, clock: FakeClock
) -> None:
    await make_sessions(ada, clock, 4)
    first = await ada.get(SESSIONS, params={"limit": 2})
    await append(ada, "moved", path=f"{SESSIONS}/s0/messages")

    second = await ada.get(first.links["next"]["url"])

    assert (ids(first), ids(second)) == (["s3", "s2"], ["s1"])
    assert ids(await ada.get(SESSIONS, params={"limit": 1})) == ["s0"]


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ({"status": "completed"}, ["b"]),
        ({"is_active": "false"}, ["b"]),
        ({"is_active": "true"}, ["a", "c"]),
        ({"project_id": "p/1"}, ["a"]),
        ({"tag": "red"}, ["a", "b"]),
        ({"is_pinned": "true"}, ["c"]),
        ({"is_pinned": "false"}, ["a", "b"]),
        ({"q": "SHOP"}, ["a", "c"]),
        ({"q": "%"}, []),
        ({"tag": "red", "is_active": "true"}, ["a"]),
    ],
)
async def test_filters_let_through_what_meets_all_of_them(
    ada: httpx.AsyncClient, parameters: dict[str, str], found: list[str]
) -> None:
    await make_session(ada, "a", session_name="Shopping", project_id="p/1", tags=["red"])
    await make_session(ada, "b", status="completed", tags=["blue", "red"])
    await make_session(ada, "c", session_name="the shop", is_pinned=True)

    answer = await ada.get(SESSIONS, params={"order": "created", **parameters})

    assert ids(answer) == found


@pytest.mark.at_the_door
@pytest.mark.parametrize(
    ("parameters", "pointer"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": -1}, "limit"),
        ({"limit": 201}, "limit"),
        ({"limit": 10**30}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"order": "size"}, "order"),
        ({"status": "gone"}, "status"),
        ({"is_active": "maybe"}, "is_active"),
        ({"q": "x" * 1001}, "q"),
    ],
)
async def test_parameters_that_make_no_sense_are_named(
    ada: httpx.AsyncClient, parameters: dict[str, Any], pointer: str
) -> None:
    answer = await ada.get(SESSIONS, params=parameters)

    assert problem(answer) == (422, "invalid_input", [pointer])


@pytest.mark.parametrize("cursor", ["", "x", "é", "bm9wZQ", "W10", "WyJ4IiwxXQ", "A" * 5000])
async def test_a_broken_cursor_is_refused(ada: httpx.AsyncClient, cursor: str) -> None:
    answer = await ada.get(SESSIONS, params={"cursor": cursor})

    assert problem(answer) == (400, "invalid_cursor", ["cursor"])


@pytest.mark.parametrize("changed", [{"order": "created"}, {"tag": "t"}, {"is_pinned": "false"}])
async def test_a_cursor_fits_only_its_own_order_and_filters(
    ada: httpx.AsyncClient, clock: FakeClock, changed: dict[str, str]
) -> None:
    await make_sessions(ada, clock, 2)
    cursor = (await ada.get(SESSIONS, params={"limit": 1})).json()["next_cursor"]

    answer = await ada.get(SESSIONS, params={"cursor": cursor, **changed})

    assert problem(answer) == (400, "invalid_cursor", ["cursor"])


async def test_a_cursor_of_another_user_is_refused(
    ada: httpx.AsyncClient, bob: httpx.AsyncClient, clock: FakeClock
) -> None:
    await make_sessions(ada, clock, 2)
    await make_sessions(bob, clock, 2)
    cursor = (await ada.get(SESSIONS, params={"limit": 1})).json()["next_cursor"]

    answer = await bob.get(SESSIONS, params={"cursor": cursor})

    assert problem(answer) == (400, "invalid_cursor", ["cursor"])


async def test_a_list_shows_only_the_callers_sessions(
    ada: httpx.AsyncClient, bob: httpx.AsyncClient
) -> None:
    await make_session(ada, "of-ada")
    await make_session(bob, "of-bob")

    answer = await bob.get(SESSIONS)

    assert ids(answer) == ["of-bob"]
