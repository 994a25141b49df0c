"""Deprecated routes: they announce their end (RFC 9745, RFC 8594), count their callers, and end."""

from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from typing import ClassVar

from fastapi.routing import APIRoute
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from app.api.metrics import Metrics
from app.api.problems import problem_response
from app.clock import Clock
from app.errors import EndpointSunsetError
from app.settings import Settings


@dataclass(frozen=True, slots=True)
class Deprecation:
    """Since when an endpoint is deprecated, when it ends, and what takes its place."""

    deprecated_at: datetime
    sunset_at: datetime
    successor: str

    def announce(self, headers: MutableHeaders) -> None:
        """Add what every answer of the endpoint says, errors included."""
        for name, value in (
            ("deprecation", f"@{int(self.deprecated_at.timestamp())}"),
            ("sunset", format_datetime(self.sunset_at, usegmt=True)),
            ("link", f'<{self.successor}>; rel="successor-version"'),
        ):
            if value not in headers.getlist(name):
                headers.append(name, value)


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
        deprecation = Deprecation(
            settings.legacy_deprecated_at, settings.legacy_sunset, self.successor
        )

        async def send_announced(message: Message) -> None:
            if message["type"] == "http.response.start":
                deprecation.announce(MutableHeaders(raw=message["headers"]))
            await send(message)

        metrics.count_deprecated_call(self.path_format, Headers(scope=scope).get("user-agent", ""))
        if clock.now() >= deprecation.sunset_at:
            ended = problem_response(Request(scope), EndpointSunsetError(self.successor))
            await ended(scope, receive, send_announced)
            return
        await super().handle(scope, receive, send_announced)
