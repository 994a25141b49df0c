"""Routes over all that a user has beside sessions: its export."""

from fastapi import APIRouter, Depends
from starlette.responses import Response, StreamingResponse

from app.api.dependencies import Owner, Users, named_user
from app.api.problems import problems
from app.api.responses import lines_response

router = APIRouter(prefix="/api/v1", tags=["v1 projects"], dependencies=[Depends(named_user)])


@router.get(
    "/export",
    operation_id="export_documents",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "One document per line: `document_kind`, `id`, `body`.",
            "content": {"application/x-ndjson": {"schema": {"type": "string"}}},
        },
        **problems(),
    },
)
async def export_documents(user_id: Owner, users: Users) -> Response:
    """Download the caller's projects with context and artifacts, streamed.

    Conversations are sessions: `/api/chat/export` has them.
    """
    return await lines_response(users.export_documents(user_id), user_id)
