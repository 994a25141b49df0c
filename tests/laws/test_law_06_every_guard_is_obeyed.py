"""Law 6: a sent `If-Match` is always obeyed, an absent one guards nothing; appends fit."""

import asyncio
from collections.abc import Awaitable, Callable

import httpx
import pytest

SESSIONS = "/api/chat/sessions"
SESSION = "/api/chat/sessions/s"
MESSAGES = "/api/chat/sessions/s/messages"
MERGE = {"Content-Type": "application/merge-patch+json"}

Call = Callable[[httpx.AsyncClient, dict[str, str]], Awaitable[httpx.Response]]

GUARDED: dict[str, Call] = {
    "PUT session": lambda client, guard: client.put(
        SESSION, json={"session_name": "changed"}, headers=guard
    ),
    "PATCH session": lambda client, guard: client.patch(
        SESSION, json={"session_name": "changed"}, headers={**MERGE, **guard}
    ),
    "DELETE session": lambda client, guard: client.delete(SESSION, headers=guard),
    "POST message": lambda client, guard: client.post(
        MESSAGES, json={"id": "new", "content": "x"}, headers=guard
    ),
    "POST messages": lambda client, guard: client.post(
        MESSAGES, json=[{"content": "x"}, {"content": "y"}], headers=guard
    ),
    "PATCH message": lambda client, guard: client.patch(
        f"{MESSAGES}/m", json={"content": "changed"}, headers=guard
    ),
    "DELETE message": lambda client, guard: client.delete(f"{MESSAGES}/m", headers=guard),
}


@pytest.fixture(params=list(GUARDED))
def call(request: pytest.FixtureRequest) -> Call:
    return GUARDED[request.param]


@pytest.fixture
async def etags(ada: httpx.AsyncClient) -> tuple[str, str]:
    """The first entity tag of a session, and the one of now."""
    created = await ada.post(SESSIONS, json={"id": "s"})
    appended = await ada.post(MESSAGES, json={"id": "m", "content": "x"})
    return created.headers["etag"], appended.headers["etag"]


async def test_a_stale_guard_is_412_with_the_revision_of_now_and_changes_nothing(
    ada: httpx.AsyncClient, etags: tuple[str, str], call: Call
) -> None:
    stale, current = etags
    before = (await ada.get(SESSION)).content
    other = '"0123456789abcdef-2"'

    for guard in (stale, other, f"{stale}, {other}", current.replace("-2", "-3")):
        answer = await call(ada, {"If-Match": guard})

        assert answer.status_code == 412
        assert answer.json()["code"] == "revision_mismatch"
        assert answer.json()["current_revision"] == 2
        assert answer.headers["etag"] == current
    assert (await ada.get(SESSION)).content == before


@pytest.mark.parametrize("form", ["{current}", "*", "{stale}, {current}", None])
async def test_a_guard_that_holds_and_an_absent_one_let_pass(
    ada: httpx.AsyncClient, etags: tuple[str, str], call: Call, form: str | None
) -> None:
    stale, current = etags
    guard = {} if form is None else {"If-Match": form.format(stale=stale, current=current)}

    answer = await call(ada, guard)

    assert answer.is_success
    after = await ada.get(SESSION)
    assert after.status_code == 404 or after.headers["etag"].endswith('-3"')


@pytest.mark.parametrize("guard", ["2", '"x"', "W/{current}", '"', "", '"{current}', "{current},"])
async def test_a_guard_that_is_no_entity_tag_of_ours_is_400_and_changes_nothing(
    ada: httpx.AsyncClient, etags: tuple[str, str], call: Call, guard: str
) -> None:
    before = (await ada.get(SESSION)).content

    answer = await call(ada, {"If-Match": guard.format(current=etags[1])})

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_etag")
    assert (await ada.get(SESSION)).content == before


async def test_any_existing_version_does_not_mean_an_absent_session(
    ada: httpx.AsyncClient, call: Call
) -> None:
    answer = await call(ada, {"If-Match": "*"})

    assert answer.status_code == 404


async def test_a_guard_of_an_earlier_life_does_not_hold(
    ada: httpx.AsyncClient, etags: tuple[str, str], call: Call
) -> None:
    await ada.delete(SESSION)
    await ada.post(SESSIONS, json={"id": "s"})
    await ada.post(MESSAGES, json={"id": "m", "content": "x"})
    before = (await ada.get(SESSION)).content

    answer = await call(ada, {"If-Match": etags[1]})

    assert answer.status_code == 412
    assert (await ada.get(SESSION)).content == before


async def test_of_writers_with_one_guard_one_wins(
    ada: httpx.AsyncClient, etags: tuple[str, str]
) -> None:
    answers = await asyncio.gather(
        *(
            ada.put(SESSION, json={"session_name": f"name {n}"}, headers={"If-Match": etags[1]})
            for n in range(30)
        )
    )

    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 29
    (winner,) = (answer for answer in answers if answer.status_code == 200)
    after = (await ada.get(SESSION)).json()
    assert after["session_name"] == winner.json()["session_name"]
    assert after["revision"] == 3


async def test_appends_without_a_guard_never_conflict(
    ada: httpx.AsyncClient, etags: tuple[str, str]
) -> None:
    calls = [
        ada.post(MESSAGES, json={"id": f"m{n}", "content": "x"})
        if n % 2
        else ada.put(SESSION, json={"session_name": f"name {n}"})
        for n in range(60)
    ]

    answers = await asyncio.gather(*calls)

    assert {answer.status_code for answer in answers} == {200, 201}
    document = (await ada.get(SESSION)).json()
    assert document["next_seq"] == 31
    assert document["revision"] == 62
    assert etags[1].endswith('-2"')
