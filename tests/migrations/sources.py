"""Sources for migration tests: small ones written here, and how to fold and verify them."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from app.domain.identity import SessionKey
from app.domain.message import ChatMessage
from app.domain.session import ChatSession
from app.store.port import SessionStore
from migrations.job import Job
from migrations.jobs.group_messages import GROUP_MESSAGES
from migrations.outcomes import Observer, ignore
from migrations.report import RunReport
from migrations.runner import Manner, run
from migrations.verify import verify
from migrations.verify_report import VerifyReport


def document(
    id: str | None = "m1",  # noqa: A002 - the word of the source
    content: str = "Hello!",
    **members: Any,
) -> dict[str, Any]:
    """A whole message document of session `s1` of `ada`, with these members instead."""
    return {
        "id": id,
        "session_id": "s1",
        "user_id": "ada",
        "content": content,
        "message_type": "user",
        "metadata": {},
        "created_at": "2024-01-01T12:00:00Z",
        **members,
    }


def at(seconds: float) -> str:
    """A date in the minute of noon."""
    return f"2024-01-01T12:00:{seconds:06.3f}Z"


def write_source(path: Path, documents: Iterable[dict[str, Any] | bytes]) -> Path:
    """A file of these documents; bytes are lines as they are."""
    lines = (
        one if isinstance(one, bytes) else json.dumps(one, ensure_ascii=False).encode()
        for one in documents
    )
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


async def fold(
    path: Path | str,
    store: SessionStore,
    *,
    observer: Observer = ignore,
    part_records: int = 50_000,
    job: Job = GROUP_MESSAGES,
) -> RunReport:
    report = await run(
        job,
        job.open(str(path)),
        store,
        observer=observer,
        manner=Manner(part_records=part_records),
    )
    records = report.records
    assert records.read == records.folded + records.skipped + records.rejected
    return report


async def fold_documents(
    folder: Path, store: SessionStore, *documents: dict[str, Any] | bytes
) -> RunReport:
    return await fold(write_source(folder / "source.jsonl", documents), store)


async def verified(
    path: Path | str, store: SessionStore, job: Job = GROUP_MESSAGES
) -> VerifyReport:
    return await verify(job.name, job.format.name, str(path), store, options=job.options)


async def session_of(
    store: SessionStore, session_id: str = "s1", user_id: str = "ada"
) -> ChatSession:
    return (await store.read(SessionKey(user_id, session_id))).document()


async def messages_of(
    store: SessionStore, session_id: str = "s1", user_id: str = "ada"
) -> tuple[ChatMessage, ...]:
    return (await session_of(store, session_id, user_id)).messages


async def contents_of(
    store: SessionStore, session_id: str = "s1", user_id: str = "ada"
) -> list[str]:
    return [message.content for message in await messages_of(store, session_id, user_id)]
