"""Law 7: a foreign id is answered like one that never was, to the byte.

That every route of the OpenAPI document obeys is walked in `tests/api/auth`; here are the tricks.
"""

from collections.abc import AsyncIterator
from typing import NamedTuple

import httpx
import pytest

SESSIONS = "/api/chat/sessions"
MERGE = "application/merge-patch+json"


class Trick(NamedTuple):
    """A request for a session that is not the caller's; `{id}` and `{etag}` are filled in."""

    method: str
    path: str
    body: dict[str, str] | None = None
    headers: dict[str, str] = {}  # noqa: RUF012 - never written to

    async def try_on(self, client: httpx.AsyncClient, session_id: str, etag: str) -> httpx.Response:
        return await client.request(
            self.method,
            self.path.format(id=session_id, etag=etag),
            json=self.body,
            headers={name: value.format(etag=etag) for name, value in self.headers.items()},
        )


ONE = SESSIONS + "/{id}"
NAMED = {"session_name": "stolen"}
TRICKS = {
    "read": Trick("GET", ONE),
    "read with the etag": Trick("GET", ONE, headers={"If-None-Match": "{etag}"}),
    "read with any etag": Trick("GET", ONE, headers={"If-None-Match": "*"}),
    "read since the etag": Trick("GET", ONE + "?since={etag}"),
    "read after a place": Trick("GET", ONE + "?after_seq=0"),
    "read the header": Trick("GET", ONE + "?messages=none"),
    "read messages": Trick("GET", ONE + "/messages"),
    "append": Trick("POST", ONE + "/messages", {"content": "x"}),
    "append the same": Trick("POST", ONE + "/messages", {"id": "m0", "content": "marmalade"}),
    "append in the owner's name": Trick(
        "POST", ONE + "/messages", {"content": "x", "user_id": "ada"}
    ),
    "append guarded": Trick("POST", ONE + "/messages", {"content": "x"}, {"If-Match": "{etag}"}),
    "put": Trick("PUT", ONE, NAMED),
    "put guarded": Trick("PUT", ONE, NAMED, {"If-Match": "*"}),
    "patch": Trick("PATCH", ONE, NAMED, {"Content-Type": MERGE}),
    "delete": Trick("DELETE", ONE),
    "delete guarded": Trick("DELETE", ONE, headers={"If-Match": "{etag}"}),
    "edit": Trick("PATCH", ONE + "/messages/m0", {"content": "x"}),
    "delete a message": Trick("DELETE", ONE + "/messages/m0"),
    "read a history": Trick("GET", ONE + "/messages/m0/history"),
    "follow": Trick("GET", ONE + "/events"),
    "follow since an event": Trick("GET", ONE + "/events?since=0123456789abcdef.0.0"),
    "export": Trick("GET", ONE + "/export"),
    "export as text": Trick("GET", ONE + "/export?format=markdown"),
    "read the legacy history": Trick("GET", "/api/chat/history?session_id={id}"),
}


@pytest.fixture
async def etag(ada: httpx.AsyncClient) -> str:
    await ada.post(SESSIONS, json={"id": "adas", "session_name": "marmalade"})
    await ada.post(f"{SESSIONS}/adas/messages", json={"id": "m0", "content": "marmalade"})
    edited = await ada.patch(f"{SESSIONS}/adas/messages/m0", json={"content": "marmalade!"})
    found: str = edited.headers["etag"]
    return found


@pytest.fixture
async def untouched(ada: httpx.AsyncClient, etag: str) -> AsyncIterator[None]:
    before = (await ada.get(f"{SESSIONS}/adas")).content
    yield
    assert (await ada.get(f"{SESSIONS}/adas")).content == before
    assert before.count(etag[1:17].encode()) == 1


def same_for(answer: httpx.Response, session_id: str) -> tuple[int, str]:
    """What is left of an answer without the id that was asked for and that of the request."""
    body = answer.json()
    body.pop("request_id")
    return answer.status_code, repr(body).replace(session_id, "…")


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("trick", TRICKS.values(), ids=TRICKS.keys())
async def test_a_foreign_session_is_answered_like_one_that_never_was(
    bob: httpx.AsyncClient, etag: str, trick: Trick
) -> None:
    foreign = await trick.try_on(bob, "adas", etag)
    absent = await trick.try_on(bob, "none", etag)

    assert foreign.status_code == 404
    assert same_for(foreign, "adas") == same_for(absent, "none")
    assert "marmalade" not in foreign.text
    assert "etag" not in foreign.headers


@pytest.mark.usefixtures("untouched")
async def test_lists_searches_counts_and_exports_show_nothing_of_another(
    bob: httpx.AsyncClient,
) -> None:
    assert (await bob.get(SESSIONS)).json()["items"] == []
    assert (await bob.get(SESSIONS, params={"q": "marmalade"})).json()["items"] == []
    assert (await bob.get("/api/chat/search?q=marmalade")).json()["items"] == []
    assert (await bob.get("/api/chat/history")).json() == []
    assert (await bob.get("/api/chat/export")).content == b""
    assert (await bob.get("/api/chat/stats")).json()["session_count"] == 0


@pytest.mark.usefixtures("untouched")
async def test_the_same_id_can_be_owned_and_erased_beside_the_other(
    bob: httpx.AsyncClient,
) -> None:
    created = await bob.post(SESSIONS, json={"id": "adas", "session_name": "Bob's"})
    assert created.status_code == 201
    await bob.post(f"{SESSIONS}/adas/messages", json={"id": "m0", "content": "Bob's own"})

    assert (await bob.get(f"{SESSIONS}/adas")).json()["messages"][0]["content"] == "Bob's own"
    assert (await bob.delete("/api/chat/users/me")).json()["session_count"] == 1


@pytest.mark.usefixtures("untouched")
async def test_a_cursor_of_another_user_opens_nothing(
    ada: httpx.AsyncClient, bob: httpx.AsyncClient
) -> None:
    await ada.post(SESSIONS, json={"id": "second"})
    cursor = (await ada.get(SESSIONS, params={"limit": 1})).json()["next_cursor"]
    assert cursor

    answer = await bob.get(SESSIONS, params={"limit": 1, "cursor": cursor})

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")


@pytest.mark.usefixtures("untouched")
async def test_a_parent_in_a_foreign_session_is_no_parent(
    bob: httpx.AsyncClient,
) -> None:
    await bob.post(SESSIONS, json={"id": "bobs"})

    answer = await bob.post(f"{SESSIONS}/bobs/messages", json={"content": "x", "parent_id": "m0"})

    assert (answer.status_code, answer.json()["code"]) == (422, "parent_not_found")


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("where", ["parameter", "legacy body", "creation"])
async def test_naming_another_user_beside_ones_own_is_forbidden(
    bob: httpx.AsyncClient, where: str
) -> None:
    calls = {
        "parameter": lambda: bob.get(f"{SESSIONS}/adas", params={"user_id": "ada"}),
        "legacy body": lambda: bob.post(
            "/api/chat/message", json={"content": "x", "session_id": "adas", "user_id": "ada"}
        ),
        "creation": lambda: bob.post(SESSIONS, json={"id": "new", "user_id": "ada"}),
    }

    answer = await calls[where]()

    assert (answer.status_code, answer.json()["code"]) == (403, "wrong_user")
