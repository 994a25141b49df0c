"""Law 10: a failing store is a 503, a damaged document a named error; neither is ever absence."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple, cast

import httpx
import pytest

from app.domain.artifact import Artifact, ArtifactVersion
from app.domain.identity import ANONYMOUS
from app.domain.limits import StoreLimits
from app.domain.project import Project
from app.errors import (
    CorruptDocumentError,
    CorruptStoreError,
    StoreBusyError,
    StoreError,
    StoreFullError,
    StoreReadOnlyError,
    StoreUnavailableError,
    StoreVersionError,
)
from app.main import create_app
from app.service.reply_writing import ReplyPace
from app.store.memory import MemoryStore
from app.store.port import SessionStore
from tests.assistant.echo import EchoAssistant
from tests.factories import KEY, make_edit, make_messages, make_new_session, make_reply
from tests.fake_clock import START, FakeClock
from tests.laws.conftest import SETTINGS, client_of

SESSION = "/api/chat/sessions/session"
PROJECT = "/api/projects/project"
PROJECT_SESSION = f"{PROJECT}/sessions/session"
V1_PROJECT = "/api/v1/projects/project"
V1_SESSIONS = "/api/v1/sessions"
ARTIFACT = f"{V1_PROJECT}/artifacts/artifact"
EDIT = {
    "selection_range": {"start": 0, "end": 3},
    "selected_text": "all",
    "replacement": "x",
}
CONVERSATION = f"{V1_PROJECT}/conversations/session"
FLAT = "/api/chat-sessions"
GENERATION = "0123456789abcdef"
METHODS = sorted(
    name
    for name, member in vars(SessionStore).items()
    if callable(member) and not name.startswith("_") and name != "aclose"
)


class FailingStore:
    """A store of which some methods fail, and always in the same way."""

    def __init__(self, inner: SessionStore, error: Exception, methods: list[str]) -> None:
        self.limits = StoreLimits()
        self._inner = inner
        self._error = error
        self._methods = methods
        self.asked: set[str] = set()
        """Names of methods, failing ones included."""

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        self.asked.add(name)

        async def fail(*_arguments: object, **_named: object) -> None:
            raise self._error

        if name in self._methods:
            return fail
        method: Callable[..., Awaitable[Any]] = getattr(self._inner, name)
        return method


class Operation(NamedTuple):
    """One route, asked in a way that succeeds where the store does."""

    method: str
    path: str
    body: dict[str, Any] | None = None
    seen: str | None = None
    """What `If-None-Match` names."""


OPERATIONS = {
    "create_session": Operation("POST", "/api/chat/sessions", {"id": "new"}),
    "list_sessions": Operation("GET", "/api/chat/sessions"),
    "read_session": Operation("GET", SESSION),
    "set_session_fields": Operation("PUT", SESSION, {"session_name": "x"}),
    "merge_session_fields": Operation("PATCH", SESSION, {"session_name": "x"}),
    "delete_session": Operation("DELETE", SESSION),
    "append_messages": Operation("POST", f"{SESSION}/messages", {"content": "x"}),
    "list_messages": Operation("GET", f"{SESSION}/messages"),
    "edit_message": Operation("PATCH", f"{SESSION}/messages/m0", {"content": "x"}),
    "delete_message": Operation("DELETE", f"{SESSION}/messages/m0"),
    "reply_in_session": Operation("POST", f"{SESSION}/reply", {"content": "x"}),
    "follow_reply": Operation("GET", f"{SESSION}/replies/reply/events"),
    "read_message_history": Operation("GET", f"{SESSION}/messages/m0/history"),
    "search": Operation("GET", "/api/chat/search?q=text"),
    "read_stats": Operation("GET", "/api/chat/stats"),
    "export_session": Operation("GET", f"{SESSION}/export"),
    "follow_session": Operation("GET", f"{SESSION}/events"),
    "export_sessions": Operation("GET", "/api/chat/export"),
    "erase_user": Operation("DELETE", "/api/chat/users/me"),
    "legacy_list_history": Operation("GET", "/api/chat/history"),
    "legacy_post_message": Operation(
        "POST", "/api/chat/message", {"content": "x", "session_id": "session"}
    ),
    "create_project_session": Operation("POST", f"{PROJECT}/sessions", {"title": "x"}),
    "list_project_sessions": Operation("GET", f"{PROJECT}/sessions"),
    "get_project_session_stats": Operation("GET", f"{PROJECT}/session-stats"),
    "get_project_session": Operation("GET", PROJECT_SESSION),
    "update_project_session": Operation("PUT", PROJECT_SESSION, {"title": "x"}),
    "delete_project_session": Operation("DELETE", f"{PROJECT_SESSION}?force=true"),
    "add_project_message": Operation(
        "POST", f"{PROJECT_SESSION}/messages", {"role": "user", "content": "x"}
    ),
    "list_project_messages": Operation("GET", f"{PROJECT_SESSION}/messages"),
    "get_project_session_with_messages": Operation("GET", f"{PROJECT_SESSION}/full"),
    "redirect_execution": Operation("GET", "/execution/session"),
    "flat_create_session": Operation("POST", FLAT, {"title": "x"}),
    "flat_list_sessions": Operation("GET", FLAT),
    "flat_get_session": Operation("GET", f"{FLAT}/session"),
    "flat_update_session": Operation("PUT", f"{FLAT}/session", {"title": "x"}),
    "flat_delete_session": Operation("DELETE", f"{FLAT}/session?force=true"),
    "flat_add_message": Operation(
        "POST", f"{FLAT}/session/messages", {"role": "user", "content": "x"}
    ),
    "flat_list_messages": Operation("GET", f"{FLAT}/session/messages"),
    "flat_get_session_with_messages": Operation("GET", f"{FLAT}/session/full"),
    "delete_project": Operation("DELETE", f"{PROJECT}?force=true"),
    "create_project": Operation("POST", "/api/v1/projects", {"workspace_id": "w", "intent": "x"}),
    "chat_in_project": Operation("POST", f"{V1_PROJECT}/chat", {"message": "x"}),
    "follow_reply_in_conversation": Operation(
        "GET", f"{V1_PROJECT}/conversations/session/replies/reply/events"
    ),
    "list_projects": Operation("GET", "/api/v1/projects"),
    "read_project": Operation("GET", V1_PROJECT),
    "change_project": Operation("PATCH", V1_PROJECT, {"title": "x"}),
    "delete_project_with_contents": Operation("DELETE", f"{V1_PROJECT}?force=true"),
    "create_conversation": Operation("POST", f"{V1_PROJECT}/conversations", {"title": "x"}),
    "list_conversations": Operation("GET", f"{V1_PROJECT}/conversations"),
    "read_conversation": Operation("GET", CONVERSATION),
    "list_conversation_messages": Operation("GET", f"{CONVERSATION}/messages"),
    "create_workspace_session": Operation("POST", V1_SESSIONS, {"workspace_id": "w"}),
    "chat_in_workspace_session": Operation("POST", f"{V1_SESSIONS}/session/chat", {"content": "x"}),
    "list_workspace_sessions": Operation("GET", f"{V1_SESSIONS}?workspace_id=w"),
    "get_workspace_session": Operation("GET", f"{V1_SESSIONS}/session"),
    "list_workspace_session_messages": Operation("GET", f"{V1_SESSIONS}/session/messages"),
    "export_documents": Operation("GET", "/api/v1/export"),
    "read_project_context": Operation("GET", f"{V1_PROJECT}/context"),
    "add_context_entry": Operation(
        "POST", f"{V1_PROJECT}/context/findings", {"text": "x", "conversation_id": "session"}
    ),
    "create_artifact": Operation("POST", f"{V1_PROJECT}/artifacts", {"name": "x", "content": "x"}),
    "list_artifacts": Operation("GET", f"{V1_PROJECT}/artifacts"),
    "read_artifact": Operation("GET", ARTIFACT),
    "list_artifact_versions": Operation("GET", f"{ARTIFACT}/versions"),
    "add_artifact_version": Operation("POST", f"{ARTIFACT}/versions", {"content": "x"}),
    "read_artifact_version": Operation("GET", f"{ARTIFACT}/versions/1"),
    "restore_artifact_version": Operation("POST", f"{ARTIFACT}/versions/1/restore"),
    "edit_artifact_selection": Operation("POST", f"{ARTIFACT}/edits", EDIT),
    "diff_artifact_versions": Operation("GET", f"{ARTIFACT}/diff?from=1&to=1"),
    "get_readiness": Operation("GET", "/readyz"),
}
WITHOUT_STORE = {"get_health", "get_metrics"}
VARIANTS = {
    "read_session, header": Operation("GET", f"{SESSION}?messages=none"),
    "read_session, since": Operation("GET", f"{SESSION}?since=0123456789abcdef-1"),
    "read_session, seen": Operation("GET", SESSION, seen='"0123456789abcdef-1"'),
    "follow_session, since": Operation("GET", f"{SESSION}/events?since={GENERATION}.0.0"),
    "read_session, after": Operation("GET", f"{SESSION}?after_seq=0"),
    "export_session, text": Operation("GET", f"{SESSION}/export?format=markdown"),
    "list_sessions, filtered": Operation("GET", "/api/chat/sessions?tag=red&order=created"),
    "legacy_list_history, session": Operation("GET", "/api/chat/history?session_id=session"),
    "flat_create_session, in a project": Operation("POST", FLAT, {"project_id": "new"}),
    "flat_list_sessions, of a project": Operation("GET", f"{FLAT}?project_id=project"),
    "create_project_session, new": Operation("POST", "/api/projects/new/sessions", {}),
    "chat_in_project, there": Operation(
        "POST", f"{V1_PROJECT}/chat", {"message": "x", "conversation_id": "session"}
    ),
    "reply_in_session, again": Operation("POST", f"{SESSION}/reply"),
    "legacy_post_message, reply": Operation(
        "POST", "/api/chat/message?reply=true", {"content": "x", "session_id": "session"}
    ),
    "legacy_post_message, new": Operation("POST", "/api/chat/message", {"content": "x"}),
}
ALL = OPERATIONS | VARIANTS
AT_ONCE = ReplyPace(flush_seconds=0.001, ending_tries=2)


async def filled_store() -> MemoryStore:
    store = MemoryStore()
    await store.insert(
        make_new_session(
            messages=make_messages(3),
            tags=["red"],
            generation=GENERATION,
            project_id="project",
            workspace_id="w",
        )
    )
    for user_id in (KEY.user_id, ANONYMOUS):
        project = Project(id="project", user_id=user_id, created_at=START, updated_at=START)
        artifact = Artifact(
            id="artifact", user_id=user_id, project_id="project", name="x", created_at=START
        )
        version = ArtifactVersion(
            user_id=user_id,
            artifact_id="artifact",
            number=1,
            content="all there is",
            created_at=START,
        )
        for document in (project.new_document(), artifact.document(), version.document()):
            await store.put_document(document, replaces=None)
    await store.edit_message(KEY, "m0", make_edit("text, edited"))
    await store.append(KEY, [make_reply()], at=START)
    return store


async def serve(
    error: Exception | None = None, methods: list[str] | None = None
) -> AbstractAsyncContextManager[httpx.AsyncClient]:
    """A client of an application whose store fails."""
    store = await filled_store()
    if error is None:
        return client_on(store)
    return client_on(FailingStore(store, error, METHODS if methods is None else methods))


def client_on(store: MemoryStore | FailingStore) -> AbstractAsyncContextManager[httpx.AsyncClient]:
    app = create_app(
        SETTINGS,
        cast("SessionStore", store),
        FakeClock(),
        assistant=EchoAssistant(),
        reply_pace=AT_ONCE,
    )
    app.state.live.end()  # the client waits for whole answers, and a stream has no end
    return client_of(app, "ada")


async def ask(
    client: httpx.AsyncClient, operation: Operation, *, names_user: bool = True
) -> httpx.Response:
    is_merge = operation.path == SESSION and operation.method == "PATCH"
    kind = "application/merge-patch+json" if is_merge else "application/json"
    headers = {} if operation.body is None else {"Content-Type": kind}
    if operation.seen is not None:
        headers["If-None-Match"] = operation.seen
    if not names_user:
        # In open mode it need not; the store is then asked who owns the session.
        del client.headers["X-User-Id"]
    return await client.request(
        operation.method, operation.path, json=operation.body, headers=headers
    )


async def test_every_operation_of_the_document_is_asked_here() -> None:
    document = create_app(SETTINGS, MemoryStore(), FakeClock()).openapi()
    # Operators are asked for in a file of their own: their work is done by an engine as well.
    documented = {
        operation["operationId"]
        for path, operations in document["paths"].items()
        for operation in operations.values()
        if not path.startswith("/api/admin/")
    }

    assert documented - WITHOUT_STORE == set(OPERATIONS)
    assert len(METHODS) == 41


@pytest.mark.parametrize("operation", ALL.values(), ids=ALL.keys())
async def test_every_operation_succeeds_on_a_store_that_works(operation: Operation) -> None:
    async with await serve() as client:
        answer = await ask(client, operation)

    assert answer.is_success or answer.is_redirect
    assert answer.content != b"[]"
    assert b'"items":[]' not in answer.content


@pytest.mark.parametrize("operation", ALL.values(), ids=ALL.keys())
@pytest.mark.parametrize(
    "error",
    [
        StoreUnavailableError("The store is not there."),
        StoreBusyError("The store is held."),
        StoreFullError("The disk is full."),
        StoreReadOnlyError("The file is read-only."),
    ],
    ids=lambda error: error.code,
)
async def test_a_store_that_cannot_work_is_a_503_with_its_name(
    operation: Operation, error: StoreUnavailableError
) -> None:
    async with await serve(error) as client:
        answer = await ask(client, operation)

    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["retry-after"] == "1"
    assert answer.json()["code"] == error.code


@pytest.mark.parametrize("operation", ALL.values(), ids=ALL.keys())
@pytest.mark.parametrize(
    "error",
    [
        CorruptDocumentError("session"),
        CorruptStoreError("The file is damaged."),
        StoreVersionError("The file is too new."),
        StoreError("Something else."),
    ],
    ids=lambda error: error.code,
)
async def test_a_damaged_store_is_a_500_with_its_name(
    operation: Operation, error: StoreError
) -> None:
    async with await serve(error) as client:
        answer = await ask(client, operation)

    if operation == OPERATIONS["get_readiness"]:
        # The question is whether the service can work, and the answer is no.
        assert answer.status_code == 503
        return
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == error.code


class Sound(NamedTuple):
    """What a route answers on a store that works, and which methods it asks for that."""

    answer: httpx.Response
    methods: set[str]


@pytest.fixture(scope="module", params=[False, True])
def names_user(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture(scope="module")
def sound(names_user: bool) -> dict[str, Sound]:
    async def look(operation: Operation) -> Sound:
        store = FailingStore(await filled_store(), StoreError("unused"), [])
        async with client_on(store) as client:
            answer = await ask(client, operation, names_user=names_user)
        return Sound(answer, store.asked)

    async def look_at_all() -> dict[str, Sound]:
        return {name: await look(operation) for name, operation in ALL.items()}

    return asyncio.run(look_at_all())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("error", "status"),
    [(StoreUnavailableError("gone"), 503), (CorruptDocumentError("session"), 500)],
    ids=["unavailable", "corrupt"],
)
async def test_where_one_method_fails_no_route_answers_as_if_nothing_were_there(
    method: str, error: StoreError, status: int, names_user: bool, sound: dict[str, Sound]
) -> None:
    failed = []
    for name, operation in ALL.items():
        if method not in sound[name].methods and not os.environ.get("SOAK"):
            continue  # what is not asked cannot fail: the answer is the sound one
        async with await serve(error, [method]) as client:
            answer = await ask(client, operation, names_user=names_user)
        if answer.status_code in (status, 503):
            failed.append(name)
            continue
        # The route has no use for this method: its answer is the one it always gives.
        assert answer.status_code == sound[name].answer.status_code, name
        if operation.method == "GET":
            assert answer.content == sound[name].answer.content or answer.is_error, name

    is_in_the_way = method not in UNUSED[names_user] and (method, status) not in NOT_IN_THE_WAY
    assert bool(failed) is is_in_the_way


FOR_OPERATORS = {
    *("find_deleted", "insert_absent", "list_keys"),
    *("read_image", "put_image", "take_back", "list_marks", "put_marks"),
    *("put_ledger_entry", "read_ledger_entry", "list_ledger_entries"),
    *("list_ledger_runs", "list_ledger_places", "remove_ledger", "sizes"),
    "list_document_keys",
}
UNUSED = {
    # The receipt of an erasure names the copies that runs have made.
    True: (FOR_OPERATORS - {"list_ledger_runs"}) | {"find_owners"},
    False: FOR_OPERATORS | {"erase_user", "list_recent_messages", "search", "stats"},
}
"""Methods that no route asks where the request names its user, and where it does not."""

NOT_IN_THE_WAY = {("list_ledger_runs", 500)}
"""What only adds to a receipt: where it is damaged, the receipt says so."""


@pytest.mark.parametrize("error", [StoreUnavailableError("gone"), CorruptDocumentError("session")])
async def test_a_session_in_the_cache_is_not_served_by_a_store_that_fails(
    error: StoreError,
) -> None:
    store = await filled_store()
    methods: list[str] = []
    failing = cast("SessionStore", FailingStore(store, error, methods))
    async with client_of(create_app(SETTINGS, failing, FakeClock()), "ada") as client:
        assert (await client.get(SESSION)).status_code == 200
        assert (await client.get(SESSION)).status_code == 200
        methods += METHODS

        answer = await client.get(SESSION)
        known = await client.get(SESSION, headers={"If-None-Match": '"0123456789abcdef-2"'})

    assert (
        answer.status_code
        == known.status_code
        == (503 if error.code != "document_corrupt" else 500)
    )
