"""Exports: one session as JSON or Markdown, all of them as lines."""

import json

import httpx
import pytest

from tests.api.requests import MESSAGES, SESSION, append, make_session, problem
from tests.fake_clock import FakeClock


async def test_one_session_as_json_is_its_whole_read(ada: httpx.AsyncClient) -> None:
    await make_session(ada)
    etag = await append(ada, "a")

    answer = await ada.get(f"{SESSION}/export")

    assert answer.content == (await ada.get(SESSION)).content
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["etag"] == etag
    assert answer.headers["content-disposition"] == (
        "attachment; filename=\"s.json\"; filename*=UTF-8''s.json"
    )


async def test_one_session_as_markdown_can_be_read(
    ada: httpx.AsyncClient, clock: FakeClock
) -> None:
    await make_session(ada, session_name="Shopping\nlist")
    clock.advance(1)
    await append(ada, "We need *milk*.", "secret")
    await ada.post(MESSAGES, json={"content": "Noted.\n", "message_type": "assistant"})
    await ada.delete(f"{MESSAGES}/msecret")

    answer = await ada.get(f"{SESSION}/export", params={"format": "markdown"})

    assert answer.headers["content-type"] == "text/markdown; charset=utf-8"
    assert answer.headers["content-disposition"] == (
        "attachment; filename=\"s.md\"; filename*=UTF-8''s.md"
    )
    assert answer.text == (
        "# Shopping list\n"
        "\n"
        "2 messages, 2026-01-02T03:04:05.678Z to 2026-01-02T03:04:06.678Z\n"
        "\n"
        "## user · 2026-01-02T03:04:06.678Z\n"
        "\n"
        "We need *milk*.\n"
        "\n"
        "## user · 2026-01-02T03:04:06.678Z\n"
        "\n"
        "*(deleted)*\n"
        "\n"
        "## assistant · 2026-01-02T03:04:06.678Z\n"
        "\n"
        "Noted.\n"
        "\n"
    )


async def test_any_id_makes_a_harmless_file_name(ada: httpx.AsyncClient) -> None:
    created = await ada.post("/api/chat/sessions", json={"id": 'a/..\r\nX: "é"%'})

    answer = await ada.get(created.headers["location"] + "/export")

    assert answer.headers["content-disposition"] == (
        'attachment; filename="a_..__X______.json"; '
        "filename*=UTF-8''a%2F..%0D%0AX%3A%20%22%C3%A9%22%25.json"
    )


async def test_another_format_is_refused(ada: httpx.AsyncClient) -> None:
    await make_session(ada)

    answer = await ada.get(f"{SESSION}/export", params={"format": "pdf"})

    assert problem(answer) == (422, "invalid_input", ["format"])


@pytest.mark.parametrize("file_format", ["json", "markdown"])
async def test_the_session_of_another_user_is_not_found(
    ada: httpx.AsyncClient, bob: httpx.AsyncClient, file_format: str
) -> None:
    await make_session(ada)

    answer = await bob.get(f"{SESSION}/export", params={"format": file_format})

    assert problem(answer) == (404, "session_not_found", [])


async def test_all_sessions_come_as_lines_in_the_order_of_creation(
    ada: httpx.AsyncClient, bob: httpx.AsyncClient, clock: FakeClock
) -> None:
    for number in range(201):
        await make_session(ada, f"s{number}")
        clock.advance(1)
    await append(ada, "line\nbreak", path="/api/chat/sessions/s7/messages")
    await make_session(bob, "of-bob")

    answer = await ada.get("/api/chat/export")

    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.headers["content-disposition"] == (
        "attachment; filename=\"ada.ndjson\"; filename*=UTF-8''ada.ndjson"
    )
    assert [line["id"] for line in lines] == [f"s{number}" for number in range(201)]
    assert [message["content"] for message in lines[7]["messages"]] == ["line\nbreak"]


async def test_a_user_without_sessions_exports_nothing(ada: httpx.AsyncClient) -> None:
    answer = await ada.get("/api/chat/export")

    assert (answer.status_code, answer.content) == (200, b"")
