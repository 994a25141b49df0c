"""Search: messages and names of the caller, in any script, on pages, with a snippet each."""

import httpx
import pytest

from tests.api.requests import MESSAGES, SESSIONS, append, make_session, problem
from tests.fake_clock import FakeClock

SEARCH = "/api/chat/search"


def snippets(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [hit["snippet"] for hit in answer.json()["items"]]


async def test_a_hit_says_where_it_was_found(ada: httpx.AsyncClient, clock: FakeClock) -> None:
    await make_session(ada, session_name="Plans")
    clock.advance(1)
    await append(ada, "nothing", "we meet at noon")

    answer = await ada.get(SEARCH, params={"q": "NOON meet"})

    assert answer.headers["cache-control"] == "private, no-cache"
    assert answer.json() == {
        "items": [
            {
                "session_id": "s",
                "session_name": "Plans",
                "seq": 1,
                "message_id": "mwe meet at noon",
                "message_type": "user",
                "snippet": "we meet at noon",
                "created_at": "2026-01-02T03:04:06.678Z",
            }
        ],
        "next_cursor": None,
        "sessions_left_out": 0,
    }


async def test_a_name_is_found_without_a_place(ada: httpx.AsyncClient) -> None:
    await make_session(ada, session_name="Café plans")

    answer = await ada.get(SEARCH, params={"q": "cafe"})

    (hit,) = answer.json()["items"]
    assert (hit["seq"], hit["message_id"], hit["message_type"]) == (None, None, None)
    assert hit["snippet"] == "Café plans"


@pytest.mark.parametrize("query", ["北京", "京", "我在北京"])
async def test_cjk_text_is_found_by_few_characters(ada: httpx.AsyncClient, query: str) -> None:
    await make_session(ada)
    await append(ada, "昨天我在北京吃饭", "东京很远吗")

    answer = await ada.get(SEARCH, params={"q": query})

    assert "昨天我在北京吃饭" in snippets(answer)


async def test_a_snippet_shows_the_surroundings_of_the_match(ada: httpx.AsyncClient) -> None:
    await make_session(ada)
    await ada.post(MESSAGES, json={"content": "before " * 100 + "needle" + " after" * 100})

    answer = await ada.get(SEARCH, params={"q": "needle"})

    (snippet,) = snippets(answer)
    assert snippet.startswith("…before before")
    assert " needle after " in snippet
    assert snippet.endswith("…")
    assert 140 <= len(snippet) <= 162


async def test_pages_follow_each_other_by_link(ada: httpx.AsyncClient, clock: FakeClock) -> None:
    await make_session(ada)
    for number in range(5):
        await append(ada, f"word {number}")
        clock.advance(1)

    first = await ada.get(SEARCH, params={"q": "word", "limit": 2})
    second = await ada.get(first.links["next"]["url"])
    third = await ada.get(second.links["next"]["url"])

    assert snippets(first) == ["word 4", "word 3"]
    assert snippets(second) == ["word 2", "word 1"]
    assert snippets(third) == ["word 0"]
    assert "link" not in third.headers


async def test_edited_and_deleted_texts_are_not_found(ada: httpx.AsyncClient) -> None:
    await make_session(ada)
    await append(ada, "apple", "banana")
    await ada.patch(f"{MESSAGES}/mapple", json={"content": "cherry"})
    await ada.delete(f"{MESSAGES}/mbanana")

    found = [
        snippets(await ada.get(SEARCH, params={"q": word}))
        for word in ("apple", "banana", "cherry")
    ]

    assert found == [[], [], ["cherry"]]


async def test_nothing_of_another_user_is_found(
    ada: httpx.AsyncClient, bob: httpx.AsyncClient
) -> None:
    await make_session(ada, session_name="secret")
    await append(ada, "secret")

    answer = await bob.get(SEARCH, params={"q": "secret"})

    assert answer.json() == {"items": [], "next_cursor": None, "sessions_left_out": 0}


@pytest.mark.parametrize(
    ("parameters", "pointer"),
    [
        ({}, "q"),
        ({"q": ""}, "q"),
        ({"q": "?! …"}, "q"),
        ({"q": "x" * 501}, "q"),
        ({"q": "x", "limit": 0}, "limit"),
        ({"q": "x", "limit": 201}, "limit"),
    ],
)
async def test_parameters_that_make_no_sense_are_named(
    ada: httpx.AsyncClient, parameters: dict[str, str], pointer: str
) -> None:
    answer = await ada.get(SEARCH, params=parameters)

    assert problem(answer) == (422, "invalid_input", [pointer])


async def test_a_cursor_fits_only_its_own_search(
    ada: httpx.AsyncClient, bob: httpx.AsyncClient, clock: FakeClock
) -> None:
    await make_session(ada)
    await append(ada, "word", "word two", "other")
    cursor = (await ada.get(SEARCH, params={"q": "word", "limit": 1})).json()["next_cursor"]
    clock.advance(1)
    await make_session(ada, "t")
    listed = await ada.get(SESSIONS, params={"limit": 1})

    answers = [
        await ada.get(SEARCH, params={"q": "other", "cursor": cursor}),
        await bob.get(SEARCH, params={"q": "word", "cursor": cursor}),
        await ada.get(SESSIONS, params={"cursor": cursor}),
        await ada.get(SEARCH, params={"q": "word", "cursor": listed.json()["next_cursor"]}),
    ]

    assert [problem(answer) for answer in answers] == [(400, "invalid_cursor", ["cursor"])] * 4
