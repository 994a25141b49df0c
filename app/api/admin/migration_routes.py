"""Routes over migrations: what was folded, how far it is, and what is to be done next."""

from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Path, Request, Response
from starlette.responses import Response as PlainResponse

from app.api.admin.mapping import finish_of, order_of, rollback_of, server_events
from app.api.admin.schemas import (
    FinishRequest,
    FoldRequest,
    JobView,
    Migrations,
    RollbackRequest,
    RunRequest,
    RunView,
)
from app.api.body import JSONRoute
from app.api.dependencies import operator
from app.api.event_stream import MEDIA_TYPE, EventStream
from app.api.paths import decode_id
from app.api.problems import BODY_PROBLEMS, problems
from app.domain.migration import RunOverview
from app.errors import (
    AdminDoorClosedError,
    EngineBusyError,
    EngineRefusalError,
    OperatorRequiredError,
    RunBusyError,
    RunStateError,
    SourceNotAllowedError,
    UnknownRunError,
)
from app.service.migration_engine import MigrationEngine

router = APIRouter(
    prefix="/api/admin/migrations",
    tags=["operators"],
    route_class=JSONRoute,
    dependencies=[Depends(operator)],
)

_ORDER_PROBLEMS = (
    *BODY_PROBLEMS,
    AdminDoorClosedError,
    OperatorRequiredError,
    SourceNotAllowedError,
    EngineBusyError,
    EngineRefusalError,
)
_CHANGE_PROBLEMS = (
    *BODY_PROBLEMS,
    SourceNotAllowedError,
    RunStateError,
    RunBusyError,
    EngineBusyError,
    EngineRefusalError,
)
_RUN_PROBLEMS = (AdminDoorClosedError, OperatorRequiredError, UnknownRunError)
_EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events `progress` (see `ProgressView`) until there is the `end`"
        " (see `EndView`), which has the report; comments in quiet times.",
        "content": {MEDIA_TYPE: {"schema": {"type": "string"}}},
    }
}
_DRY_EVENTS: dict[int | str, dict[str, Any]] = {
    200: {**_EVENTS[200], "description": f"With `dry_run`. {_EVENTS[200]['description']}"}
}


async def migration_engine(request: Request) -> MigrationEngine:
    """The engine that this service was given.

    Raises:
        EngineRefusalError: it was given none.
    """
    engine: MigrationEngine | None = request.app.state.migration_engine
    if engine is None:
        raise EngineRefusalError("This service has no engine: its store is in its memory alone.")
    return engine


async def run_in_path(
    run_id: Annotated[str, Path(description="As `GET …/migrations` has it.")],
) -> str:
    """The id of the run in the path.

    Raises:
        UnknownRunError: the path holds none.
    """
    decoded = decode_id(run_id)
    if decoded is None:
        raise UnknownRunError(run_id)
    return decoded


Engine = Annotated[MigrationEngine, Depends(migration_engine)]
RunInPath = Annotated[str, Depends(run_in_path)]


@router.get(
    "",
    operation_id="list_migrations",
    responses=problems(AdminDoorClosedError, OperatorRequiredError, EngineRefusalError),
)
async def list_migrations(engine: Engine) -> Migrations:
    """The jobs there are, and all runs that the ledgers know, whoever made them."""
    runs = await engine.list_runs()
    return Migrations(
        jobs=[JobView.model_validate(job) for job in engine.jobs()],
        runs=[RunView.model_validate(run) for run in runs],
    )


@router.post(
    "/plan",
    operation_id="plan_migration",
    response_class=PlainResponse,
    responses=_EVENTS | problems(*_ORDER_PROBLEMS),
)
async def plan_migration(body: FoldRequest, engine: Engine) -> Response:
    """Say what a run would do, as a stream; nothing is written. Who hangs up ends it."""
    return EventStream(server_events(await engine.plan(order_of(body))))


@router.post(
    "/verify",
    operation_id="verify_migration",
    response_class=PlainResponse,
    responses=_EVENTS | problems(*_ORDER_PROBLEMS),
)
async def verify_migration(body: FoldRequest, engine: Engine) -> Response:
    """Compare store and source by code of its own, as a stream. Who hangs up ends it."""
    return EventStream(server_events(await engine.verify(order_of(body))))


@router.post(
    "/runs",
    operation_id="start_migration",
    status_code=202,
    responses=problems(*_ORDER_PROBLEMS, RunBusyError, RunStateError),
)
async def start_migration(body: RunRequest, engine: Engine, response: Response) -> RunView:
    """Begin a run, or go on with the newest one of this job and source that did not end."""
    return _begun(await engine.start(order_of(body)), response)


@router.get("/runs/{run_id}", operation_id="read_migration_run", responses=problems(*_RUN_PROBLEMS))
async def read_run(run_id: RunInPath, engine: Engine) -> RunView:
    """How far a run is."""
    return RunView.model_validate(await engine.get_run(run_id))


@router.get(
    "/runs/{run_id}/events",
    operation_id="watch_migration_run",
    response_class=PlainResponse,
    responses=_EVENTS | problems(*_RUN_PROBLEMS),
)
async def watch_run(run_id: RunInPath, engine: Engine) -> Response:
    """A run as it goes on, and what its ledger says in the end; it does not mind who watches."""
    await engine.get_run(run_id)  # a problem, as long as one can be answered
    return EventStream(server_events(engine.events(run_id)))


@router.post(
    "/runs/{run_id}/stop",
    operation_id="stop_migration_run",
    status_code=202,
    responses=problems(*_RUN_PROBLEMS, RunStateError, RunBusyError),
)
async def stop_run(run_id: RunInPath, engine: Engine) -> RunView:
    """Tell a run of this machine to end between batches; to start it again goes on from there."""
    await engine.stop(run_id)
    return RunView.model_validate(await engine.get_run(run_id))


@router.post(
    "/runs/{run_id}/rollback",
    operation_id="roll_back_migration_run",
    status_code=202,
    response_model=RunView,
    responses=_DRY_EVENTS | problems(*_RUN_PROBLEMS, *_CHANGE_PROBLEMS),
)
async def roll_back_run(
    run_id: RunInPath, engine: Engine, response: Response, body: RollbackRequest | None = None
) -> RunView | Response:
    """Make the store what it was before the run; what users have changed since is left.

    With `dry_run` a stream says what would be done, and nothing is.
    """
    request = body or RollbackRequest()
    order = rollback_of(run_id, request)
    if request.dry_run:
        return EventStream(server_events(await engine.try_roll_back(order)))
    return _begun(await engine.roll_back(order), response)


@router.post(
    "/runs/{run_id}/finish",
    operation_id="finish_migration_run",
    status_code=202,
    response_model=RunView,
    responses=_DRY_EVENTS | problems(*_RUN_PROBLEMS, *_CHANGE_PROBLEMS),
)
async def finish_run(
    run_id: RunInPath, body: FinishRequest, engine: Engine, response: Response
) -> RunView | Response:
    """Take from the source what a verified run has folded; a rollback gives it back.

    With `dry_run` a stream says what would be done, and nothing is.
    """
    order = finish_of(run_id, body)
    if body.dry_run:
        return EventStream(server_events(await engine.try_finish(order)))
    return _begun(await engine.finish(order), response)


def _begun(run: RunOverview, response: Response) -> RunView:
    response.headers["Location"] = _path_of(run.run_id)
    return RunView.model_validate(run)


def _path_of(run_id: str) -> str:
    return f"{router.prefix}/runs/{quote(run_id, safe='')}"
