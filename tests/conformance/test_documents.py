"""Documents beside sessions: versions guard them, lists show them, and they go with their user."""

import asyncio

import pytest

from app.domain.identity import Version
from app.domain.owned_document import OWNED_DOCUMENT_LIMIT_BYTES, DocumentKey, OwnedDocument
from app.errors import DocumentTooLargeError
from app.store.port import SessionStore
from tests.conformance.state import Neighbours
from tests.factories import ADA, BOB
from tests.fake_clock import START

KEY = DocumentKey(ADA, "project", "one")
AWKWARD = {"title": "金木犀", "a.b": {"$set": [1, [2]]}, "n": 2**70, "f": 1.5, "none": None}


def make_document(
    key: DocumentKey = KEY, *, group: str = "g", order: str = "2026", title: str = "first"
) -> OwnedDocument:
    return OwnedDocument.new(key, {"title": title}, group=group, order=order)


async def stored(store: SessionStore, document: OwnedDocument) -> OwnedDocument:
    assert await store.put_document(document, replaces=None)
    return document


async def test_a_document_is_read_as_it_was_put(
    store: SessionStore, neighbours: Neighbours
) -> None:
    document = OwnedDocument.new(KEY, AWKWARD, group="", order="")

    assert await store.put_document(document, replaces=None)

    found = await store.read_document(KEY)
    assert found == document
    assert found is not None
    assert found.members == AWKWARD
    assert await neighbours.are_untouched()


@pytest.mark.parametrize(
    "key",
    [KEY._replace(user_id=BOB), KEY._replace(kind="artifact"), KEY._replace(id="One")],
)
async def test_each_part_of_the_key_counts(store: SessionStore, key: DocumentKey) -> None:
    document = await stored(store, make_document())

    assert await store.read_document(key) is None
    assert not await store.remove_document(key, document.version)
    other = await stored(store, make_document(key))
    assert await store.read_document(KEY) == document
    assert await store.read_document(key) == other


async def test_the_next_state_replaces_the_one_before(store: SessionStore) -> None:
    first = await stored(store, make_document())
    second = first.changed({"title": "second"}, group="h")

    assert await store.put_document(second, replaces=first.version)

    assert await store.read_document(KEY) == second
    assert second.version == Version(first.version.generation, 2)


async def test_a_repeated_put_is_answered_as_the_first_one(store: SessionStore) -> None:
    first = await stored(store, make_document())
    second = first.changed({"title": "second"})
    assert await store.put_document(first, replaces=None)
    assert await store.put_document(second, replaces=first.version)

    assert await store.put_document(second, replaces=first.version)
    assert not await store.put_document(first, replaces=None)
    assert await store.read_document(KEY) == second


async def test_another_version_changes_nothing(store: SessionStore) -> None:
    first = await stored(store, make_document())
    mine, theirs = first.changed({"title": "mine"}), first.changed({"title": "theirs"})
    assert await store.put_document(theirs, replaces=first.version)

    assert not await store.put_document(mine, replaces=first.version)
    assert not await store.put_document(mine, replaces=Version("0" * 16, 2))
    assert not await store.put_document(mine, replaces=None)
    assert not await store.remove_document(KEY, first.version)
    assert await store.read_document(KEY) == theirs


async def test_a_version_of_a_removed_document_is_not_one_of_its_successor(
    store: SessionStore,
) -> None:
    first = await stored(store, make_document())
    assert await store.remove_document(KEY, first.version)
    assert await store.read_document(KEY) is None
    again = await stored(store, make_document())

    assert not await store.put_document(first.changed({}), replaces=first.version)
    assert not await store.remove_document(KEY, first.version)
    assert await store.read_document(KEY) == again


async def test_of_many_writers_at_once_one_wins(store: SessionStore) -> None:
    first = await stored(store, make_document())
    others = [first.changed({"title": f"writer {number}"}) for number in range(10)]

    won = await asyncio.gather(*(store.put_document(one, replaces=first.version) for one in others))

    assert won.count(True) == 1
    assert await store.read_document(KEY) == others[won.index(True)]


async def test_a_list_is_in_falling_order_of_one_kind_and_group(store: SessionStore) -> None:
    expected: list[str] = []
    for number in range(7):
        group = "odd" if number % 2 else "even"
        key = KEY._replace(id=f"id{number}")
        await stored(store, make_document(key, group=group, order=f"{number // 3}"))
        expected.insert(0, key.id)
    await stored(store, make_document(KEY._replace(user_id=BOB)))
    await stored(store, make_document(KEY._replace(kind="artifact")))

    assert await listed(store) == expected
    assert await listed(store, group="odd") == ["id5", "id3", "id1"]
    assert await listed(store, group="none") == []


async def listed(store: SessionStore, *, group: str | None = None, limit: int = 2) -> list[str]:
    """All ids, page by page."""
    ids: list[str] = []
    page = await store.list_documents(ADA, "project", group=group, limit=limit)
    ids.extend(one.key.id for one in page.items)
    while page.next_position is not None:
        assert len(page.items) == limit
        page = await store.list_documents(
            ADA, "project", group=group, limit=limit, after=page.next_position
        )
        ids.extend(one.key.id for one in page.items)
    return ids


async def test_all_keys_are_walked_in_order(store: SessionStore) -> None:
    keys = [
        DocumentKey(user_id, kind, id_)
        for user_id in (ADA, BOB)
        for kind in ("artifact", "project")
        for id_ in ("a", "金")
    ]
    for key in reversed(keys):
        await stored(store, make_document(key))

    first = await store.list_document_keys(limit=5)
    rest = await store.list_document_keys(after=first[-1], limit=5)

    assert [*first, *rest] == sorted(keys)


async def test_erasing_a_user_takes_what_they_own(store: SessionStore) -> None:
    await stored(store, make_document())
    await stored(store, make_document(KEY._replace(kind="artifact")))
    of_bob = await stored(store, make_document(KEY._replace(user_id=BOB)))

    erasure = await store.erase_user(ADA, START)

    assert erasure.document_count == 2
    assert await store.list_document_keys() == [of_bob.key]
    assert await store.read_document(of_bob.key) == of_bob


async def test_the_limit_is_met_to_the_byte(store: SessionStore) -> None:
    empty = len(make_document(title="").body)
    room = OWNED_DOCUMENT_LIMIT_BYTES - empty
    fitting = await stored(store, make_document(title="x" * room))

    with pytest.raises(DocumentTooLargeError):
        await store.put_document(make_document(title="x" * (room + 1)), replaces=fitting.version)
    assert await store.read_document(KEY) == fitting
