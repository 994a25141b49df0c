"""A second run changes nothing, adds what is missing, and undoes nothing that users did."""

from datetime import UTC, datetime
from pathlib import Path

from app.domain.identity import SessionKey
from app.store.port import SessionStore
from tests.factories import make_edit, make_message, make_new_session, make_put
from tests.migrations.sources import (
    at,
    contents_of,
    document,
    fold,
    messages_of,
    session_of,
    write_source,
)

KEY = SessionKey("ada", "s1")
LATER = datetime(2026, 11, 20, tzinfo=UTC)

THREE = [document(f"m{number}", f"text {number}", created_at=at(number)) for number in range(3)]


async def test_a_second_run_changes_nothing(store: SessionStore, tmp_path: Path) -> None:
    path = write_source(tmp_path / "source.jsonl", [*THREE, document(None, "without an id")])
    await fold(path, store)
    before = await store.read(KEY)

    report = await fold(path, store)

    assert await store.read(KEY) == before
    assert report.sessions == {"created": 0, "completed": 0, "unchanged": 1, "refused": 0}
    assert (report.records.folded, report.messages_added) == (4, 0)


async def test_the_same_records_in_another_order_change_nothing(
    store: SessionStore, tmp_path: Path
) -> None:
    await fold(write_source(tmp_path / "source.jsonl", THREE), store)
    before = await store.read(KEY)

    await fold(write_source(tmp_path / "other.jsonl", reversed(THREE)), store)

    assert await store.read(KEY) == before


async def test_a_second_run_adds_what_is_missing(store: SessionStore, tmp_path: Path) -> None:
    await fold(write_source(tmp_path / "source.jsonl", THREE[:2]), store)
    before = await session_of(store)

    report = await fold(write_source(tmp_path / "source.jsonl", THREE), store)

    after = await session_of(store)
    assert [message.content for message in after.messages] == ["text 0", "text 1", "text 2"]
    assert after.generation == before.generation
    assert after.updated_at == datetime(2024, 1, 1, 12, 0, 2, tzinfo=UTC)
    assert report.sessions == {"created": 0, "completed": 1, "unchanged": 0, "refused": 0}
    assert report.messages_added == 1


async def test_what_users_did_since_stays(store: SessionStore, tmp_path: Path) -> None:
    path = write_source(tmp_path / "source.jsonl", THREE)
    await fold(path, store)
    await store.edit_message(KEY, "m0", make_edit("edited", at=LATER))
    await store.delete_message(KEY, "m1", LATER)
    await store.append(KEY, [make_message("new", "appended")], at=LATER)
    await store.change_header(KEY, make_put(session_name="Named", at=LATER))
    before = await store.read(KEY)

    report = await fold(path, store)

    assert await store.read(KEY) == before
    assert await contents_of(store) == ["edited", "", "text 2", "appended"]
    assert (report.records.folded, report.records.rejected) == (3, 0)
    assert report.sessions["unchanged"] == 1


async def test_an_id_that_a_user_took_since_is_a_conflict(
    store: SessionStore, tmp_path: Path
) -> None:
    await fold(write_source(tmp_path / "source.jsonl", THREE[:1]), store)
    await store.append(KEY, [make_message("m1", "of the user")], at=LATER)

    report = await fold(write_source(tmp_path / "source.jsonl", THREE), store)

    assert await contents_of(store) == ["text 0", "of the user", "text 2"]
    assert report.records.reasons == {"conflicting_id": 1}
    assert report.records.folded == 2


async def test_a_session_that_the_job_did_not_make_is_left_alone(
    store: SessionStore, tmp_path: Path
) -> None:
    await store.insert(make_new_session(KEY, messages=[make_message("m0", "theirs")]))
    neighbour = document("m9", "neighbour", session_id="s2")

    report = await fold(write_source(tmp_path / "source.jsonl", [*THREE, neighbour]), store)

    assert await contents_of(store) == ["theirs"]
    assert await contents_of(store, "s2") == ["neighbour"]
    assert report.records.reasons == {"target_not_ours": 3}
    assert (report.records.folded, report.records.skipped) == (1, 3)
    assert report.sessions == {"created": 1, "completed": 0, "unchanged": 0, "refused": 1}


async def test_what_its_user_deleted_does_not_come_back(
    store: SessionStore, tmp_path: Path
) -> None:
    path = write_source(
        tmp_path / "source.jsonl", [*THREE, document("m9", "neighbour", session_id="s2")]
    )
    await fold(path, store)
    await store.delete(KEY, LATER)

    report = await fold(path, store)

    assert await store.find_version(KEY) is None
    assert await contents_of(store, "s2") == ["neighbour"]
    assert report.records.reasons == {"deleted_by_user": 3}


async def test_a_session_that_its_user_made_anew_is_theirs(
    store: SessionStore, tmp_path: Path
) -> None:
    path = write_source(tmp_path / "source.jsonl", THREE)
    await fold(path, store)
    await store.delete(KEY, LATER)
    await store.insert(make_new_session(KEY))

    report = await fold(path, store)

    assert await messages_of(store) == ()
    assert report.records.reasons == {"target_not_ours": 3}


async def test_nothing_of_an_erased_user_comes_back(store: SessionStore, tmp_path: Path) -> None:
    path = write_source(tmp_path / "source.jsonl", [*THREE, document("m0", user_id="bob")])
    await fold(path, store)
    await store.erase_user("ada", LATER)

    report = await fold(path, store)

    assert await store.list_keys() == [SessionKey("bob", "s1")]
    assert report.records.reasons == {"deleted_by_user": 3}
