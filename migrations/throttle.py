"""Throttle: no more messages in a second than a live database can take besides its own work.

A document counts as a message.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable


class Throttle:
    """Lets work through at a rate, without a burst after a pause."""

    def __init__(
        self,
        messages_per_second: float | None = None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._rate = messages_per_second
        self._monotonic = monotonic
        self._sleep = sleep
        self._free_at_seconds = monotonic()

    def batch_messages(self, wanted: int) -> int:
        """How many messages should go together at most: no more than a second's."""
        return wanted if self._rate is None else max(1, min(wanted, int(self._rate)))

    async def take(self, messages: int) -> None:
        """Return when so many messages may be stored."""
        if self._rate is None:
            return
        now = self._monotonic()
        begins_at_seconds = max(now, self._free_at_seconds)
        self._free_at_seconds = begins_at_seconds + messages / self._rate
        if begins_at_seconds > now:
            await self._sleep(begins_at_seconds - now)
