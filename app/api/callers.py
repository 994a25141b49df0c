"""Callers: who still calls what will end, by day; in memory, since the process began."""

from collections import Counter, OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime

DAY_LIMIT = 400
"""A year and a bit: long enough to see an end coming."""


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls of one endpoint by one caller on one day (UTC)."""

    day: date
    endpoint: str
    client: str
    count: int


class Callers:
    """Bounded: endpoints are few, and the metrics give at most so many callers a name."""

    def __init__(self, since: datetime) -> None:
        self.since = since
        self._days: OrderedDict[date, Counter[tuple[str, str]]] = OrderedDict()

    def count(self, endpoint: str, client: str, at: datetime) -> None:
        """One more call."""
        self._days.setdefault(at.date(), Counter())[endpoint, client] += 1
        if len(self._days) > DAY_LIMIT:
            self._days.popitem(last=False)

    def calls(self) -> Iterator[Calls]:
        """All that were counted, the newest day first, and the busiest caller of a day."""
        for day, counts in reversed(self._days.items()):
            for (endpoint, client), count in counts.most_common():
                yield Calls(day, endpoint, client, count)
