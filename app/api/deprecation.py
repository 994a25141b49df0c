"""Deprecated routes: they announce their end (RFC 9745, RFC 8594), count their callers, and end."""

from datetime import datetime
from email.utils import format_datetime
from typing import ClassVar

from fastapi.routing import APIRoute
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from app.api.callers import Callers
from app.api.framing import ANSWER_HEADERS
from app.api.metrics import Metrics
from app.api.problems import problem_response
from app.clock import Clock
from app.errors import EndpointSunsetError
from app.settings import Settings


def announcement(
    deprecated_at: datetime, sunset_at: datetime, successor: str
) -> list[tuple[bytes, bytes]]:
    """The headers that tell callers to move on: since when, until when, and where to."""
    return [
        (b"deprecation", b"@%d" % int(deprecated_at.timestamp())),
        (b"sunset", format_datetime(sunset_at, usegmt=True).encode()),
        (b"link", f'<{successor}>; rel="successor-version"'.encode()),
    ]


class DeprecatedRoute(APIRoute):
    """A route that will end at the sunset in the settings.

    Everything happens here and not in a dependency, because an error that is found before any
    dependency runs, in the body for instance, has to carry the announcement as well.
    """

    successor: ClassVar[str]
    """The path of what callers should use instead."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count the caller, announce the end, and answer unless it has come."""
        settings: Settings = scope["app"].state.settings
        clock: Clock = scope["app"].state.clock
        metrics: Metrics = scope["app"].state.metrics
        callers: Callers = scope["app"].state.callers
        user_agent = Headers(scope=scope).get("user-agent", "")
        client = metrics.count_deprecated_call(self.path_format, user_agent)
        callers.count(self.path_format, client, clock.now())
        scope["state"][ANSWER_HEADERS] += announcement(
            settings.legacy_deprecated_at, settings.legacy_sunset, self.successor
        )
        if clock.now() >= settings.legacy_sunset:
            ended = problem_response(Request(scope), EndpointSunsetError(self.successor))
            await ended(scope, receive, send)
            return
        await super().handle(scope, receive, send)
