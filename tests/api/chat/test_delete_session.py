"""Deleting a session: everything in it is gone, its neighbours are not, its id is free again."""

import httpx

from tests.api.requests import SESSION, SESSIONS, append, contents, make_session, problem


async def test_a_deleted_session_is_gone_everywhere(ada: httpx.AsyncClient) -> None:
    await make_session(ada, session_name="secret plan")
    await append(ada, "secret word")
    await make_session(ada, "neighbour", session_name="a secret of my own")
    found = await ada.get("/api/chat/search", params={"q": "secret"})
    assert len(found.json()["items"]) == 3

    answer = await ada.delete(SESSION)

    assert (answer.status_code, answer.content) == (204, b"")
    assert problem(await ada.get(SESSION)) == (404, "session_not_found", [])
    listed = (await ada.get(SESSIONS)).json()["items"]
    assert [summary["id"] for summary in listed] == ["neighbour"]
    found = await ada.get("/api/chat/search", params={"q": "secret"})
    assert [hit["session_id"] for hit in found.json()["items"]] == ["neighbour"]


async def test_an_id_used_again_has_another_generation(ada: httpx.AsyncClient) -> None:
    first = await make_session(ada)
    await append(ada, "old")
    await ada.delete(SESSION)

    second = await make_session(ada)

    assert first.split("-")[0] != second.split("-")[0]
    assert contents(await ada.get(SESSION)) == []
    stale = await ada.delete(SESSION, headers={"If-Match": first})
    assert problem(stale) == (412, "revision_mismatch", [])


async def test_a_precondition_guards_the_deletion(ada: httpx.AsyncClient) -> None:
    etag = await make_session(ada)
    current = await append(ada, "a")

    refused = await ada.delete(SESSION, headers={"If-Match": etag})
    done = await ada.delete(SESSION, headers={"If-Match": current})

    assert problem(refused) == (412, "revision_mismatch", [])
    assert done.status_code == 204


async def test_deleting_twice_finds_nothing_the_second_time(ada: httpx.AsyncClient) -> None:
    await make_session(ada)
    await ada.delete(SESSION)

    answer = await ada.delete(SESSION)

    assert problem(answer) == (404, "session_not_found", [])


async def test_the_session_of_another_user_is_not_found(
    ada: httpx.AsyncClient, bob: httpx.AsyncClient
) -> None:
    await make_session(ada)

    answer = await bob.delete(SESSION)

    assert problem(answer) == (404, "session_not_found", [])
    assert (await ada.get(SESSION)).status_code == 200
