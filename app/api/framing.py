"""Framing: what surrounds every request: its id, its routing path, its figures, its last resort."""

import logging
import os
import re
from time import perf_counter

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.logs import current_request_id
from app.api.metrics import Metrics
from app.api.paths import route_on_raw_path
from app.api.problems import problem_response
from app.api.slow_requests import SlowRequests

SLOW_SECONDS = 1.0
"""Requests that take longer are logged, whatever came of them."""

ANSWER_HEADERS = "answer_headers"
"""The name in a request's state of the headers that go with its answer, whatever that will be."""

IS_LIVE = "is_live"
"""The name in a request's state of whether its answer is a stream of events."""

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_STATUS_CLASSES = {number: f"{number}xx" for number in range(1, 6)} | {0: "aborted"}

_log = logging.getLogger(__name__)


class Framing:
    """ASGI middleware around the whole application.

    Plain ASGI, because every request pays for it: Starlette's `BaseHTTPMiddleware` would cost a
    task and two streams per request.
    """

    def __init__(
        self, app: ASGIApp, *, metrics: Metrics, slow_requests: SlowRequests, log_requests: bool
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._slow_requests = slow_requests
        self._log_requests = log_requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever happens inside."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started_at = perf_counter()
        request_id = _request_id(scope)
        headers: list[tuple[bytes, bytes]] = [(b"x-request-id", request_id.encode())]
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        state[ANSWER_HEADERS] = headers
        token = current_request_id.set(request_id)
        status = 0  # until an answer begins
        streamed_at: float | None = None

        async def send_framed(message: Message) -> None:
            nonlocal status, streamed_at
            if message["type"] == "http.response.start":
                status = message["status"]
                if state.get(IS_LIVE):
                    streamed_at = perf_counter()  # how long events come is nothing to wait for
                message["headers"] = [*message.get("headers", ()), *headers]
            await send(message)

        try:
            route_on_raw_path(scope)
            await self._app(scope, receive, send_framed)
        except ClientDisconnect:
            pass  # nobody is left to answer
        except Exception as error:
            if status:
                _log.exception("The request failed after its answer had begun.")
                raise  # so that the server breaks the connection
            _log.exception("The request failed unexpectedly.")
            await problem_response(Request(scope), error)(scope, receive, send_framed)
        finally:
            self._record(scope, status, (streamed_at or perf_counter()) - started_at)
            current_request_id.reset(token)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path_format", "unmatched")
        method = scope["method"]
        self._metrics.count_request(method, route, _STATUS_CLASSES[status // 100], seconds)
        request_id: str = scope["state"]["request_id"]
        self._slow_requests.note(method, route, status, seconds, request_id)
        level = logging.INFO
        if status >= 500:  # noqa: PLR2004 - the statuses of a server's failures
            level = logging.ERROR
        elif seconds > SLOW_SECONDS:
            level = logging.WARNING
        if level > logging.INFO or self._log_requests:
            _log.log(
                level,
                "%s %s: %d",
                method,
                route,
                status,
                extra={"path": scope["path"], "seconds": round(seconds, 4)},
            )


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            if _REQUEST_ID.fullmatch(value):
                return str(value, "ascii")
            break
    return os.urandom(12).hex()
