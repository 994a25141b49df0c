"""StatusService: how the store and this process are, for operators."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import psutil

from app.clock import Clock
from app.errors import StoreError
from app.service.read_cache import ReadCache
from app.store.port import SessionStore

_SHOWN_PACKAGES = ("chatfold", "fastapi", "pydantic", "apsw", "pymongo", "beanie", "uvicorn")
_FILES_OF_SQLITE = ("", "-wal")


@dataclass(frozen=True, slots=True)
class StorePlace:
    """Where the store is, as far as it may be shown."""

    kind: str
    """`sqlite`, `mongodb` or `memory`."""
    shown_url: str
    file: Path | None = None
    """Of a store that is a file."""


@dataclass(frozen=True, slots=True)
class Status:
    """How the store and this process are."""

    store_kind: str
    store_url: str
    store_problem: str | None
    """Why the store cannot be used; None where it can."""
    sizes_bytes: Mapping[str, int]
    versions: Mapping[str, str]
    process_id: int
    began_at: datetime
    uptime_seconds: float


class StatusService:
    """Asks the store whether it works, and the machine for sizes; each is quick."""

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
            sizes_bytes=self._sizes(),
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

    def _sizes(self) -> dict[str, int]:
        """What the process knows without asking the store, which could take it long to count."""
        memory = psutil.Process().memory_info()
        sizes = {"process_memory": memory.rss, "read_cache": self._cache.size_bytes}
        if self._place.file is not None:
            for suffix in _FILES_OF_SQLITE:
                file = Path(f"{self._place.file}{suffix}")
                if file.exists():
                    sizes[f"store_file{suffix.replace('-', '_')}"] = file.stat().st_size
            sizes["store_disk_free"] = psutil.disk_usage(str(self._place.file.parent)).free
        return sizes
