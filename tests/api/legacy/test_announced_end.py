"""The legacy door announces its end on every answer, counts who still calls, and ends."""

from datetime import UTC, datetime

import pytest
from httpx import AsyncClient, Response

from app.store.memory import MemoryStore
from app.store.port import SessionStore
from tests.api.auth.credentials import jwt_settings, settings
from tests.api.serving import client_of
from tests.fake_clock import FakeClock

DEPRECATED_AT = datetime(2026, 11, 20, tzinfo=UTC)
SUNSET = datetime(2027, 6, 30, tzinfo=UTC)


async def all_calls(client: AsyncClient) -> list[Response]:
    return [
        await client.get("/api/chat/history?user_id=ada"),
        await client.get("/api/chat/history?user_id=ada&session_id=unknown"),
        await client.get("/api/chat/history?user_id=ada&limit=x"),
        await client.get("/api/chat/history"),
        await client.post("/api/chat/message", json={"content": "why?"}),
        await client.post("/api/chat/message", json={}),
        await client.post("/api/chat/message", content="{"),
    ]


def announcement_of(response: Response) -> tuple[list[str], list[str], list[str]]:
    headers = response.headers
    return (
        headers.get_list("deprecation"),
        headers.get_list("sunset"),
        headers.get_list("link"),
    )


async def test_every_answer_announces_the_end_errors_included(client: AsyncClient) -> None:
    answers = await all_calls(client)

    assert [answer.status_code for answer in answers] == [200, 404, 422, 400, 200, 422, 415]
    for answer in answers:
        assert announcement_of(answer) == (
            ["@1795132800"],
            ["Wed, 30 Jun 2027 00:00:00 GMT"],
            ['</api/chat/sessions>; rel="successor-version"'],
        )


async def test_answers_to_those_who_are_not_let_in_announce_it_too(clock: FakeClock) -> None:
    async with client_of(jwt_settings(), MemoryStore(), clock) as client:
        answer = await client.get("/api/chat/history")

    assert answer.status_code == 401
    assert answer.headers["deprecation"] == "@1795132800"


async def test_answers_of_a_failing_service_announce_it_too(
    client: AsyncClient, store: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "list_recent_messages", None)  # calling it is a mistake of ours

    answer = await client.get("/api/chat/history?user_id=ada")

    assert answer.status_code == 500
    assert answer.headers["deprecation"] == "@1795132800"


async def test_the_dates_are_those_of_the_settings(clock: FakeClock) -> None:
    dated = settings(legacy_deprecated_at="2020-01-01", legacy_sunset="2030-02-03T04:05:06+01:00")

    async with client_of(dated, MemoryStore(), clock) as client:
        answer = await client.get("/api/chat/history?user_id=ada")

    assert answer.headers["deprecation"] == "@1577836800"
    assert answer.headers["sunset"] == "Sun, 03 Feb 2030 03:05:06 GMT"


async def test_the_canonical_door_announces_nothing(client: AsyncClient) -> None:
    answer = await client.get("/api/chat/sessions?user_id=ada")

    assert answer.status_code == 200
    assert "deprecation" not in answer.headers


async def test_after_the_sunset_the_door_is_gone_with_a_pointer(
    client: AsyncClient, store: SessionStore, clock: FakeClock
) -> None:
    clock.set_to(SUNSET)

    answers = await all_calls(client)

    for answer in answers:
        assert answer.status_code == 410
        problem = answer.json()
        assert problem["code"] == "endpoint_sunset"
        assert problem["successor"] == "/api/chat/sessions"
        assert problem["detail"] == (
            "This endpoint has passed its announced end; use /api/chat/sessions instead."
        )
        assert announcement_of(answer) == (
            ["@1795132800"],
            ["Wed, 30 Jun 2027 00:00:00 GMT"],
            ['</api/chat/sessions>; rel="successor-version"'],
        )
    assert await store.list_keys() == []


async def test_the_last_moment_before_the_sunset_still_counts(
    client: AsyncClient, clock: FakeClock
) -> None:
    clock.set_to(SUNSET)
    clock.set_back(0.001)

    answer = await client.get("/api/chat/history?user_id=ada")

    assert answer.status_code == 200


async def test_calls_are_counted_by_client_after_the_sunset_as_well(
    client: AsyncClient, clock: FakeClock
) -> None:
    agent = {"User-Agent": "OldPhone/3.1 (user ada; secret)"}
    await client.get("/api/chat/history?user_id=ada", headers=agent)
    await client.get("/api/chat/history?user_id=ada", headers={"User-Agent": ""})
    clock.set_to(SUNSET)
    await client.get("/api/chat/history?user_id=ada", headers=agent)

    figures = (await client.get("/metrics")).text

    calls = [
        line for line in figures.splitlines() if line.startswith("chatfold_deprecated_calls_t")
    ]
    assert calls == [
        'chatfold_deprecated_calls_total{client="OldPhone",endpoint="/api/chat/history"} 2.0',
        'chatfold_deprecated_calls_total{client="none",endpoint="/api/chat/history"} 1.0',
    ]
    assert "secret" not in figures


async def test_the_document_marks_the_door_as_deprecated(client: AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()

    assert document["paths"]["/api/chat/history"]["get"]["deprecated"] is True
    assert document["paths"]["/api/chat/message"]["post"]["deprecated"] is True


@pytest.mark.parametrize("path", ["/api/chat/history", "/api/chat/message"])
async def test_the_doors_paths_are_its_own(client: AsyncClient, path: str) -> None:
    answer = await client.delete(path)

    assert answer.status_code == 405
