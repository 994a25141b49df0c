"""Routes of projects: make, list, read, change, delete."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from app.api.body import JSONRoute
from app.api.cursors import page_headers
from app.api.dependencies import (
    IdempotencyKey,
    Owner,
    ProjectInPath,
    Projects,
    SeenVersions,
    named_user,
)
from app.api.etags import is_known
from app.api.paths import encode_id
from app.api.problems import BODY_PROBLEMS, problems
from app.api.responses import (
    READ_HEADERS,
    UNCHANGED,
    EmptyResponse,
    etag_header,
    unchanged,
)
from app.api.v1.project_mapping import filter_of, listing_of, project_view
from app.api.v1.project_schemas import (
    ProjectChange,
    ProjectCreation,
    ProjectList,
    ProjectPage,
    ProjectView,
)
from app.errors import (
    BlankProjectError,
    InvalidCursorError,
    InvalidETagError,
    ProjectExistsError,
    ProjectNotEmptyError,
    ProjectNotFoundError,
    ProjectRevisionMismatchError,
    StatusTransitionError,
)

router = APIRouter(
    prefix="/api/v1/projects",
    tags=["v1 projects"],
    route_class=JSONRoute,
    dependencies=[Depends(named_user)],
)

_NOT_FOUND = (ProjectNotFoundError, BlankProjectError)
_GUARDED = (*_NOT_FOUND, ProjectRevisionMismatchError, InvalidETagError)
_CHANGE_SCHEMA = {"schema": {"$ref": "#/components/schemas/ProjectChange"}}


@router.post(
    "",
    operation_id="create_project",
    status_code=201,
    responses=problems(ProjectExistsError, *BODY_PROBLEMS),
)
async def create_project(
    request: Request,
    user_id: Owner,
    projects: Projects,
    body: ProjectCreation,
    idempotency_key: IdempotencyKey,
    response: Response,
) -> ProjectView:
    """Create a project; an `Idempotency-Key` makes a retry give the stored project again."""
    state = await projects.create(user_id, dict(body), idempotency_key=idempotency_key)
    location = f"{request.scope['path']}/{encode_id(state.project.id)}"
    response.raw_headers += [etag_header(state.version), (b"location", location.encode())]
    return project_view(state)


@router.get("", operation_id="list_projects", responses=problems(InvalidCursorError))
async def list_projects(
    request: Request,
    user_id: Owner,
    projects: Projects,
    wanted: Annotated[ProjectList, Query()],
    response: Response,
) -> ProjectPage:
    """List projects, the newest first."""
    listing = listing_of(user_id, wanted)
    page = await projects.list_page(
        user_id, filter_of(wanted), limit=wanted.limit, after=listing.position(wanted.cursor)
    )
    cursor = listing.cursor(page.next_position)
    response.raw_headers += page_headers(request, cursor)
    return ProjectPage(items=[project_view(state) for state in page.items], next_cursor=cursor)


@router.get(
    "/{project_id}",
    operation_id="read_project",
    response_model=ProjectView,
    responses=UNCHANGED | problems(*_NOT_FOUND),
)
async def read_project(
    request: Request,
    project_id: ProjectInPath,
    user_id: Owner,
    projects: Projects,
    response: Response,
) -> ProjectView | Response:
    """Read a project."""
    state = await projects.get(user_id, project_id)
    if is_known(request, state.version):
        return unchanged(state.version)
    response.raw_headers += [etag_header(state.version), *READ_HEADERS]
    return project_view(state)


@router.patch(
    "/{project_id}",
    operation_id="change_project",
    responses=problems(*_GUARDED, StatusTransitionError, *BODY_PROBLEMS),
    openapi_extra={"requestBody": {"content": {"application/merge-patch+json": _CHANGE_SCHEMA}}},
)
async def change_project(
    project_id: ProjectInPath,
    user_id: Owner,
    projects: Projects,
    body: ProjectChange,
    precondition: SeenVersions,
    response: Response,
) -> ProjectView:
    """Apply a JSON Merge Patch (RFC 7396); a status follows only those that it may follow."""
    state = await projects.change(user_id, project_id, body.members(), precondition)
    response.raw_headers.append(etag_header(state.version))
    return project_view(state)


@router.delete(
    "/{project_id}",
    operation_id="delete_project_with_contents",
    status_code=204,
    response_class=Response,
    responses=problems(*_GUARDED, ProjectNotEmptyError),
)
async def delete_project(
    project_id: ProjectInPath,
    user_id: Owner,
    projects: Projects,
    precondition: SeenVersions,
    force: Annotated[bool, Query(description="With the conversations that it has.")] = False,  # noqa: FBT002 - a parameter of the wire
) -> Response:
    """Delete a project with its context and artifacts; without `force`, only one that is silent."""
    await projects.delete(user_id, project_id, force=force, precondition=precondition)
    return EmptyResponse()
