"""MongoDB stores for the tests: in memory, on an engine of ours, on a server that is given."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from app.store.mongo.store import MongoStore
from app.store.port import SessionStore
from tests.engines.running import url_of
from tests.mongo.databases import Databases, DroppedDatabases, ReusedDatabases
from tests.mongo.declared import undeclared_in
from tests.mongo.facade import database_in_memory
from tests.store_kind import StoreKind

SMALL_SEGMENT_BYTES = 2048
"""So few that ordinary tests seal, and read what is sealed."""
_DEFAULT_SEGMENT_BYTES = 256 * 1024

_OPTIONS = {
    # It reads a document, changes it and writes it back without a lock: two writers at once lose
    # what one of them wrote. A single connection lets them in one by one.
    "ferretdb": "maxPoolSize=1",
    "java": "",
}

_WRITE_TIMEOUT_SECONDS = 60.0
"""A server that does one thing after the other, on a busy machine, is not what tests are about."""

_EMPTIED_WELL = {"ferretdb"}
"""On the other, tests were seen to fail over what those before them had left."""

_LOOK_SECONDS = 0.05
"""None of these servers has change streams: who follows a session waits for the next look."""


def in_memory(*, segment_bytes: int = _DEFAULT_SEGMENT_BYTES) -> StoreKind:
    """On mongomock, a database per folder; no other process can reach it.

    What a test has left there must be what is declared.
    """
    database = cache(lambda _folder: database_in_memory())

    async def open_(folder: Path) -> SessionStore:
        return await MongoStore.over(
            database(folder), segment_bytes=segment_bytes, look_seconds=_LOOK_SECONDS
        )

    async def check(folder: Path) -> None:
        assert await undeclared_in(database(folder)) == []

    return StoreKind(open_, drop=check)


def on_engine(name: str, *, segment_bytes: int = _DEFAULT_SEGMENT_BYTES) -> StoreKind:
    """On an engine of this test process, started when a store is first opened."""
    databases = ReusedDatabases() if name in _EMPTIED_WELL else DroppedDatabases()
    return _on_databases(
        databases, lambda: with_options(name, url_of(name)), segment_bytes=segment_bytes
    )


def with_options(name: str, url: str) -> str:
    """The URL of a running engine, with what its client must be told."""
    return f"{url}?{_OPTIONS[name]}"


def on_server(
    server: Callable[[], str], *, segment_bytes: int = _DEFAULT_SEGMENT_BYTES
) -> StoreKind:
    """On the server at a URL."""
    return _on_databases(DroppedDatabases(), server, segment_bytes=segment_bytes)


def _on_databases(
    databases: Databases, server: Callable[[], str], *, segment_bytes: int
) -> StoreKind:
    def url(folder: Path) -> str:
        parts = urlsplit(server())
        name = databases.name_of(folder, server())
        return urlunsplit(parts._replace(path=f"/{name}"))

    async def open_(folder: Path) -> SessionStore:
        return await MongoStore.open(
            url(folder),
            write_timeout_seconds=_WRITE_TIMEOUT_SECONDS,
            segment_bytes=segment_bytes,
            look_seconds=_LOOK_SECONDS,
        )

    async def drop(folder: Path) -> None:
        await databases.let_go(folder, server())

    def environment(folder: Path) -> dict[str, str]:
        databases.share(folder)
        return {"CHATFOLD_STORE": url(folder), "CHATFOLD_SEGMENT_BYTES": str(segment_bytes)}

    return StoreKind(open_, drop=drop, environment=environment)
