"""Each record has one outcome, and the session that it makes says what the source said."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.domain.identity import SessionKey
from app.domain.limits import StoreLimits
from app.errors import SessionNotFoundError
from app.store.memory import MemoryStore
from app.store.port import SessionStore
from migrations.outcomes import Outcome, OutcomeKind
from tests.migrations.sources import (
    at,
    contents_of,
    document,
    fold,
    fold_documents,
    messages_of,
    session_of,
    write_source,
)


async def test_the_messages_of_a_user_and_session_become_one_session(
    store: SessionStore, tmp_path: Path
) -> None:
    report = await fold_documents(
        tmp_path,
        store,
        document("m1", "one", created_at=at(1)),
        document("m2", "two", created_at=at(2), message_type="assistant", metadata={"a": [1]}),
    )

    session = await session_of(store)
    assert session.session_name is None
    assert session.created_at == datetime(2024, 1, 1, 12, 0, 1, tzinfo=UTC)
    assert session.updated_at == datetime(2024, 1, 1, 12, 0, 2, tzinfo=UTC)
    assert (session.message_count, session.next_seq) == (2, 2)
    assert (session.revision, session.changes) == (1, 0)
    assert session.origin is not None
    assert session.origin.model_dump() == {
        "format": "message-documents",
        "source_id": "s1",
        "run_id": report.run_id,
        "extras": {},
    }
    first, second = session.messages
    assert (first.seq, first.id, first.content, first.message_type) == (0, "m1", "one", "user")
    assert (first.user_id, first.parent_id, first.metadata) == (None, None, {})
    assert first.created_at == datetime(2024, 1, 1, 12, 0, 1, tzinfo=UTC)
    assert (second.message_type, second.metadata) == ("assistant", {"a": [1]})
    assert (report.records.read, report.records.folded) == (2, 2)
    assert report.sessions == {"created": 1, "completed": 0, "unchanged": 0, "refused": 0}
    assert report.messages_added == 2


async def test_order_is_the_instant_whatever_it_was_written_as(
    store: SessionStore, tmp_path: Path
) -> None:
    await fold_documents(
        tmp_path,
        store,
        document("a", "sixth", created_at="2024-01-01T12:00:00.006"),
        document("b", "fifth", created_at="2024-01-01 12:00:00.005"),
        document("c", "fourth", created_at=1_704_110_400_004),
        document("d", "third", created_at="2024-01-01T14:00:00.003+02:00"),
        document("e", "second", created_at=1_704_110_400_002_000),
        document("f", "first", created_at="2024-01-01T12:00:00.001Z"),
    )

    assert await contents_of(store) == ["first", "second", "third", "fourth", "fifth", "sixth"]


async def test_microseconds_order_messages_that_are_stored_with_one_millisecond(
    store: SessionStore, tmp_path: Path
) -> None:
    await fold_documents(
        tmp_path,
        store,
        document("a", "second", created_at="2024-01-01T12:00:00.000002Z"),
        document("b", "first", created_at="2024-01-01T12:00:00.000001Z"),
    )

    first, second = await messages_of(store)
    assert [first.content, second.content] == ["first", "second"]
    assert first.created_at == second.created_at


async def test_ties_are_ordered_by_id_in_code_points(store: SessionStore, tmp_path: Path) -> None:
    await fold_documents(
        tmp_path,
        store,
        *(document(one, one) for one in ["\U0001f600", "b", "10", "a", "\uffff", "B", "9", "é"]),
    )

    assert await contents_of(store) == ["10", "9", "B", "a", "b", "é", "\uffff", "\U0001f600"]


async def test_messages_without_an_id_stay_in_the_order_of_their_lines(
    store: SessionStore, tmp_path: Path
) -> None:
    await fold_documents(
        tmp_path,
        store,
        document(None, "zeta"),
        document("", "alpha"),
        document("m", "with an id"),
    )

    messages = await messages_of(store)
    assert [message.content for message in messages] == ["zeta", "alpha", "with an id"]
    # UUIDs (version 5) of owner, session, instant and digest, written down.
    assert [message.id for message in messages] == [
        "5994d0df-28af-554f-9dce-2cb51f67af8b",
        "5e3b66d6-8e23-5df4-a4b6-07ee0213112f",
        "m",
    ]


async def test_one_session_id_of_two_users_is_two_sessions(
    store: SessionStore, tmp_path: Path
) -> None:
    await fold_documents(
        tmp_path,
        store,
        document("m1", "of ada"),
        document("m1", "of bob", user_id="bob"),
    )

    assert await contents_of(store) == ["of ada"]
    assert await contents_of(store, user_id="bob") == ["of bob"]


async def test_one_message_id_in_two_sessions_is_two_messages(
    store: SessionStore, tmp_path: Path
) -> None:
    report = await fold_documents(
        tmp_path,
        store,
        document("m1", "here"),
        document("m1", "there", session_id="s2"),
    )

    assert await contents_of(store, "s1") == ["here"]
    assert await contents_of(store, "s2") == ["there"]
    assert report.records.folded == 2


@pytest.mark.parametrize("missing", [{"user_id": None}, {"user_id": ""}], ids=str)
async def test_a_message_without_a_user_goes_to_the_sessions_only_one(
    store: SessionStore, tmp_path: Path, missing: dict[str, str | None]
) -> None:
    report = await fold_documents(
        tmp_path,
        store,
        document("m1", "named", created_at=at(1)),
        document("m2", "unnamed", created_at=at(0), **missing),
    )

    assert await contents_of(store) == ["unnamed", "named"]
    assert report.records.findings == {"user_inferred": 1}


async def test_a_message_without_a_user_is_rejected_where_nobody_is_named(
    store: SessionStore, tmp_path: Path
) -> None:
    report = await fold_documents(
        tmp_path, store, document("m1", user_id=None), document("m2", user_id="")
    )

    assert report.records.reasons == {"user_unknown": 2}
    assert await store.list_keys() == []


async def test_a_message_without_a_user_is_rejected_where_two_are_named(
    store: SessionStore, tmp_path: Path
) -> None:
    report = await fold_documents(
        tmp_path,
        store,
        document("m1", "of ada"),
        document("m2", "of bob", user_id="bob"),
        document("m3", "of whom", user_id=None),
    )

    assert report.records.reasons == {"user_ambiguous": 1}
    assert await contents_of(store) == ["of ada"]
    assert await contents_of(store, user_id="bob") == ["of bob"]


async def test_the_same_message_again_counts_once(store: SessionStore, tmp_path: Path) -> None:
    report = await fold_documents(
        tmp_path,
        store,
        document("m1", metadata={"a": 1, "b": 2}),
        document("m1", metadata={"b": 2, "a": 1}),
        document("m1", metadata='{"a": 1, "b": 2}', user_id=None),
    )

    assert await contents_of(store) == ["Hello!"]
    assert report.records.reasons == {"exact_duplicate": 2}
    assert report.records.rejected == 0
    assert not report.has_findings


async def test_the_same_id_with_another_content_keeps_the_earliest_and_names_both(
    store: SessionStore, tmp_path: Path
) -> None:
    outcomes: list[Outcome] = []
    path = write_source(
        tmp_path / "source.jsonl",
        [
            document("m1", "later", created_at=at(7)),
            document("m1", "earlier", created_at=at(0)),
            document("m2", "another", created_at=at(1)),
        ],
    )

    report = await fold(path, store, observer=outcomes.append)

    assert await contents_of(store) == ["earlier", "another"]
    assert outcomes == [
        Outcome(
            position=1,
            kind=OutcomeKind.REJECTED,
            code="conflicting_id",
            place="line 1",
            user_id="ada",
            session_id="s1",
            message_id="m1",
            kept_position=2,
            kept_place="line 2",
        )
    ]
    assert report.records.examples == {"conflicting_id": outcomes}
    assert report.has_findings


@pytest.mark.parametrize(
    "difference",
    [{"message_type": "assistant"}, {"metadata": {"a": 1}}, {"content": "Hello?"}],
    ids=str,
)
async def test_whatever_a_retry_must_repeat_makes_the_same_id_a_conflict(
    store: SessionStore, tmp_path: Path, difference: dict[str, object]
) -> None:
    changed = document("m1", created_at=at(1))
    changed.update(difference)

    report = await fold_documents(tmp_path, store, document("m1"), changed)

    assert report.records.reasons == {"conflicting_id": 1}


async def test_two_equal_messages_without_an_id_are_one(
    store: SessionStore, tmp_path: Path
) -> None:
    report = await fold_documents(
        tmp_path,
        store,
        document(None, created_at=at(0)),
        document(None, created_at=at(0)),
        document(None, created_at=at(1)),
    )

    assert await contents_of(store) == ["Hello!", "Hello!"]
    assert report.records.reasons == {"exact_duplicate": 1}


async def test_lines_that_cannot_be_placed_are_rejected_and_their_neighbours_folded(
    store: SessionStore, tmp_path: Path
) -> None:
    report = await fold_documents(
        tmp_path,
        store,
        b"{",
        b"[]",
        b"",
        document("m1", session_id=""),
        document("m2", created_at=None),
        document("m3", created_at="soon"),
        document("m4", user_id=["ada"]),
        document("m5", content=7),  # type: ignore[arg-type] # a defect of the source
        document("m6", "whole"),
    )

    assert await contents_of(store) == ["whole"]
    assert report.records.reasons == {
        "malformed_json": 1,
        "not_an_object": 1,
        "missing_session_id": 1,
        "missing_created_at": 1,
        "invalid_created_at": 1,
        "invalid_id": 1,
        "invalid_content": 1,
    }
    assert (report.records.read, report.records.folded) == (8, 1)
    assert report.records.blank_lines == 1


async def test_a_message_larger_than_the_store_keeps_is_rejected(tmp_path: Path) -> None:
    store = MemoryStore(StoreLimits(message_bytes=1000))
    fits = 1000 - len(
        '{"id":"m1","content":"","message_type":"user","user_id":null,"metadata":{},'
        '"created_at":"2024-01-01T12:00:00.000Z","parent_id":null,"edited_at":null,'
        '"deleted_at":null}'
    )

    report = await fold_documents(
        tmp_path,
        store,
        document("m1", "x" * fits),
        document("m2", "x" * (fits + 1)),
        document("m3", "x", session_id="s2", metadata={"a": "x" * 1000}),
    )

    assert [message.id for message in await messages_of(store)] == ["m1"]
    assert report.records.reasons == {"message_too_large": 2}
    with pytest.raises(SessionNotFoundError):
        await store.read(SessionKey("ada", "s2"))


async def test_findings_are_counted_of_messages_that_were_kept(
    store: SessionStore, tmp_path: Path
) -> None:
    report = await fold_documents(
        tmp_path,
        store,
        document("m1", message_type="human", created_at="2024-01-01T12:00:00"),
        document("m1", message_type="human", created_at="2024-01-01T12:00:00"),
        document("m2", content=None, extra=1),  # type: ignore[arg-type] # a defect of the source
        document("m3", metadata="no object"),
    )

    assert report.records.findings == {
        "unknown_message_type": 1,
        "null_content": 1,
        "metadata_not_an_object": 1,
        "unknown_fields": 1,
        "naive_timestamp": 1,
    }
    assert report.records.reasons == {"exact_duplicate": 1}


async def test_an_empty_source_folds_to_nothing(store: SessionStore, tmp_path: Path) -> None:
    report = await fold_documents(tmp_path, store)

    assert (report.records.read, report.messages_added) == (0, 0)
    assert await store.list_keys() == []
