"""A message within the limits can be sealed and found, however many words it has."""

import bson
import pytest

from app.domain.search import parse_query
from app.store.mongo.store import MongoStore
from tests.factories import ADA, KEY, make_edit, make_message, make_messages, make_new_session
from tests.fake_clock import instant
from tests.mongo.facade import database_in_memory

COSMOS_DOCUMENT_BYTES = 2 * 1024 * 1024
"""The least that a server allows, for messages of up to half of it."""

WORDS = " ".join(f"{number:06x}" for number in range(149_000))
CHARACTERS = "".join(chr(0x4E00 + number * 7919 % 20_000) for number in range(340_000))
SEGMENT_BYTES = 8192


@pytest.mark.parametrize(
    ("text", "queries"),
    [
        (WORDS, ["00abcd", "00abcd-00abce", "00abcd 00bcde"]),
        (CHARACTERS, [CHARACTERS[500], CHARACTERS[500:502], CHARACTERS[500:505]]),
    ],
    ids=["words", "characters"],
)
async def test_a_message_of_nothing_but_different_terms_is_sealed_and_found(
    text: str, queries: list[str]
) -> None:
    database = database_in_memory()
    store = await MongoStore.over(database, segment_bytes=SEGMENT_BYTES)

    await store.insert(make_new_session(messages=[make_message("many", text), *make_messages(80)]))
    found = [
        [hit.message_id for hit in (await store.search(ADA, parse_query(query))).items]
        for query in [*queries, "nowhere"]
    ]
    sizes = [len(bson.encode(segment)) async for segment in database["segments"].find({})]
    await store.aclose()

    assert len(text.encode()) > 1_000_000
    assert max(sizes) < COSMOS_DOCUMENT_BYTES
    assert found == [["many"]] * 3 + [[]]


async def test_others_are_found_beside_it_by_their_own_terms() -> None:
    store = await MongoStore.over(database_in_memory(), segment_bytes=SEGMENT_BYTES)
    messages = [make_message("many", WORDS), *make_messages(80), make_message("cjk", "中文")]
    await store.insert(make_new_session(messages=messages))

    by_word = await store.search(ADA, parse_query("the m7"))
    by_character = await store.search(ADA, parse_query("中"))
    await store.aclose()

    assert [hit.message_id for hit in by_word.items] == ["m7"]
    assert [hit.message_id for hit in by_character.items] == ["cjk"]


async def test_its_words_are_forgotten_with_it() -> None:
    store = await MongoStore.over(database_in_memory(), segment_bytes=SEGMENT_BYTES)
    messages = [make_message("many", WORDS), *make_messages(80)]
    await store.insert(make_new_session(messages=messages))
    assert await counts(store) == [1, 0]

    await store.edit_message(KEY, "many", make_edit("few words", at=instant(1)))
    after_edit = await counts(store)
    await store.delete_message(KEY, "many", instant(2))
    after_deletion = await counts(store)
    await store.aclose()

    assert (after_edit, after_deletion) == ([0, 1], [0, 0])


async def counts(store: MongoStore) -> list[int]:
    return [len((await store.search(ADA, parse_query(one))).items) for one in ("00abcd", "few")]
