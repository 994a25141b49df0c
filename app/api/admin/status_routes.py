"""Routes over the service itself: how it is, and who still calls what will end."""

import os
from dataclasses import asdict
from typing import cast

from fastapi import APIRouter, Depends, Request

from app.api.admin.schemas import CallersView, CallsView, PartView, SlowRequestView, StatusView
from app.api.callers import Callers
from app.api.dependencies import operator
from app.api.problems import problems
from app.api.slow_requests import SlowRequests
from app.errors import AdminDoorClosedError, OperatorRequiredError
from app.service.status import StatusService
from app.settings import Settings

router = APIRouter(prefix="/api/admin", tags=["operators"], dependencies=[Depends(operator)])


@router.get(
    "/callers",
    operation_id="list_callers",
    responses=problems(AdminDoorClosedError, OperatorRequiredError),
)
async def list_callers(request: Request) -> CallersView:
    """Calls of deprecated endpoints by day and caller, in the process that answers."""
    callers = cast("Callers", request.app.state.callers)
    settings = cast("Settings", request.app.state.settings)
    return CallersView(
        since=callers.since,
        process_id=os.getpid(),
        processes=settings.workers,
        sunset_at=settings.legacy_sunset,
        flat_sunset_at=settings.flat_sunset,
        sessions_sunset_at=settings.sessions_sunset,
        calls=[CallsView.model_validate(one) for one in callers.calls()],
    )


@router.get(
    "/status",
    operation_id="read_status",
    responses=problems(AdminDoorClosedError, OperatorRequiredError),
)
async def read_status(request: Request) -> StatusView:
    """The store, sizes, versions, and the slowest requests; of the process that answers."""
    service = cast("StatusService", request.app.state.status)
    slow = cast("SlowRequests", request.app.state.slow_requests)
    slowest = [SlowRequestView.model_validate(one) for one in slow.slowest()]
    status = await service.status()
    sizes = status.sizes
    return StatusView.model_validate(
        {
            **asdict(status),
            "sizes_bytes": sizes.sizes_bytes,
            "store_parts": [PartView.model_validate(part) for part in sizes.parts],
            "sizes_unknown": sizes.unknown,
            "slow_requests": slowest,
        }
    )
