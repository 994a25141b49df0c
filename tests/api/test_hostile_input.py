"""Bad input, everywhere: a problem with a code and a pointer, and nothing half-written."""

import json
from typing import Any

import httpx
import pytest

from tests.api.requests import MESSAGES, SESSION, SESSIONS, append, make_session, problem

JSON_TYPE = {"Content-Type": "application/json"}


async def assert_refused(
    client: httpx.AsyncClient,
    method: str,
    path: str,
    body: bytes,
    expected: tuple[int, str, list[str]],
    headers: dict[str, str] | None = None,
) -> None:
    """Send a body to a session that has messages; it is refused, and every byte stays."""
    await make_session(client, context={"a": 1})
    await append(client, "a", "b")
    before = await client.get(SESSION)

    answer = await client.request(
        method, path, content=body, headers={**JSON_TYPE, **(headers or {})}
    )

    assert problem(answer) == expected
    after = await client.get(SESSION)
    assert (after.content, after.headers["etag"]) == (before.content, before.headers["etag"])
    assert len((await client.get(SESSIONS)).json()["items"]) == 1


def nested(levels: int) -> str:
    return '{"a":' * levels + "1" + "}" * levels


WRITES = [
    ("POST", SESSIONS),
    ("POST", MESSAGES),
    ("PUT", SESSION),
    ("PATCH", SESSION),
    ("PATCH", f"{MESSAGES}/ma"),
]


@pytest.mark.at_the_door
@pytest.mark.parametrize(("method", "path"), WRITES)
@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"{'content': 'a'}",
        b'{"content": "a",}',
        b'{"content": "a"} {"content": "b"}',
        b'{"content": NaN}',
        b'{"metadata": {"x": Infinity}}',
        b'{"metadata": {"x": 01}}',
        b'{"content": "\xff\xfe"}',
        b'{"content": "\xed\xa0\x80"}',
        b'{"content": "\\ud800"}',
        b'{"content": "\\udc00\\ud800"}',
        b'{"content": "\\x00"}',
        b'{"content": "raw \x00 NUL"}',
        b'\xef\xbb\xbf{"content": "a"}',
        '{"content": "a"}'.encode("utf-16"),
        b"[" * 100_000,
        b" ",
        b"\x00",
    ],
)
async def test_what_is_not_json_is_malformed(
    ada: httpx.AsyncClient, method: str, path: str, body: bytes
) -> None:
    await make_session(ada, context={"a": 1})
    await append(ada, "a", "b")
    before = (await ada.get(SESSION)).content

    answer = await ada.request(method, path, content=body, headers=JSON_TYPE)

    status, code, pointers = problem(answer)
    if body.startswith(b"[[["):
        assert (status, code, pointers) == (422, "invalid_input", [""])
    else:
        assert (status, code, pointers) == (400, "malformed_json", [""])
    assert (await ada.get(SESSION)).content == before


@pytest.mark.at_the_door
@pytest.mark.parametrize(("method", "path"), WRITES)
@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_a_body_of_another_type_is_refused(
    ada: httpx.AsyncClient, method: str, path: str, content_type: str
) -> None:
    headers = {"Content-Type": content_type}

    await assert_refused(
        ada, method, path, b'{"content":"x"}', (415, "unsupported_media_type", []), headers
    )


@pytest.mark.at_the_door
@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ("null", [""]),
        ('"text"', [""]),
        ("7", [""]),
        ("[]", [""]),
        ("[[]]", ["/0"]),
        ('[{"content":"x"},null]', ["/1"]),
        ("{}", ["/content"]),
        ('{"content":null}', ["/content"]),
        ('{"content":["x"]}', ["/content"]),
        ('{"content":"x","seq":0}', ["/seq"]),
        ('{"content":"x","role":"user"}', ["/role"]),
        ('{"content":"x","~/":0}', ["/~0~1"]),
        ('{"content":"x","id":""}', ["/id"]),
        ('{"content":"x","id":7}', ["/id"]),
        ('{"content":"x","id":"a\\u0000b"}', ["/id"]),
        ('{"content":"x","id":"' + "é" * 513 + '"}', ["/id"]),
        ('{"content":"x","message_type":"robot"}', ["/message_type"]),
        ('{"content":"x","user_id":""}', ["/user_id"]),
        ('{"content":"x","parent_id":""}', ["/parent_id"]),
        ('{"content":"x","metadata":[]}', ["/metadata"]),
        ('{"content":"x","metadata":null}', ["/metadata"]),
        ('{"content":"x","metadata":{"n":1e400}}', ["/metadata"]),
        ('{"content":"x","metadata":{"n":-1e400}}', ["/metadata"]),
        ('{"content":"x","metadata":{"a\\u0000":1}}', ["/metadata"]),
        ('{"content":"x","metadata":{"n":' + "9" * 1300 + "}}", ["/metadata"]),
        ('{"content":"x","metadata":' + nested(65) + "}", ["/metadata"]),
        ('{"content":"x","metadata":' + nested(190) + "}", ["/metadata"]),
        ('{"content":"x","metadata":' + nested(200) + "}", [""]),
        ('{"content":"x","created_at":"yesterday"}', ["/created_at"]),
        ('{"content":"x","created_at":"2026-01-01T00:00:00"}', ["/created_at"]),
        ('{"content":"x","created_at":1700000000}', ["/created_at"]),
        ('{"content":"x","created_at":"1700000000"}', ["/created_at"]),
        ('{"content":"x","created_at":"2026-02-30T00:00:00Z"}', ["/created_at"]),
        ('{"content":"x","created_at":"10000-01-01T00:00:00Z"}', ["/created_at"]),
        ('{"content":"x","created_at":"0000-01-01T00:00:00Z"}', ["/created_at"]),
        ('{"content":"x","created_at":"0001-01-01T00:00:00+23:59"}', ["/created_at"]),
        ('{"content":"x","created_at":"9999-12-31T23:59:59-23:59"}', ["/created_at"]),
        ('[{"content":"ok"},{"content":"x","metadata":{"n":1e999}}]', ["/1/metadata"]),
        ('[{"content":"ok"},{"content":"x","id":""},{}]', ["/1/id", "/2/content"]),
    ],
)
async def test_a_message_that_breaks_a_rule_is_refused(
    ada: httpx.AsyncClient, body: str, pointers: list[str]
) -> None:
    await assert_refused(ada, "POST", MESSAGES, body.encode(), (422, "invalid_input", pointers))


@pytest.mark.at_the_door
@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({"id": ""}, ["/id"]),
        ({"id": "x" * 1025}, ["/id"]),
        ({"id": ["s"]}, ["/id"]),
        ({"user_id": ""}, ["/user_id"]),
        ({"title": "x"}, ["/title"]),
        ({"session_name": {}}, ["/session_name"]),
        ({"context": {"n": float("1e308") * 10}}, [""]),
        ({"tags": [1]}, ["/tags/0"]),
        ([], [""]),
        ("s", [""]),
    ],
)
async def test_a_session_that_breaks_a_rule_is_refused(
    ada: httpx.AsyncClient, body: Any, pointers: list[str]
) -> None:
    text = json.dumps(body)
    expected = (
        (400, "malformed_json", pointers)
        if "Infinity" in text
        else (422, "invalid_input", pointers)
    )

    await assert_refused(ada, "POST", SESSIONS, text.encode(), expected)


@pytest.mark.at_the_door
async def test_more_messages_than_a_batch_may_have_are_refused(ada: httpx.AsyncClient) -> None:
    body = json.dumps([{"content": str(number)} for number in range(1001)]).encode()

    await assert_refused(ada, "POST", MESSAGES, body, (422, "limit_exceeded", [""]))


@pytest.mark.at_the_door
async def test_a_batch_of_millions_is_not_looked_at_one_by_one(ada: httpx.AsyncClient) -> None:
    body = b"[" + b",".join([b"{}"] * 1_000_000) + b"]"

    await assert_refused(ada, "POST", MESSAGES, body, (422, "limit_exceeded", [""]))


@pytest.mark.at_the_door
@pytest.mark.parametrize(("method", "path"), WRITES)
async def test_an_object_of_many_members_is_not_looked_at_one_by_one(
    ada: httpx.AsyncClient, method: str, path: str
) -> None:
    body = json.dumps(dict.fromkeys(map(str, range(100_000)))).encode()

    await assert_refused(ada, method, path, body, (422, "invalid_input", [""]))


@pytest.mark.at_the_door
async def test_many_wrong_tags_are_told_by_the_first(ada: httpx.AsyncClient) -> None:
    body = json.dumps({"tags": [1] * 1_000_000}).encode()

    await assert_refused(ada, "PUT", SESSION, body, (422, "invalid_input", ["/tags/0"]))


async def test_a_message_above_the_limit_is_refused(ada: httpx.AsyncClient) -> None:
    body = json.dumps({"content": "x" * (8 * 1024 * 1024)}).encode()

    await assert_refused(ada, "POST", MESSAGES, body, (413, "document_too_large", [""]))


async def test_a_batch_above_the_limit_is_refused(ada: httpx.AsyncClient) -> None:
    body = json.dumps([{"content": "x" * (3 * 1024 * 1024)} for _ in range(3)]).encode()

    await assert_refused(ada, "POST", MESSAGES, body, (413, "document_too_large", [""]))


@pytest.mark.at_the_door
@pytest.mark.parametrize(("method", "path"), WRITES)
async def test_a_body_of_20_mb_is_refused(ada: httpx.AsyncClient, method: str, path: str) -> None:
    body = b'{"content":"' + b"x" * 20_000_000 + b'"}'

    await assert_refused(ada, method, path, body, (413, "document_too_large", [""]))


@pytest.mark.at_the_door
@pytest.mark.parametrize(("method", "path"), WRITES)
async def test_a_long_body_that_announces_no_length_is_refused(
    ada: httpx.AsyncClient, method: str, path: str
) -> None:
    await make_session(ada)
    before = (await ada.get(SESSION)).content
    sent = 0

    async def pieces() -> Any:
        nonlocal sent
        yield b'{"content":"'
        for _ in range(20):
            sent += 1
            yield b"x" * 1_000_000
        yield b'"}'

    answer = await ada.request(method, path, content=pieces(), headers=JSON_TYPE)

    assert problem(answer) == (413, "document_too_large", [""])
    assert sent == 11  # what lies beyond the limit was not read
    assert (await ada.get(SESSION)).content == before


@pytest.mark.at_the_door
@pytest.mark.parametrize("key", ["", "x" * 256, "two words", "tab\there", "é", "a\x7f"])
@pytest.mark.parametrize("path", [SESSIONS, MESSAGES])
async def test_an_idempotency_key_must_be_visible(
    ada: httpx.AsyncClient, path: str, key: str
) -> None:
    body = b'{"content":"x"}' if path == MESSAGES else b"{}"
    await make_session(ada)

    answer = await ada.post(
        path,
        content=body,
        headers={b"Content-Type": b"application/json", b"Idempotency-Key": key.encode()},
    )

    assert problem(answer) == (422, "invalid_input", ["Idempotency-Key"])


@pytest.mark.at_the_door
@pytest.mark.parametrize(
    "tag",
    [
        "",
        "x",
        "0123456789abcdef-1",
        'W/"0123456789abcdef-1"',
        '"0123456789abcdef-0"',
        '"0123456789abcdef-1',
        '"0123456789abcdef-1",',
        '"0123456789abcdef-1" "0123456789abcdef-2"',
        '"0123456789abcdef-99999999999999999999"',
        '"another"',
        "*, *",
    ],
)
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", MESSAGES, {"content": "x"}),
        ("PUT", SESSION, {"is_pinned": True}),
        ("PATCH", SESSION, {"is_pinned": True}),
        ("DELETE", SESSION, None),
        ("PATCH", f"{MESSAGES}/ma", {"content": "x"}),
        ("DELETE", f"{MESSAGES}/ma", None),
    ],
)
async def test_a_bad_etag_in_a_precondition_is_refused(
    ada: httpx.AsyncClient, method: str, path: str, body: Any, tag: str
) -> None:
    content = b"" if body is None else json.dumps(body).encode()

    await assert_refused(
        ada, method, path, content, (400, "invalid_etag", ["If-Match"]), {"If-Match": tag}
    )


async def test_what_only_looks_hostile_is_kept(ada: httpx.AsyncClient) -> None:
    await make_session(ada)
    metadata = {
        "$where": "1",
        "a.b": {"": None, "$": "."},
        "big": 2**64 + 1,
        "small": -(2**200),
        "deep": json.loads(nested(62)),
        "__proto__": {"constructor": 1},
        "text": "\x00\x1b[31m\u202e\ufeff\uffff",
    }
    content = "'; DROP TABLE session; -- \x00 </script> %s {0} ${jndi:x}"

    answer = await ada.post(MESSAGES, json={"content": content, "metadata": metadata})

    assert answer.status_code == 201
    (message,) = (await ada.get(SESSION)).json()["messages"]
    assert (message["content"], message["metadata"]) == (content, metadata)


QUERIES = [
    "limit=%FF",
    "cursor=%00",
    "q=%ED%A0%80",
    "project_id=%00",
    "tag=" + "x" * 5000,
    "&&&===",
    "limit=1&limit=2",
    "q=%25_%27%22",
    "is_active=%E2%9C%93",
    "order[]=created",
]


@pytest.mark.parametrize(
    "path", [SESSIONS, "/api/chat/search", SESSION, MESSAGES, f"{SESSION}/export"]
)
async def test_no_query_breaks_the_server(ada: httpx.AsyncClient, path: str) -> None:
    await make_session(ada)

    statuses = {query: (await ada.get(f"{path}?{query}")).status_code for query in QUERIES}

    assert {query: one for query, one in statuses.items() if one not in {200, 400, 422}} == {}


@pytest.mark.parametrize(
    "user_id", [b"", b"\xff", b"x" * 1025, b"a\x01b", "日本".encode(), b"a, b", b'"']
)
async def test_no_user_breaks_the_server(anyone: httpx.AsyncClient, user_id: bytes) -> None:
    answers = [
        await anyone.get(SESSIONS, headers=[(b"X-User-Id", user_id)]),
        await anyone.post(SESSIONS, headers=[(b"X-User-Id", user_id)]),
        await anyone.get("/api/chat/export", headers=[(b"X-User-Id", user_id)]),
    ]

    assert all(answer.status_code in {200, 201, 422} for answer in answers)
