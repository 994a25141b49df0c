"""Appending: what is stored, in which place, all or nothing, and safely repeated."""

import asyncio
import re

import httpx
import pytest

from tests.api.requests import MESSAGES, SESSION, append, contents, make_session, problem

UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


async def test_one_message_is_a_body_of_its_own(ada: httpx.AsyncClient) -> None:
    etag = await make_session(ada)

    answer = await ada.post(MESSAGES, json={"content": "hello"})

    (message,) = answer.json()["messages"]
    assert answer.status_code == 201
    assert UUID7.fullmatch(message.pop("id"))
    assert message == {
        "seq": 0,
        "content": "hello",
        "message_type": "user",
        "user_id": None,
        "metadata": {},
        "created_at": "2026-01-02T03:04:05.678Z",
        "parent_id": None,
        "edited_at": None,
        "deleted_at": None,
    }
    assert answer.headers["etag"] == etag.replace("-1", "-2")


async def test_every_field_can_be_given_and_comes_back(ada: httpx.AsyncClient) -> None:
    await make_session(ada)
    await append(ada, "first")
    message = {
        "id": "a/b c",
        "content": "NUL \0, bell \a, שלום, 😀",
        "message_type": "tool",
        "user_id": "someone else",
        "metadata": {"$set": {"a.b": 2**64}, "list": [1.5, None, {"": -0.0}]},
        "created_at": "1999-12-31T23:59:59.123Z",
        "parent_id": "mfirst",
    }

    answer = await ada.post(MESSAGES, json=message)

    (stored,) = answer.json()["messages"]
    assert {name: stored[name] for name in message} == message
    assert (await ada.get(SESSION)).json()["messages"][1] == stored


async def test_a_list_keeps_its_order(ada: httpx.AsyncClient) -> None:
    await make_session(ada)
    await append(ada, "0")

    answer = await ada.post(MESSAGES, json=[{"content": str(number)} for number in range(1, 1001)])

    assert [one["seq"] for one in answer.json()["messages"]] == list(range(1, 1001))
    assert contents(await ada.get(SESSION)) == [str(number) for number in range(1001)]


async def test_a_list_raises_the_revision_once(ada: httpx.AsyncClient) -> None:
    etag = await make_session(ada)

    answer = await ada.post(MESSAGES, json=[{"content": "a"}, {"content": "b"}])

    assert answer.headers["etag"] == etag.replace("-1", "-2")


async def test_an_offset_is_kept_as_an_instant(ada: httpx.AsyncClient) -> None:
    await make_session(ada)

    answer = await ada.post(
        MESSAGES, json={"content": "x", "created_at": "2026-01-01T01:00:00.9999+02:00"}
    )

    assert answer.json()["messages"][0]["created_at"] == "2025-12-31T23:00:00.999Z"


async def test_a_repeated_message_is_stored_once(ada: httpx.AsyncClient) -> None:
    await make_session(ada)
    first = await ada.post(MESSAGES, json={"id": "m", "content": "hello"})
    await append(ada, "later")

    again = await ada.post(MESSAGES, json={"id": "m", "content": "hello"})

    assert (again.status_code, again.content) == (201, first.content)
    assert contents(await ada.get(SESSION)) == ["hello", "later"]


async def test_a_repeated_key_is_stored_once(ada: httpx.AsyncClient) -> None:
    await make_session(ada)
    batch = [{"content": "a"}, {"content": "b", "id": "mine"}, {"content": "c"}]
    key = {"Idempotency-Key": "retry-1"}
    first = await ada.post(MESSAGES, json=batch, headers=key)

    again = await ada.post(MESSAGES, json=batch, headers=key)

    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["etag"] == first.headers["etag"]
    assert contents(await ada.get(SESSION)) == ["a", "b", "c"]


async def test_a_known_id_with_another_content_changes_nothing(ada: httpx.AsyncClient) -> None:
    await make_session(ada)
    await append(ada, "a")
    before = (await ada.get(SESSION)).content

    in_a_list = await ada.post(MESSAGES, json=[{"content": "new"}, {"id": "ma", "content": "b"}])
    alone = await ada.post(MESSAGES, json={"id": "ma", "content": "b"})

    assert problem(in_a_list) == (422, "message_id_conflict", ["/1/id"])
    assert problem(alone) == (422, "message_id_conflict", ["/id"])
    assert (await ada.get(SESSION)).content == before


async def test_a_known_key_with_another_content_names_the_key(ada: httpx.AsyncClient) -> None:
    await make_session(ada)
    key = {"Idempotency-Key": "k"}
    await ada.post(MESSAGES, json={"content": "a"}, headers=key)

    answer = await ada.post(MESSAGES, json={"content": "b"}, headers=key)

    assert problem(answer) == (422, "message_id_conflict", ["Idempotency-Key"])
    assert contents(await ada.get(SESSION)) == ["a"]


async def test_an_unknown_parent_changes_nothing(ada: httpx.AsyncClient) -> None:
    await make_session(ada)

    in_a_list = await ada.post(
        MESSAGES, json=[{"content": "a"}, {"content": "b", "parent_id": "nobody"}]
    )
    alone = await ada.post(MESSAGES, json={"content": "b", "parent_id": "nobody"})

    assert problem(in_a_list) == (422, "parent_not_found", ["/1/parent_id"])
    assert problem(alone) == (422, "parent_not_found", ["/parent_id"])
    assert contents(await ada.get(SESSION)) == []


async def test_a_precondition_that_holds_lets_the_append_through(ada: httpx.AsyncClient) -> None:
    etag = await make_session(ada)

    answers = [
        await ada.post(
            MESSAGES,
            json={"content": "a"},
            headers={"If-Match": f'"0123456789abcdef-9", {etag}'},
        ),
        await ada.post(MESSAGES, json={"content": "b"}, headers={"If-Match": "*"}),
    ]

    assert [answer.status_code for answer in answers] == [201, 201]


async def test_a_precondition_that_fails_tells_the_current_revision(
    ada: httpx.AsyncClient,
) -> None:
    etag = await make_session(ada)
    current = await append(ada, "a")

    answer = await ada.post(MESSAGES, json={"content": "b"}, headers={"If-Match": etag})

    assert problem(answer) == (412, "revision_mismatch", [])
    assert answer.json()["current_revision"] == 2
    assert answer.headers["etag"] == current
    assert contents(await ada.get(SESSION)) == ["a"]


async def test_no_status_blocks_an_append(ada: httpx.AsyncClient) -> None:
    await make_session(ada, status="archived")

    answer = await ada.post(MESSAGES, json={"content": "a"})

    assert answer.status_code == 201


async def test_fifty_appends_at_once_are_all_there(ada: httpx.AsyncClient) -> None:
    await make_session(ada)

    answers = await asyncio.gather(
        *(ada.post(MESSAGES, json={"content": str(number)}) for number in range(50))
    )

    acknowledged = {
        answer.json()["messages"][0]["seq"]: answer.json()["messages"][0]["content"]
        for answer in answers
    }
    assert [answer.status_code for answer in answers] == [201] * 50
    assert sorted(acknowledged) == list(range(50))
    assert contents(await ada.get(SESSION)) == [acknowledged[seq] for seq in range(50)]


async def test_a_session_that_is_not_there_is_not_made(ada: httpx.AsyncClient) -> None:
    answer = await ada.post(MESSAGES, json={"content": "a"})

    assert problem(answer) == (404, "session_not_found", [])
    assert (await ada.get(SESSION)).status_code == 404


async def test_the_session_of_another_user_is_not_found(
    ada: httpx.AsyncClient, bob: httpx.AsyncClient
) -> None:
    await make_session(ada)

    answer = await bob.post(MESSAGES, json={"content": "a", "user_id": "ada"})

    assert problem(answer) == (404, "session_not_found", [])
    assert contents(await ada.get(SESSION)) == []


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/x+JSON"])
async def test_any_type_of_json_will_do(ada: httpx.AsyncClient, content_type: str) -> None:
    await make_session(ada)

    answer = await ada.post(
        MESSAGES, content=b' \r\n\t[{"content":"a"}] ', headers={"Content-Type": content_type}
    )

    assert answer.status_code == 201
