"""From the wire of the door for operators to the domain, and back; pure."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from app.api.admin.schemas import EndView, FoldRequest, ProgressView, RunRequest
from app.api.event_stream import ServerEvent
from app.domain.migration import FoldOrder, WorkEnd, WorkEvent
from app.domain.source_options import SourceOptions


def order_of(request: FoldRequest) -> FoldOrder:
    """What is asked for."""
    return FoldOrder(
        job=request.job,
        source=request.source,
        options=SourceOptions(
            fields=request.fields,
            default_user=request.default_user,
            time_zone=request.time_zone,
            limit=request.limit,
            user=request.user,
            session=request.session,
        ),
        max_rate=request.max_rate if isinstance(request, RunRequest) else None,
    )


async def server_events(events: AsyncGenerator[WorkEvent]) -> AsyncGenerator[ServerEvent]:
    """`progress` until there is the `end`."""
    async with aclosing(events):
        async for event in events:
            if isinstance(event, WorkEnd):
                yield ServerEvent("end", EndView.model_validate(event).model_dump(mode="json"))
            else:
                told = ProgressView.model_validate(event)
                yield ServerEvent("progress", told.model_dump(mode="json"))
