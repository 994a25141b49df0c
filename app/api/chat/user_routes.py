"""Routes over all sessions of the caller: search, counts, export, erasure."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from app.api.body import JSONRoute
from app.api.chat.mapping import hit_view, receipt_view, stats_view
from app.api.chat.schemas import ErasureReceipt, Search, SearchPage, Stats
from app.api.cursors import Listing, page_link
from app.api.dependencies import CallersUser, Users, named_user
from app.api.problems import problems
from app.api.responses import READ_HEADERS, lines_response, link_header
from app.domain.search import parse_query
from app.errors import InvalidCursorError, UserRequiredError

router = APIRouter(
    prefix="/api/chat", tags=["chat"], route_class=JSONRoute, dependencies=[Depends(named_user)]
)


@router.get(
    "/search",
    operation_id="search",
    responses=problems(InvalidCursorError, UserRequiredError),
)
async def search(
    request: Request,
    user_id: CallersUser,
    wanted: Annotated[Search, Query()],
    users: Users,
    response: Response,
) -> SearchPage:
    """Find messages and session names of the caller, newest first; CJK by one character or more."""
    query = parse_query(wanted.q)
    listing = Listing("search", user_id, wanted.q, kinds=(str, str, int))
    page = await users.search(
        user_id, query, limit=wanted.limit, after=listing.position(wanted.cursor)
    )
    cursor = listing.cursor(page.next_position)
    response.raw_headers += READ_HEADERS
    if cursor is not None:
        response.raw_headers.append(link_header(page_link(request, "next", cursor=cursor)))
    return SearchPage(
        items=[hit_view(hit, query) for hit in page.items],
        next_cursor=cursor,
        sessions_left_out=page.sessions_left_out,
    )


@router.get("/stats", operation_id="read_stats", responses=problems(UserRequiredError))
async def read_stats(user_id: CallersUser, users: Users, response: Response) -> Stats:
    """Count the caller's sessions and living messages, and tell the first and last activity."""
    response.raw_headers += READ_HEADERS
    return stats_view(await users.stats(user_id))


@router.get(
    "/export",
    operation_id="export_sessions",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "One whole session per line, in the order of creation.",
            "content": {"application/x-ndjson": {"schema": {"type": "string"}}},
        },
        **problems(UserRequiredError),
    },
)
async def export_sessions(user_id: CallersUser, users: Users) -> Response:
    """Download all sessions of the caller as lines of JSON, streamed.

    A store that fails before the first line is a problem; one that fails later breaks the
    connection, so that half an export cannot be taken for a whole one.
    """
    return await lines_response(users.export(user_id), user_id)


@router.delete("/users/me", operation_id="erase_user", responses=problems(UserRequiredError))
async def erase_user(user_id: CallersUser, users: Users) -> ErasureReceipt:
    """Erase everything of the caller, and give a receipt of what was removed and what remains."""
    return receipt_view(await users.erase(user_id))
