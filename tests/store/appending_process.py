"""A process that appends to a session of a shared file: its arguments are FILE, NAME, COUNT."""

import asyncio
import sys
from pathlib import Path

from app.store.sqlite.store import SQLiteStore
from tests.factories import KEY, make_message
from tests.fake_clock import START


async def append_all(path: Path, name: str, count: int) -> None:
    store = await SQLiteStore.open(path)
    for number in range(count):
        appended = await store.append(KEY, [make_message(f"{name}-{number}")], at=START)
        sys.stdout.buffer.write(appended.messages_json[0] + b"\n")
        sys.stdout.flush()
    await store.aclose()


if __name__ == "__main__":
    asyncio.run(append_all(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
