"""Law 10 at the door for operators: a store that fails is named, and nothing is half begun."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple, cast

import apsw
import pytest
from httpx import AsyncClient, Response

from app.api.auth import ADMIN_PATH
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
from app.store.memory import MemoryStore
from app.store.port import SessionStore
from app.store.sqlite.store import SQLiteStore
from tests.api.admin.serving import MIGRATIONS, RUNS, end, served_store
from tests.api.auth.credentials import settings
from tests.api.requests import problem
from tests.fake_clock import FakeClock
from tests.migrations.sources import document, fold, write_source


class Operation(NamedTuple):
    """A route, and how it answers where the store is sound."""

    method: str
    path: str
    status: int = 200
    body: dict[str, Any] | None = None
    """Where `SOURCE` is that of the run."""


ORDER = {"job": "group-messages", "source": "SOURCE"}
OPERATIONS = {
    "list_migrations": Operation("GET", MIGRATIONS),
    "plan_migration": Operation("POST", f"{MIGRATIONS}/plan", body=ORDER),
    "verify_migration": Operation("POST", f"{MIGRATIONS}/verify", body=ORDER),
    "start_migration": Operation("POST", RUNS, 202, body=ORDER),
    "read_migration_run": Operation("GET", f"{RUNS}/RUN"),
    "watch_migration_run": Operation("GET", f"{RUNS}/RUN/events"),
    "stop_migration_run": Operation("POST", f"{RUNS}/RUN/stop", 409),  # it has ended
    "roll_back_migration_run": Operation("POST", f"{RUNS}/RUN/rollback", 202),
    "finish_migration_run": Operation("POST", f"{RUNS}/RUN/finish", 409, {"source": "SOURCE"}),
}
VARIANTS = {
    "rollback, dry": Operation("POST", f"{RUNS}/RUN/rollback", 200, {"dry_run": True}),
    "finish, dry": Operation(
        "POST", f"{RUNS}/RUN/finish", 409, {"source": "SOURCE", "dry_run": True}
    ),
}
ALL = OPERATIONS | VARIANTS
TELLS_OF_IT = {"read_status"}
"""What is wrong with the store is its answer."""
WITHOUT_STORE = {"list_callers"}
BY_A_PROCESS = {"plan_migration", "verify_migration"}
"""They open the store anew, and so meet what is wrong with it for themselves."""


def _garbage(file: Path) -> None:
    file.write_bytes(b"garbage " * 1000)


def _folder(file: Path) -> None:
    file.mkdir()


def _of_a_newer_version(file: Path) -> None:
    connection = apsw.Connection(str(file))
    connection.pragma("user_version", 9999)
    connection.close()


class Failure(NamedTuple):
    """How a store fails, in the service and for whoever opens its file."""

    error: StoreError
    status: int
    put: Callable[[Path], None]
    """What is in the file's place then."""


FAILURES = {
    "unreachable": Failure(StoreUnavailableError("It is not there."), 503, _folder),
    "corrupt": Failure(CorruptStoreError("Page 7."), 500, _garbage),
    "too new": Failure(StoreVersionError("By a newer one."), 500, _of_a_newer_version),
}


class FailingStore:
    """Another store, of which every call fails, or every one but the first calls of a method."""

    def __init__(self, inner: SessionStore, error: StoreError, sound: Counter[str]) -> None:
        self._inner = inner
        self._error = error
        self._sound = sound
        self.limits = inner.limits

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        async def call(*arguments: object, **named: object) -> Any:
            if self._sound[name] == 0:
                raise self._error
            self._sound[name] -= 1
            return await getattr(self._inner, name)(*arguments, **named)

        return call


class Place(NamedTuple):
    """A store with one run in it, and its source."""

    file: Path
    source: Path
    run_id: str

    @property
    def order(self) -> dict[str, Any]:
        return {"job": "group-messages", "source": str(self.source)}

    @asynccontextmanager
    async def served(
        self,
        error: StoreError | None = None,
        *,
        sound: dict[str, int] | None = None,
        file: Path | None = None,
    ) -> AsyncIterator[AsyncClient]:
        """A client of an operator; with an error the service's store fails, but for `sound` calls.

        Processes of migrations open `file`, where it is another one.
        """
        opened = await SQLiteStore.open(self.file)
        store: SessionStore = opened
        if error is not None:
            store = cast("SessionStore", FailingStore(opened, error, Counter(sound or {})))
        try:
            places = str(self.source.parent)
            async with served_store(store, file or self.file, places) as client:
                yield client
        finally:
            await opened.aclose()

    async def ask(self, client: AsyncClient, operation: Operation) -> Response:
        path = operation.path.replace("RUN", self.run_id)
        body = operation.body
        if body is not None and "source" in body:
            body = {**body, "source": str(self.source)}
        return await client.request(operation.method, path, json=body)

    async def ledger(self) -> list[bytes]:
        """What is written down of runs."""
        store = await SQLiteStore.open(self.file)
        try:
            return [entry.body for entry in await store.list_ledger_runs()]
        finally:
            await store.aclose()


@pytest.fixture
async def place(tmp_path: Path) -> Place:
    source = write_source(tmp_path / "messages.jsonl", [document()])
    store = await SQLiteStore.open(tmp_path / "chatfold.db")
    run_id = (await fold(source, store)).run_id
    await store.aclose()
    return Place(tmp_path / "chatfold.db", source, run_id)


def test_every_operation_for_operators_is_asked_here() -> None:
    document_ = create_app(settings(), MemoryStore(), FakeClock()).openapi()
    documented = {
        operation["operationId"]
        for path, operations in document_["paths"].items()
        for operation in operations.values()
        if path.startswith(ADMIN_PATH)
    }

    assert documented == OPERATIONS.keys() | TELLS_OF_IT | WITHOUT_STORE


@pytest.mark.parametrize("operation", ALL.values(), ids=ALL.keys())
async def test_on_a_store_that_works_every_operation_does(
    place: Place, operation: Operation
) -> None:
    async with place.served() as client:
        answer = await place.ask(client, operation)

    assert answer.status_code == operation.status, answer.text


@pytest.mark.parametrize("operation", ALL.values(), ids=ALL.keys())
@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())
async def test_a_store_that_fails_is_named(
    place: Place, operation: Operation, failure: Failure
) -> None:
    broken = place.file.with_name("broken.db")
    failure.put(broken)

    async with place.served(failure.error, file=broken) as client:
        answer = await place.ask(client, operation)

    assert problem(answer)[:2] == (failure.status, failure.error.code), answer.text
    assert answer.headers.get("retry-after") == ("1" if failure.status == 503 else None)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (StoreBusyError("It is held."), 503),
        (StoreFullError("The disk is full."), 503),
        (StoreReadOnlyError("The file is read-only."), 503),
        (CorruptDocumentError("ledger entry"), 500),
    ],
    ids=lambda one: getattr(one, "code", None),
)
async def test_nothing_is_written_where_the_service_cannot_look(
    place: Place, error: StoreError, status: int
) -> None:
    before = await place.ledger()

    async with place.served(error) as client:
        answers = {
            name: problem(await place.ask(client, operation))[:2]
            for name, operation in ALL.items()
            if name not in BY_A_PROCESS
        }

    assert answers == dict.fromkeys(answers, (status, error.code))
    assert await place.ledger() == before


async def test_the_status_says_what_is_wrong_with_the_store(place: Place) -> None:
    async with place.served(StoreFullError("No room.")) as client:
        status = await client.get(f"{ADMIN_PATH}status")
        callers = await client.get(f"{ADMIN_PATH}callers")

    assert status.json()["store_problem"] == "The store's disk is full: No room."
    assert callers.status_code == 200


async def test_a_run_whose_beginning_cannot_be_told_does_not_go_on(place: Place) -> None:
    write_source(place.source, [document(f"m{n}", session_id=f"s{n}") for n in range(4500)])
    order = place.order | {"max_rate": 100}

    async with place.served(StoreUnavailableError("gone"), sound={"list_ledger_runs": 1}) as client:
        started = await client.post(RUNS, json=order)
        # Another piece of work is refused as long as one is under way.
        planned = await client.post(f"{MIGRATIONS}/plan", json=place.order)
    async with place.served() as client:
        newest = (await client.get(MIGRATIONS)).json()["runs"][0]

    assert problem(started)[:2] == (503, "store_unavailable")
    assert end(planned)["outcome"] == "done"
    assert newest["run_id"] != place.run_id
    assert (newest["is_at_work"], newest["is_interrupted"]) == (False, True)


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())
async def test_who_watches_is_told_that_nothing_is_known_any_more(
    place: Place, failure: Failure
) -> None:
    broken = place.file.with_name("broken.db")
    failure.put(broken)
    watch = OPERATIONS["watch_migration_run"]

    async with place.served(failure.error, sound={"read_ledger_entry": 1}) as client:
        of_service = end(await place.ask(client, watch))
    async with place.served(file=broken) as client:
        of_process = end(await place.ask(client, watch))

    assert of_service["outcome"] == of_process["outcome"] == "unknown"
    assert of_service["code"] == of_process["code"] == failure.error.code
    assert of_service["report"] is of_process["report"] is None
