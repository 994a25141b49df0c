"""A comparison names each way in which a copy can be wrong, and only what is wrong."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import apsw
import pytest

from app.domain.image import SessionImage
from app.store.comparing import compare_stores
from app.store.copy_report import Finding
from app.store.copying import copy_store
from app.store.port import SessionStore
from app.store.sqlite.store import SQLiteStore
from tests.copying.stores_of_kin import KEYS, MESSAGES, fill, found_in, kin_of
from tests.factories import ADA, KEY
from tests.lived import with_header, with_json, with_message

Damage = Callable[[SessionImage], SessionImage]


def without_the_last(image: SessionImage) -> SessionImage:
    shorter = replace(image, messages=image.messages[:-1])
    return with_header(shorter, next_seq=3, message_count=2)


def with_one_doubled(image: SessionImage) -> SessionImage:
    stored = image.messages[3].stored_json.replace(b'"seq":3,"id":"m3"', b'"seq":4,"id":"copy"')
    again = replace(image.messages[3], stored_json=stored)
    longer = replace(image, messages=(*image.messages, again))
    return with_header(longer, next_seq=5, message_count=4)


DAMAGES: dict[str, Damage] = {
    "a text is another": lambda one: with_json(one, 2, b"an answer", b"an anSwer"),
    "a date is another": lambda one: with_json(one, 2, b"03:04:05.678Z", b"03:04:05.679Z"),
    "a message is missing": without_the_last,
    "a message is there twice": with_one_doubled,
    "a retry would not be known": lambda one: with_message(one, 2, digest=b"0" * 16),
    "a reader would miss a message": lambda one: with_message(one, 3, appended_revision=2),
    "a reader would miss a change": lambda one: with_message(one, 0, changed_revision=4),
    "a past text is missing": lambda one: with_message(
        one, 0, past_texts=one.messages[0].past_texts[1:]
    ),
    "a repeated creation would not be known": lambda one: replace(one, creation_digest=None),
    "the name is another": lambda one: with_header(one, session_name="A long Life"),
    "the free JSON is another": lambda one: with_header(one, context={"z": {}}),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
async def test_each_difference_in_a_session_is_found(store: SessionStore, damage: Damage) -> None:
    source = kin_of(store)
    await fill(source)
    await store.put_image(damage(await source.read_image(KEY)))

    copied = await copy_store(source, store)
    compared = await compare_stores(source, store)

    assert (copied.present, copied.stored) == (1, 3)
    assert found_in(compared) == [(Finding.DIFFERENT, ADA, "session")]
    assert (compared.equal, compared.messages) == (3, MESSAGES - 4)


async def test_a_session_that_is_missing_is_found(store: SessionStore) -> None:
    source = kin_of(store)
    await fill(source)
    await store.put_marks(await source.list_marks())
    for key in KEYS[1:]:
        await store.put_image(await source.read_image(key))

    compared = await compare_stores(source, store)

    assert found_in(compared) == [(Finding.MISSING, ADA, "empty")]
    assert compared.equal == 3


async def test_deletion_marks_that_are_missing_are_counted(store: SessionStore) -> None:
    source = kin_of(store)
    await fill(source)
    await copy_store(source, store)
    bare = kin_of(store)
    for key in KEYS:
        await bare.put_image(await source.read_image(key))
    await bare.put_marks((await source.list_marks())[:1])

    assert (await compare_stores(source, bare)).missing_marks == 1
    assert (await compare_stores(source, kin_of(store))).missing_marks == 2
    assert (await compare_stores(source, store)).missing_marks == 0


DAMAGED = "damaged"
IN_THE_FILE: dict[str, tuple[str, str]] = {
    "a letter in a run": (
        "UPDATE run SET body = CAST(replace(body, 'an answer', 'an anSwer') AS BLOB)",
        Finding.DIFFERENT,
    ),
    "a run": ("DELETE FROM run", DAMAGED),
    "a row": ("DELETE FROM message", DAMAGED),
    "an id": ("UPDATE message SET id = id || 'x'", DAMAGED),
    "a date": ("UPDATE message SET created_at = '2026-01-02T03:04:05.679Z'", DAMAGED),
    "a digest": ("UPDATE message SET digest = x'00'", Finding.DIFFERENT),
    "a tombstone that the row does not know": ("UPDATE message SET is_deleted = 0", DAMAGED),
    "a past text": ("DELETE FROM past_text", Finding.DIFFERENT),
    "a past text that is none": ("UPDATE past_text SET past = '[]'", DAMAGED),
    "a past text of a place there is not": ("UPDATE past_text SET seq = 99", DAMAGED),
    "a count": ("UPDATE session SET message_count = 9", DAMAGED),
    "the header": ("UPDATE session SET lasting = 'x'", DAMAGED),
    "the header's details": ("DELETE FROM session_details", DAMAGED),
}


async def filled_file(path: Path) -> SQLiteStore:
    store = await SQLiteStore.open(path)
    await fill(store)
    return store


def tamper(path: Path, statement: str) -> None:
    """Run a statement on the rows of the session."""
    connection = apsw.Connection(str(path))
    of_session = "(SELECT session_key FROM session WHERE user_id = ? AND id = ?)"
    connection.execute(f"{statement} WHERE session_key = {of_session}", KEY)
    assert connection.changes() > 0
    connection.close()


@pytest.mark.parametrize(("statement", "finding"), IN_THE_FILE.values(), ids=IN_THE_FILE.keys())
async def test_damage_to_the_file_of_a_target_is_found(
    tmp_path: Path, statement: str, finding: str
) -> None:
    source = await filled_file(tmp_path / "source.db")
    target = await SQLiteStore.open(tmp_path / "target.db", new_secret=source.marking_secret)
    await copy_store(source, target)
    await target.aclose()
    tamper(tmp_path / "target.db", statement)
    target = await SQLiteStore.open(tmp_path / "target.db")

    copied = await copy_store(source, target)
    compared = await compare_stores(source, target)

    assert copied.present == 4
    expected = Finding.DAMAGED_IN_TARGET if finding == DAMAGED else finding
    assert found_in(compared) == [(expected, ADA, "session")]
    assert compared.equal == 3
    await source.aclose()
    await target.aclose()


@pytest.mark.parametrize(
    "statement",
    [statement for statement, finding in IN_THE_FILE.values() if finding == DAMAGED],
    ids=[name for name, (_, finding) in IN_THE_FILE.items() if finding == DAMAGED],
)
async def test_what_is_damaged_in_the_source_is_named_and_the_rest_is_copied(
    tmp_path: Path, statement: str
) -> None:
    await (await filled_file(tmp_path / "source.db")).aclose()
    tamper(tmp_path / "source.db", statement)
    source = await SQLiteStore.open(tmp_path / "source.db")
    target = kin_of(source)

    copied = await copy_store(source, target)

    assert copied.left.counts == {Finding.DAMAGED_IN_SOURCE: 1}
    assert (copied.sessions, copied.stored) == (4, 3)
    assert (await compare_stores(source, target)).differences.counts == {Finding.MISSING: 1}
    await source.aclose()
