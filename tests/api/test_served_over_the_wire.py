"""What only a real server shows: raw paths, long bodies, connections, several workers' caches."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from app.domain.encoded import EncodedSession
from app.domain.identity import SessionKey
from app.errors import StoreUnavailableError
from app.main import create_app
from app.store.memory import MemoryStore
from app.store.port import WHOLE, ReadSelection
from tests.api.conftest import SETTINGS
from tests.api.requests import MESSAGES, SESSION, contents, make_session, problem
from tests.api.serving import serving
from tests.fake_clock import FakeClock


class FailingStore(MemoryStore):
    """A store that loses its connection when the session `lost` is read."""

    async def read(self, key: SessionKey, selection: ReadSelection = WHOLE) -> EncodedSession:
        if key.session_id == "lost":
            raise StoreUnavailableError("Gone.")
        return await super().read(key, selection)


@pytest.fixture
async def port(clock: FakeClock) -> AsyncIterator[int]:
    async with serving(create_app(SETTINGS, MemoryStore(), clock)) as port:
        yield port


@pytest.fixture
async def client(port: int) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}", headers={"X-User-Id": "ada"}
    ) as client:
        yield client


async def exchange(port: int, request: bytes) -> bytes:
    """Send bytes as they are, and give all that comes back until the server hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    await writer.drain()
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def get_raw(port: int, target: str) -> tuple[int, bytes]:
    """GET a target that no client library has touched."""
    head = f"GET {target} HTTP/1.1\r\nHost: x\r\nX-User-Id: ada\r\nConnection: close\r\n\r\n"
    answer = await exchange(port, head.encode())
    return int(answer.split(b" ", 2)[1]), answer.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize(
    ("session_id", "target"),
    [
        ("a/b", "/api/chat/sessions/a%2Fb"),
        ("a/b", "/api/chat/sessions/a%2fb"),
        ("a/b", "/api/ch%61t/s%65ssions/%61%2f%62"),
        ("50%", "/api/chat/sessions/50%25"),
        ("50%", "/api/chat/sessions/50%"),
        ("..", "/api/chat/sessions/~Li4"),
        ("..", "/api/chat/sessions/%7ELi4"),
    ],
)
async def test_a_session_is_found_by_any_spelling_of_its_path(
    client: httpx.AsyncClient, port: int, session_id: str, target: str
) -> None:
    await make_session(client, session_id)

    status, body = await get_raw(port, target)

    assert status == 200
    assert body.startswith(b'{"id":"' + session_id.encode() + b'"')


@pytest.mark.parametrize(
    "target",
    [
        "/api/chat/sessions/..",
        "/api/chat/sessions/%2e%2e",
        "/api/chat/x/../sessions/~Li4",
        "/api%2Fchat/sessions/~Li4",
        "/api/chat/sessions/a+b",
    ],
)
async def test_a_path_is_neither_resolved_nor_decoded_twice(
    client: httpx.AsyncClient, port: int, target: str
) -> None:
    await make_session(client, "..")
    await make_session(client, "a b")

    status, _ = await get_raw(port, target)

    assert status == 404


async def test_a_target_with_a_host_is_routed_by_its_path(
    client: httpx.AsyncClient, port: int
) -> None:
    await make_session(client, "a/b")

    status, _ = await get_raw(port, "http://another.test/api/chat/sessions/a%2Fb?after_seq=0")

    assert status == 200


async def test_a_body_of_20_mb_is_refused_and_the_connection_goes_on(
    client: httpx.AsyncClient,
) -> None:
    await make_session(client)

    refused = await client.post(MESSAGES, json={"content": "x" * 20_000_000})
    accepted = await client.post(MESSAGES, json={"content": "x" * 2_000_000})

    assert problem(refused) == (413, "document_too_large", [""])
    assert accepted.status_code == 201
    assert (await client.get(SESSION)).json()["message_count"] == 1


async def test_a_length_that_is_too_long_is_refused_before_the_body_is_sent(
    client: httpx.AsyncClient, port: int
) -> None:
    await make_session(client)

    answer = await exchange(
        port,
        f"POST {MESSAGES}?user_id=ada HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        "Content-Type: application/json\r\nContent-Length: 20000000\r\n\r\n".encode(),
    )

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"content-type: application/problem+json" in answer


async def test_a_long_body_in_pieces_is_refused(client: httpx.AsyncClient) -> None:
    await make_session(client)

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"x" * 1_000_000

    answer = await client.post(
        MESSAGES, content=pieces(), headers={"Content-Type": "application/json"}
    )

    assert problem(answer) == (413, "document_too_large", [""])
    assert (await client.get(SESSION)).json()["message_count"] == 0


async def test_a_client_that_leaves_in_the_middle_stores_nothing(
    client: httpx.AsyncClient, port: int
) -> None:
    await make_session(client)
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        f"POST {MESSAGES}?user_id=ada HTTP/1.1\r\nHost: x\r\n"
        'Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"content":'.encode()
    )
    await writer.drain()
    writer.close()
    await writer.wait_closed()

    answer = await client.get(SESSION)

    assert contents(answer) == []


async def test_an_unchanged_session_is_a_304_without_a_body(client: httpx.AsyncClient) -> None:
    etag = await make_session(client)

    answers = [
        await client.get(SESSION, headers={"If-None-Match": etag}),
        await client.get(SESSION),
    ]

    assert [answer.status_code for answer in answers] == [304, 200]
    assert answers[0].content == b""


async def test_a_whole_export_is_streamed(client: httpx.AsyncClient) -> None:
    for number in range(20):
        await make_session(client, f"s{number}")
        await client.post(f"/api/chat/sessions/s{number}/messages", json={"content": "x" * 100_000})

    async with client.stream("GET", "/api/chat/export") as answer:
        lines = [len(line) async for line in answer.aiter_lines()]

    assert answer.headers["transfer-encoding"] == "chunked"
    assert len(lines) == 20
    assert min(lines) > 100_000


async def test_an_export_that_fails_on_the_way_breaks_the_connection(clock: FakeClock) -> None:
    # Half an export must not look like a whole one.
    store = FailingStore()
    async with (
        serving(create_app(SETTINGS, store, clock)) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client,
    ):
        await client.post("/api/chat/sessions?user_id=ada", json={"id": "first"})
        await client.post("/api/chat/sessions?user_id=ada", json={"id": "lost"})

        with pytest.raises(httpx.RemoteProtocolError):
            await client.get("/api/chat/export?user_id=ada")


async def test_an_export_that_fails_at_once_is_a_problem(clock: FakeClock) -> None:
    store = FailingStore()
    async with (
        serving(create_app(SETTINGS, store, clock)) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client,
    ):
        await client.post("/api/chat/sessions?user_id=ada", json={"id": "lost"})

        answer = await client.get("/api/chat/export?user_id=ada")

    assert problem(answer) == (503, "store_unavailable", [])


async def test_head_has_the_problem_of_a_wrong_method_without_its_body(
    client: httpx.AsyncClient,
) -> None:
    await make_session(client)

    answer = await client.head(SESSION)

    assert (answer.status_code, answer.content) == (405, b"")
    assert answer.headers["allow"] == "DELETE, GET, PATCH, PUT"
