"""Sessions that users wrote to since the fold are compared up to their folded part, and named."""

from datetime import UTC, datetime
from pathlib import Path

from app.domain.identity import SessionKey
from app.domain.message import PastText
from app.store.memory import MemoryStore
from app.store.port import SessionStore
from tests.factories import make_edit, make_message, make_put
from tests.migrations.sources import at, document, fold, verified, write_source
from tests.migrations.test_exports_come_back import exported, imported

KEY = SessionKey("ada", "s1")
NAMED = [{"user_id": "ada", "session_id": "s1"}]
LATER = datetime(2026, 11, 20, tzinfo=UTC)

SOURCE = [
    document("m0", "zero", created_at=at(0), metadata={"a": 1}),
    document("m1", "one", created_at=at(1)),
    document("n0", "neighbour", session_id="s2"),
]


async def folded(folder: Path, store: SessionStore) -> Path:
    path = write_source(folder / "source.jsonl", SOURCE)
    await fold(path, store)
    return path


async def test_an_appended_message_is_no_difference(store: SessionStore, tmp_path: Path) -> None:
    path = await folded(tmp_path, store)
    await store.append(KEY, [make_message("new")], at=LATER)

    report = await verified(path, store)

    assert report.examples == []
    assert report.written_since == NAMED
    assert report.sessions_equal == 2


async def test_an_edited_message_is_compared_as_it_was(store: SessionStore, tmp_path: Path) -> None:
    path = await folded(tmp_path, store)
    await store.edit_message(KEY, "m0", make_edit("edited", metadata={"a": 2}, at=LATER))
    await store.edit_message(KEY, "m0", make_edit("edited again", at=LATER))

    report = await verified(path, store)

    assert report.examples == []
    assert report.written_since == NAMED


async def test_a_deleted_message_holds_its_place(store: SessionStore, tmp_path: Path) -> None:
    path = await folded(tmp_path, store)
    await store.delete_message(KEY, "m0", LATER)

    report = await verified(path, store)

    assert report.examples == []
    assert report.written_since == NAMED


async def test_a_named_session_is_no_difference(store: SessionStore, tmp_path: Path) -> None:
    path = await folded(tmp_path, store)
    await store.change_header(KEY, make_put(session_name="Named", at=LATER))

    report = await verified(path, store)

    assert report.examples == []
    assert report.written_since == NAMED


async def test_a_deleted_session_is_named_and_no_difference(
    store: SessionStore, tmp_path: Path
) -> None:
    path = await folded(tmp_path, store)
    await store.delete(KEY, LATER)

    report = await verified(path, store)

    assert report.examples == []
    assert report.deleted_since == NAMED
    assert report.sessions_equal == 1


async def test_damage_below_what_users_wrote_is_still_found(
    store: SessionStore, tmp_path: Path
) -> None:
    path = await folded(tmp_path, store)
    await store.append(KEY, [make_message("new")], at=LATER)
    other_source = write_source(
        tmp_path / "other.jsonl", [SOURCE[0], document("m1", "otherwise", created_at=at(1))]
    )

    report = await verified(other_source, store)

    assert [(one.code, one.message_id) for one in report.examples] == [("content_differs", "m1")]
    assert not (await verified(path, store)).has_findings


async def test_an_edit_whose_history_an_import_has_lost_is_a_difference(
    store: SessionStore, tmp_path: Path
) -> None:
    lived = MemoryStore()
    path = await folded(tmp_path, lived)
    await lived.edit_message(KEY, "m0", make_edit("edited", at=LATER))
    await lived.edit_message(KEY, "m1", make_edit("edited", at=LATER))
    await lived.edit_message(KEY, "m1", make_edit("one", at=LATER))
    await imported(await exported(lived, tmp_path / "export.jsonl"), store)

    report = await verified(path, store)

    assert [(one.code, one.message_id) for one in report.examples] == [
        ("content_differs", "m0"),
        ("history_missing", "m0"),
    ]
    assert report.written_since == NAMED
    assert report.sessions_equal == 1


class ForgetfulStore(MemoryStore):
    """Its user deletes an edited message just before it is asked for its past."""

    async def list_past_texts(self, key: SessionKey, message_id: str) -> list[PastText]:
        await self.delete_message(key, message_id, LATER)
        return await super().list_past_texts(key, message_id)


async def test_a_message_that_is_deleted_while_it_is_compared_is_no_difference(
    tmp_path: Path,
) -> None:
    store = ForgetfulStore()
    path = await folded(tmp_path, store)
    await store.edit_message(KEY, "m0", make_edit("edited", at=LATER))

    report = await verified(path, store)

    assert (report.examples, report.written_since) == ([], NAMED)
