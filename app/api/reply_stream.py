"""Reply streams: what is told of a reply, as server-sent events that any listener can go on from.

An event's id is `<message id>.<n>`, n being how many code points of the reply's text there are with
it: whoever has the stored message has all that is needed to go on from any of them. The message id
is written as in paths, so that no id can break a line.
"""

import re
from collections.abc import AsyncGenerator
from typing import Annotated, Any, NamedTuple

from fastapi import Depends, Header, Path

from app.api.event_stream import MEDIA_TYPE, EventStream, ServerEvent
from app.api.paths import decode_id, encode_id
from app.domain.reply import MEMBER, ReplyStatus
from app.errors import AppError, Fault, InvalidInputError
from app.service.running_reply import ReplyBegan, ReplyDelta, ReplyEnded, ReplyEvent

REPLY_EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": (
            "Events `message_start`, `delta` and, as the last, `message_end` or `error`. Their ids"
            " let any listener go on after them."
        ),
        "content": {MEDIA_TYPE: {"schema": {"type": "string"}}},
    }
}
"""What a route that streams a reply says of its answer."""

_EVENT_ID = re.compile(r"([\x21-\x7e]{1,4096})\.([0-9]{1,15})")

_DETAILS = {
    "lease_expired": "Whoever wrote the reply has left it; what was stored is all there is.",
}


class ListenerPlace(NamedTuple):
    """Which reply a listener follows, and how many code points of its text it has."""

    message_id: str
    position: int


async def last_event_of(
    last_event_id: Annotated[
        str | None,
        Header(description="The id of the last event that a listener of a reply has."),
    ] = None,
) -> ListenerPlace | None:
    """Where a listener wants to go on; None where it begins.

    Raises:
        InvalidInputError: the header holds no id of an event of ours.
    """
    if last_event_id is None:
        return None
    match = _EVENT_ID.fullmatch(last_event_id)
    message_id = decode_id(match[1]) if match else None
    if match is None or message_id is None:
        raise InvalidInputError(Fault("Last-Event-ID", "must be the id of an event of a reply"))
    return ListenerPlace(message_id, int(match[2]))


async def reply_in_path(
    reply_id: Annotated[
        str, Path(description="The id of the reply's message, as any id in a path.")
    ],
) -> str:
    """The id of the reply in the path, or an empty one, which no message has."""
    return decode_id(reply_id) or ""


LastEvent = Annotated[ListenerPlace | None, Depends(last_event_of)]
ReplyInPath = Annotated[str, Depends(reply_in_path)]


def reply_stream(
    events: AsyncGenerator[ReplyEvent], session_name: str = "session_id", **names: str
) -> EventStream:
    """The events of a reply as a response.

    The first event says where the reply is: in which session, by the name that the door has for
    it, and what else the door names.
    """
    return EventStream(_server_events(events, session_name, names))


async def _server_events(
    events: AsyncGenerator[ReplyEvent], session_name: str, names: dict[str, str]
) -> AsyncGenerator[ServerEvent]:
    message_id = ""
    try:
        async for event in events:
            match event:
                case ReplyBegan():
                    message_id = event.message_id
                    data = {
                        "message_id": message_id,
                        session_name: event.key.session_id,
                        **names,
                        "in_reply_to": event.in_reply_to,
                    }
                    yield ServerEvent("message_start", data, _event_id(message_id, event.position))
                case ReplyDelta():
                    data = {"text": event.text}
                    yield ServerEvent("delta", data, _event_id(message_id, event.position))
                case ReplyEnded():
                    yield _end_of(event, message_id)
    except AppError as error:
        # Without an id: who comes back goes on from the last event that has one.
        yield ServerEvent("error", {"code": error.code, "title": error.title, "detail": str(error)})
    finally:
        await events.aclose()


def _end_of(event: ReplyEnded, message_id: str) -> ServerEvent:
    told = {name: value for name, value in event.metadata.items() if name != MEMBER}
    told |= {"message_id": message_id, "status": event.status, "length": event.length}
    if event.status is ReplyStatus.COMPLETE:
        name = "message_end"
        told["finish_reason"] = event.finish_reason
    else:
        name = "error"
        reason = event.reason or "unknown"
        told |= {
            "code": f"reply_{event.status}",
            "reason": reason,
            "detail": event.detail or _DETAILS.get(reason, "The reply did not come to its end."),
        }
    return ServerEvent(name, told, _event_id(message_id, event.length))


def _event_id(message_id: str, position: int) -> str:
    return f"{encode_id(message_id)}.{position}"
