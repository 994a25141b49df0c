"""Open mode without a user: the id's single owner, else a question back."""

import httpx
import pytest

from tests.api.requests import MESSAGES, SESSION, SESSIONS, contents, make_session, problem


async def test_a_session_made_by_nobody_belongs_to_anonymous(anyone: httpx.AsyncClient) -> None:
    answer = await anyone.post(SESSIONS, json={"id": "s"})

    assert answer.json()["user_id"] == "anonymous"
    assert (await anyone.get(SESSION)).status_code == 200


async def test_a_body_may_name_the_owner_of_a_new_session(
    anyone: httpx.AsyncClient, ada: httpx.AsyncClient
) -> None:
    answer = await anyone.post(SESSIONS, json={"id": "s", "user_id": "ada"})

    assert answer.json()["user_id"] == "ada"
    assert (await ada.get(SESSION)).status_code == 200


async def test_a_single_owner_is_meant(anyone: httpx.AsyncClient, ada: httpx.AsyncClient) -> None:
    await make_session(ada)

    appended = await anyone.post(MESSAGES, json={"content": "a"})
    read = await anyone.get(SESSION)

    assert appended.status_code == 201
    assert (read.json()["user_id"], contents(read)) == ("ada", ["a"])


async def test_several_owners_cannot_be_told_apart(
    anyone: httpx.AsyncClient, ada: httpx.AsyncClient, bob: httpx.AsyncClient
) -> None:
    await make_session(ada)
    await make_session(bob)

    answers = [await anyone.get(SESSION), await anyone.post(MESSAGES, json={"content": "a"})]

    assert [problem(answer) for answer in answers] == [(400, "user_required", ["user_id"])] * 2


async def test_the_author_of_a_message_tells_several_owners_apart(
    anyone: httpx.AsyncClient, ada: httpx.AsyncClient, bob: httpx.AsyncClient
) -> None:
    await make_session(ada)
    await make_session(bob)

    answer = await anyone.post(MESSAGES, json=[{"content": "a", "user_id": "bob"}])

    assert answer.status_code == 201
    assert contents(await bob.get(SESSION)) == ["a"]
    assert contents(await ada.get(SESSION)) == []


async def test_an_author_without_such_a_session_is_a_label_only(
    anyone: httpx.AsyncClient, ada: httpx.AsyncClient
) -> None:
    await make_session(ada)

    answer = await anyone.post(MESSAGES, json={"content": "a", "user_id": "a bot"})

    assert answer.json()["messages"][0]["user_id"] == "a bot"
    assert contents(await ada.get(SESSION)) == ["a"]


async def test_a_session_that_nobody_has_is_not_found(anyone: httpx.AsyncClient) -> None:
    answer = await anyone.get(SESSION)

    assert problem(answer) == (404, "session_not_found", [])


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", SESSIONS),
        ("GET", "/api/chat/search?q=x"),
        ("GET", "/api/chat/stats"),
        ("GET", "/api/chat/export"),
        ("DELETE", "/api/chat/users/me"),
    ],
)
async def test_what_concerns_a_user_needs_one(
    anyone: httpx.AsyncClient, method: str, path: str
) -> None:
    answer = await anyone.request(method, path)

    assert problem(answer) == (400, "user_required", ["user_id"])


async def test_the_parameter_names_the_user_as_well(
    anyone: httpx.AsyncClient, ada: httpx.AsyncClient
) -> None:
    await make_session(ada)

    answer = await anyone.get(SESSIONS, params={"user_id": "ada"})

    assert [summary["id"] for summary in answer.json()["items"]] == ["s"]


async def test_two_users_in_one_request_are_forbidden(ada: httpx.AsyncClient) -> None:
    answer = await ada.get(SESSIONS, params={"user_id": "bob"})

    assert problem(answer) == (403, "wrong_user", [])
