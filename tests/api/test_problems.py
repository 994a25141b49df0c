"""Errors become problems: one status per class, the same body everywhere, nothing of the inside."""

import httpx
import pytest
from fastapi import FastAPI

from app import errors
from app.api.problems import FAULTS_SHOWN_LIMIT, status_of
from app.domain.encoded import EncodedSession
from app.domain.identity import SessionKey
from app.errors import AppError
from app.main import create_app
from app.store.memory import MemoryStore
from app.store.port import WHOLE, ReadSelection
from tests.api.conftest import SETTINGS
from tests.api.requests import MESSAGES, SESSION, SESSIONS, make_session, problem
from tests.fake_clock import FakeClock

STATUSES = {
    "NotFoundError": 404,
    "SessionNotFoundError": 404,
    "AdminDoorClosedError": 404,
    "MessageNotFoundError": 404,
    "ProjectNotFoundError": 404,
    "SessionNotInProjectError": 404,
    "ArtifactNotFoundError": 404,
    "ArtifactVersionNotFoundError": 404,
    "ConflictError": 409,
    "SessionExistsError": 409,
    "SessionNotEmptyError": 400,
    "ProjectNotEmptyError": 409,
    "ProjectExistsError": 409,
    "StatusTransitionError": 409,
    "SelectionChangedError": 409,
    "RevisionMismatchError": 412,
    "ProjectRevisionMismatchError": 412,
    "ArtifactRevisionMismatchError": 412,
    "EngineBusyError": 409,
    "EngineRefusalError": 409,
    "InvalidInputError": 422,
    "MalformedJSONError": 400,
    "BlankProjectError": 400,
    "InvalidCursorError": 400,
    "InvalidETagError": 400,
    "UserRequiredError": 400,
    "MessageIdConflictError": 422,
    "ParentNotFoundError": 422,
    "RequestKeyConflictError": 422,
    "AuthenticationError": 401,
    "KeysUnavailableError": 503,
    "PermissionDeniedError": 403,
    "OperatorRequiredError": 403,
    "SourceNotAllowedError": 403,
    "LimitExceededError": 422,
    "DocumentTooLargeError": 413,
    "EndpointSunsetError": 410,
    "StoreError": 500,
    "StoreUnavailableError": 503,
    "StoreBusyError": 503,
    "StoreAuthenticationError": 503,
    "StoreFullError": 503,
    "StoreReadOnlyError": 503,
    "LegacySourceUnavailableError": 503,
    "StoreVersionError": 500,
    "CorruptStoreError": 500,
    "CorruptDocumentError": 500,
    "ConfigurationError": 500,
    "MigrationError": 500,
    "SourceError": 500,
    "UnknownRunError": 404,
    "RunBusyError": 409,
    "RunTakenOverError": 409,
    "RunStateError": 409,
    "SessionWithoutProjectError": 404,
    "ReplyRunningError": 409,
    "NothingToAnswerError": 409,
    "AssistantError": 502,
    "AssistantMissingError": 501,
    "AssistantBusyError": 503,
    "AssistantFailedError": 502,
    "AppError": 500,
}


class FailingStore(MemoryStore):
    """A store whose reads fail in the way that a test wants."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    async def read(
        self,
        key: SessionKey,  # noqa: ARG002 - the port's
        selection: ReadSelection = WHOLE,  # noqa: ARG002
    ) -> EncodedSession:
        raise self._error


def client_of(error: Exception, clock: FakeClock) -> httpx.AsyncClient:
    app = create_app(SETTINGS, FailingStore(error), clock)
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://chatfold.test",
        headers={"X-User-Id": "ada", "X-Request-Id": "request-7"},
    )


def test_every_error_has_its_status() -> None:
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, AppError)
    ]

    assert {kind.__name__: status_of(kind).value for kind in kinds} == STATUSES


def test_every_leaf_has_a_code_of_its_own() -> None:
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, AppError)
    ]

    assert len({kind.code for kind in kinds}) == len(kinds)


async def test_a_problem_says_all_that_a_client_needs(ada: httpx.AsyncClient) -> None:
    answer = await ada.get(f"{SESSIONS}/a%2Fb", headers={"X-Request-Id": "request-7"})

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "/problems/session_not_found",
        "title": "No such session",
        "status": 404,
        "detail": "There is no session 'a/b' for this user.",
        "code": "session_not_found",
        "instance": "/api/chat/sessions/a%2Fb",
        "request_id": "request-7",
    }


async def test_an_invalid_input_names_each_place(ada: httpx.AsyncClient) -> None:
    await make_session(ada)

    answer = await ada.post(MESSAGES, json=[{"content": "a"}, {"content": 1, "a/b": 2}])

    assert answer.json()["errors"] == [
        {"pointer": "/1/content", "detail": "Input should be a valid string"},
        {"pointer": "/1/a~1b", "detail": "Extra inputs are not permitted"},
    ]
    assert answer.json()["detail"] == (
        "/1/content: Input should be a valid string; /1/a~1b: Extra inputs are not permitted"
    )


async def test_a_body_that_is_wrong_everywhere_has_a_short_answer(ada: httpx.AsyncClient) -> None:
    await make_session(ada)

    answer = await ada.post(MESSAGES, json=[{"role": "user"}] * 1000)

    assert len(answer.json()["errors"]) == FAULTS_SHOWN_LIMIT == 100
    assert len(answer.content) < 20_000


async def test_a_store_that_is_busy_asks_to_come_again(clock: FakeClock) -> None:
    async with client_of(errors.StoreBusyError("Another process writes."), clock) as client:
        answer = await client.get(SESSION)

    assert problem(answer) == (503, "store_busy", [])
    assert answer.headers["retry-after"] == "1"
    assert answer.json()["detail"] == "Another process writes."


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.StoreFullError("No room."), "store_full"),
        (errors.StoreReadOnlyError("Read-only."), "store_read_only"),
        (errors.StoreUnavailableError("Gone."), "store_unavailable"),
    ],
)
async def test_a_store_that_is_unavailable_is_never_an_absence(
    clock: FakeClock, error: Exception, code: str
) -> None:
    async with client_of(error, clock) as client:
        answer = await client.get(SESSION)

    assert problem(answer) == (503, code, [])


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.CorruptStoreError("The file is damaged."), "store_corrupt"),
        (errors.CorruptDocumentError("message"), "document_corrupt"),
    ],
)
async def test_a_damaged_store_is_never_an_absence(
    clock: FakeClock, error: Exception, code: str
) -> None:
    async with client_of(error, clock) as client:
        answer = await client.get(SESSION)

    assert problem(answer) == (500, code, [])


async def test_an_unexpected_error_shows_nothing_of_the_inside(clock: FakeClock) -> None:
    async with client_of(RuntimeError("secret of the inside"), clock) as client:
        answer = await client.get(SESSION)

    assert problem(answer) == (500, "internal_error", [])
    assert "secret" not in answer.text
    assert answer.json()["request_id"] == "request-7"


async def test_a_path_that_leads_nowhere_is_a_problem(ada: httpx.AsyncClient) -> None:
    answer = await ada.get("/api/chat/nothing")

    assert problem(answer) == (404, "not_found", [])


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", SESSION, "DELETE, GET, PATCH, PUT"),
        ("DELETE", SESSIONS, "GET, POST"),
        ("PUT", MESSAGES, "GET, POST"),
        ("GET", f"{MESSAGES}/m", "DELETE, PATCH"),
        ("POST", "/api/chat/history", "GET"),
        ("BREW", "/api/chat/users/me", "DELETE"),
    ],
)
async def test_a_wrong_method_is_told_the_right_ones(
    ada: httpx.AsyncClient, method: str, path: str, allowed: str
) -> None:
    answer = await ada.request(method, path)

    assert answer.status_code == 405
    assert answer.headers["allow"] == allowed
    assert answer.json()["code"] == "method_not_allowed"


async def test_every_operation_documents_its_problems(app: FastAPI) -> None:
    document = app.openapi()

    for path, operations in document["paths"].items():
        if not path.startswith("/api/"):
            continue
        for operation in operations.values():
            refused = {status for status in operation["responses"] if status[0] in "45"}
            assert {"401", "403", "422", "503"} <= refused, operation["operationId"]
            for status in refused:
                assert operation["responses"][status]["content"] == {
                    "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
                }
    assert document["components"]["schemas"]["Problem"]["properties"]["code"]["type"] == "string"
