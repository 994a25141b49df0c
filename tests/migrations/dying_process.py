"""A fold in a process of its own that sends itself a signal at its n-th write to the store.

Arguments: source, file of the store, signal's name, which write, `before`, `during` or `after` it,
and how many records of a session may be in memory.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Coroutine, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from app.domain.identity import SessionKey
from app.domain.message import EncodedMessage, NewMessage
from app.domain.session import NewSession, Precondition
from app.store.port import Appended
from app.store.sqlite.store import SQLiteStore
from migrations.jobs.group_messages import GROUP_MESSAGES
from migrations.runner import Manner, run

T = TypeVar("T")


class DyingStore(SQLiteStore):
    """Sends its process a signal at one of its writes."""

    signal_name: str
    writes_left: int
    moment: str

    async def _at_the_moment(self, write: Coroutine[Any, Any, T]) -> T:
        self.writes_left -= 1
        if self.writes_left != 0:
            return await write
        number = signal.Signals[self.signal_name]
        if self.moment == "before":
            os.kill(os.getpid(), number)
        task = asyncio.ensure_future(write)
        await asyncio.sleep(0)
        if self.moment == "during":
            os.kill(os.getpid(), number)
        value = await task
        if self.moment == "after":
            os.kill(os.getpid(), number)
        return value

    async def insert_absent(self, sessions: Sequence[NewSession]) -> list[bool]:
        return await self._at_the_moment(super().insert_absent(sessions))

    async def append(
        self,
        key: SessionKey,
        messages: Sequence[NewMessage | EncodedMessage],
        *,
        at: datetime,
        precondition: Precondition | None = None,
    ) -> Appended:
        return await self._at_the_moment(
            super().append(key, messages, at=at, precondition=precondition)
        )


async def main() -> None:
    source, file, signal_name, write, moment, part_records = sys.argv[1:]
    store = await DyingStore.open(Path(file))
    assert isinstance(store, DyingStore)
    store.signal_name, store.writes_left, store.moment = signal_name, int(write), moment
    try:
        await run(
            GROUP_MESSAGES,
            GROUP_MESSAGES.open(source),
            store,
            manner=Manner(part_records=int(part_records)),
        )
    finally:
        await store.aclose()


if __name__ == "__main__":
    asyncio.run(main())
