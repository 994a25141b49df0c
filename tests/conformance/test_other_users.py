"""The user is part of every key: what another owns is absent on every method."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from app.domain.identity import SessionKey
from app.domain.search import parse_query
from app.domain.session import Precondition
from app.errors import SessionNotFoundError
from app.store.port import HEADER_ONLY, MessageWindow, SessionStore, UserStats
from tests.conformance.state import Neighbours
from tests.factories import ADA, make_edit, make_message, make_new_session, make_put
from tests.fake_clock import START

FOREIGN = SessionKey(ADA, "bobs")
OWN = SessionKey("bob", "bobs")
ANY_THAT_EXISTS = Precondition(versions=None)

CALLS: dict[str, Callable[[SessionStore], Awaitable[Any]]] = {
    "read": lambda store: store.read(FOREIGN),
    "read header": lambda store: store.read(FOREIGN, HEADER_ONLY),
    "change_header": lambda store: store.change_header(FOREIGN, make_put(is_pinned=True)),
    "change_header, guarded": lambda store: store.change_header(
        FOREIGN, make_put(is_pinned=True), ANY_THAT_EXISTS
    ),
    "delete": lambda store: store.delete(FOREIGN, START),
    "append": lambda store: store.append(FOREIGN, [make_message("m0", "a word")], at=START),
    "list_messages": lambda store: store.list_messages(FOREIGN, MessageWindow()),
    "edit_message": lambda store: store.edit_message(FOREIGN, "m0", make_edit("x")),
    "delete_message": lambda store: store.delete_message(FOREIGN, "m0", START),
    "list_past_texts": lambda store: store.list_past_texts(FOREIGN, "m0"),
}


@pytest.fixture
async def store_of_bob(store: SessionStore) -> SessionStore:
    await store.insert(
        make_new_session(OWN, session_name="zebra", messages=[make_message("m0", "zebra")])
    )
    await store.edit_message(OWN, "m0", make_edit("zebra again"))
    return store


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
async def test_a_foreign_session_is_not_found(
    store_of_bob: SessionStore,
    neighbours: Neighbours,
    call: Callable[[SessionStore], Awaitable[Any]],
) -> None:
    before = await store_of_bob.read(OWN)

    with pytest.raises(SessionNotFoundError) as caught:
        await call(store_of_bob)

    assert str(caught.value) == "There is no session 'bobs' for this user."
    assert await store_of_bob.read(OWN) == before
    assert await store_of_bob.find_version(FOREIGN) is None
    assert await store_of_bob.find_deleted([FOREIGN]) == set()
    assert await neighbours.are_untouched()


async def test_lists_and_counts_show_nothing_of_another(store_of_bob: SessionStore) -> None:
    store = store_of_bob

    assert (await store.list_summaries(ADA)).items == ()
    assert (await store.search(ADA, parse_query("zebra"))).items == ()
    assert await store.list_recent_messages(ADA, limit=10) == []
    assert await store.stats(ADA) == UserStats(0, 0, None, None)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (SessionKey("a", "b/c"), SessionKey("a/b", "c")),
        (SessionKey("a", "bc"), SessionKey("ab", "c")),
        (SessionKey("a:", "b"), SessionKey("a", ":b")),
        (SessionKey("A", "b"), SessionKey("a", "b")),
        (SessionKey("é", "b"), SessionKey("e\u0301", "b")),
        (SessionKey("a", "b "), SessionKey("a", "b")),
        (SessionKey("%61", "b"), SessionKey("a", "b")),
        (SessionKey("a\x01", "b"), SessionKey("a", "\x01b")),
    ],
)
async def test_keys_that_look_alike_are_different(
    store: SessionStore, one: SessionKey, other: SessionKey
) -> None:
    await store.insert(make_new_session(one, messages=[make_message("m0", "zebra")]))

    assert await store.find_version(other) is None
    await store.insert(make_new_session(other))
    await store.delete(other, START)
    assert await store.find_deleted([one, other]) == {other}
    assert len((await store.read(one)).messages()) == 1
