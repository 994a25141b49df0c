"""StatusService: how the store and this process are, for operators."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from importlib.metadata import version

import psutil

from app.clock import Clock
from app.errors import StoreError
from app.service.read_cache import ReadCache
from app.store.port import SessionStore, StoreSizes

_SHOWN_PACKAGES = ("chatfold", "fastapi", "pydantic", "apsw", "pymongo", "beanie", "uvicorn")


@dataclass(frozen=True, slots=True)
class StorePlace:
    """Where the store is, as far as it may be shown."""

    kind: str
    """`sqlite`, `mongodb` or `memory`."""
    shown_url: str


@dataclass(frozen=True, slots=True)
class Status:
    """How the store and this process are."""

    store_kind: str
    store_url: str
    store_problem: str | None
    """Why the store cannot be used; None where it can."""
    sizes: StoreSizes
    versions: Mapping[str, str]
    process_id: int
    began_at: datetime
    uptime_seconds: float


class StatusService:
    """Asks store and machine what they know without counting; a store that hangs is waited for."""

    def __init__(
        self, store: SessionStore, place: StorePlace, clock: Clock, cache: ReadCache
    ) -> None:
        self._store = store
        self._place = place
        self._clock = clock
        self._cache = cache
        self._began_at = clock.now()

    async def status(self) -> Status:
        """As things are now; a store that cannot be used is told of, and is no error."""
        now = self._clock.now()
        return Status(
            store_kind=self._place.kind,
            store_url=self._place.shown_url,
            store_problem=await self._problem(),
            sizes=await self._sizes(),
            versions={
                "python": sys.version.partition(" ")[0],
                **{name: version(name) for name in _SHOWN_PACKAGES},
            },
            process_id=psutil.Process().pid,
            began_at=self._began_at,
            uptime_seconds=(now - self._began_at).total_seconds(),
        )

    async def _problem(self) -> str | None:
        try:
            await self._store.check()
        except StoreError as error:
            return f"{error.title}: {error}"
        return None

    async def _sizes(self) -> StoreSizes:
        """What is known without counting, which could take the store long."""
        memory = psutil.Process().memory_info()
        of_process = {"process_memory": memory.rss, "read_cache": self._cache.size_bytes}
        try:
            of_store = await self._store.sizes()
        except StoreError as error:
            return StoreSizes(of_process, unknown={"store": f"{error.title}: {error}"})
        return replace(of_store, sizes_bytes={**of_process, **of_store.sizes_bytes})
