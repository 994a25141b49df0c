"""The whole read, and the parts of it that a reader with an older copy asks for."""

import httpx
import pytest

from app.main import create_app
from app.store.port import SessionStore
from tests.api.conftest import SETTINGS
from tests.api.requests import MESSAGES, SESSION, append, contents, make_session, problem
from tests.fake_clock import FakeClock


async def test_a_whole_session_comes_in_one_answer(ada: httpx.AsyncClient) -> None:
    await make_session(ada, context={"mood": "fine"})
    etag = await append(ada, "a", "b")

    answer = await ada.get(SESSION)

    body = answer.json()
    assert answer.status_code == 200
    assert answer.headers["etag"] == etag == f'"{body["generation"]}-2"'
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "private, no-cache"
    assert answer.headers["vary"] == "Authorization, X-User-Id, X-API-Key"
    assert (body["context"], body["message_count"], body["next_seq"]) == ({"mood": "fine"}, 2, 2)
    assert body["messages"][1] == {
        "seq": 1,
        "id": "mb",
        "content": "b",
        "message_type": "user",
        "user_id": None,
        "metadata": {},
        "created_at": "2026-01-02T03:04:05.678Z",
        "parent_id": None,
        "edited_at": None,
        "deleted_at": None,
    }


async def test_a_second_read_sees_what_was_appended_since(ada: httpx.AsyncClient) -> None:
    await make_session(ada)
    await append(ada, "a")
    first = await ada.get(SESSION)
    await append(ada, "b")

    second = await ada.get(SESSION)

    assert (contents(first), contents(second)) == (["a"], ["a", "b"])


async def test_a_read_after_a_place_brings_only_later_ones(ada: httpx.AsyncClient) -> None:
    await make_session(ada)
    await append(ada, "a", "b", "c")

    answers = [await ada.get(SESSION, params={"after_seq": seq}) for seq in (-1, 0, 2, 2**53 - 1)]

    assert [contents(answer) for answer in answers] == [["a", "b", "c"], ["b", "c"], [], []]
    assert answers[2].json()["next_seq"] == 3


@pytest.mark.parametrize("form", ["{}", '"{}"'])
async def test_a_read_since_an_etag_brings_all_that_changed(
    ada: httpx.AsyncClient, form: str
) -> None:
    await make_session(ada)
    etag = await append(ada, "a", "b", "c")
    await ada.patch(f"{MESSAGES}/ma", json={"content": "A"})
    await ada.delete(f"{MESSAGES}/mb")
    await append(ada, "d")

    answer = await ada.get(SESSION, params={"since": form.format(etag.strip('"'))})

    assert [(one["id"], one["content"]) for one in answer.json()["messages"]] == [
        ("ma", "A"),
        ("mb", ""),
        ("md", "d"),
    ]


async def test_a_read_since_the_present_brings_the_header_alone(ada: httpx.AsyncClient) -> None:
    await make_session(ada)
    etag = await append(ada, "a")

    answer = await ada.get(SESSION, params={"since": etag})

    assert answer.json()["messages"] == []
    assert answer.headers["etag"] == etag


async def test_a_read_since_an_earlier_generation_is_whole(ada: httpx.AsyncClient) -> None:
    await make_session(ada)
    etag = await append(ada, "a")
    await ada.delete(SESSION)
    await make_session(ada)
    await append(ada, "b", "c")

    answer = await ada.get(SESSION, params={"since": etag})

    assert contents(answer) == ["b", "c"]


async def test_a_read_without_messages_has_no_such_member(ada: httpx.AsyncClient) -> None:
    await make_session(ada)
    etag = await append(ada, "a")

    answer = await ada.get(SESSION, params={"messages": "none"})

    assert "messages" not in answer.json()
    assert answer.json()["message_count"] == 1
    assert answer.headers["etag"] == etag


@pytest.mark.parametrize(
    "tags", ["{}", "W/{}", '"x, y", {}', "*", '"0123456789abcdef-1",{}, "nonsense"']
)
async def test_an_unchanged_session_is_not_sent_again(ada: httpx.AsyncClient, tags: str) -> None:
    await make_session(ada)
    etag = await append(ada, "a")

    answer = await ada.get(SESSION, headers={"If-None-Match": tags.format(etag)})

    assert (answer.status_code, answer.content) == (304, b"")
    assert answer.headers["etag"] == etag
    assert answer.headers["cache-control"] == "private, no-cache"
    assert answer.headers["vary"] == "Authorization, X-User-Id, X-API-Key"
    assert "content-length" not in answer.headers


@pytest.mark.parametrize("tags", ['"0123456789abcdef-1"', "nonsense", '"', "W/"])
async def test_a_changed_session_is_sent(ada: httpx.AsyncClient, tags: str) -> None:
    etag = await make_session(ada)
    await append(ada, "a")

    answer = await ada.get(SESSION, headers=[("If-None-Match", tags), ("If-None-Match", etag)])

    assert (answer.status_code, contents(answer)) == (200, ["a"])


@pytest.mark.at_the_door
@pytest.mark.parametrize(
    ("parameters", "pointers"),
    [
        ({"after_seq": 1, "since": '"0123456789abcdef-1"'}, ["since"]),
        ({"after_seq": 1, "messages": "none"}, ["messages"]),
        ({"since": '"0123456789abcdef-1"', "messages": "none"}, ["messages"]),
        ({"after_seq": -2}, ["after_seq"]),
        ({"after_seq": 2**53}, ["after_seq"]),
        ({"after_seq": "x"}, ["after_seq"]),
        ({"after_seq": ""}, ["after_seq"]),
        ({"messages": "some"}, ["messages"]),
    ],
)
async def test_parameters_that_make_no_sense_are_named(
    ada: httpx.AsyncClient, parameters: dict[str, str], pointers: list[str]
) -> None:
    await make_session(ada)

    answer = await ada.get(SESSION, params=parameters)

    assert problem(answer) == (422, "invalid_input", pointers)


@pytest.mark.parametrize("since", ["", '"', '""', "7", "0123456789abcdef-0", 'W/"x"', "é"])
async def test_since_must_be_an_etag(ada: httpx.AsyncClient, since: str) -> None:
    await make_session(ada)

    answer = await ada.get(SESSION, params={"since": since})

    assert problem(answer) == (400, "invalid_etag", ["since"])


async def test_parameters_that_nobody_knows_are_ignored(ada: httpx.AsyncClient) -> None:
    await make_session(ada)

    answer = await ada.get(SESSION, params={"utm_source": "x", "user_id": "ada"})

    assert answer.status_code == 200


async def test_an_absent_session_is_not_found(ada: httpx.AsyncClient) -> None:
    answer = await ada.get(SESSION)

    assert problem(answer) == (404, "session_not_found", [])


async def test_the_session_of_another_user_is_not_found(
    ada: httpx.AsyncClient, bob: httpx.AsyncClient
) -> None:
    etag = await make_session(ada)

    answers = [
        await bob.get(SESSION),
        await bob.get(SESSION, headers={"If-None-Match": etag}),
        await bob.get(SESSION, params={"since": etag}),
    ]

    assert [problem(answer) for answer in answers] == [(404, "session_not_found", [])] * 3


async def test_what_another_process_wrote_is_seen_at_once(
    ada: httpx.AsyncClient, store: SessionStore, clock: FakeClock
) -> None:
    # A second application on the same store has a read cache of its own, as a process would.
    other = httpx.ASGITransport(create_app(SETTINGS, store, clock))
    await make_session(ada)
    await append(ada, "a")
    assert contents(await ada.get(SESSION)) == ["a"]

    async with httpx.AsyncClient(transport=other, base_url="http://other.test") as client:
        await client.post(f"{MESSAGES}?user_id=ada", json={"content": "b"})

    assert contents(await ada.get(SESSION)) == ["a", "b"]
