"""Some sessions first: what is folded of them is what a fold of all would make of them."""

from pathlib import Path
from typing import Any

import pytest

from app.domain.identity import SessionKey
from app.domain.source_options import SourceOptions
from app.store.memory import MemoryStore
from app.store.port import SessionStore
from migrations.jobs.group_messages import GROUP_MESSAGES
from tests.migrations.sources import (
    at,
    contents_of,
    document,
    fold,
    verified,
    write_source,
)

MIXED: list[dict[str, Any] | bytes] = [
    document("a0", "ada's", created_at=at(0)),
    document("a1", "nobody's, so ada's", created_at=at(1), user_id=None),
    document("b0", "bob's", user_id="bob", session_id="s2"),
    document("b1", "nobody's, so bob's", user_id=None, session_id="s2", created_at=at(2)),
    document("c0", "shared, ada's", session_id="s3"),
    document("c1", "shared, bob's", session_id="s3", user_id="bob"),
    document("c2", "shared, whose?", session_id="s3", user_id=None),
    document("d0", "of nobody", session_id="s4", user_id=None),
    document("e0", "shared by others", session_id="s5", user_id="bob"),
    document("e1", "shared by others", session_id="s5", user_id="cyd"),
    document("e2", "whose?", session_id="s5", user_id=None),
    b"{",
]


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    return write_source(tmp_path / "source.jsonl", MIXED)


async def keys_of(store: SessionStore) -> list[SessionKey]:
    return await store.list_keys()


async def test_a_user_gets_the_sessions_that_a_whole_fold_would_make(mixed: Path) -> None:
    store = MemoryStore()
    job = GROUP_MESSAGES.told(SourceOptions(user="ada"))

    report = await fold(mixed, store, job=job)

    assert await keys_of(store) == [("ada", "s1"), ("ada", "s3")]
    assert await contents_of(store) == ["ada's", "nobody's, so ada's"]
    assert report.records.reasons == {"malformed_json": 1, "user_ambiguous": 1}
    assert (report.records.read, report.records.folded, report.records.outside) == (5, 3, 7)
    assert "records of sessions that were not asked for: 7\n" in report.to_text()
    proof = await verified(mixed, store, job)
    assert (proof.differences, proof.sessions_equal) == ({}, 2)


async def test_a_session_is_folded_for_all_of_its_users(mixed: Path) -> None:
    store = MemoryStore()
    job = GROUP_MESSAGES.told(SourceOptions(session="s3"))

    report = await fold(mixed, store, job=job)

    assert await keys_of(store) == [("ada", "s3"), ("bob", "s3")]
    assert (report.records.read, report.records.folded, report.records.outside) == (4, 2, 8)
    proof = await verified(mixed, store, job)
    assert (proof.differences, proof.sessions_equal) == ({}, 2)


async def test_a_user_and_a_session_are_one_session(mixed: Path) -> None:
    store = MemoryStore()
    job = GROUP_MESSAGES.told(SourceOptions(user="bob", session="s3"))

    report = await fold(mixed, store, job=job)

    assert await keys_of(store) == [("bob", "s3")]
    assert report.records.reasons == {"malformed_json": 1, "user_ambiguous": 1}
    assert (await verified(mixed, store, job)).differences == {}


async def test_a_fold_of_all_after_some_adds_only_the_rest(mixed: Path) -> None:
    store = MemoryStore()
    await fold(mixed, store, job=GROUP_MESSAGES.told(SourceOptions(user="ada")))

    report = await fold(mixed, store)

    assert report.sessions == {"created": 4, "completed": 0, "unchanged": 2, "refused": 0}
    assert (await verified(mixed, store)).differences == {}


async def test_verify_of_some_says_nothing_of_others(mixed: Path) -> None:
    store = MemoryStore()
    await fold(mixed, store, job=GROUP_MESSAGES.told(SourceOptions(session="s1")))

    assert (
        await verified(mixed, store, GROUP_MESSAGES.told(SourceOptions(session="s1")))
    ).differences == {}
    assert (
        await verified(mixed, store, GROUP_MESSAGES.told(SourceOptions(user="ada")))
    ).differences == {"session_missing": 1}


async def test_a_limit_counts_records_as_they_come(mixed: Path) -> None:
    store = MemoryStore()
    job = GROUP_MESSAGES.told(SourceOptions(limit=3))

    report = await fold(mixed, store, job=job)

    assert await keys_of(store) == [("ada", "s1"), ("bob", "s2")]
    assert (report.records.read, report.records.folded) == (3, 3)
    proof = await verified(mixed, store, job)
    assert (proof.differences, proof.records_read) == ({}, 3)


async def test_a_default_user_has_the_sessions_that_name_none(mixed: Path) -> None:
    store = MemoryStore()
    job = GROUP_MESSAGES.told(SourceOptions(default_user="ada"))

    report = await fold(mixed, store, job=job)

    assert ("ada", "s4") in await keys_of(store)
    assert report.records.reasons == {"malformed_json": 1, "user_ambiguous": 2}
    assert report.records.findings == {"user_inferred": 2}
    assert (await verified(mixed, store, job)).differences == {}


async def test_the_default_user_may_be_the_one_that_is_wanted(mixed: Path) -> None:
    store = MemoryStore()
    job = GROUP_MESSAGES.told(SourceOptions(default_user="dot", user="dot"))

    await fold(mixed, store, job=job)

    assert await keys_of(store) == [("dot", "s4")]
    assert (await verified(mixed, store, job)).differences == {}
