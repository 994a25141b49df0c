"""Erasing a user: everything goes, the receipt counts it, and others keep what is theirs."""

import httpx

from tests.api.requests import MESSAGES, SESSION, SESSIONS, append, make_session, problem

ME = "/api/chat/users/me"


async def test_the_receipt_counts_what_was_removed(ada: httpx.AsyncClient) -> None:
    await make_session(ada)
    await append(ada, "a", "b")
    await ada.patch(f"{MESSAGES}/ma", json={"content": "A"})
    await ada.delete(f"{MESSAGES}/mb")
    await make_session(ada, "t")
    # Written to: what only a legacy source has is not removed, and not counted.
    await ada.patch(f"{SESSIONS}/t", json={"is_pinned": True})

    answer = await ada.delete(ME)

    receipt = answer.json()
    not_reached = receipt.pop("not_reached")
    assert answer.status_code == 200
    assert receipt == {
        "session_count": 2,
        "message_count": 2,
        "past_text_count": 1,
        "document_count": 0,
        "ledger_part_count": 0,
        "erased_at": "2026-01-02T03:04:05.678Z",
    }
    assert not_reached
    assert not_reached[-1].startswith("Reads held in the memory of other server processes")


async def test_nothing_of_the_user_is_left(ada: httpx.AsyncClient) -> None:
    await make_session(ada, session_name="secret")
    await append(ada, "secret")
    assert (await ada.get(SESSION)).status_code == 200

    await ada.delete(ME)

    assert problem(await ada.get(SESSION)) == (404, "session_not_found", [])
    assert (await ada.get(SESSIONS)).json()["items"] == []
    assert (await ada.get("/api/chat/search", params={"q": "secret"})).json()["items"] == []
    assert (await ada.get("/api/chat/stats")).json()["session_count"] == 0


async def test_other_users_keep_what_is_theirs(
    ada: httpx.AsyncClient, bob: httpx.AsyncClient
) -> None:
    await make_session(ada)
    await make_session(bob)
    await append(bob, "mine")
    before = (await bob.get(SESSION)).content

    await ada.delete(ME)

    assert (await bob.get(SESSION)).content == before


async def test_an_erased_user_may_begin_anew(ada: httpx.AsyncClient) -> None:
    await make_session(ada)
    await ada.delete(ME)

    answer = await ada.post(SESSIONS, json={"id": "s"})

    assert answer.status_code == 201


async def test_erasing_nothing_gives_a_receipt_of_zeros(ada: httpx.AsyncClient) -> None:
    answer = await ada.delete(ME)

    assert answer.status_code == 200
    assert answer.json()["session_count"] == 0
