"""Awkward ids lead to what they name, and a body that is none changes nothing."""

import httpx

from app.api.paths import encode_id
from app.domain.artifact import Artifact, ArtifactVersion
from app.domain.identity import SessionKey
from app.store.port import SessionStore
from tests.api.requests import problem
from tests.api.v1.requests import PROJECTS, make_conversation, make_project
from tests.factories import ADA, make_message, make_new_session
from tests.fake_clock import START

IDS = ["with/slash", "..", "~tilde", "100%", "日本語", "e\u0301", "line\r\nbreak", "é" * 512]
NO_IDS = ["~!", "%FF", "a%00b", "x" * 1025]
JSON_TYPE = {"Content-Type": "application/json"}


async def test_every_route_takes_awkward_ids(ada: httpx.AsyncClient, store: SessionStore) -> None:
    for id_ in IDS:
        segment = encode_id(id_)
        await store.insert(
            make_new_session(SessionKey(ADA, id_), project_id=id_, messages=[make_message("m")])
        )
        artifact = Artifact(id=id_, user_id=ADA, project_id=id_, name="n", created_at=START)
        version = ArtifactVersion(
            user_id=ADA, artifact_id=id_, number=1, content="x", created_at=START
        )
        for document in (artifact.document(), version.document()):
            assert await store.put_document(document, replaces=None)
        project = f"{PROJECTS}/{segment}"
        made = f"{project}/artifacts/{segment}"

        answers = [
            await ada.get(project),
            await ada.patch(project, json={"title": "x"}),
            await ada.get(f"{project}/conversations/{segment}"),
            await ada.get(f"{project}/conversations/{segment}/messages"),
            await ada.get(f"/api/v1/sessions/{segment}"),
            await ada.post(
                f"{project}/context/findings", json={"text": "x", "conversation_id": id_}
            ),
            await ada.get(f"{project}/context"),
            await ada.get(made),
            await ada.post(f"{made}/versions", json={"content": "y"}),
            await ada.get(f"{made}/versions/2"),
            await ada.delete(project, params={"force": "true"}),
        ]

        assert [answer.status_code for answer in answers] == [
            *(200, 200, 200, 200, 200, 201, 200, 200, 201, 200, 204)
        ]
        assert answers[0].json()["id"] == answers[2].json()["id"] == answers[7].json()["id"] == id_
        successor = answers[4].links["successor-version"]["url"]
        assert successor == f"{project}/conversations/{segment}"


async def test_a_segment_that_holds_no_id_is_not_found(ada: httpx.AsyncClient) -> None:
    project = await make_project(ada)

    for segment in NO_IDS:
        answers = [
            await ada.get(f"{PROJECTS}/{segment}"),
            await ada.get(f"{project}/conversations/{segment}"),
            await ada.get(f"{project}/artifacts/{segment}"),
            await ada.get(f"/api/v1/sessions/{segment}"),
            await ada.post(f"/api/projects/{segment}/sessions", json={}),
        ]
        assert [problem(answer)[0] for answer in answers] == [404] * 5
    assert problem(await ada.get(f"{PROJECTS}/%20"))[:2] == (400, "blank_project")


async def test_what_is_no_json_changes_nothing(ada: httpx.AsyncClient) -> None:
    project = await make_project(ada)
    conversation = await make_conversation(ada, project)
    made = await ada.post(f"{project}/artifacts", json={"name": "n", "content": "x"})
    artifact = made.headers["location"]
    writes = [
        ("POST", PROJECTS),
        ("PATCH", project),
        ("POST", f"{project}/conversations"),
        ("POST", f"{project}/context/decisions"),
        ("POST", f"{project}/artifacts"),
        ("POST", f"{artifact}/versions"),
        ("POST", f"{artifact}/versions/1/restore"),
        ("POST", f"{artifact}/edits"),
        ("POST", "/api/v1/sessions"),
    ]
    reads = [PROJECTS, project, conversation, f"{project}/context", artifact]
    before = [(await ada.get(path)).content for path in reads]

    for method, path in writes:
        for body in (b"{", b'{"text": NaN}', b'{"text": "\xff"}', b'{"text": "\\ud800"}'):
            answer = await ada.request(method, path, content=body, headers=JSON_TYPE)
            assert problem(answer) == (400, "malformed_json", [""])
        plain = await ada.request(
            method, path, content=b"{}", headers={"Content-Type": "text/plain"}
        )
        unknown = await ada.request(method, path, json=[1])
        assert problem(plain)[0] == 415
        assert problem(unknown)[:2] == (422, "invalid_input")
    assert [(await ada.get(path)).content for path in reads] == before


async def test_what_only_looks_hostile_is_kept(ada: httpx.AsyncClient) -> None:
    details = {"$where": "1", "a.b": {"": None}, "big": 2**64 + 1, "text": "\x00\u202e"}
    text = "'; DROP TABLE document; -- \x00 </script> ${x}"
    project = await make_project(ada, settings=details, intent=text)

    noted = await ada.post(f"{project}/context/findings", json={"text": text, "details": details})
    made = await ada.post(
        f"{project}/artifacts", json={"name": text, "content": text, "metadata": details}
    )

    read = (await ada.get(project)).json()
    assert (read["intent"], read["settings"]) == (text, details)
    entry = (await ada.get(f"{project}/context")).json()["findings"][0]
    assert (entry["text"], entry["details"]) == (text, details)
    assert noted.json() == entry
    artifact = (await ada.get(made.headers["location"])).json()
    assert (artifact["name"], artifact["content"], artifact["metadata"]) == (text, text, details)
