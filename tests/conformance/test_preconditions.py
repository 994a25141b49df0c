"""A precondition is obeyed in the same step as the write; none guards nothing."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from app.domain.identity import Version
from app.domain.session import Precondition
from app.errors import RevisionMismatchError
from app.store.port import SessionStore
from tests.conformance.state import Neighbours, state_of
from tests.factories import KEY, make_edit, make_message, make_messages, make_new_session, make_put
from tests.fake_clock import START

GENERATION = "00000000000000aa"
CURRENT = Version(GENERATION, 2)
STALE = Version(GENERATION, 1)

Write = Callable[[SessionStore, Precondition | None], Awaitable[Any]]

WRITES: dict[str, Write] = {
    "append": lambda store, guard: store.append(
        KEY, [make_message("new")], at=START, precondition=guard
    ),
    "change_header": lambda store, guard: store.change_header(
        KEY, make_put(session_name="new"), guard
    ),
    "edit_message": lambda store, guard: store.edit_message(KEY, "m0", make_edit("new"), guard),
    "delete_message": lambda store, guard: store.delete_message(KEY, "m0", START, guard),
    "delete": lambda store, guard: store.delete(KEY, START, guard),
}


@pytest.fixture(params=list(WRITES))
def write(request: pytest.FixtureRequest) -> Write:
    return WRITES[request.param]


@pytest.fixture
async def store_at_revision_two(store: SessionStore) -> SessionStore:
    await store.insert(make_new_session(messages=make_messages(1), generation=GENERATION))
    await store.append(KEY, make_messages(1, first=1), at=START)
    return store


@pytest.mark.parametrize(
    "versions",
    [
        frozenset({STALE}),
        frozenset({Version(GENERATION, 3)}),
        frozenset({Version("00000000000000bb", 2)}),
        frozenset({STALE, Version("00000000000000bb", 2)}),
        frozenset[Version](),
    ],
)
async def test_a_stale_version_is_refused_and_nothing_changes(
    store_at_revision_two: SessionStore,
    neighbours: Neighbours,
    write: Write,
    versions: frozenset[Version],
) -> None:
    before = await state_of(store_at_revision_two, KEY)

    with pytest.raises(RevisionMismatchError) as caught:
        await write(store_at_revision_two, Precondition(versions=versions))

    assert caught.value.id == "session"
    assert (caught.value.current_generation, caught.value.current_revision) == (GENERATION, 2)
    assert await state_of(store_at_revision_two, KEY) == before
    assert await store_at_revision_two.find_deleted([KEY]) == set()
    assert await neighbours.are_untouched()


@pytest.mark.parametrize(
    "guard",
    [
        None,
        Precondition(versions=None),
        Precondition(versions=frozenset({CURRENT})),
        Precondition(versions=frozenset({STALE, CURRENT})),
    ],
)
async def test_a_version_that_holds_lets_the_write_pass(
    store_at_revision_two: SessionStore,
    neighbours: Neighbours,
    write: Write,
    guard: Precondition | None,
) -> None:
    await write(store_at_revision_two, guard)

    version = await store_at_revision_two.find_version(KEY)
    assert version in (None, (GENERATION, 3))
    assert await neighbours.are_untouched()


async def test_a_retried_append_is_answered_whatever_it_is_guarded_by(
    store_at_revision_two: SessionStore,
) -> None:
    guard = Precondition(versions=frozenset({CURRENT}))
    first = await store_at_revision_two.append(
        KEY, [make_message("new")], at=START, precondition=guard
    )

    again = await store_at_revision_two.append(
        KEY, [make_message("new")], at=START, precondition=guard
    )

    assert again == first
    assert again.version == (GENERATION, 3)


async def test_a_partly_known_batch_obeys_its_guard(store_at_revision_two: SessionStore) -> None:
    before = await state_of(store_at_revision_two, KEY)

    with pytest.raises(RevisionMismatchError):
        await store_at_revision_two.append(
            KEY,
            [*make_messages(1), make_message("new")],
            at=START,
            precondition=Precondition(versions=frozenset({STALE})),
        )

    assert await state_of(store_at_revision_two, KEY) == before


async def test_a_guard_holds_even_where_the_write_would_change_nothing(
    store_at_revision_two: SessionStore,
) -> None:
    stale = Precondition(versions=frozenset({STALE}))

    with pytest.raises(RevisionMismatchError):
        await store_at_revision_two.change_header(KEY, make_put(), stale)
    with pytest.raises(RevisionMismatchError):
        await store_at_revision_two.edit_message(KEY, "m0", make_edit("the text of m0"), stale)


async def test_an_old_version_does_not_fit_an_id_used_again(
    store_at_revision_two: SessionStore,
) -> None:
    await store_at_revision_two.delete(KEY, START)
    await store_at_revision_two.insert(make_new_session(messages=make_messages(1)))
    await store_at_revision_two.append(KEY, make_messages(1, first=1), at=START)
    before = await state_of(store_at_revision_two, KEY)

    with pytest.raises(RevisionMismatchError) as caught:
        await store_at_revision_two.delete(KEY, START, Precondition(versions=frozenset({CURRENT})))

    assert caught.value.current_revision == 2
    assert caught.value.current_generation != GENERATION
    assert await state_of(store_at_revision_two, KEY) == before
