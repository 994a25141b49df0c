"""Deprecated routes: they announce their end (RFC 9745, RFC 8594), count their callers, and end."""

from datetime import datetime
from email.utils import format_datetime
from typing import ClassVar, NamedTuple

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

_LINK = b"link"


class Term(NamedTuple):
    """Since when a route is deprecated, and when it ends."""

    deprecated_at: datetime
    sunset_at: datetime


def announcement(
    deprecated_at: datetime, sunset_at: datetime, successor: str
) -> list[tuple[bytes, bytes]]:
    """The headers that tell callers to move on: since when, until when, and where to."""
    return [
        (b"deprecation", b"@%d" % int(deprecated_at.timestamp())),
        (b"sunset", format_datetime(sunset_at, usegmt=True).encode()),
        _link_to(successor),
    ]


def point_to(request: Request, successor: str) -> None:
    """Let the answer name another successor than the route has announced: one known better."""
    headers: list[tuple[bytes, bytes]] = request.scope["state"][ANSWER_HEADERS]
    headers[:] = [*(header for header in headers if header[0] != _LINK), _link_to(successor)]


def _link_to(successor: str) -> tuple[bytes, bytes]:
    return _LINK, f'<{successor}>; rel="successor-version"'.encode()


class DeprecatedRoute(APIRoute):
    """A route that will end at the sunset in the settings.

    Everything happens here and not in a dependency, because an error that is found before any
    dependency runs, in the body for instance, has to carry the announcement as well.
    """

    successor: ClassVar[str]
    """The path of what callers should use instead."""

    def successor_in(self, scope: Scope) -> str:  # noqa: ARG002 - for routes that know more by it
        """The path of what the caller of this request should use instead."""
        return self.successor

    def term(self, settings: Settings) -> Term:
        """Since when the route is deprecated, and when it ends."""
        return Term(settings.legacy_deprecated_at, settings.legacy_sunset)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count the caller, announce the end, and answer unless it has come."""
        settings: Settings = scope["app"].state.settings
        clock: Clock = scope["app"].state.clock
        metrics: Metrics = scope["app"].state.metrics
        callers: Callers = scope["app"].state.callers
        user_agent = Headers(scope=scope).get("user-agent", "")
        client = metrics.count_deprecated_call(self.path_format, user_agent)
        callers.count(self.path_format, client, clock.now())
        term = self.term(settings)
        scope["state"][ANSWER_HEADERS] += announcement(*term, self.successor_in(scope))
        if clock.now() >= term.sunset_at:
            ended = problem_response(Request(scope), EndpointSunsetError(self.successor))
            await ended(scope, receive, send)
            return
        await super().handle(scope, receive, send)
