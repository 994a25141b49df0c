"""From the wire of the door for operators to the domain, and back; pure."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from app.api.admin.schemas import (
    EndView,
    FinishRequest,
    FoldRequest,
    ProgressView,
    RollbackRequest,
    RunRequest,
)
from app.api.event_stream import ServerEvent
from app.domain.migration import FinishOrder, FoldOrder, RollbackOrder, WorkEnd, WorkEvent
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
        takes_over=request.take_over if isinstance(request, RunRequest) else False,
    )


def rollback_of(run_id: str, request: RollbackRequest) -> RollbackOrder:
    """What is asked for."""
    return RollbackOrder(run_id, source=request.source, takes_over=request.take_over)


def finish_of(run_id: str, request: FinishRequest) -> FinishOrder:
    """What is asked for."""
    return FinishOrder(
        run_id,
        request.source,
        request.manner,
        has_backup=not request.no_backup,
        backup_folder=request.backup_folder,
        takes_over=request.take_over,
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
