"""Pages of the product that have moved: where a session was shown, its project is shown now."""

from typing import ClassVar

from fastapi import APIRouter, Depends, Response
from starlette.responses import RedirectResponse

from app.api.dependencies import CallersSession, Sessions, named_user
from app.api.deprecation import DeprecatedRoute
from app.api.paths import encode_id
from app.api.problems import problems
from app.api.responses import READ_HEADERS
from app.errors import (
    EndpointSunsetError,
    SessionNotFoundError,
    SessionWithoutProjectError,
    UserRequiredError,
)
from app.store.port import HEADER_ONLY

_TEMPORARY_REDIRECT = 307


class PageRoute(DeprecatedRoute):
    """A route of this door; links should name projects."""

    successor: ClassVar[str] = "/api/v1/projects"


router = APIRouter(
    tags=["pages"],
    route_class=PageRoute,
    deprecated=True,
    dependencies=[Depends(named_user)],
)


@router.get(
    "/execution/{session_id}",
    operation_id="redirect_execution",
    status_code=_TEMPORARY_REDIRECT,
    response_class=RedirectResponse,
    responses={
        _TEMPORARY_REDIRECT: {
            "description": "The page of the project that the session is in.",
            "headers": {"Location": {"schema": {"type": "string"}}},
        },
        **problems(
            SessionNotFoundError, SessionWithoutProjectError, UserRequiredError, EndpointSunsetError
        ),
    },
)
async def redirect_execution(key: CallersSession, sessions: Sessions) -> Response:
    """Send a browser from the page of a session to that of its project.

    307 and not 308: who asks decides whose session it is, and sessions change their projects; a
    browser would keep a permanent redirect for ever and for everyone.
    """
    header = (await sessions.read(key, HEADER_ONLY)).header()
    if header.project_id is None:
        raise SessionWithoutProjectError(key.session_id)
    moved = Response(status_code=_TEMPORARY_REDIRECT)
    moved.raw_headers += [
        (b"location", f"/project/{encode_id(header.project_id)}".encode()),
        *READ_HEADERS,
    ]
    return moved
