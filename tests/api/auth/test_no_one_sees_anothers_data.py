"""Law 7: on every route of the OpenAPI document, another user's data is absent or forbidden."""

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

import pytest
from httpx import AsyncClient, Response

from app.api.auth import ADMIN_PATH
from app.domain.artifact import Artifact, ArtifactVersion
from app.domain.identity import SessionKey
from app.domain.project import Project
from app.domain.project_context import ContextEntry, ContextKind
from app.main import create_app
from app.settings import Settings
from app.store.port import SessionStore
from tests.api.auth.credentials import (
    API_KEY,
    api_key_settings,
    jwt_settings,
    settings,
    token,
)
from tests.api.serving import client_of
from tests.factories import ADA, BOB, make_edit, make_message, make_new_session, make_reply
from tests.fake_clock import START, FakeClock, instant

ADAS = [SessionKey(ADA, "adas-session"), SessionKey(ADA, "adas/other session")]
SECRET_WORD = "marmalade"  # noqa: S105 - what only Ada's data holds
KINDS = ["project", "context_entry", "artifact", "artifact_version", "artifact_request"]
WITHOUT_CREDENTIAL = {"get_health", "get_readiness", "get_metrics"}
MERGE_PATCH = "application/merge-patch+json"
TAKING_PATCHES = {"merge_session_fields", "change_project"}

BODIES: Mapping[str, Any] = {
    "create_session": {"id": "adas-session", "session_name": "stolen"},
    "set_session_fields": {"session_name": "stolen"},
    "merge_session_fields": {"session_name": "stolen"},
    "append_messages": {"content": "stolen", "user_id": "ada"},
    "edit_message": {"content": "stolen"},
    "reply_in_session": {"content": "stolen"},
    "chat_in_workspace_session": {"content": "stolen"},
    "chat_in_project": {"message": "stolen", "conversation_id": "adas-session"},
    "legacy_post_message": {"content": "stolen", "session_id": "adas-session"},
    "create_project_session": {"title": "stolen"},
    "update_project_session": {"title": "stolen"},
    "add_project_message": {"role": "user", "content": "stolen"},
    "flat_create_session": {"title": "stolen", "project_id": "adas-project"},
    "flat_update_session": {"title": "stolen"},
    "flat_add_message": {"role": "user", "content": "stolen"},
    "create_project": {"workspace_id": "adas-workspace", "intent": "stolen"},
    "change_project": {"title": "stolen"},
    "create_conversation": {"title": "stolen"},
    "create_workspace_session": {"workspace_id": "adas-workspace", "title": "stolen"},
    "add_context_entry": {"text": "stolen"},
    "create_artifact": {"name": "stolen", "content": "stolen"},
    "add_artifact_version": {"content": "stolen"},
    "restore_artifact_version": {},
    "edit_artifact_selection": {
        "selection_range": {"start": 0, "end": len(SECRET_WORD)},
        "selected_text": SECRET_WORD,
        "replacement": "stolen",
    },
}
"""A valid body for each operation that takes one."""

QUERIES: Mapping[str, str] = {
    "search": f"q={SECRET_WORD}",
    "list_sessions": f"q={SECRET_WORD}&tag={SECRET_WORD}",
    "legacy_list_history": "limit=1000",
    "delete_project_session": "force=true",
    "flat_delete_session": "force=true",
    "delete_project": "force=true",
    "delete_project_with_contents": "force=true",
    "list_projects": "workspace_id=adas-workspace",
    "list_workspace_sessions": "workspace_id=adas-workspace",
    "diff_artifact_versions": "from=1&to=1",
}

MADE_FOR_THE_CALLER = "create_project_session"
"""Its path may name a project that the caller does not have; then it is made."""

IN_PATHS = {
    "{session_id}": "adas-session",
    "{message_id}": "adas-m1",
    "{reply_id}": "adas-reply",
    "{project_id}": "adas-project",
    "{conversation_id}": "adas-session",
    "{artifact_id}": "adas-artifact",
    "{number}": "1",
    "{kind}": "decisions",
}


class Operation(NamedTuple):
    """One route of the document, with Ada's ids in its path."""

    id: str
    method: str
    path: str
    has_ids: bool
    has_body: bool

    async def call(self, client: AsyncClient, query: str = "", **headers: str) -> Response:
        if self.has_body:
            headers["Content-Type"] = (
                MERGE_PATCH if self.id in TAKING_PATCHES else "application/json"
            )
        queries = "&".join(part for part in (QUERIES.get(self.id, ""), query) if part)
        return await client.request(
            self.method,
            f"{self.path}?{queries}",
            json=BODIES[self.id] if self.has_body else None,
            headers=headers,
        )


@cache  # the document is costly, and does not change
def operations() -> list[Operation]:
    """All operations for users, the same in every mode of authentication.

    Those for operators are walked in `tests/api/admin`: no user gets that far.
    """
    document = create_app(settings(), None, FakeClock()).openapi()  # type: ignore[arg-type] # not called
    found = [
        Operation(
            id=operation["operationId"],
            method=method.upper(),
            path=_with_ids(path),
            has_ids="{" in path and operation["operationId"] != MADE_FOR_THE_CALLER,
            has_body="requestBody" in operation,
        )
        for path, methods in document["paths"].items()
        if not path.startswith(ADMIN_PATH)
        for method, operation in methods.items()
    ]
    # What empties Bob's own house comes last, so that there is something to see before.
    return sorted(found, key=lambda operation: operation.id == "erase_user")


def _with_ids(path: str) -> str:
    for name, id_ in IN_PATHS.items():
        path = path.replace(name, id_)
    return path


async def fill(store: SessionStore) -> None:
    for key in ADAS:
        messages = [make_message(f"adas-m{number}", SECRET_WORD) for number in range(3)]
        messages.append(make_reply("adas-reply", SECRET_WORD))
        await store.insert(
            make_new_session(
                key,
                messages=messages,
                session_name=SECRET_WORD,
                tags=[SECRET_WORD],
                project_id="adas-project",
                workspace_id="adas-workspace",
                context={"a": SECRET_WORD},
            )
        )
        await store.edit_message(key, "adas-m1", make_edit(f"more {SECRET_WORD}"))
        await store.delete_message(key, "adas-m2", instant(1))
    project = Project(
        id="adas-project",
        user_id=ADA,
        workspace_id="adas-workspace",
        intent=SECRET_WORD,
        created_at=START,
        updated_at=START,
    )
    entry = ContextEntry(
        id="adas-entry",
        user_id=ADA,
        project_id="adas-project",
        kind=ContextKind.DECISION,
        text=SECRET_WORD,
        created_at=START,
    )
    artifact = Artifact(
        id="adas-artifact",
        user_id=ADA,
        project_id="adas-project",
        name=SECRET_WORD,
        created_at=START,
    )
    version = ArtifactVersion(
        user_id=ADA, artifact_id="adas-artifact", number=1, content=SECRET_WORD, created_at=START
    )
    documents = [project.new_document(), entry.document(), artifact.document(), version.document()]
    for document in documents:
        await store.put_document(document, replaces=None)
    await store.insert(make_new_session(SessionKey(BOB, "bobs"), messages=[make_message("bobs-m")]))


async def all_of_adas(store: SessionStore) -> list[Any]:
    """Everything that the store keeps for Ada, byte for byte."""
    return [
        [(await store.read(key)).to_json() for key in ADAS],
        [await store.list_past_texts(key, "adas-m1") for key in ADAS],
        (await store.list_summaries(ADA)).items,
        await store.stats(ADA),
        [await store.list_documents(ADA, kind) for kind in KINDS],
    ]


def as_user(mode: str, user_id: str) -> tuple[Settings, dict[str, str]]:
    """The settings of a mode, and the headers by which a user asks in it."""
    match mode:
        case "jwt":
            return jwt_settings(), {"Authorization": f"Bearer {token(sub=user_id)}"}
        case "api_key":
            return api_key_settings(), {"X-API-Key": API_KEY, "X-User-Id": user_id}
        case _:
            return settings(), {"X-User-Id": user_id}


def test_every_operation_that_takes_a_body_has_one_here() -> None:
    taking = {operation.id for operation in operations() if operation.has_body}

    assert taking == set(BODIES)


def test_the_walk_meets_routes_with_ids_and_without() -> None:
    walked = operations()

    assert sum(operation.has_ids for operation in walked) >= 10
    assert sum(not operation.has_ids for operation in walked) >= 10


@pytest.mark.parametrize("mode", ["jwt", "api_key", "open"])
async def test_ids_of_another_user_are_not_found_on_any_route(
    mode: str, store: SessionStore, clock: FakeClock
) -> None:
    await fill(store)
    before = await all_of_adas(store)
    configured, headers = as_user(mode, BOB)

    async with client_of(configured, store, clock) as client:
        statuses = {
            operation.id: (await operation.call(client, **headers)).status_code
            for operation in operations()
            if operation.has_ids
        }

    assert statuses == dict.fromkeys(statuses, 404)
    assert await all_of_adas(store) == before


@pytest.mark.parametrize("mode", ["jwt", "api_key", "open"])
async def test_nothing_of_another_user_is_in_any_answer(
    mode: str, store: SessionStore, clock: FakeClock
) -> None:
    await fill(store)
    before = await all_of_adas(store)
    configured, headers = as_user(mode, BOB)

    async with client_of(configured, store, clock) as client:
        answers = {
            operation.id: await operation.call(client, **headers) for operation in operations()
        }

    for operation_id, answer in answers.items():
        assert SECRET_WORD not in answer.text, operation_id
        assert "adas-m1" not in answer.text or answer.status_code == 404, operation_id
    assert answers["erase_user"].status_code == 200
    assert await all_of_adas(store) == before


@pytest.mark.parametrize("header", [{}, {"X-User-Id": ADA}])
async def test_naming_another_user_is_forbidden_on_every_route(
    header: dict[str, str], store: SessionStore, clock: FakeClock
) -> None:
    await fill(store)
    before = await all_of_adas(store)
    configured, headers = as_user("jwt", BOB)
    query = "" if header else "user_id=ada"

    async with client_of(configured, store, clock) as client:
        statuses = {
            operation.id: (await operation.call(client, query, **headers, **header)).status_code
            for operation in operations()
            if operation.id not in WITHOUT_CREDENTIAL
        }

    assert statuses == dict.fromkeys(statuses, 403)
    assert await all_of_adas(store) == before
    assert (await store.stats(BOB)).message_count == 1


@pytest.mark.parametrize("mode", ["jwt", "api_key"])
async def test_without_a_credential_no_route_lets_anyone_in(
    mode: str, store: SessionStore, clock: FakeClock
) -> None:
    await fill(store)
    before = await all_of_adas(store)
    configured, _ = as_user(mode, ADA)

    async with client_of(configured, store, clock) as client:
        answers = {
            operation.id: await operation.call(client, "user_id=ada") for operation in operations()
        }

    for operation_id, answer in answers.items():
        if operation_id in WITHOUT_CREDENTIAL:
            assert answer.status_code == 200, operation_id
        else:
            assert answer.status_code == 401, operation_id
            assert answer.headers["www-authenticate"].startswith("Bearer"), operation_id
        assert SECRET_WORD not in answer.text, operation_id
    assert await all_of_adas(store) == before


@pytest.mark.parametrize("mode", ["jwt", "api_key", "open"])
async def test_the_owner_is_let_in_where_others_are_not(
    mode: str, store: SessionStore, clock: FakeClock
) -> None:
    await fill(store)
    configured, headers = as_user(mode, ADA)
    reading = [operation for operation in operations() if operation.method == "GET"]

    async with client_of(configured, store, clock) as client:
        answers = {operation.id: await operation.call(client, **headers) for operation in reading}

    others = {id_: one.status_code for id_, one in answers.items() if one.status_code != 200}
    assert others == {"redirect_execution": 307}
    assert SECRET_WORD in answers["read_session"].text
    assert SECRET_WORD in answers["search"].text


async def test_the_legacy_door_knows_no_session_of_another_user(
    store: SessionStore, clock: FakeClock
) -> None:
    await fill(store)
    before = await all_of_adas(store)
    configured, headers = as_user("jwt", BOB)

    async with client_of(configured, store, clock) as client:
        history = await client.get(
            "/api/chat/history", params={"session_id": "adas-session"}, headers=headers
        )
        posted = await client.post(
            "/api/chat/message",
            json={"content": "stolen", "session_id": "adas-session", "user_id": "ada"},
            headers=headers,
        )

    assert history.status_code == 404
    assert posted.status_code == 403
    assert await all_of_adas(store) == before


async def test_the_document_says_which_credential_is_needed() -> None:
    keys = ["api_key", "bearer"]
    for mode, schemes in (("jwt", ["bearer"]), ("api_key", keys), ("open", [])):
        configured, _ = as_user(mode, ADA)
        app = create_app(configured, None, FakeClock())  # type: ignore[arg-type] # never called

        document = app.openapi()

        assert sorted(document["components"].get("securitySchemes", {})) == keys
        for path, methods in document["paths"].items():
            for operation in methods.values():
                named = [name for scheme in operation.get("security", []) for name in scheme]
                of_users = schemes if path.startswith("/api/") else []
                assert named == (keys if path.startswith(ADMIN_PATH) else of_users)
