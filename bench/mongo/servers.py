"""The server under the measurement: an engine of the tests on one core, or one that is given."""

import os
import re
import secrets
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

from pymongo import MongoClient

from app.store.mongo.encoding import Document
from bench.serving import on_core
from tests.engines.building import SOURCES, EngineError
from tests.engines.running import start
from tests.mongo.kinds import with_options

_IN_MEMORY = "java"
"""Its file has documents in Java's own serialization, which would be all that is measured."""

GIVEN_VARIABLE = "CHATFOLD_TEST_MONGODB_URI"
_VERSIONS = {
    "ferretdb": ("go.mod", r"FerretDB/(FerretDB v[0-9.]+)"),
    "java": ("jars.sha256", r"(mongo-java-server-core-[0-9.]+)\.jar"),
}


class Server(NamedTuple):
    """A running server."""

    name: str
    """With its version."""
    url: str
    is_scanning: bool = False
    """Whether it reads the whole collection for every filter, so that only little can be stored."""

    @contextmanager
    def database(self) -> Generator[str]:
        """The URL of a new database, which is gone in the end."""
        name = f"chatfold-bench-{secrets.token_hex(6)}"
        try:
            yield urlunsplit(urlsplit(self.url)._replace(path=f"/{name}"))
        finally:
            with MongoClient[Document](self.url) as client:
                client.drop_database(name)


@contextmanager
def serving_engine(engine: str) -> Generator[Server]:
    """The engine of this name, started for us and stopped in the end; a given server goes before.

    Raises:
        EngineError: it cannot be built or does not start.
    """
    given = os.environ.get(GIVEN_VARIABLE)
    if given:
        with MongoClient[Document](given) as client:
            version = client.admin.command("buildInfo")["version"]
        yield Server(f"MongoDB {version}", given)
        return
    if engine not in _VERSIONS:
        raise EngineError(f"There is no engine {engine!r}, only {' and '.join(_VERSIONS)}.")
    with tempfile.TemporaryDirectory(prefix="chatfold-bench-") as folder:
        with on_core(1):
            running = start(engine, Path(folder), is_in_memory=engine == _IN_MEMORY)
        try:
            url = with_options(engine, running.url)
            yield Server(_version_of(engine), url, is_scanning=engine == "ferretdb")
        finally:
            running.stop()


def _version_of(engine: str) -> str:
    file, pattern = _VERSIONS[engine]
    found = re.search(pattern, (SOURCES / engine / file).read_text(encoding="utf-8"))
    assert found is not None
    return found[1] + ", data in memory" * (engine == _IN_MEMORY)
