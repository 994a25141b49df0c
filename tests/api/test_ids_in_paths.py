"""Every id that a fold can bring in is reachable, in every route, by every spelling of its URL."""

from typing import Any

import httpx
import pytest

from app.api.paths import decode_id, encode_id, route_on_raw_path
from app.domain.identity import SessionKey
from app.store.port import SessionStore
from tests.api.requests import SESSIONS, problem
from tests.factories import make_message, make_new_session

IDS = [
    ("plain-id_1.2", "plain-id_1.2"),
    ("with/slash", "with%2Fslash"),
    ("/", "%2F"),
    ("a/../b", "a%2F..%2Fb"),
    ("with space", "with%20space"),
    ("100%", "100%25"),
    ("%2F", "%252F"),
    ("a+b", "a%2Bb"),
    ("?q=1#f", "%3Fq%3D1%23f"),
    (".", "~Lg"),
    ("..", "~Li4"),
    ("...", "..."),
    ("~", "~fg"),
    ("~tilde", "~fnRpbGRl"),
    ("tilde~", "tilde~"),
    ("日本語", "%E6%97%A5%E6%9C%AC%E8%AA%9E"),
    ("e\u0301", "e%CC%81"),
    ("😀", "%F0%9F%98%80"),
    ("line\r\nbreak", "line%0D%0Abreak"),
    ("\x7f\x01", "%7F%01"),
    ("messages", "messages"),
    ("{session_id}", "%7Bsession_id%7D"),
    ("é" * 512, "%C3%A9" * 512),
]
"""Ids, each with the segment that a `Location` has for it."""


@pytest.mark.parametrize(("session_id", "segment"), IDS)
async def test_a_location_leads_to_the_session(
    ada: httpx.AsyncClient, session_id: str, segment: str
) -> None:
    created = await ada.post(SESSIONS, json={"id": session_id})

    read = await ada.get(created.headers["location"])

    assert created.headers["location"] == f"{SESSIONS}/{segment}"
    assert (read.status_code, read.json()["id"]) == (200, session_id)


@pytest.mark.parametrize(("id_", "segment"), IDS)
async def test_every_route_takes_the_id(
    ada: httpx.AsyncClient, store: SessionStore, id_: str, segment: str
) -> None:
    await store.insert(make_new_session(SessionKey("ada", id_), messages=[make_message(id_)]))
    session = f"{SESSIONS}/{segment}"
    message = f"{session}/messages/{segment}"
    calls: list[tuple[str, str, Any]] = [
        ("GET", session, None),
        ("PUT", session, {"is_pinned": True}),
        ("PATCH", session, {"is_pinned": False}),
        ("GET", f"{session}/export", None),
        ("POST", f"{session}/messages", {"content": "x"}),
        ("GET", f"{session}/messages", None),
        ("PATCH", message, {"content": "edited"}),
        ("GET", f"{message}/history", None),
        ("DELETE", message, None),
        ("DELETE", session, None),
    ]

    answers = [await ada.request(method, path, json=body) for method, path, body in calls]

    assert [answer.status_code for answer in answers] == [
        *(200, 200, 200, 200, 201, 200, 200, 200, 204, 204)
    ]
    assert answers[0].json()["id"] == id_
    assert answers[6].json()["id"] == id_
    assert answers[7].json()["items"][0]["content"] == f"the text of {id_}"


@pytest.mark.parametrize("segment", ["cGxhaW4", "L3A", "fg", "Li4", "5pel5pys"])
async def test_the_base64url_form_is_always_accepted(
    ada: httpx.AsyncClient, store: SessionStore, segment: str
) -> None:
    id_ = {"cGxhaW4": "plain", "L3A": "/p", "fg": "~", "Li4": "..", "5pel5pys": "日本"}[segment]
    await store.insert(make_new_session(SessionKey("ada", id_)))

    answers = [
        await ada.get(f"{SESSIONS}/~{segment}"),
        await ada.get(f"{SESSIONS}/%7E{segment}"),
    ]

    assert [answer.json()["id"] for answer in answers] == [id_, id_]


@pytest.mark.parametrize(
    "segment", ["~", "~!", "~Lg==", "~Lh", "~A", "~_w", "~%4C%67%3D", "%FF", "%ED%A0%80", "a%00b"]
)
async def test_a_segment_that_holds_no_id_is_not_found(
    ada: httpx.AsyncClient, segment: str
) -> None:
    session, message = f"{SESSIONS}/{segment}", f"{SESSIONS}/s/messages/{segment}"
    await ada.post(SESSIONS, json={"id": "s"})

    answers = [
        await ada.get(session),
        await ada.put(session, json={}),
        await ada.post(f"{session}/messages", json={"content": "x"}),
        await ada.delete(message),
    ]

    assert [problem(answer) for answer in answers] == [
        *((404, "session_not_found", []),) * 3,
        (404, "message_not_found", []),
    ]


@pytest.mark.parametrize(
    ("raw_path", "path"),
    [
        (b"/plain/path", "/plain/path"),
        (b"/a%2fb", "/a%2Fb"),
        (b"/%41%2D%7e", "/A-~"),
        (b"/%2e%2E", "/.."),
        (b"/50%", "/50%25"),
        (b"/50%zz", "/50%25zz"),
        (b'/<a"b>', "/%3Ca%22b%3E"),
        (b"/caf\xc3\xa9", "/caf%C3%A9"),
        (b"/a%252Fb", "/a%252Fb"),
    ],
)
def test_equivalent_spellings_are_routed_alike(raw_path: bytes, path: str) -> None:
    scope = {"path": "is replaced", "raw_path": raw_path}

    route_on_raw_path(scope)

    assert scope["path"] == path


def test_a_server_without_raw_paths_is_served_as_well() -> None:
    scope = {"path": "/api/é b"}

    route_on_raw_path(scope)

    assert scope["path"] == "/api/%C3%A9%20b"


@pytest.mark.parametrize(("id_", "segment"), IDS)
def test_a_segment_and_its_id_belong_together(id_: str, segment: str) -> None:
    assert encode_id(id_) == segment
    assert decode_id(segment) == id_


async def test_a_slash_in_an_id_is_not_one_in_a_path(ada: httpx.AsyncClient) -> None:
    await ada.post(SESSIONS, json={"id": "s"})

    answer = await ada.get(f"{SESSIONS}/s%2Fmessages")

    assert problem(answer) == (404, "session_not_found", [])


@pytest.mark.parametrize("path", [f"{SESSIONS}/", f"{SESSIONS}//messages", f"{SESSIONS}/s/"])
async def test_an_empty_segment_leads_nowhere(ada: httpx.AsyncClient, path: str) -> None:
    await ada.post(SESSIONS, json={"id": "s"})

    answer = await ada.get(path)

    assert problem(answer) == (404, "not_found", [])
