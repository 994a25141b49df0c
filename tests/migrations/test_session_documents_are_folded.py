"""Session documents become sessions in the order of their arrays; verify finds what differs."""

import json
from pathlib import Path
from typing import Any

import pytest

from app.domain.session import HeaderChange
from app.domain.source_options import SourceOptions
from app.store.memory import MemoryStore
from app.store.port import SessionStore
from migrations.command_work import thrown_away
from migrations.jobs.fold_sessions import FOLD_SESSIONS
from migrations.outcomes import Outcome
from migrations.plan import plan
from migrations.report import RunReport
from migrations.verify_report import VerifyReport
from tests.fake_clock import START
from tests.migrations.sources import at, contents_of, fold, session_of, verified, write_source


def message(id: str | None, content: Any, **members: Any) -> dict[str, Any]:  # noqa: A002 - of the source
    return {"id": id, "content": content, "message_type": "user", "created_at": at(1), **members}


def session(*messages: Any, **members: Any) -> dict[str, Any]:
    return {"id": "s1", "user_id": "ada", "messages": list(messages), **members}


async def folded(
    folder: Path, store: SessionStore, *documents: dict[str, Any] | bytes
) -> tuple[RunReport, Path]:
    path = write_source(folder / "sessions.jsonl", documents)
    return await fold(path, store, job=FOLD_SESSIONS), path


async def proof(path: Path, store: SessionStore) -> VerifyReport:
    return await verified(path, store, FOLD_SESSIONS)


async def test_a_session_says_what_its_document_says(store: SessionStore, tmp_path: Path) -> None:
    document = session(
        message("a", "later", created_at=at(9)),
        message("b", "earlier", message_type="tool"),
        message(None, "nameless"),
        session_name="Tea",
        is_active=False,
        tags=["x"],
        context={"a.b": {"$c": 1}},
        created_at="2023-01-01T00:00:00Z",
        updated_at="2025-01-01T00:00:00Z",
        colour="green",
    )

    report, path = await folded(tmp_path, store, document)

    stored = await session_of(store)
    assert [one.content for one in stored.messages] == ["later", "earlier", "nameless"]
    assert [one.message_type for one in stored.messages] == ["user", "tool", "user"]
    assert (stored.session_name, stored.status, stored.tags) == ("Tea", "archived", ("x",))
    assert stored.context == {"a.b": {"$c": 1}}
    assert (stored.created_at.year, stored.updated_at.year) == (2023, 2025)
    assert stored.origin is not None
    assert (stored.origin.format, stored.origin.extras) == (
        "session-documents",
        {"colour": "green"},
    )
    assert (report.records.read, report.records.folded) == (4, 4)
    proven = await proof(path, store)
    assert (proven.differences, proven.records_read, proven.sessions_equal) == ({}, 4, 1)


async def test_a_second_run_changes_nothing(store: SessionStore, tmp_path: Path) -> None:
    document = session(message("a", "one"), message(None, "two"), created_at=at(0))
    await folded(tmp_path, store, document)
    before = (await store.read((await session_of(store)).key)).to_json()

    report, _ = await folded(tmp_path, store, document)

    assert (await store.read((await session_of(store)).key)).to_json() == before
    assert report.sessions == {"created": 0, "completed": 0, "unchanged": 1, "refused": 0}
    assert report.messages_added == 0


async def test_a_session_without_messages_is_kept_where_it_has_a_date(
    store: SessionStore, tmp_path: Path
) -> None:
    report, path = await folded(
        tmp_path,
        store,
        session(created_at=at(3)),
        session(id="s2"),
        session(id="s3", messages=None),
    )

    assert (await session_of(store)).message_count == 0
    assert (report.records.folded, report.records.reasons) == (1, {"missing_created_at": 2})
    assert (await proof(path, store)).differences == {}


async def test_what_is_damaged_is_told_with_its_place_and_nothing_else_suffers(
    store: SessionStore, tmp_path: Path
) -> None:
    outcomes: list[Outcome] = []
    source = write_source(
        tmp_path / "source.jsonl",
        [
            session(message("a", "whole")),
            b'{"id": "torn", "messages": [{"id"',
            session(
                message("a", "one"), message("b", 5), 7, message("c", "two"), id="s2", title="T"
            ),
            session(message("x", "BAD"), message("y", "good"), id="s3"),
        ],
    )
    source.write_bytes(source.read_bytes().replace(b"BAD", b"\xff\xfe"))

    report = await fold(source, store, observer=outcomes.append, job=FOLD_SESSIONS)

    refused = {(one.place, one.code) for one in outcomes if one.kind == "rejected"}
    assert refused == {
        ("line 2", "malformed_json"),
        ("line 3, message 2", "invalid_content"),
        ("line 3, message 3", "not_an_object"),
        ("line 4, message 1", "malformed_json"),
    }
    assert await contents_of(store, "s2") == ["one", "two"]
    assert await contents_of(store, "s3") == ["good"]
    assert (report.records.read, report.records.folded) == (11, 7)
    proven = await proof(source, store)
    assert (proven.differences, proven.records_read) == ({}, 11)


async def test_a_document_without_a_user_belongs_to_whom_its_messages_name(
    store: SessionStore, tmp_path: Path
) -> None:
    document = session(
        message("a", "one", user_id="ada"), message("b", "two"), user_id=None, created_at=at(0)
    )

    report, path = await folded(tmp_path, store, document)

    assert await contents_of(store) == ["one", "two"]
    assert report.records.findings == {"user_inferred": 2}
    assert (await proof(path, store)).differences == {}


async def test_the_same_document_twice_is_one_session(store: SessionStore, tmp_path: Path) -> None:
    first = session(message("a", "one"), message(None, "two"), title="T", created_at=at(0))
    other = session(message("a", "changed"), message(None, "two"), title="U", created_at=at(0))

    report, path = await folded(tmp_path, store, first, first, other)

    assert await contents_of(store) == ["one", "two"]
    assert report.records.reasons == {"exact_duplicate": 4, "conflicting_id": 2}
    assert (await proof(path, store)).differences == {}


async def test_of_a_session_that_is_told_twice_the_first_decides_whether_it_has_a_date(
    store: SessionStore, tmp_path: Path
) -> None:
    dateless, dated = session(title="T"), session(title="T", created_at=at(0))

    report, path = await folded(tmp_path, store, dateless, dated)

    assert await store.list_keys() == []
    assert report.records.reasons == {"conflicting_id": 1, "missing_created_at": 1}
    assert (await proof(path, store)).differences == {}


async def test_only_the_sessions_of_one_user_are_folded(
    store: SessionStore, tmp_path: Path
) -> None:
    path = write_source(
        tmp_path / "source.jsonl",
        [session(message("a", "hers")), session(message("b", "his"), user_id="bob", id="s2")],
    )
    job = FOLD_SESSIONS.told(SourceOptions(user="ada"))

    report = await fold(path, store, job=job)

    assert await contents_of(store) == ["hers"]
    assert [key.user_id for key in await store.list_keys()] == ["ada"]
    assert report.records.read == 2
    assert (await verified(path, store, job)).differences == {}


async def test_a_plan_tells_the_same_and_shows_the_document(tmp_path: Path) -> None:
    messages = [message("a", "one"), 7, message("b", "two")]
    path = write_source(tmp_path / "source.jsonl", [session(*messages)])
    store = MemoryStore()

    async with thrown_away() as scratch:
        planned = await plan(FOLD_SESSIONS, FOLD_SESSIONS.open(str(path)), store, scratch)

    assert (planned.records.read, planned.records.folded) == (4, 3)
    assert planned.records.reasons == {"not_an_object": 1}
    (shown,) = planned.samples[0].before
    assert shown.startswith('{"id": "s1"')
    assert await store.list_keys() == []


async def test_verify_finds_what_is_not_as_the_document_says(tmp_path: Path) -> None:
    document = session(message("a", "one"), message("b", "two"), title="T", created_at=at(0))
    other = {**document, "messages": document["messages"][::-1], "title": "U", "colour": 1}
    store = MemoryStore()
    await folded(tmp_path, store, document)
    source = write_source(tmp_path / "other.jsonl", [other])

    differences = (await proof(source, store)).differences

    assert differences == {"order_differs": 1, "session_differs": 2}


async def test_verify_leaves_to_users_what_they_have_changed(
    store: SessionStore, tmp_path: Path
) -> None:
    _, path = await folded(tmp_path, store, session(message("a", "one"), title="T"))
    key = (await session_of(store)).key
    await store.change_header(
        key, HeaderChange(members={"session_name": "Mine"}, is_merge=True, at=START)
    )

    proven = await proof(path, store)

    assert proven.differences == {}
    assert proven.written_since == [{"user_id": "ada", "session_id": "s1"}]


@pytest.mark.parametrize("form", ["lines", "array"])
async def test_lines_and_arrays_are_read_alike(form: str, tmp_path: Path) -> None:
    documents = [session(message("a", "one")), session(message("a", "two"), id="s2")]
    path = tmp_path / "source.json"
    if form == "lines":
        write_source(path, documents)
    else:
        path.write_bytes(
            b"\xef\xbb\xbf" + json.dumps(documents, indent=1).encode().replace(b"\n", b"\r\n")
        )
    store = MemoryStore()

    await fold(path, store, job=FOLD_SESSIONS)

    assert await contents_of(store) == ["one"]
    assert await contents_of(store, "s2") == ["two"]
    assert (await proof(path, store)).differences == {}
