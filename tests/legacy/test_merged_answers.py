"""Whatever is folded and whatever is not: what both sides say together is what one store says."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from app.domain.encoded import decoded_summary
from app.domain.identity import SessionKey
from app.domain.page import Position
from app.domain.search import parse_query
from app.domain.session import NewSession
from app.legacy import folding_store
from app.legacy.folding_store import FoldingStore
from app.store.memory import MemoryStore
from app.store.port import ListFilter, ListOrder, SessionStore
from tests.factories import ADA, BOB, make_message, make_new_session
from tests.fake_clock import instant
from tests.half_migrated import HeldSource

PLACES = ("store", "source", "both", "deleted", "second source", "both sources")


class Placed(NamedTuple):
    session: NewSession
    place: str


@st.composite
def placed_sessions(draw: st.DrawFn) -> list[Placed]:
    placed: list[Placed] = []
    for number in range(draw(st.integers(0, 7))):
        messages = [
            make_message(
                f"m{place}",
                draw(st.sampled_from(["one", "two", "one two", "三つの電車"])),
                created_at=instant(draw(st.integers(0, 5))),
            )
            for place in range(draw(st.integers(0, 3)))
        ]
        session = make_new_session(
            SessionKey(draw(st.sampled_from([ADA, ADA, BOB])), f"s{number}"),
            messages=messages,
            created_at=instant(draw(st.integers(0, 3))),
            updated_at=instant(draw(st.integers(3, 6))),
            session_name=draw(st.sampled_from([None, "One", "Two"])),
        )
        placed.append(Placed(session, draw(st.sampled_from(PLACES))))
    return placed


async def opened(placed: list[Placed]) -> tuple[SessionStore, SessionStore]:
    """Both sides together, and one store that holds what they should show."""
    behind, model = MemoryStore(), MemoryStore()
    first, second = HeldSource(), HeldSource()
    for session, place in placed:
        key = session.key
        stale = make_new_session(key, messages=[make_message("stale", "one")])
        if place != "deleted":
            await model.insert(session)
        match place:
            case "store":
                await behind.insert(session)
            case "source":
                first.sessions[key] = session
            case "both":
                await behind.insert(session)
                first.sessions[key] = stale
            case "deleted":
                await behind.insert(stale)
                await behind.delete(key, instant(9))
                first.sessions[key] = session
            case "second source":
                second.sessions[key] = session
            case _:
                first.sessions[key] = session
                second.sessions[key] = stale
    return FoldingStore(behind, [first, second]), model


async def all_pages(ask: Callable[[Position | None], Awaitable[Any]]) -> list[Any]:
    pages: list[Any] = []
    position: Position | None = None
    while True:
        page = await ask(position)
        pages.append(page)
        position = page.next_position
        if position is None:
            return pages


@given(
    placed_sessions(),
    st.sampled_from(ListOrder),
    st.integers(1, 4),
    st.sampled_from([ListFilter(), ListFilter(name_contains="o"), ListFilter(is_active=False)]),
)
def test_pages_of_lists_are_those_of_one_store(
    placed: list[Placed], order: ListOrder, limit: int, wanted: ListFilter
) -> None:
    async def compare() -> None:
        folding, model = await opened(placed)

        def pages_of(store: SessionStore) -> Awaitable[list[Any]]:
            return all_pages(
                lambda after: store.list_summaries(
                    ADA, order=order, filter=wanted, limit=limit, after=after
                )
            )

        shown = await pages_of(folding)
        expected = await pages_of(model)

        in_sources = {one.session.key.session_id for one in placed if "source" in one.place}
        for page, model_page in zip(shown, expected, strict=True):
            assert page.next_position == model_page.next_position
            for one, model_one in zip(page.items, model_page.items, strict=True):
                is_legacy = decoded_summary(one).id in in_sources
                mark = b',"is_legacy":true}' if is_legacy else b"}"
                assert one == model_one[:-1] + mark

    asyncio.run(compare())


@given(placed_sessions(), st.sampled_from(["one", "two one", "電"]), st.integers(1, 4))
def test_pages_of_searches_are_those_of_one_store(
    placed: list[Placed], text: str, limit: int
) -> None:
    async def compare() -> None:
        folding, model = await opened(placed)
        query = parse_query(text)

        def pages_of(store: SessionStore) -> Awaitable[list[Any]]:
            return all_pages(lambda after: store.search(ADA, query, limit=limit, after=after))

        assert await pages_of(folding) == await pages_of(model)

    asyncio.run(compare())


@given(placed_sessions(), st.integers(1, 5), st.integers(0, 6))
def test_newest_messages_counts_keys_and_owners_are_those_of_one_store(
    placed: list[Placed], limit: int, offset: int
) -> None:
    async def compare() -> None:
        folding, model = await opened(placed)

        async def answers(store: SessionStore) -> list[Any]:
            return [
                await store.list_recent_messages(ADA, limit=limit, offset=offset),
                await store.stats(ADA),
                await store.list_keys(limit=limit),
                await store.list_keys(after=SessionKey(ADA, "s1"), limit=limit),
                [await store.find_owners(f"s{number}") for number in range(8)],
            ]

        assert await answers(folding) == await answers(model)

    asyncio.run(compare())


async def test_a_search_says_how_many_sessions_it_has_left_out(monkeypatch: Any) -> None:
    monkeypatch.setattr(folding_store, "SEARCH_LIMIT_MESSAGES", 3)
    source = HeldSource()
    for number in range(4):
        session = make_new_session(
            SessionKey(ADA, f"s{number}"),
            messages=[make_message("a", "one"), make_message("b", "one")],
            updated_at=instant(number),
        )
        source.sessions[session.key] = session
    store = FoldingStore(MemoryStore(), [source])

    hits = await store.search(ADA, parse_query("one"))

    assert {hit.session_id for hit in hits.items} == {"s3"}
    assert hits.sessions_left_out == 3
