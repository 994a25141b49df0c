"""Histogram: how often numbers of each size occur, in buckets that double; small for any count."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bucket:
    """How many numbers lie in a range, both of its ends included."""

    first: int
    last: int
    count: int


@dataclass(frozen=True, slots=True)
class Histogram:
    """The numbers by size: 0, 1, 2 to 3, 4 to 7, and so on to the largest, empty ones included."""

    count: int
    total: int
    largest: int
    buckets: Sequence[Bucket]

    @property
    def mean(self) -> float:
        """Their mean; 0 where there are none."""
        return self.total / self.count if self.count else 0.0


class HistogramBuilder:
    """Counts numbers, none of them negative."""

    def __init__(self) -> None:
        self._by_length: Counter[int] = Counter()
        self._total = 0
        self._largest = 0

    def add(self, number: int, times: int = 1) -> None:
        """Count a number so many times."""
        self._by_length[number.bit_length()] += times
        self._total += number * times
        self._largest = max(self._largest, number)

    def histogram(self) -> Histogram:
        """What was counted so far."""
        lengths = range(min(self._by_length, default=0), max(self._by_length, default=-1) + 1)
        return Histogram(
            count=self._by_length.total(),
            total=self._total,
            largest=self._largest,
            buckets=[
                Bucket((1 << length) >> 1, (1 << length) - 1, self._by_length[length])
                for length in lengths
            ],
        )
