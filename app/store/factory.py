"""open_store(url): from the URL's scheme to an adapter; only composition roots call it.

So too what operators do with a store before it is used.
"""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from app.errors import ConfigurationError
from app.store.memory import MemoryStore
from app.store.port import SessionStore
from app.store.sqlite.store import SQLiteStore
from app.store.urls import shown_url

SEGMENT_BYTES = 256 * 1024
"""How large a session may grow in one document where a store keeps it in one."""

_OPERATORS_TIMEOUT_SECONDS = 30.0
"""How long an operator waits for a server to be found, and for each of its answers."""


async def open_store(
    url: str,
    *,
    write_timeout_seconds: float = 10.0,
    segment_bytes: int = SEGMENT_BYTES,
    new_secret: bytes | None = None,
) -> SessionStore:
    """The store that a URL names.

    `sqlite:///relative.db`, `sqlite:////absolute.db`, `mongodb://host/database` with any options
    of the driver, `mongodb+srv://…`, or `memory://`. What has not been done after
    `write_timeout_seconds` is answered as busy. A store that is made marks deletions with
    `new_secret`, or with a random one of its own.

    Raises:
        ConfigurationError: the URL names no store that we have.
        StoreError: the store cannot be opened.
    """
    match urlsplit(url).scheme:
        case "sqlite":
            return await SQLiteStore.open(
                sqlite_path(url),
                write_timeout_seconds=write_timeout_seconds,
                new_secret=new_secret,
            )
        case "mongodb" | "mongodb+srv":
            # Who keeps sessions in a file need not load the driver of a database.
            from app.store.mongo.store import MongoStore  # noqa: PLC0415

            return await MongoStore.open(
                url,
                write_timeout_seconds=write_timeout_seconds,
                segment_bytes=segment_bytes,
                new_secret=new_secret,
            )
        case "memory":
            return MemoryStore(new_secret=new_secret)
        case _:
            raise ConfigurationError(
                f"The store {shown_url(url)!r} is not one of sqlite:///path, mongodb://host/name "
                "and memory://."
            )


async def init_store(url: str) -> list[str]:
    """Make what a store needs to begin; returns what was missing, a phrase each.

    Raises:
        ConfigurationError: the URL names no store that we have.
        StoreError: the store cannot be used.
    """
    if _is_mongo(url):
        from app.store.mongo.sharding import init_database  # noqa: PLC0415 - as above

        return await init_database(url, timeout_seconds=_OPERATORS_TIMEOUT_SECONDS)
    is_new = url.startswith("sqlite:") and not sqlite_path(url).exists()
    store = await open_store(url)
    await store.aclose()
    return [f"the file {sqlite_path(url)}"] if is_new else []


async def shard_store(url: str) -> list[str]:
    """Divide a store among the machines of a cluster; returns what was not, a phrase each.

    Raises:
        ConfigurationError: the URL is not one of a cluster.
        StoreError: the store cannot be used.
    """
    if not _is_mongo(url):
        raise ConfigurationError(
            f"The store {shown_url(url)!r} is not one of a sharded cluster of MongoDB."
        )
    from app.store.mongo.sharding import shard_database  # noqa: PLC0415 - as above

    return await shard_database(url, timeout_seconds=_OPERATORS_TIMEOUT_SECONDS)


def _is_mongo(url: str) -> bool:
    return urlsplit(url).scheme in {"mongodb", "mongodb+srv"}


def sqlite_path(url: str) -> Path:
    """The file that a `sqlite:` URL names: three slashes before a relative path, four an absolute.

    Raises:
        ConfigurationError: it names no file.
    """
    parts = urlsplit(url)
    path = unquote(parts.path.removeprefix("/"))
    if parts.netloc or not path:
        raise ConfigurationError(f"The store {url!r} must look like sqlite:///path/to/file.db.")
    return Path(path)
