"""Metrics: what Prometheus is told of requests and of callers that must move on."""

import os
import re
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.multiprocess import MultiProcessCollector

MULTIPROCESS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The client library's own variable: where workers keep their figures for each other."""

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
CLIENT_LIMIT = 100
"""How many callers get a label of their own; a label is kept for ever, and callers invent names."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_PRODUCT = re.compile(r"[A-Za-z0-9._+-]{1,40}")
_BUCKETS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

_Record = tuple[Callable[[], None], Callable[[float], None]]


class Metrics:
    """The figures of one application, in a registry of its own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "chatfold_requests",
            "Requests answered, by method, route and class of status.",
            ("method", "route", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "chatfold_request_seconds",
            "How long requests took, until the last byte was handed over.",
            ("method", "route"),
            buckets=_BUCKETS_SECONDS,
            registry=self._registry,
        )
        self._deprecated_calls = Counter(
            "chatfold_deprecated_calls",
            "Calls of endpoints that will end, by endpoint and caller.",
            ("endpoint", "client"),
            registry=self._registry,
        )
        self._records: dict[tuple[str, str, str], _Record] = {}
        self._clients: set[str] = set()

    def count_request(self, method: str, route: str, status: str, seconds: float) -> None:
        """One more request; `status` is a class of statuses such as `2xx`."""
        record = self._records.get((method, route, status))
        if record is None:
            record = self._record(method, route, status)
        count, observe = record
        count()
        observe(seconds)

    def count_deprecated_call(self, endpoint: str, user_agent: str) -> str:
        """One more call by the client that calls itself `user_agent`; gives its label.

        Only its product is kept.
        """
        match = _PRODUCT.match(user_agent)
        client = match[0] if match else "none"
        if client not in self._clients:
            if len(self._clients) < CLIENT_LIMIT:
                self._clients.add(client)
            else:
                client = "other"
        self._deprecated_calls.labels(endpoint, client).inc()
        return client

    def render(self) -> bytes:
        """The text that Prometheus reads; of all workers where there are several."""
        if MULTIPROCESS_FOLDER not in os.environ:
            return generate_latest(self._registry)
        together = CollectorRegistry()
        MultiProcessCollector(together)  # type: ignore[no-untyped-call] # the library has no types
        return generate_latest(together)

    def _record(self, method: str, route: str, status: str) -> _Record:
        if method not in _METHODS:
            # Callers can invent methods too; the key is theirs, and is not kept.
            return self._children("other", route, status)
        record = self._children(method, route, status)
        self._records[method, route, status] = record
        return record

    def _children(self, method: str, route: str, status: str) -> _Record:
        return (
            self._requests.labels(method, route, status).inc,
            self._seconds.labels(method, route).observe,
        )
