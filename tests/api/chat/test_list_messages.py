"""Pages of a session's messages: by place, from either end, tombstones included."""

import httpx
import pytest

from tests.api.requests import (
    MESSAGES,
    append,
    append_numbered,
    contents,
    make_session,
    problem,
)


@pytest.mark.parametrize(
    ("parameters", "found", "link"),
    [
        ({"limit": 2}, ["0", "1"], ("next", "limit=2&offset=2")),
        ({"limit": 2, "offset": 3}, ["3", "4"], None),
        ({"limit": 2, "offset": 2}, ["2", "3"], ("next", "limit=2&offset=4")),
        ({"offset": 5}, [], None),
        ({"offset": 2**53 - 1}, [], None),
        ({"limit": 2, "after_seq": -1}, ["0", "1"], ("next", "limit=2&after_seq=1")),
        ({"limit": 2, "after_seq": 1}, ["2", "3"], ("next", "limit=2&after_seq=3")),
        ({"limit": 2, "after_seq": 2}, ["3", "4"], None),
        ({"after_seq": 4}, [], None),
        ({"after_seq": 2**53 - 1}, [], None),
        ({"limit": 2, "before_seq": 4}, ["2", "3"], ("prev", "limit=2&before_seq=2")),
        ({"limit": 2, "before_seq": 2}, ["0", "1"], None),
        ({"limit": 2, "before_seq": 2**53 - 1}, ["3", "4"], ("prev", "limit=2&before_seq=3")),
        ({"before_seq": 0}, [], None),
    ],
)
async def test_a_page_shows_places_and_names_what_is_beside(
    ada: httpx.AsyncClient,
    parameters: dict[str, int],
    found: list[str],
    link: tuple[str, str] | None,
) -> None:
    await make_session(ada)
    await append_numbered(ada, 5)

    answer = await ada.get(MESSAGES, params=parameters)

    assert contents(answer) == found
    assert answer.json()["next_seq"] == 5
    assert answer.headers["cache-control"] == "private, no-cache"
    if link is None:
        assert "link" not in answer.headers
    else:
        assert answer.headers["link"] == f'<{MESSAGES}?{link[1]}>; rel="{link[0]}"'


async def test_a_page_has_100_messages_unless_told_otherwise(ada: httpx.AsyncClient) -> None:
    await make_session(ada)
    await append_numbered(ada, 101)

    answer = await ada.get(MESSAGES)

    assert contents(answer) == [str(number) for number in range(100)]


async def test_a_page_has_the_etag_of_its_session(ada: httpx.AsyncClient) -> None:
    await make_session(ada)
    etag = await append(ada, "a")

    answer = await ada.get(MESSAGES)

    assert answer.headers["etag"] == etag


async def test_a_tombstone_holds_its_place(ada: httpx.AsyncClient) -> None:
    await make_session(ada)
    await append_numbered(ada, 3)
    await ada.delete(f"{MESSAGES}/m1")

    answer = await ada.get(MESSAGES, params={"offset": 1, "limit": 2})

    assert [(one["seq"], one["content"]) for one in answer.json()["items"]] == [(1, ""), (2, "2")]
    assert answer.json()["items"][0]["deleted_at"] == "2026-01-02T03:04:05.678Z"


@pytest.mark.at_the_door
@pytest.mark.parametrize(
    ("parameters", "pointers"),
    [
        ({"after_seq": 1, "before_seq": 3}, ["before_seq"]),
        ({"after_seq": 1, "before_seq": 3, "offset": 0}, ["before_seq", "offset"]),
        ({"limit": 0}, ["limit"]),
        ({"limit": 1001}, ["limit"]),
        ({"offset": -1}, ["offset"]),
        ({"before_seq": -1}, ["before_seq"]),
        ({"after_seq": -2}, ["after_seq"]),
        ({"offset": 10**40}, ["offset"]),
        ({"before_seq": "1.5"}, ["before_seq"]),
    ],
)
async def test_parameters_that_make_no_sense_are_named(
    ada: httpx.AsyncClient, parameters: dict[str, int], pointers: list[str]
) -> None:
    await make_session(ada)

    answer = await ada.get(MESSAGES, params=parameters)

    assert problem(answer) == (422, "invalid_input", pointers)


async def test_the_session_of_another_user_is_not_found(
    ada: httpx.AsyncClient, bob: httpx.AsyncClient
) -> None:
    await make_session(ada)

    answer = await bob.get(MESSAGES)

    assert problem(answer) == (404, "session_not_found", [])
