"""FakeClock: a clock that stands still until a test moves it."""

from datetime import UTC, datetime, timedelta

START = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
"""When every test begins."""


def instant(seconds: float) -> datetime:
    """So many seconds after the start; before it where they are negative."""
    return START + timedelta(seconds=seconds)


class FakeClock:
    """Tells the time it was told."""

    def __init__(self, now: datetime = START) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> datetime:
        """Go on by so many seconds, and tell the time."""
        self._now += timedelta(seconds=seconds)
        return self._now

    def set_back(self, seconds: float) -> datetime:
        """Go back by so many seconds, and tell the time."""
        return self.advance(-seconds)

    def set_to(self, now: datetime) -> None:
        """Show this instant."""
        self._now = now
