"""Collections on engines, for tests that fold them."""

import secrets
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from pymongo import MongoClient

from tests.engines.running import url_of


@contextmanager
def collection_of(engine_name: str, documents: list[dict[str, Any]]) -> Generator[str]:
    """The URL of a collection of these documents, in a database of its own."""
    name = f"source-{secrets.token_hex(4)}"
    with MongoClient[dict[str, Any]](url_of(engine_name)) as client:
        client[name]["messages"].insert_many(documents)
        yield f"{url_of(engine_name)}{name}.messages"
        client.drop_database(name)
