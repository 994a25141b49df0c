"""Routes of what a project has learnt: decisions, failures, findings."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query
from starlette.responses import Response

from app.api.body import JSONRoute
from app.api.dependencies import (
    IdempotencyKey,
    Owner,
    ProjectContexts,
    ProjectInPath,
    named_user,
)
from app.api.problems import BODY_PROBLEMS, problems
from app.api.responses import READ_HEADERS
from app.api.v1.content_mapping import context_view, draft_of, entry_view
from app.api.v1.content_schemas import (
    ContextEntryCreation,
    ContextEntryView,
    ContextRead,
    ProjectContext,
)
from app.domain.project_context import ContextKind
from app.errors import BlankProjectError, ProjectNotFoundError, RequestKeyConflictError

router = APIRouter(
    prefix="/api/v1/projects/{project_id}/context",
    tags=["v1 context"],
    route_class=JSONRoute,
    dependencies=[Depends(named_user)],
)

_NOT_FOUND = (ProjectNotFoundError, BlankProjectError)

KindInPath = Annotated[
    Literal["decisions", "failures", "findings", "decision", "failure", "finding"],
    Path(description="In the plural or the singular."),
]


@router.get("", operation_id="read_project_context", responses=problems(*_NOT_FOUND))
async def read_context(
    project_id: ProjectInPath,
    user_id: Owner,
    contexts: ProjectContexts,
    wanted: Annotated[ContextRead, Query()],
    response: Response,
) -> ProjectContext:
    """Read what the project has learnt and what still holds, oldest first."""
    view = await contexts.view(
        user_id, project_id, kind=wanted.kind, with_superseded=wanted.include_superseded
    )
    response.raw_headers += READ_HEADERS
    return context_view(project_id, view)


@router.post(
    "/{kind}",
    operation_id="add_context_entry",
    status_code=201,
    responses=problems(*_NOT_FOUND, RequestKeyConflictError, *BODY_PROBLEMS),
)
async def add_entry(
    project_id: ProjectInPath,
    kind: KindInPath,
    user_id: Owner,
    contexts: ProjectContexts,
    body: ContextEntryCreation,
    idempotency_key: IdempotencyKey,
) -> ContextEntryView:
    """Note a decision, a failure or a finding; nothing that was noted before is overwritten."""
    draft = draft_of(ContextKind(kind.removesuffix("s")), body)
    entry = await contexts.add(user_id, project_id, draft, idempotency_key=idempotency_key)
    return entry_view(entry)
