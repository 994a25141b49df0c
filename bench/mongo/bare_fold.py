"""The limit of a fold into MongoDB: `python -m bench.mongo.bare_fold SOURCE STORE`.

It decodes a source, puts each message's document to the others of its session, in the order of the
lines, and inserts each session as one document like those of the store, as many in one call as a
fold. No order, no checks, no identity, no marks, nothing read before or after.
"""

import asyncio
import gzip
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from hashlib import blake2b
from pathlib import Path

from pydantic_core import from_json
from pymongo.asynchronous.collection import AsyncCollection

from app.store.mongo.encoding import Document
from app.store.mongo.schema import collections_of, create_indexes, open_database
from migrations.stored_batches import BATCH_MESSAGES


async def main(source: Path, url: str) -> float:
    """Insert every session of the source; returns the seconds that it took."""
    database, facts = await open_database(url, timeout_seconds=30)
    await create_indexes(database)
    sessions = collections_of(database, facts).sessions
    began_at = time.perf_counter()
    await _insert(sessions, _heads(source))
    seconds = time.perf_counter() - began_at
    await database.client.close()
    return seconds


def _heads(source: Path) -> Iterator[Document]:
    """The finished document of each session."""
    opened = gzip.open if source.suffix == ".gz" else open
    messages: dict[tuple[str, str], list[Document]] = {}
    with opened(source, "rb") as lines:
        for line in lines:
            try:
                record = from_json(line)
                stored = _message(record)
            except (ValueError, KeyError, TypeError):
                continue  # messages of our own have a few planted defects
            messages.setdefault((record["user_id"], record["session_id"]), []).append(stored)
    for key, embedded in messages.items():
        yield _head(key, embedded)


async def _insert(sessions: AsyncCollection[Document], heads: Iterator[Document]) -> None:
    batch: list[Document] = []
    count = 0
    for head in heads:
        batch.append(head)
        count += len(head["messages"])
        if count >= BATCH_MESSAGES:
            await sessions.insert_many(batch, ordered=False)
            batch, count = [], 0
    if batch:
        await sessions.insert_many(batch, ordered=False)


def _message(record: Document) -> Document:
    content = record["content"]
    return {
        "id": record["id"],
        "content": content,
        "message_type": record["message_type"],
        "created_at": datetime.fromisoformat(record["created_at"].removesuffix("Z")),
        "digest": blake2b(content.encode(), digest_size=16).digest(),
        "metadata": record["metadata"],
    }


def _head(key: tuple[str, str], messages: list[Document]) -> Document:
    user_id, session_id = key
    first, last = messages[0]["created_at"], messages[-1]["created_at"]
    return {
        "_id": blake2b(f"{user_id}/{session_id}".encode(), digest_size=16).hexdigest(),
        "user_id": user_id,
        "session_id": session_id,
        "session_name": None,
        "status": "active",
        "is_active": True,
        "tags": [],
        "is_pinned": False,
        "project_id": None,
        "workspace_id": None,
        "created_at": first,
        "generation": "0" * 16,
        "message_count": len(messages),
        "next_seq": len(messages),
        "last_message_at": last,
        "updated_at": last,
        "revision": 1,
        "changes": 0,
        "context": {},
        "metadata": {},
        "origin": {"format": "group-messages"},
        "creation_digest": bytes(16),
        "messages": messages,
        "steps": [],
        "corrections": [],
        "past_texts": [],
        "live_bytes": 0,
        "sealed_count": 0,
        "sealed_revision": 1,
        "newest_segment": None,
        "unmerged_from": 0,
        "unmerged_bytes": 0,
        "sealed_until": 0,
        "newest_message_at": last,
    }


if __name__ == "__main__":
    print(asyncio.run(main(Path(sys.argv[1]), sys.argv[2])))
