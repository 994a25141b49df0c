"""Erasing a user removes everything of theirs, nothing of others, and counts what it removed."""

import asyncio

import pytest

from app.domain.identity import SessionKey
from app.errors import SessionNotFoundError
from app.store.port import Erasure, SessionStore, UserStats
from tests.conformance.state import Neighbours, ids_listed, messages_of, places_found
from tests.conftest import OpenStore
from tests.factories import (
    ADA,
    KEY,
    make_edit,
    make_message,
    make_messages,
    make_new_session,
)
from tests.fake_clock import START

EVE = "eve"
EVES = [SessionKey(EVE, name) for name in ("session", "neighbour", "long")]


def counts(erasure: Erasure) -> tuple[int, int, int]:
    return erasure.session_count, erasure.message_count, erasure.past_text_count


@pytest.fixture
async def store_with_eve(store: SessionStore) -> SessionStore:
    await store.insert(
        make_new_session(
            EVES[0],
            session_name="zebra",
            messages=[make_message("m0", "zebra"), make_message("m1")],
        )
    )
    await store.insert(make_new_session(EVES[1], messages=[make_message("m0", "zebra")]))
    await store.insert(make_new_session(EVES[2], messages=make_messages(300)))
    for text in ("zebra 1", "zebra 2"):
        await store.edit_message(EVES[0], "m0", make_edit(text))
    await store.edit_message(EVES[1], "m0", make_edit("zebra 3"))
    await store.delete_message(EVES[0], "m1", START)
    return store


async def test_nothing_of_the_user_stays_and_all_of_others_does(
    store_with_eve: SessionStore, neighbours: Neighbours
) -> None:
    store = store_with_eve
    assert (await store.stats(EVE)).session_count == 3
    assert len(await places_found(store, "zebra", EVE)) == 3

    erasure = await store.erase_user(EVE, START)

    assert counts(erasure) == (3, 303, 3)
    assert await store.stats(EVE) == UserStats(0, 0, None, None)
    assert await places_found(store, "zebra", EVE) == []
    assert await ids_listed(store, EVE) == []
    assert await store.list_recent_messages(EVE, limit=10) == []
    assert [key for key in await store.list_keys() if key.user_id == EVE] == []
    assert await store.find_owners("long") == []
    for key in EVES:
        assert await store.find_version(key) is None
        with pytest.raises(SessionNotFoundError):
            await store.read(key)
        with pytest.raises(SessionNotFoundError):
            await store.list_past_texts(key, "m0")
    assert await neighbours.are_untouched()


async def test_what_a_deletion_had_forgotten_is_not_counted(store: SessionStore) -> None:
    await store.insert(make_new_session(messages=make_messages(2)))
    for message_id in ("m0", "m1"):
        await store.edit_message(KEY, message_id, make_edit("edited"))
    await store.delete_message(KEY, "m1", START)

    erasure = await store.erase_user(ADA, START)

    assert counts(erasure) == (1, 2, 1)


async def test_the_receipt_says_what_it_could_not_reach(store_with_eve: SessionStore) -> None:
    erasure = await store_with_eve.erase_user(EVE, START)

    assert erasure.not_reached
    assert all(sentence.endswith(".") for sentence in erasure.not_reached)


async def test_a_second_erasure_is_quiet_and_counts_nothing(
    store_with_eve: SessionStore, neighbours: Neighbours
) -> None:
    await store_with_eve.erase_user(EVE, START)

    again = await store_with_eve.erase_user(EVE, START)

    assert counts(again) == (0, 0, 0)
    assert await neighbours.are_untouched()


async def test_an_unknown_user_can_be_erased(store: SessionStore, neighbours: Neighbours) -> None:
    erasure = await store.erase_user("nobody", START)

    assert counts(erasure) == (0, 0, 0)
    assert await neighbours.are_untouched()


async def test_an_erased_user_may_begin_anew(
    store_with_eve: SessionStore, open_store: OpenStore
) -> None:
    store = store_with_eve
    await store.erase_user(EVE, START)

    await store.insert(make_new_session(EVES[0], messages=[make_message("m0", "zebra anew")]))
    await store.append(EVES[0], [make_message("m1", "lion")], at=START)

    await open_store.settle()
    assert [m.content for m in await messages_of(store, EVES[0])] == ["zebra anew", "lion"]
    assert await places_found(store, "zebra", EVE) == [("session", 0)]
    assert await store.list_past_texts(EVES[0], "m0") == []
    assert (await store.stats(EVE)).session_count == 1


async def test_what_was_begun_anew_is_erased_too(store_with_eve: SessionStore) -> None:
    store = store_with_eve
    await store.erase_user(EVE, START)
    await store.insert(make_new_session(EVES[0], messages=make_messages(2)))

    erasure = await store.erase_user(EVE, START)

    assert counts(erasure) == (1, 2, 0)
    assert await store.find_version(EVES[0]) is None


async def test_writes_of_others_go_on_meanwhile(store_with_eve: SessionStore) -> None:
    store = store_with_eve
    await store.insert(make_new_session())

    erasure, *appended = await asyncio.gather(
        store.erase_user(EVE, START),
        *(store.append(KEY, [make_message(f"m{n}")], at=START) for n in range(40)),
    )

    assert isinstance(erasure, Erasure)
    assert counts(erasure) == (3, 303, 3)
    assert len(appended) == 40
    assert [m.seq for m in await messages_of(store, KEY)] == list(range(40))
    assert (await store.stats(ADA)).message_count == 40
