"""`GET /api/chat/history`: flat messages, oldest first, counted from the newest end."""

from typing import Any

import pytest
from httpx import AsyncClient, Response

from app.domain.identity import SessionKey
from app.domain.message import MessageType
from app.store.port import SessionStore
from tests.factories import ADA, BOB, KEY, make_message, make_messages, make_new_session
from tests.fake_clock import instant


async def test_a_history_is_a_bare_array_of_flat_messages(
    client: AsyncClient, store: SessionStore
) -> None:
    question = make_message("q", "why?\0 \U0001f600", metadata={"$a.b": 2**70})
    answer = make_message(
        "a",
        "because",
        message_type=MessageType.ASSISTANT,
        user_id="bot",
        created_at=instant(1.5),
    )
    await store.insert(make_new_session(messages=[question, answer]))

    response = await client.get("/api/chat/history?user_id=ada&session_id=session")

    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.json() == [
        {
            "id": "q",
            "session_id": "session",
            "user_id": "ada",
            "content": "why?\0 \U0001f600",
            "message_type": "user",
            "metadata": {"$a.b": 2**70},
            "created_at": "2026-01-02T03:04:05.678Z",
        },
        {
            "id": "a",
            "session_id": "session",
            "user_id": "bot",
            "content": "because",
            "message_type": "assistant",
            "metadata": {},
            "created_at": "2026-01-02T03:04:07.178Z",
        },
    ]


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        ("", ["m0", "m1", "m2", "m3", "m4"]),
        ("limit=2", ["m3", "m4"]),
        ("limit=2&offset=1", ["m2", "m3"]),
        ("limit=2&offset=4", ["m0"]),
        ("limit=2&offset=5", []),
        ("offset=99999999999999999999", []),
        ("offset=-3", ["m0", "m1", "m2", "m3", "m4"]),
        ("limit=0", ["m4"]),
        ("limit=-7", ["m4"]),
        ("limit=99999999999999999999", ["m0", "m1", "m2", "m3", "m4"]),
        ("page=3&sort=desc", ["m0", "m1", "m2", "m3", "m4"]),
    ],
)
async def test_limit_and_offset_count_from_the_newest_end(
    client: AsyncClient, store: SessionStore, window: str, expected: list[str]
) -> None:
    await store.insert(make_new_session(messages=make_messages(5)))

    for session in ("session_id=session&", ""):
        response = await client.get(f"/api/chat/history?user_id=ada&{session}{window}")

        assert response.status_code == 200
        assert ids_of(response) == expected


async def test_tombstones_are_left_out_and_not_counted(
    client: AsyncClient, store: SessionStore
) -> None:
    await store.insert(make_new_session(messages=make_messages(6)))
    for deleted in ("m5", "m3", "m0"):
        await store.delete_message(KEY, deleted, instant(1))

    newest = await client.get("/api/chat/history?user_id=ada&session_id=session&limit=2")
    before = await client.get("/api/chat/history?user_id=ada&session_id=session&limit=2&offset=1")
    together = await client.get("/api/chat/history?user_id=ada&limit=2&offset=1")

    assert ids_of(newest) == ["m2", "m4"]
    assert ids_of(before) == ["m1", "m2"]
    assert ids_of(together) == ["m1", "m2"]


async def test_a_hundred_are_answered_where_no_limit_is_named_and_a_thousand_at_most(
    client: AsyncClient, store: SessionStore
) -> None:
    await store.insert(make_new_session(messages=make_messages(1205)))
    await store.delete_message(KEY, "m1200", instant(1))

    without = await client.get("/api/chat/history?user_id=ada&session_id=session")
    most = await client.get("/api/chat/history?user_id=ada&session_id=session&limit=5000")
    oldest = await client.get("/api/chat/history?user_id=ada&session_id=session&offset=1202")

    assert ids_of(without) == [f"m{number}" for number in range(1104, 1205) if number != 1200]
    assert len(ids_of(most)) == 1000
    assert (ids_of(most)[0], ids_of(most)[-1]) == ("m204", "m1204")
    assert ids_of(oldest) == ["m0", "m1"]


async def test_without_a_session_all_of_the_users_messages_come_by_date(
    client: AsyncClient, store: SessionStore
) -> None:
    for session_id, offsets in (("b", (0, 3)), ("a", (1, 3))):
        messages = [
            make_message(f"{session_id}{index}", created_at=instant(offset))
            for index, offset in enumerate(offsets)
        ]
        await store.insert(make_new_session(SessionKey(ADA, session_id), messages=messages))
    foreign = [make_message("foreign")]
    await store.insert(make_new_session(SessionKey(BOB, "a"), messages=foreign))

    response = await client.get("/api/chat/history", headers={"X-User-Id": "ada"})

    assert [(one["session_id"], one["id"]) for one in response.json()] == [
        ("b", "b0"),
        ("a", "a0"),
        ("a", "a1"),
        ("b", "b1"),
    ]


async def test_an_empty_session_id_is_none(client: AsyncClient, store: SessionStore) -> None:
    await store.insert(make_new_session(messages=make_messages(1)))

    response = await client.get("/api/chat/history?user_id=ada&session_id=")

    assert ids_of(response) == ["m0"]


async def test_a_user_without_messages_has_an_empty_history(client: AsyncClient) -> None:
    response = await client.get("/api/chat/history?user_id=ada")

    assert (response.status_code, response.json()) == (200, [])


@pytest.mark.parametrize("session_id", ["unknown", "foreign"])
async def test_an_unknown_or_foreign_session_is_not_found(
    client: AsyncClient, store: SessionStore, session_id: str
) -> None:
    await store.insert(make_new_session(SessionKey(BOB, "foreign"), messages=make_messages(1)))

    response = await client.get(f"/api/chat/history?user_id=ada&session_id={session_id}")

    assert response.status_code == 404
    assert response.json()["code"] == "session_not_found"


async def test_without_a_user_the_single_owner_of_the_session_is_meant(
    client: AsyncClient, store: SessionStore
) -> None:
    await store.insert(make_new_session(messages=make_messages(1)))

    response = await client.get("/api/chat/history?session_id=session")

    assert ids_of(response) == ["m0"]
    assert response.json()[0]["user_id"] == "ada"


@pytest.mark.parametrize("query", ["", "?session_id=session"])
async def test_a_request_that_could_mean_several_users_is_asked_back(
    client: AsyncClient, store: SessionStore, query: str
) -> None:
    for user_id in (ADA, BOB):
        await store.insert(make_new_session(SessionKey(user_id, "session")))

    response = await client.get(f"/api/chat/history{query}")

    assert response.status_code == 400
    assert response.json()["code"] == "user_required"


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("limit=ten", "limit"),
        ("limit=1.5", "limit"),
        ("offset=x", "offset"),
        ("session_id=a%00b", "session_id"),
        (f"session_id={'x' * 1025}", "session_id"),
    ],
)
async def test_what_cannot_be_read_is_a_problem_that_points_at_it(
    client: AsyncClient, query: str, pointer: str
) -> None:
    response = await client.get(f"/api/chat/history?user_id=ada&{query}")

    assert response.status_code == 422
    assert [fault["pointer"] for fault in response.json()["errors"]] == [pointer]


async def test_any_session_id_can_be_asked_for(client: AsyncClient, store: SessionStore) -> None:
    for session_id in ("a/b", "..", "~x", "100%", "日本 語"):
        await store.insert(
            make_new_session(SessionKey(ADA, session_id), messages=[make_message(session_id)])
        )

        response = await client.get(
            "/api/chat/history", params={"user_id": "ada", "session_id": session_id}
        )

        assert ids_of(response) == [session_id]


def ids_of(response: Response) -> list[Any]:
    return [message["id"] for message in response.json()]
