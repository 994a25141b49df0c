"""A copy in a process of its own that kills itself at its n-th session.

Arguments: URL of the source, URL of the target, which session, `before`, `during` or `after` it.
"""

import asyncio
import os
import signal
import sys
from typing import Any, cast

from app.domain.image import SessionImage
from app.store.copying import copy_store
from app.store.factory import open_store
from app.store.port import PutOutcome, SessionStore


class DyingStore:
    """Is killed at one of the sessions that are put into it."""

    def __init__(self, store: SessionStore, sessions_left: int, moment: str) -> None:
        self._store = store
        self._sessions_left = sessions_left
        self._moment = moment

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def put_image(self, image: SessionImage) -> PutOutcome:
        self._sessions_left -= 1
        if self._sessions_left < 0:
            await asyncio.Event().wait()  # what comes later is not begun before the kill
        if self._sessions_left > 0:
            return await self._store.put_image(image)
        if self._moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        task = asyncio.ensure_future(self._store.put_image(image))
        await asyncio.sleep(0)
        if self._moment == "during":
            os.kill(os.getpid(), signal.SIGKILL)
        outcome = await task
        os.kill(os.getpid(), signal.SIGKILL)
        return outcome


async def main() -> None:
    source_url, target_url, session, moment = sys.argv[1:]
    source = await open_store(source_url)
    target = await open_store(target_url, new_secret=source.marking_secret)
    await copy_store(source, cast("SessionStore", DyingStore(target, int(session), moment)))


if __name__ == "__main__":
    asyncio.run(main())
