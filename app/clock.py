"""Clock port and SystemClock, so that tests own the time."""

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """The present instant as aware UTC, in whole milliseconds."""
        ...


class SystemClock:
    """The clock of the machine."""

    def now(self) -> datetime:
        """The machine's time, cut to whole milliseconds: BSON keeps no more."""
        now = datetime.now(UTC)
        return now.replace(microsecond=now.microsecond // 1000 * 1000)
