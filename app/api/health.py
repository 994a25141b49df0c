"""Routes for operators: is it alive, can it work, how much has it done; none needs a credential."""

from typing import Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from app.api.metrics import CONTENT_TYPE, Metrics
from app.errors import StoreError, StoreUnavailableError
from app.store.port import SessionStore

router = APIRouter(tags=["operations"])


class Health(BaseModel):
    """That all is well; what is not well is a problem."""

    status: Literal["ok"] = "ok"


@router.get("/healthz", operation_id="get_health")
async def get_health() -> Health:
    """Whether the process answers at all."""
    return Health()


@router.get(
    "/readyz",
    operation_id="get_readiness",
    responses={503: {"description": "The store cannot be used; the problem says why."}},
)
async def get_readiness(request: Request) -> Health:
    """Whether the store can be read and written; a 503 problem says why not."""
    store: SessionStore = request.app.state.store
    try:
        await store.check()
    except StoreUnavailableError:
        raise
    except StoreError as error:
        # Damaged or too new: elsewhere an error of the server, here the answer to the question.
        raise StoreUnavailableError(str(error)) from error
    return Health()


@router.get("/metrics", operation_id="get_metrics", response_class=Response)
async def get_metrics(request: Request) -> Response:
    """The figures for Prometheus, of all workers together."""
    metrics: Metrics = request.app.state.metrics
    return Response(metrics.render(), headers={"Content-Type": CONTENT_TYPE})
