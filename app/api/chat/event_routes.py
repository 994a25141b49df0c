"""The route that tells what happens in a session, as it is committed."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query
from fastapi.responses import PlainTextResponse
from starlette.requests import Request
from starlette.responses import Response

from app.api.chat.mapping import bookmark_of, server_events
from app.api.dependencies import CallersSession, Live, named_user
from app.api.event_stream import MEDIA_TYPE, EventStream
from app.api.problems import problem_response, problems
from app.errors import SessionNotFoundError, UserRequiredError

router = APIRouter(prefix="/api/chat", tags=["chat"], dependencies=[Depends(named_user)])

_EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "First `ready`. Then `message` (a new one), `message_edited` and"
        " `message_deleted`, whose data is the message (`ChatMessage`), and `session`, whose data"
        " is the header (`SessionHeader`), which has changed; once more, perhaps, to who comes back"
        " with an older id. `gap`: what lies before"
        " cannot be told, read the session whole. `deleted`: the session is gone; nothing follows."
        " `error`: a `Problem`; nothing follows, go on from the last id. Comments in quiet times.",
        "content": {MEDIA_TYPE: {"schema": {"type": "string"}}},
    }
}


@router.get(
    "/sessions/{session_id}/events",
    operation_id="follow_session",
    response_class=PlainTextResponse,
    responses=_EVENTS | problems(SessionNotFoundError, UserRequiredError),
)
async def follow_session(
    request: Request,
    key: CallersSession,
    live: Live,
    last_event_id: Annotated[
        str | None, Header(description="Go on after this event; goes before `since`.")
    ] = None,
    since: Annotated[
        str | None,
        Query(description="`<generation>.<next_seq>.<changes>`, of an event or of a whole read."),
    ] = None,
) -> Response:
    """Follow a session: what anyone commits to it is told as it happens, once and in order.

    Without an id it begins now. Ids are `<generation>.<next_seq>.<changes>`, which a whole read
    has as members, so that nothing is missed between the read and the events.
    """
    events = await live.follow(key, bookmark_of(last_event_id, since))
    return EventStream(
        server_events(events, lambda error: bytes(problem_response(request, error).body))
    )
