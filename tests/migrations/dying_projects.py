"""A run that makes projects, in a process of its own that kills itself at its n-th write.

Arguments: source, file of the store, which write, and `before` or `after` it.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

from app.domain.identity import Version
from app.domain.ledger import LedgerEntry
from app.domain.owned_document import OwnedDocument
from app.domain.session import NewSession
from app.store.sqlite.store import SQLiteStore
from migrations.jobs.sessions_to_projects import SESSIONS_TO_PROJECTS
from migrations.runner import run

T = TypeVar("T")


class DyingStore(SQLiteStore):
    """Kills its process at one of its writes."""

    writes_left: int
    moment: str

    async def _at_the_moment(self, write: Coroutine[Any, Any, T]) -> T:
        self.writes_left -= 1
        is_now = self.writes_left == 0
        if is_now and self.moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        value = await write
        if is_now:
            os.kill(os.getpid(), signal.SIGKILL)
        return value

    async def insert_absent(self, sessions: Sequence[NewSession]) -> list[bool]:
        return await self._at_the_moment(super().insert_absent(sessions))

    async def put_document(self, document: OwnedDocument, *, replaces: Version | None) -> bool:
        return await self._at_the_moment(super().put_document(document, replaces=replaces))

    async def put_ledger_entry(self, entry: LedgerEntry, *, replaces: int | None = None) -> bool:
        return await self._at_the_moment(super().put_ledger_entry(entry, replaces=replaces))


async def main() -> None:
    source, file, write, moment = sys.argv[1:]
    store = await DyingStore.open(Path(file))
    assert isinstance(store, DyingStore)
    store.writes_left, store.moment = int(write), moment
    await run(SESSIONS_TO_PROJECTS, SESSIONS_TO_PROJECTS.open(source), store)
    await store.aclose()


if __name__ == "__main__":
    asyncio.run(main())
