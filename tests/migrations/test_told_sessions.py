"""What a source says of a session itself becomes its header, with messages or without."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.domain.folding import source_message
from app.domain.message import MessageType
from app.domain.session import ChatSession
from app.domain.source_options import SourceOptions
from app.domain.source_session import SourceFields
from app.formats.file_source import FileSource
from app.formats.port import FaultyRecord, Notation, RawRecord, Record, SessionRecord
from app.store.memory import MemoryStore
from app.store.port import SessionStore
from migrations.job import Job
from migrations.plan import plan
from migrations.report import RunReport
from migrations.runner import run
from migrations.space import ScratchStore
from tests.migrations.sources import session_of

NOON = 1_704_110_400_000_000


class Toy:
    """A format of sessions with messages inside: the place in the list is their order."""

    name = "toy"

    def __init__(self, _options: SourceOptions) -> None:
        pass

    def records(
        self, raw_records: Iterable[RawRecord], _notation: Notation
    ) -> Iterator[Record | SessionRecord | FaultyRecord]:
        for position, raw, _ in raw_records:
            assert raw is not None
            told: dict[str, Any] = json.loads(raw)
            session_id, user_id = told.pop("id"), told.pop("user", None)
            messages = told.pop("messages", [])
            if told:
                fields = SourceFields.model_validate(told)
                yield SessionRecord(position, session_id, user_id, fields, raw)
            for place, (instant, text) in enumerate(messages):
                message = source_message(
                    NOON + instant * 1_000_000,
                    f"m{place}",
                    position,
                    text,
                    MessageType.USER,
                    {},
                    0,
                    len(raw),
                    order_key=place,
                )
                yield Record(session_id, user_id, message, raw)


TOY = Job(
    name="toy",
    summary="Fold toys.",
    make_format=Toy,
    open_source=lambda location, _options: FileSource(Path(location)),
)


@pytest.fixture
def store() -> SessionStore:
    return MemoryStore()


async def fold(folder: Path, store: SessionStore, *told: dict[str, Any]) -> RunReport:
    path = folder / "source.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in told), encoding="utf-8")
    planned = await plan(TOY, TOY.open(str(path)), store, ScratchStore(MemoryStore(), folder))
    report = await run(TOY, TOY.open(str(path)), store)
    assert planned.records == report.records
    return report


FIELDS: dict[str, Any] = {
    "session_name": "A talk",
    "status": "archived",
    "tags": ["red"],
    "is_pinned": True,
    "project_id": "p1",
    "workspace_id": "w1",
    "context": {"a": 1},
    "metadata": {"b": [2]},
    "created_at": "2023-01-01T00:00:00Z",
    "updated_at": "2025-01-01T00:00:00Z",
    "extras": {"model": "m", "n": 2**70},
}


def said_of(session: ChatSession) -> dict[str, Any]:
    dumped = session.model_dump(mode="json", include=set(FIELDS))
    assert session.origin is not None
    return {**dumped, "extras": session.origin.extras}


async def test_what_is_told_of_a_session_is_its_header(store: SessionStore, tmp_path: Path) -> None:
    report = await fold(
        tmp_path, store, {"id": "s1", "user": "ada", **FIELDS, "messages": [[0, "Hello!"]]}
    )

    session = await session_of(store)
    assert said_of(session) == {
        **FIELDS,
        "created_at": "2023-01-01T00:00:00.000Z",
        "updated_at": "2025-01-01T00:00:00.000Z",
    }
    assert session.origin is not None
    assert (session.origin.format, session.origin.source_id) == ("toy", "s1")
    assert session.origin.run_id == report.run_id
    assert [message.content for message in session.messages] == ["Hello!"]
    assert (report.records.read, report.records.folded) == (2, 2)


async def test_a_session_may_have_no_messages(store: SessionStore, tmp_path: Path) -> None:
    report = await fold(
        tmp_path,
        store,
        {"id": "s0", "user": "ada", "session_name": "Empty", "updated_at": "2024-01-01T00:00:00Z"},
        {"id": "s1", "user": "ada", "messages": [[0, "Hello!"]]},
        {
            "id": "s2",
            "user": "bob",
            "session_name": "Empty too",
            "created_at": "2024-01-01T00:00:00Z",
        },
    )

    empty = await session_of(store, "s0")
    assert (empty.session_name, empty.messages) == ("Empty", ())
    assert empty.created_at == empty.updated_at
    assert (await session_of(store, "s2", "bob")).session_name == "Empty too"
    assert (await session_of(store, "s1")).session_name is None
    assert report.sessions["created"] == 3
    assert report.records.folded == 3


async def test_a_session_without_messages_and_dates_is_rejected(
    store: SessionStore, tmp_path: Path
) -> None:
    report = await fold(tmp_path, store, {"id": "s1", "user": "ada", "session_name": "When?"})

    assert report.records.reasons == {"missing_created_at": 1}
    assert await store.list_keys() == []


async def test_dates_that_are_not_told_are_those_of_the_messages(
    store: SessionStore, tmp_path: Path
) -> None:
    await fold(
        tmp_path,
        store,
        {
            "id": "s1",
            "user": "ada",
            "session_name": "x",
            "messages": [[5, "a"], [1, "b"], [9, "c"]],
        },
    )

    session = await session_of(store)
    assert session.created_at.second == 1
    assert session.updated_at.second == 9


async def test_the_order_of_a_structure_goes_before_time(
    store: SessionStore, tmp_path: Path
) -> None:
    messages = [[9, "first"], [3, "second"], [7, "third"]]

    await fold(tmp_path, store, {"id": "s1", "user": "ada", "messages": messages})

    session = await session_of(store)
    assert [message.content for message in session.messages] == ["first", "second", "third"]


async def test_what_is_told_first_stays(store: SessionStore, tmp_path: Path) -> None:
    first = {"id": "s1", "user": "ada", **FIELDS}

    report = await fold(
        tmp_path, store, first, {**first, "session_name": "Another"}, dict(reversed(first.items()))
    )

    assert (await session_of(store)).session_name == "A talk"
    assert report.records.reasons == {"conflicting_id": 1, "exact_duplicate": 1}
    (conflict,) = report.records.examples["conflicting_id"]
    assert (conflict.position, conflict.kept_place) == (2, "line 1")


async def test_what_is_told_of_a_session_goes_to_its_only_user(
    store: SessionStore, tmp_path: Path
) -> None:
    report = await fold(
        tmp_path,
        store,
        {"id": "s1", "session_name": "Whose?"},
        {"id": "s1", "user": "ada", "messages": [[0, "Mine."]]},
        {"id": "s2", "session_name": "Nobody's"},
    )

    assert (await session_of(store)).session_name == "Whose?"
    assert report.records.findings == {"user_inferred": 1}
    assert report.records.reasons == {"user_unknown": 1}


async def test_a_second_run_changes_nothing(store: SessionStore, tmp_path: Path) -> None:
    told = {"id": "s1", "user": "ada", **FIELDS}
    await fold(tmp_path, store, told)
    before = await session_of(store)

    report = await fold(tmp_path, store, told)

    assert await session_of(store) == before
    assert report.sessions["unchanged"] == 1
    assert report.records.folded == 1


async def test_more_than_a_header_may_have_is_rejected_and_the_messages_are_folded(
    store: SessionStore, tmp_path: Path
) -> None:
    report = await fold(
        tmp_path,
        store,
        {
            "id": "s1",
            "user": "ada",
            "metadata": {"a": "x" * 300_000},
            "messages": [[0, "Hello!"]],
        },
    )

    session = await session_of(store)
    assert (session.metadata, len(session.messages)) == ({}, 1)
    assert report.records.reasons == {"session_too_large": 1}
