"""The index and what is pending are one to a search, and what is deleted leaves the file."""

import asyncio
from pathlib import Path

import apsw
import pytest

from app.domain.message import MessageEdit
from app.domain.search import parse_query
from app.domain.session import HeaderChange
from app.errors import CorruptDocumentError
from app.store.sqlite import store as store_module
from app.store.sqlite.store import SQLiteStore
from tests.factories import ADA, BOB, KEY, make_message, make_new_session
from tests.fake_clock import START

_DEADLINE_SECONDS = 20


def _count(path: Path, table: str) -> int:
    connection = apsw.Connection(str(path))
    (count,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # type: ignore[misc] # noqa: S608
    connection.close()
    return int(count)


async def _until_empty(path: Path, table: str) -> None:
    """Wait until the idle writer has nothing left in a table."""
    async with asyncio.timeout(_DEADLINE_SECONDS):
        while _count(path, table):  # noqa: ASYNC110 - another thread empties it, with no event
            await asyncio.sleep(0.01)


async def _found(store: SQLiteStore, text: str) -> list[tuple[str, int | None]]:
    page = await store.search(ADA, parse_query(text))
    return [(hit.session_id, hit.seq) for hit in page.items]


async def test_what_is_found_does_not_change_when_it_is_indexed(
    store: SQLiteStore, path: Path
) -> None:
    texts = ["plum cake", "北京大学 plum", "nothing", "Überraschung: PLUM-cake"]
    await store.insert(make_new_session(session_name="All about plums"))
    for number, text in enumerate(texts):
        await store.append(KEY, [make_message(f"m{number}", text)], at=START)

    at_once = [await _found(store, q) for q in ("plum", "京大", "uberraschung", "plums about")]
    await _until_empty(path, "search_pending")
    indexed = [await _found(store, q) for q in ("plum", "京大", "uberraschung", "plums about")]

    assert at_once == [
        [("session", 3), ("session", 1), ("session", 0)],
        [("session", 1)],
        [("session", 3)],
        [("session", None)],
    ]
    assert indexed == at_once
    assert _count(path, "search_entry") == 5


async def test_indexed_texts_that_change_are_found_as_they_are_now(
    store: SQLiteStore, path: Path
) -> None:
    await store.insert(
        make_new_session(
            messages=[make_message("m0", "plum"), make_message("m1", "plum")], session_name="plum"
        )
    )
    await _until_empty(path, "search_pending")

    await store.edit_message(KEY, "m0", MessageEdit(content="quince", at=START))
    await store.delete_message(KEY, "m1", START)
    await store.change_header(KEY, HeaderChange(members={"session_name": "quince"}, at=START))

    assert await _found(store, "plum") == []
    assert await _found(store, "quince") == [("session", 0), ("session", None)]
    await _until_empty(path, "search_pending")
    assert await _found(store, "plum") == []
    assert await _found(store, "quince") == [("session", 0), ("session", None)]


async def test_a_damaged_session_does_not_keep_the_others_from_the_index(
    store: SQLiteStore, path: Path
) -> None:
    await store.insert(make_new_session(messages=[make_message("m0", "plum")]))
    await _until_empty(path, "search_pending")
    connection = apsw.Connection(str(path))
    connection.execute("UPDATE run SET body = x'00'")
    connection.execute("UPDATE session SET indexed_seq = 0")
    connection.execute("INSERT INTO search_pending SELECT user_id, session_key FROM session")
    connection.close()
    bobs = KEY._replace(user_id=BOB)

    await store.insert(make_new_session(bobs, messages=[make_message("m0", "plum")]))

    async with asyncio.timeout(_DEADLINE_SECONDS):
        while _count(path, "search_pending") > 1:  # noqa: ASYNC110 - another thread empties it
            await asyncio.sleep(0.01)
    found = (await store.search(BOB, parse_query("plum"))).items
    assert [hit.session_id for hit in found] == ["session"]
    with pytest.raises(CorruptDocumentError):
        await store.search(ADA, parse_query("plum"))


async def test_a_deleted_session_is_swept_up(store: SQLiteStore, path: Path) -> None:
    messages = [make_message(f"m{number}", f"plum {number}") for number in range(1200)]
    await store.insert(make_new_session(messages=messages))
    await store.edit_message(KEY, "m0", MessageEdit(content="plum again", at=START))
    await _until_empty(path, "search_pending")

    await store.delete(KEY, START)

    assert await _found(store, "plum") == []
    await _until_empty(path, "remains")
    for table in ("message", "run", "past_text", "search_entry", "session_details"):
        assert _count(path, table) == 0


async def test_a_session_made_anew_before_the_sweep_has_nothing_of_the_old_one(
    store: SQLiteStore, path: Path
) -> None:
    await store.insert(make_new_session(messages=[make_message("m0", "plum")]))
    await _until_empty(path, "search_pending")

    await store.delete(KEY, START)
    await store.insert(make_new_session(messages=[make_message("m0", "quince")]))

    assert await _found(store, "plum") == []
    assert await _found(store, "quince") == [("session", 0)]
    await _until_empty(path, "remains")
    assert await _found(store, "quince") == [("session", 0)]


async def test_an_erased_users_words_are_nowhere_in_the_files(path: Path) -> None:
    store = await SQLiteStore.open(path)
    word = "Wintergreenmarmalade"
    key = KEY._replace(session_id="private")
    await store.insert(
        make_new_session(
            key,
            session_name=f"{word} name",
            context={"word": word},
            messages=[make_message(f"m{n}", f"{word} {n} " * 30) for n in range(300)],
        )
    )
    await store.edit_message(key, "m0", MessageEdit(content=f"{word} edited", at=START))
    bobs = KEY._replace(user_id=BOB)
    await store.insert(make_new_session(bobs, messages=[make_message("m0", "plum")]))
    await _until_empty(path, "search_pending")
    assert word.encode() in b"".join(file.read_bytes() for file in path.parent.iterdir())

    erasure = await store.erase_user(ADA, START)

    left = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert word.encode() not in left
    assert word.lower().encode() not in left  # as the index would have it
    assert (erasure.session_count, erasure.message_count, erasure.past_text_count) == (1, 300, 1)
    assert len(erasure.not_reached) == 3
    assert [h.session_id for h in (await store.search(BOB, parse_query("plum"))).items] == [
        "session"
    ]
    await store.aclose()


async def test_new_rules_for_terms_build_the_index_anew(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await SQLiteStore.open(path)
    await store.insert(make_new_session(messages=[make_message("m0", "plum")]))
    await _until_empty(path, "search_pending")
    await store.aclose()
    monkeypatch.setattr(store_module, "TERMS_VERSION", 2)

    store = await SQLiteStore.open(path)

    assert await _found(store, "plum") == [("session", 0)]
    await _until_empty(path, "search_pending")
    assert await _found(store, "plum") == [("session", 0)]
    await store.aclose()
