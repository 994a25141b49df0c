"""SlowRequests: the slowest of the last requests of each route, for who looks for a cause."""

from collections.abc import Callable
from datetime import datetime
from operator import attrgetter
from typing import NamedTuple

from app.clock import Clock

KEPT_PER_ROUTE = 5
WINDOW_SECONDS = 1800.0


class SlowRequest(NamedTuple):
    """One request that took long for its route."""

    method: str
    route: str
    status: int
    seconds: float
    request_id: str
    at: datetime
    """When it was answered."""


class SlowRequests:
    """Those of this half hour and of the one before; routes are few, and so this is small."""

    def __init__(self, clock: Clock, seconds: Callable[[], float]) -> None:
        self._clock = clock
        self._seconds = seconds
        self._until_seconds = seconds() + WINDOW_SECONDS
        self._now: dict[str, list[SlowRequest]] = {}
        self._before: dict[str, list[SlowRequest]] = {}

    def note(self, method: str, route: str, status: int, seconds: float, request_id: str) -> None:
        """Keep the request if it is among the slowest of its route; called for every request."""
        self._turn()
        kept = self._now.setdefault(route, [])
        if len(kept) == KEPT_PER_ROUTE and seconds <= kept[-1].seconds:
            return
        at = self._clock.now()
        kept.append(SlowRequest(method, route, status, seconds, request_id, at))
        kept.sort(key=attrgetter("seconds"), reverse=True)
        del kept[KEPT_PER_ROUTE:]

    def slowest(self) -> list[SlowRequest]:
        """At most so many of each route, the slowest first."""
        self._turn()
        found: list[SlowRequest] = []
        for route in {**self._before, **self._now}:
            both = self._before.get(route, []) + self._now.get(route, [])
            found += sorted(both, key=attrgetter("seconds"), reverse=True)[:KEPT_PER_ROUTE]
        return sorted(found, key=attrgetter("seconds"), reverse=True)

    def _turn(self) -> None:
        """Forget what is too long ago."""
        late_seconds = self._seconds() - self._until_seconds
        if late_seconds >= 0:
            self._before = self._now if late_seconds < WINDOW_SECONDS else {}
            self._now = {}
            self._until_seconds = self._seconds() + WINDOW_SECONDS
