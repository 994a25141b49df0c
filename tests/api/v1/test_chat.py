"""Talking in a project: conversations are made, replies stream, and selections are replaced."""

import asyncio

import httpx
import pytest

from tests.api.event_streams import events_of, text_of
from tests.api.requests import problem
from tests.api.v1.requests import PROJECTS, make_conversation, make_project, say
from tests.api.v1.test_artifacts import all_versions, make_artifact, update
from tests.assistant.upstream import Gate, Upstream, sends, whole


def id_in(path: str) -> str:
    return path.rsplit("/", 1)[-1]


def selecting(artifact: str, start: int, end: int, text: str) -> dict[str, object]:
    return {
        "artifact_id": id_in(artifact),
        "selected_text": text,
        "selection_range": {"start": start, "end": end},
    }


async def said_in(client: httpx.AsyncClient, conversation: str) -> list[tuple[str, str]]:
    items = (await client.get(f"{conversation}/messages")).json()["items"]
    return [(one["role"], one["content"]) for one in items]


async def conversations_of(client: httpx.AsyncClient, project: str) -> list[str]:
    items = (await client.get(f"{project}/conversations")).json()["items"]
    return [one["id"] for one in items]


async def test_a_message_makes_a_conversation_and_is_answered(asking: httpx.AsyncClient) -> None:
    project = await make_project(asking)

    answer = await asking.post(f"{project}/chat", json={"message": "When to sow?"})

    start, *deltas, end = events_of(answer.text)
    (conversation_id,) = await conversations_of(asking, project)
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert (start.name, start.id) == ("message_start", f"{start.data['message_id']}.0")
    assert start.data["conversation_id"] == conversation_id
    assert start.data["project_id"] == id_in(project)
    assert text_of(deltas) == "Because 😀"
    assert (end.name, end.data["status"], end.data["length"]) == ("message_end", "complete", 9)
    assert end.data["usage"]["total_tokens"] == 14
    assert (await asking.get(project)).json()["status"] == "in_progress"
    assert await said_in(asking, f"{project}/conversations/{conversation_id}") == [
        ("user", "When to sow?"),
        ("assistant", "Because 😀"),
    ]


async def test_a_conversation_goes_on_and_knows_its_project(
    asking: httpx.AsyncClient, server: Upstream
) -> None:
    project = await make_project(asking, title="Beans", intent="Grow beans.")
    conversation = await make_conversation(asking, project)
    await say(asking, conversation, "Hello.")
    await asking.post(f"{project}/context/decisions", json={"text": "Sow in May."})

    body = {"message": "When to sow?", "conversation_id": id_in(conversation)}
    await asking.post(f"{project}/chat", json=body)

    assert server.exchanges[0].body["messages"] == [
        {
            "role": "system",
            "content": "This conversation belongs to the project: Beans\n\n"
            "What the project is to achieve: Grow beans.\n\nDecided: Sow in May.",
        },
        {"role": "user", "content": "Hello."},
        {"role": "user", "content": "When to sow?"},
    ]
    assert await conversations_of(asking, project) == [id_in(conversation)]


@pytest.mark.parametrize("way", ["key", "id"])
async def test_a_repeated_request_makes_nothing_twice(
    asking: httpx.AsyncClient, server: Upstream, way: str
) -> None:
    project = await make_project(asking)
    headers = {"Idempotency-Key": "k"} if way == "key" else {}
    body = {"message": "When?"} | ({} if way == "key" else {"message_id": "q"})

    first = await asking.post(f"{project}/chat", json=body, headers=headers)
    again = await asking.post(f"{project}/chat", json=body, headers=headers)
    other = await asking.post(f"{project}/chat", json=body | {"message": "No"}, headers=headers)
    last_event = {"Last-Event-ID": events_of(first.text)[-2].id or ""}
    joined = await asking.post(f"{project}/chat", json=body, headers=headers | last_event)

    assert events_of(again.text)[0] == events_of(first.text)[0]
    assert text_of(events_of(again.text)) == "Because 😀"
    where = "Idempotency-Key" if way == "key" else "/message_id"
    assert problem(other) == (422, "message_id_conflict", [where])
    assert text_of(events_of(joined.text)) == ""
    assert events_of(joined.text)[-1] == events_of(first.text)[-1]
    assert len(server.exchanges) == 1
    assert len(await conversations_of(asking, project)) == 1


async def test_a_second_device_follows_by_the_conversation(
    asking: httpx.AsyncClient, server: Upstream
) -> None:
    gate = Gate()
    server.answers[:] = [gate]
    project = await make_project(asking)
    conversation = await make_conversation(asking, project)
    body = {"message": "When?", "conversation_id": id_in(conversation)}
    first = asyncio.create_task(asking.post(f"{project}/chat", json=body))
    await asyncio.wait_for(gate.asked.wait(), 5)
    gate.say("In ")
    reply_id = (await asking.get(f"{conversation}/messages")).json()["items"][1]["id"]

    last_event = {"Last-Event-ID": f"{reply_id}.2"}
    others = [
        asyncio.create_task(asking.post(f"{project}/chat", json=body, headers=last_event)),
        asyncio.create_task(
            asking.get(f"{conversation}/replies/{reply_id}/events", headers=last_event)
        ),
    ]
    refused = await asking.post(f"{project}/chat", json=body | {"message": "Where?"})
    gate.say("May.")
    gate.end()

    assert text_of(events_of((await first).text)) == "In May."
    assert [text_of(events_of((await one).text)) for one in others] == [" May."] * 2
    assert problem(refused) == (409, "reply_running", [])
    assert len(await said_in(asking, conversation)) == 2


async def test_an_answer_replaces_what_was_selected_as_the_next_version(
    asking: httpx.AsyncClient, server: Upstream
) -> None:
    server.answers[:] = [sends(whole("in ", "May"))]
    project = await make_project(asking)
    artifact = await make_artifact(asking, project, "😀 Sow in March.\r\n")
    body = {
        "message": "Later!",
        "message_id": "q",
        "selection": selecting(artifact, 6, 14, "in March"),
    }

    answer = await asking.post(f"{project}/chat", json=body)
    again = await asking.post(f"{project}/chat", json=body)

    end = events_of(answer.text)[-1]
    assert end.data["artifact"] == {"artifact_id": id_in(artifact), "version": 2}
    assert events_of(again.text)[-1] == end
    assert await all_versions(asking, artifact) == [
        (1, "😀 Sow in March.\r\n"),
        (2, "😀 Sow in May.\r\n"),
    ]
    version = (await asking.get(f"{artifact}/versions/2")).json()
    assert version["message_id"] == end.data["message_id"]
    system = server.exchanges[0].body["messages"][0]["content"]
    assert "<before>😀 Sow </before>" in system
    assert "<selected>in March</selected>" in system
    assert len(server.exchanges) == 1


async def test_a_selection_that_is_no_longer_there_is_told_and_nobody_is_asked(
    asking: httpx.AsyncClient, server: Upstream
) -> None:
    project = await make_project(asking)
    artifact = await make_artifact(asking, project, "Sow in May.")
    conversation = await make_conversation(asking, project)

    answer = await asking.post(
        f"{project}/chat",
        json={
            "message": "Later!",
            "conversation_id": id_in(conversation),
            "selection": selecting(artifact, 4, 12, "in March"),
        },
    )

    assert problem(answer) == (409, "selection_changed", [])
    assert answer.json()["current_text"] == "Sow in May."
    assert server.exchanges == []
    assert await said_in(asking, conversation) == []


async def test_a_conversation_that_was_made_for_nothing_goes_again(
    asking: httpx.AsyncClient, server: Upstream
) -> None:
    project = await make_project(asking)
    artifact = await make_artifact(asking, project, "Sow in May.")
    changed = {"message": "Later!", "selection": selecting(artifact, 4, 12, "in March")}
    headers = {"Idempotency-Key": "k"}

    refused = [
        await asking.post(f"{project}/chat", json=changed, headers=headers),
        await asking.post(
            f"{project}/chat", json={"message": "x"}, headers={"If-Match": '"00000000000000aa-1"'}
        ),
    ]
    none = await conversations_of(asking, project)
    status = (await asking.get(project)).json()["status"]
    again = await asking.post(f"{project}/chat", json={"message": "Why?"}, headers=headers)

    assert [problem(one)[0] for one in refused] == [409, 412]
    assert (none, status) == ([], "draft")
    assert text_of(events_of(again.text)) == "Because 😀"
    assert len(server.exchanges) == 1


async def test_a_precondition_on_the_conversation_is_obeyed(asking: httpx.AsyncClient) -> None:
    project = await make_project(asking)
    conversation = await make_conversation(asking, project)
    etag = (await asking.get(conversation)).headers["etag"]
    body = {"message": "Why?", "conversation_id": id_in(conversation)}

    answers = [
        await asking.post(f"{project}/chat", json=body, headers={"If-Match": etag})
        for _ in range(2)
    ]

    assert text_of(events_of(answers[0].text)) == "Because 😀"
    assert problem(answers[1]) == (412, "revision_mismatch", [])
    assert len(await said_in(asking, conversation)) == 2


async def test_an_artifact_that_changes_meanwhile_keeps_its_change_and_the_answer_is_kept(
    asking: httpx.AsyncClient, server: Upstream
) -> None:
    gate = Gate()
    server.answers[:] = [gate]
    project = await make_project(asking)
    artifact = await make_artifact(asking, project, "Sow in March.")
    selection = selecting(artifact, 4, 12, "in March")
    asked = asyncio.create_task(
        asking.post(f"{project}/chat", json={"message": "Later!", "selection": selection})
    )
    await asyncio.wait_for(gate.asked.wait(), 5)

    await update(asking, artifact, "Never sow.")
    gate.say("in May")
    gate.end()
    end = events_of((await asked).text)[-1]

    assert (end.name, end.data["artifact"]["code"]) == ("message_end", "selection_changed")
    assert "version" not in end.data["artifact"]
    assert await all_versions(asking, artifact) == [(1, "Sow in March."), (2, "Never sow.")]
    (conversation_id,) = await conversations_of(asking, project)
    said = await said_in(asking, f"{project}/conversations/{conversation_id}")
    assert said[-1] == ("assistant", "in May")


async def test_an_answer_that_breaks_off_replaces_nothing(
    asking: httpx.AsyncClient, server: Upstream
) -> None:
    gate = Gate()
    gate.say("in M")
    gate.break_off()
    server.answers[:] = [gate]
    project = await make_project(asking)
    artifact = await make_artifact(asking, project, "Sow in March.")
    selection = selecting(artifact, 4, 12, "in March")

    answer = await asking.post(
        f"{project}/chat", json={"message": "Later!", "selection": selection}
    )

    assert events_of(answer.text)[-1].name == "error"
    assert await all_versions(asking, artifact) == [(1, "Sow in March.")]


async def test_without_an_assistant_the_message_is_stored(ada: httpx.AsyncClient) -> None:
    project = await make_project(ada)

    answer = await ada.post(f"{project}/chat", json={"message": "When?"})

    assert problem(answer) == (501, "assistant_missing", [])
    assert "CHATFOLD_ASSISTANT_URL" in answer.json()["detail"]
    (conversation_id,) = await conversations_of(ada, project)
    assert await said_in(ada, f"{project}/conversations/{conversation_id}") == [("user", "When?")]


async def test_what_is_not_there_or_not_right_is_a_problem_and_makes_nothing(
    asking: httpx.AsyncClient, bob: httpx.AsyncClient, server: Upstream
) -> None:
    project, other = await make_project(asking), await make_project(asking)
    artifact = await make_artifact(asking, other)
    elsewhere = id_in(await make_conversation(asking, other))
    path = f"{project}/chat"
    foreign = {"message": "x", "selection": selecting(artifact, 0, 5, "first")}
    answers = [
        await asking.post(f"{PROJECTS}/none/chat", json={"message": "x"}),
        await bob.post(path, json={"message": "x"}),
        await asking.post(path, json={"message": "x", "conversation_id": elsewhere}),
        await asking.post(path, json=foreign | {"conversation_id": elsewhere}),
        await asking.post(path, json={}),
        await asking.post(path, json={"message": "x", "messages": []}),
        await asking.post(path, json={"message": "x", "selection": {}}),
        await asking.post(path, json={"message": "x"}, headers={"Last-Event-ID": "r.1"}),
        await asking.get(f"{project}/conversations/{elsewhere}/replies/r/events"),
        await asking.get(f"{other}/conversations/{elsewhere}/replies/r/events"),
    ]

    selection = ["/selection/selection_range", "/selection/selected_text", "/selection/artifact_id"]
    assert [problem(answer) for answer in answers] == [
        (404, "project_not_found", []),
        (404, "project_not_found", []),
        (404, "session_not_in_project", []),
        (404, "session_not_in_project", []),
        (422, "invalid_input", ["/message"]),
        (422, "invalid_input", ["/messages"]),
        (422, "invalid_input", selection),
        (422, "invalid_input", ["/conversation_id"]),
        (404, "session_not_in_project", []),
        (404, "message_not_found", []),
    ]
    assert server.exchanges == []
    assert await conversations_of(asking, project) == []
