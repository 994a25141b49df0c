"""A live container folds as a file of its documents does, all of it or some sessions first."""

import json
from pathlib import Path
from typing import Any

import pytest

from app.domain.source_options import SourceOptions
from app.store.memory import MemoryStore
from migrations.jobs.fold_sessions import FOLD_SESSIONS
from migrations.jobs.group_messages import GROUP_MESSAGES
from tests.cosmos.server import CosmosServer
from tests.migrations.forms import plain, typed_documents
from tests.migrations.sources import (
    contents_of,
    document,
    fold,
    messages_of,
    verified,
    write_source,
)
from tests.migrations.test_every_form import everything_in
from tests.migrations.test_subsets import MIXED

MIXED_DOCUMENTS: list[dict[str, Any]] = [
    *(one for one in MIXED if isinstance(one, dict)),
    document("f0", "of a number", session_id=7, user_id=9),
    document("f1", "nobody's, so the number's", session_id=7, user_id=None),
    document("f2", "of text that looks alike", session_id="7", user_id="9"),
]


async def test_a_container_folds_as_a_file_of_its_documents(
    account: CosmosServer, tmp_path: Path
) -> None:
    documents = plain(typed_documents())
    file, live = MemoryStore(), MemoryStore()
    await fold(write_source(tmp_path / "export.jsonl", documents), file)
    account.container.put(documents)
    account.page_documents = 7
    account.throttled = 3

    report = await fold(account.url, live)

    assert await everything_in(live) == await everything_in(file)
    assert (report.records.read, report.records.folded) == (60, 60)
    assert report.source == f"cosmos://{account.host}/chat/messages"
    assert account.throttled == 0
    assert sum(text == "SELECT * FROM c" for text, _ in account.queries) > 60 // 7
    proof = await verified(account.url, live)
    assert (proof.differences, proof.sessions_equal, proof.records_read) == ({}, 4, 60)


@pytest.mark.parametrize(
    ("options", "read"),
    [
        (SourceOptions(user="ada"), 4),
        (SourceOptions(session="s3"), 3),
        (SourceOptions(session="s3", user="bob"), 2),
        (SourceOptions(default_user="dot", user="dot"), 1),
        (SourceOptions(user="9"), 3),
        (SourceOptions(session="7"), 3),
        (SourceOptions(user="nobody of these"), 0),
    ],
    ids=str,
)
async def test_some_sessions_are_those_that_a_file_would_make(
    account: CosmosServer, tmp_path: Path, options: SourceOptions, read: int
) -> None:
    job = GROUP_MESSAGES.told(options)
    file, live = MemoryStore(), MemoryStore()
    await fold(write_source(tmp_path / "export.jsonl", MIXED_DOCUMENTS), file, job=job)
    account.container.put(MIXED_DOCUMENTS)
    account.page_documents = 2

    report = await fold(account.url, live, job=job)

    assert await everything_in(live) == await everything_in(file)
    assert report.records.read == read
    assert report.records.read + report.records.outside < len(MIXED_DOCUMENTS)
    proof = await verified(account.url, live, job)
    assert proof.differences == {}
    assert proof.sessions_equal == len(await file.list_keys())


@pytest.mark.parametrize(
    "options",
    [
        SourceOptions(limit=3),
        SourceOptions(limit=3, user="ada"),
        SourceOptions(limit=2, session="7"),
    ],
    ids=str,
)
async def test_no_more_is_sent_than_the_limit(
    account: CosmosServer, options: SourceOptions
) -> None:
    account.container.put(MIXED_DOCUMENTS)
    job = GROUP_MESSAGES.told(options)
    store = MemoryStore()

    report = await fold(account.url, store, job=job)

    assert report.records.read + report.records.outside == options.limit
    ids = 0 if options.user is None else 2  # "ada" has something in two sessions
    fingerprint = 2 * 2  # a number from each range, of both of its questions
    assert account.documents_sent == options.limit + ids + fingerprint
    proof = await verified(account.url, store, job)
    assert (proof.differences, proof.records_read) == ({}, options.limit)


async def test_what_is_wanted_is_bound_and_never_part_of_a_query(account: CosmosServer) -> None:
    hostile = 's1") OR (1=1'
    account.container.put([document(session_id=hostile), document("m2", session_id="other")])
    job = GROUP_MESSAGES.told(SourceOptions(session=hostile))
    store = MemoryStore()

    await fold(account.url, store, job=job)

    assert await store.list_keys() == [("ada", hostile)]
    assert account.queries[-1] == (
        'SELECT * FROM c WHERE c["session_id"] IN (@p0)',
        {"@p0": hostile},
    )


async def test_a_field_may_have_any_name(account: CosmosServer) -> None:
    name = 'the "session".id'
    account.container.put(
        [
            {**document(id_), name: owner, "session_id": "not this"}
            for id_, owner in (("m1", "s1"), ("m2", "s2"))
        ]
    )
    job = GROUP_MESSAGES.told(SourceOptions(fields={"session_id": name}, session="s2"))
    store = MemoryStore()

    await fold(account.url, store, job=job)

    assert await store.list_keys() == [("ada", "s2")]
    assert (await verified(account.url, store, job)).differences == {}


async def test_what_the_server_adds_is_kept_nowhere(account: CosmosServer) -> None:
    account.container.put([document(metadata={"_ts": "of the user"})])
    store = MemoryStore()

    report = await fold(account.url, store)

    (message,) = await messages_of(store)
    assert message.metadata == {"_ts": "of the user"}
    assert report.records.findings == {}


async def test_what_the_server_adds_may_be_named_as_a_field(account: CosmosServer) -> None:
    account.container.put([{**document(), "created_at": "last winter"}])
    job = GROUP_MESSAGES.told(SourceOptions(fields={"created_at": "_ts"}))
    store = MemoryStore()

    await fold(account.url, store, job=job)

    (message,) = await messages_of(store)
    assert message.created_at.timestamp() == 1_704_110_401
    assert message.metadata == {"chatfold:source": {"created_at": "last winter"}}
    assert (await verified(account.url, store, job)).differences == {}


async def test_half_a_pair_of_surrogates_is_refused_as_in_a_file(
    account: CosmosServer, tmp_path: Path
) -> None:
    documents = [document("m1", "whole"), document("m2", "half: \ud83d")]
    lines = [json.dumps(one).encode() for one in documents]
    of_file = await fold(write_source(tmp_path / "export.jsonl", lines), MemoryStore())
    account.container.put(documents)
    store = MemoryStore()

    report = await fold(account.url, store)

    assert report.records.reasons == of_file.records.reasons == {"malformed_json": 1}
    assert await contents_of(store) == ["whole"]
    assert (await verified(account.url, store)).differences == {}


async def test_a_second_run_brings_what_is_new(account: CosmosServer) -> None:
    account.container.put([document("m1", "first")])
    store = MemoryStore()
    await fold(account.url, store)
    account.container.put([document("m2", "second")])

    again = await fold(account.url, store)

    assert again.sessions == {"created": 0, "completed": 1, "unchanged": 0, "refused": 0}
    assert await contents_of(store) == ["first", "second"]
    assert (await fold(account.url, store)).messages_added == 0


async def test_session_documents_are_folded_from_a_container(
    account: CosmosServer, tmp_path: Path
) -> None:
    sessions = [
        {
            "id": f"s{number}",
            "user_id": "ada",
            "session_name": f"Chat {number}",
            "mood": "kept in the extras",
            "created_at": "2024-01-01T12:00:00Z",
            "messages": [
                {"id": "m1", "content": "Hello!", "message_type": "user", "user_id": "ada"},
                {"id": "m2", "content": 5, "message_type": "user"},
            ],
        }
        for number in range(5)
    ]
    file, live = MemoryStore(), MemoryStore()
    job = FOLD_SESSIONS.told(SourceOptions(user="ada"))
    await fold(write_source(tmp_path / "export.jsonl", sessions), file, job=job)
    account.container.put(sessions)
    account.page_documents = 2

    report = await fold(account.url, live, job=job)

    assert await everything_in(live) == await everything_in(file)
    assert len(await live.list_keys()) == 5
    assert report.records.reasons == {"invalid_content": 5}
    places = {one.place for one in report.records.examples["invalid_content"]}
    assert "document 2, message 2" in places
    assert (await verified(account.url, live, job)).differences == {}
