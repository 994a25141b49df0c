"""Conversations of a project: sessions that are listed and read by page in their project only."""

import asyncio

import httpx

from tests.api.requests import problem
from tests.api.v1.requests import PROJECTS, make_conversation, make_project, say, walk
from tests.fake_clock import FakeClock


async def test_a_conversation_is_the_session_of_its_id(ada: httpx.AsyncClient) -> None:
    project = await make_project(ada)

    made = await ada.post(
        f"{project}/conversations", json={"title": "First", "metadata": {"a": [1]}}
    )

    conversation = made.json()
    assert made.status_code == 201
    assert (conversation["title"], conversation["metadata"]) == ("First", {"a": [1]})
    assert (conversation["message_count"], conversation["last_message_at"]) == (0, None)
    assert conversation["project_id"] == project.rsplit("/", 1)[-1]
    session = (await ada.get(f"/api/chat/sessions/{conversation['id']}")).json()
    assert (session["session_name"], session["workspace_id"]) == ("First", "w")
    read = await ada.get(made.headers["location"])
    assert read.json() == conversation
    assert read.headers["etag"] == made.headers["etag"]


async def test_conversations_are_listed_by_page_the_latest_first(
    ada: httpx.AsyncClient, clock: FakeClock
) -> None:
    project, other = await make_project(ada), await make_project(ada)
    await make_conversation(ada, other, title="elsewhere")
    paths = []
    for number in range(5):
        clock.advance(1)
        paths.append(await make_conversation(ada, project, title=str(number)))
    clock.advance(1)
    await say(ada, paths[1], "hello")

    pages = await walk(ada, f"{project}/conversations", limit=2)

    assert [[one["title"] for one in page] for page in pages] == [["1", "4"], ["3", "2"], ["0"]]
    assert pages[0][0]["message_count"] == 1


async def test_messages_are_read_by_page_without_the_deleted(ada: httpx.AsyncClient) -> None:
    project = await make_project(ada)
    conversation = await make_conversation(ada, project)
    await say(ada, conversation, *"abcdefg")
    session = f"/api/chat/sessions/{conversation.rsplit('/', 1)[-1]}"
    for gone in "acd":
        await ada.delete(f"{session}/messages/m{gone}")

    pages = await walk(ada, f"{conversation}/messages", limit=2)

    assert [[one["content"] for one in page] for page in pages] == [["b"], [], ["e", "f"], ["g"]]
    assert pages[0][0] == {
        "id": "mb",
        "conversation_id": session.rsplit("/", 1)[-1],
        "seq": 1,
        "role": "user",
        "content": "b",
        "metadata": {},
        "created_at": "2026-01-02T03:04:05.678Z",
        "edited_at": None,
    }


async def test_a_page_goes_on_where_it_ended_while_messages_come(ada: httpx.AsyncClient) -> None:
    conversation = await make_conversation(ada, await make_project(ada))
    await say(ada, conversation, "a", "b")
    first = await ada.get(f"{conversation}/messages", params={"limit": 1})
    await say(ada, conversation, "c")

    rest = await ada.get(first.links["next"]["url"].replace("limit=1", "limit=10"))

    assert [one["content"] for one in rest.json()["items"]] == ["b", "c"]
    assert "next" not in rest.links


async def test_a_cursor_of_another_conversation_is_none_here(ada: httpx.AsyncClient) -> None:
    project = await make_project(ada)
    here, there = await make_conversation(ada, project), await make_conversation(ada, project)
    await say(ada, here, "a", "b")
    cursor = (await ada.get(f"{here}/messages", params={"limit": 1})).json()["next_cursor"]

    answer = await ada.get(f"{there}/messages", params={"cursor": cursor})

    assert problem(answer)[:2] == (400, "invalid_cursor")


async def test_a_conversation_of_another_project_or_user_is_not_there(
    ada: httpx.AsyncClient, bob: httpx.AsyncClient
) -> None:
    project, other = await make_project(ada), await make_project(ada)
    conversation = await make_conversation(ada, project)
    id_ = conversation.rsplit("/", 1)[-1]

    for path in ("", "/messages"):
        elsewhere = await ada.get(f"{other}/conversations/{id_}{path}")
        nowhere = await ada.get(f"{PROJECTS}/unknown/conversations/{id_}{path}")
        foreign = await bob.get(conversation + path)
        assert problem(elsewhere) == (404, "session_not_in_project", [])
        assert problem(nowhere) == problem(foreign) == (404, "project_not_found", [])


async def test_an_unknown_project_has_and_gets_no_conversations(
    ada: httpx.AsyncClient, bob: httpx.AsyncClient
) -> None:
    project = await make_project(ada)

    for client, path in ((ada, f"{PROJECTS}/unknown"), (bob, project)):
        listed = await client.get(f"{path}/conversations")
        made = await client.post(f"{path}/conversations", json={})
        assert problem(listed) == problem(made) == (404, "project_not_found", [])
    assert (await ada.get(f"{project}/conversations")).json()["items"] == []
    assert (await bob.get("/api/chat/sessions")).json()["items"] == []


async def test_retries_with_a_key_make_one_conversation(ada: httpx.AsyncClient) -> None:
    project, other = await make_project(ada), await make_project(ada)
    keyed = {"Idempotency-Key": "k"}

    answers = await asyncio.gather(
        *(
            ada.post(f"{project}/conversations", json={"title": "T"}, headers=keyed)
            for _ in range(4)
        )
    )
    elsewhere = await ada.post(f"{other}/conversations", json={"title": "T"}, headers=keyed)

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert problem(elsewhere) == (409, "session_exists", [])
    assert len((await ada.get(f"{project}/conversations")).json()["items"]) == 1
