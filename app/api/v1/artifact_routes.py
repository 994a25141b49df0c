"""Routes of what a project makes: artifacts, their versions, and changes to their texts."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from app.api.body import JSONRoute
from app.api.cursors import Listing, page_headers
from app.api.dependencies import (
    Artifacts,
    IdempotencyKey,
    Owner,
    ProjectInPath,
    SeenVersions,
    named_user,
)
from app.api.etags import is_known
from app.api.paths import decode_id, encode_id
from app.api.problems import BODY_PROBLEMS, problems
from app.api.responses import READ_HEADERS, UNCHANGED, etag_header, unchanged
from app.api.v1.content_mapping import (
    artifact_view,
    listed_artifact,
    listed_version,
    version_view,
)
from app.api.v1.content_schemas import (
    ArtifactCreation,
    ArtifactDiff,
    ArtifactList,
    ArtifactPage,
    ArtifactView,
    Restoration,
    SelectionEdit,
    VersionCreation,
    VersionPage,
    VersionView,
)
from app.domain.artifact import VERSION_LIMIT, ArtifactKey
from app.errors import (
    ArtifactNotFoundError,
    ArtifactRevisionMismatchError,
    ArtifactVersionNotFoundError,
    BlankProjectError,
    Fault,
    InvalidCursorError,
    InvalidETagError,
    InvalidInputError,
    ProjectNotFoundError,
    RequestKeyConflictError,
    SelectionChangedError,
)
from app.service.artifacts import ArtifactDraft, ArtifactState, Writing

router = APIRouter(
    prefix="/api/v1/projects/{project_id}/artifacts",
    tags=["v1 artifacts"],
    route_class=JSONRoute,
    dependencies=[Depends(named_user)],
)

_NOT_FOUND = (ProjectNotFoundError, ArtifactNotFoundError, BlankProjectError)
_WRITTEN = (
    *_NOT_FOUND,
    ArtifactRevisionMismatchError,
    InvalidETagError,
    RequestKeyConflictError,
    *BODY_PROBLEMS,
)


async def artifact_in_path(
    user_id: Owner,
    project_id: ProjectInPath,
    artifact_id: Annotated[
        str, Path(description="Percent-encoded, or `~` and the base64url of the id.")
    ],
) -> ArtifactKey:
    """The artifact in the path.

    Raises:
        ArtifactNotFoundError: the path holds no id.
    """
    decoded = decode_id(artifact_id)
    if decoded is None:
        raise ArtifactNotFoundError(project_id, artifact_id)
    return ArtifactKey(user_id, project_id, decoded)


ArtifactInPath = Annotated[ArtifactKey, Depends(artifact_in_path)]
VersionInPath = Annotated[int, Path(ge=1, le=VERSION_LIMIT, description="Its number, from 1.")]


@router.post(
    "",
    operation_id="create_artifact",
    status_code=201,
    responses=problems(
        *(ProjectNotFoundError, BlankProjectError, RequestKeyConflictError), *BODY_PROBLEMS
    ),
)
async def create_artifact(
    request: Request,
    project_id: ProjectInPath,
    user_id: Owner,
    artifacts: Artifacts,
    body: ArtifactCreation,
    idempotency_key: IdempotencyKey,
    response: Response,
) -> ArtifactView:
    """Create an artifact with its first version, which has the number 1."""
    draft = ArtifactDraft(body.name, body.artifact_type, body.metadata)
    writing = Writing(body.conversation_id, body.message_id, idempotency_key=idempotency_key)
    state = await artifacts.create(user_id, project_id, draft, body.content, writing)
    location = f"{request.scope['path']}/{encode_id(state.artifact.id)}"
    response.raw_headers.append((b"location", location.encode()))
    return _shown(state, response)


@router.get(
    "",
    operation_id="list_artifacts",
    responses=problems(ProjectNotFoundError, BlankProjectError, InvalidCursorError),
)
async def list_artifacts(
    request: Request,
    project_id: ProjectInPath,
    user_id: Owner,
    artifacts: Artifacts,
    wanted: Annotated[ArtifactList, Query()],
    response: Response,
) -> ArtifactPage:
    """List a project's artifacts, the newest first."""
    listing = Listing("artifacts", user_id, project_id, kinds=(str, str))
    page = await artifacts.list_page(
        user_id, project_id, limit=wanted.limit, after=listing.position(wanted.cursor)
    )
    cursor = listing.cursor(page.next_position)
    response.raw_headers += page_headers(request, cursor)
    return ArtifactPage(items=[listed_artifact(one) for one in page.items], next_cursor=cursor)


@router.get(
    "/{artifact_id}",
    operation_id="read_artifact",
    response_model=ArtifactView,
    responses=UNCHANGED | problems(*_NOT_FOUND),
)
async def read_artifact(
    request: Request, key: ArtifactInPath, artifacts: Artifacts, response: Response
) -> ArtifactView | Response:
    """Read an artifact with its newest text."""
    state = await artifacts.get(key)
    if is_known(request, state.version):
        return unchanged(state.version)
    response.raw_headers += READ_HEADERS
    return _shown(state, response)


@router.post(
    "/{artifact_id}/versions",
    operation_id="add_artifact_version",
    status_code=201,
    responses=problems(*_WRITTEN),
)
async def add_version(
    key: ArtifactInPath,
    artifacts: Artifacts,
    body: VersionCreation,
    precondition: SeenVersions,
    idempotency_key: IdempotencyKey,
    response: Response,
) -> ArtifactView:
    """Give an artifact another text, as its next version."""
    writing = Writing(body.conversation_id, body.message_id, precondition, idempotency_key)
    return _shown(await artifacts.update(key, body.content, writing), response)


@router.get(
    "/{artifact_id}/versions",
    operation_id="list_artifact_versions",
    responses=problems(*_NOT_FOUND, InvalidCursorError),
)
async def list_versions(
    request: Request,
    key: ArtifactInPath,
    artifacts: Artifacts,
    wanted: Annotated[ArtifactList, Query()],
    response: Response,
) -> VersionPage:
    """List an artifact's versions without their texts, the newest first."""
    listing = Listing("artifact versions", *key, kinds=(str, str))
    page = await artifacts.list_versions(
        key, limit=wanted.limit, after=listing.position(wanted.cursor)
    )
    cursor = listing.cursor(page.next_position)
    response.raw_headers += page_headers(request, cursor)
    return VersionPage(items=[listed_version(one) for one in page.items], next_cursor=cursor)


@router.get(
    "/{artifact_id}/versions/{number}",
    operation_id="read_artifact_version",
    responses=problems(*_NOT_FOUND, ArtifactVersionNotFoundError),
)
async def read_version(
    key: ArtifactInPath, number: VersionInPath, artifacts: Artifacts, response: Response
) -> VersionView:
    """Read one version of an artifact."""
    response.raw_headers += READ_HEADERS
    return version_view(await artifacts.get_version(key, number))


@router.post(
    "/{artifact_id}/versions/{number}/restore",
    operation_id="restore_artifact_version",
    status_code=201,
    responses=problems(*_WRITTEN, ArtifactVersionNotFoundError),
)
async def restore_version(
    key: ArtifactInPath,
    number: VersionInPath,
    artifacts: Artifacts,
    precondition: SeenVersions,
    idempotency_key: IdempotencyKey,
    response: Response,
    body: Restoration | None = None,
) -> ArtifactView:
    """Give an artifact the text of an old version again, as its next version."""
    source = body or Restoration()
    writing = Writing(source.conversation_id, source.message_id, precondition, idempotency_key)
    return _shown(await artifacts.restore(key, number, writing), response)


@router.post(
    "/{artifact_id}/edits",
    operation_id="edit_artifact_selection",
    status_code=201,
    responses=problems(*_WRITTEN, SelectionChangedError),
)
async def edit_selection(
    key: ArtifactInPath,
    artifacts: Artifacts,
    body: SelectionEdit,
    precondition: SeenVersions,
    idempotency_key: IdempotencyKey,
    response: Response,
) -> ArtifactView:
    """Replace a selected part of the newest text, if it still is what was selected."""
    if body.artifact_id not in {None, key.artifact_id}:
        raise InvalidInputError(Fault("/artifact_id", "is another than the one in the path"))
    writing = Writing(body.conversation_id, body.message_id, precondition, idempotency_key)
    state = await artifacts.replace_selection(key, body.selection(), body.replacement, writing)
    return _shown(state, response)


@router.get(
    "/{artifact_id}/diff",
    operation_id="diff_artifact_versions",
    responses=problems(*_NOT_FOUND, ArtifactVersionNotFoundError),
)
async def diff_versions(
    key: ArtifactInPath,
    artifacts: Artifacts,
    before: Annotated[int, Query(alias="from", ge=1, le=VERSION_LIMIT)],
    after: Annotated[int, Query(alias="to", ge=1, le=VERSION_LIMIT)],
    response: Response,
) -> ArtifactDiff:
    """Tell by line what differs between two versions."""
    diff = await artifacts.diff(key, before=before, after=after)
    response.raw_headers += READ_HEADERS
    return ArtifactDiff(
        artifact_id=key.artifact_id, from_version=before, to_version=after, diff=diff
    )


def _shown(state: ArtifactState, response: Response) -> ArtifactView:
    response.raw_headers.append(etag_header(state.version))
    return artifact_view(state)
