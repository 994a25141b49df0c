"""Looking: a watch over a store that also yields when nothing has happened for a while."""

import asyncio
from collections.abc import AsyncGenerator


async def looking_at_least(
    changes: AsyncGenerator[None], *, every_seconds: float
) -> AsyncGenerator[None]:
    """What `changes` yields, and something in between where it is quiet for so long."""
    next_change = asyncio.ensure_future(anext(changes))
    try:
        while True:
            # Not `wait_for`, which would break off the watch each time.
            await asyncio.wait({next_change}, timeout=every_seconds)
            if next_change.done():
                next_change.result()
                next_change = asyncio.ensure_future(anext(changes))
            yield
    finally:
        next_change.cancel()
        await asyncio.gather(next_change, return_exceptions=True)
        await changes.aclose()
