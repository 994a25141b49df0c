"""A search finds the messages and names that match, at once, exactly, and newest first."""

from collections.abc import Awaitable, Callable

import pytest
from hypothesis import HealthCheck, assume, given, settings

from app.domain.identity import SessionKey
from app.domain.page import Position
from app.domain.search import SearchHit, parse_query, terms_of
from app.store.port import PAGE_LIMIT, SessionStore
from tests.conformance.state import places_found
from tests.conftest import OpenStore
from tests.factories import (
    ADA,
    BOB,
    KEY,
    make_edit,
    make_message,
    make_messages,
    make_new_session,
    make_put,
)
from tests.fake_clock import START, instant
from tests.strategies import search_texts, words

Pause = Callable[[], Awaitable[None]]

TEXTS = {
    "fold": "We fold chats into documents.",
    "folding": "Folding is done.",
    "resume": "Mein Résumé liegt auf der Straße",
    "mail": "Write to me by E-mail, don't call",
    "chinese": "我们学习中文字典",
    "mixed": "用Python写代码 v2",
    "spaced": "中 文",
    "korean": "한국어를 배우다",
    "kana": "ひらがなカタカナ",
    "wide": "\U00020000\U00020001\U00020002",
    "emoji": "👍 well",
    "empty": "",
    "russian": "Привет, мир",
    "number": "42 is 3.14",
}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("fold", ["fold"]),
        ("FOLD", ["fold"]),
        ("folding", ["folding"]),
        ("fol", []),
        ("documents fold", ["fold"]),
        ("documents folding", []),
        ("resume", ["resume"]),
        ("RÉSUMÉ", ["resume"]),
        ("strasse", ["resume"]),
        ("Straße mein", ["resume"]),
        ("e-mail", ["mail"]),
        ("mail", ["mail"]),
        ("mail-e", []),
        ("don't", ["mail"]),
        ("t-don", []),
        ("中文", ["chinese"]),
        ("文字", ["chinese"]),
        ("文字典", ["chinese"]),
        ("我们学习中文字典", ["chinese"]),
        ("中字", []),
        ("习 典", ["chinese"]),
        ("中", ["chinese", "spaced"]),
        ("典", ["chinese"]),
        ("们学", ["chinese"]),
        ("python", ["mixed"]),
        ("用python", ["mixed"]),
        ("python写", ["mixed"]),
        ("python代", []),
        ("代码 v2", ["mixed"]),
        ("국어", ["korean"]),
        ("배", ["korean"]),
        ("がな", ["kana"]),
        ("なカ", ["kana"]),
        ("タ", ["kana"]),
        ("\U00020001\U00020002", ["wide"]),
        ("\U00020002", ["wide"]),
        ("well", ["emoji"]),
        ("👍 well", ["emoji"]),
        ("мир", ["russian"]),
        ("ПРИВЕТ", ["russian"]),
        ("42", ["number"]),
        ("3.14", ["number"]),
        ("4", []),
        ("absent", []),
        ("AND", []),
        ("fold OR folding", []),
        ("fold*", ["fold"]),
        ('"fold"', ["fold"]),
        ("owner:fold", []),
        ("NEAR(fold chats)", []),
    ],
)
async def test_a_query_finds_exactly_the_texts_it_should(
    store: SessionStore, pause: Pause, query: str, expected: list[str]
) -> None:
    await store.insert(
        make_new_session(messages=[make_message(id_, text) for id_, text in TEXTS.items()])
    )
    await pause()

    page = await store.search(ADA, parse_query(query), limit=200)

    assert sorted(hit.message_id or "" for hit in page.items) == sorted(expected)


async def test_a_hit_tells_where_it_is_and_what_it_says(store: SessionStore, pause: Pause) -> None:
    await store.insert(
        make_new_session(
            session_name="Zebra crossing",
            created_at=instant(-60),
            messages=[make_message("m0"), make_message("m1", "a zebra!", created_at=instant(-9))],
        )
    )
    await pause()

    page = await store.search(ADA, parse_query("zebra"))

    assert page.next_position is None
    assert page.items == (
        SearchHit("session", "Zebra crossing", 1, "m1", "user", "a zebra!", instant(-9)),
        SearchHit("session", "Zebra crossing", None, None, None, "Zebra crossing", instant(-60)),
    )


async def test_hits_come_by_date_session_and_place_all_falling(
    store: SessionStore, pause: Pause
) -> None:
    for name in ("a", "b", "é"):
        await store.insert(
            make_new_session(
                SessionKey(ADA, name),
                session_name="zebra",
                messages=[
                    make_message("m0", "zebra", created_at=START),
                    make_message("m1", "zebra", created_at=instant(9 if name == "a" else -9)),
                    make_message("m2", "zebra", created_at=START),
                ],
            )
        )
    await pause()

    assert await places_found(store, "zebra") == [
        ("a", 1),
        ("é", 2),
        ("é", 0),
        ("é", None),
        ("b", 2),
        ("b", 0),
        ("b", None),
        ("a", 2),
        ("a", 0),
        ("a", None),
        ("é", 1),
        ("b", 1),
    ]


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 19, 20, 21])
async def test_pages_together_are_all_hits_without_repeats(
    store: SessionStore, pause: Pause, limit: int
) -> None:
    for name in ("a", "b"):
        await store.insert(
            make_new_session(
                SessionKey(ADA, name),
                session_name="zebra",
                messages=[
                    make_message(f"m{n}", f"zebra {n}", created_at=instant(n // 4))
                    for n in range(9)
                ],
            )
        )
    await pause()
    everything = await places_found(store, "zebra")
    assert len(everything) == len(set(everything)) == 20

    found: list[tuple[str, int | None]] = []
    position: Position | None = None
    for _ in everything:
        page = await store.search(ADA, parse_query("zebra"), limit=limit, after=position)
        found += [(hit.session_id, hit.seq) for hit in page.items]
        position = page.next_position
        if position is None:
            break
        assert len(page.items) == limit

    assert found == everything


async def test_a_position_is_an_instant_text_a_session_and_a_place(store: SessionStore) -> None:
    await store.insert(
        make_new_session(session_name="zebra", messages=[make_message("m0", "zebra")])
    )

    page = await store.search(ADA, parse_query("zebra"), limit=1)
    rest = await store.search(ADA, parse_query("zebra"), limit=1, after=page.next_position)

    assert page.next_position == ("2026-01-02T03:04:05.678Z", "session", 0)
    assert [hit.seq for hit in rest.items] == [None]
    assert rest.next_position is None


async def test_a_page_may_have_as_many_as_the_limit_says(store: SessionStore, pause: Pause) -> None:
    assert PAGE_LIMIT == 200
    await store.insert(
        make_new_session(messages=[make_message(f"m{n}", "zebra") for n in range(201)])
    )
    await pause()

    assert [seq for _, seq in await places_found(store, "zebra")] == list(range(200, 0, -1))


async def test_every_change_is_seen_at_once(store: SessionStore, pause: Pause) -> None:
    await store.insert(make_new_session(messages=make_messages(2), session_name="old name"))
    await pause()
    await store.append(KEY, [make_message("m2", "zebra one"), make_message("m3")], at=START)
    assert await places_found(store, "zebra") == [("session", 2)]
    await pause()

    await store.edit_message(KEY, "m2", make_edit("lion one"))
    assert await places_found(store, "zebra") == []
    assert await places_found(store, "lion") == [("session", 2)]
    await pause()
    await store.edit_message(KEY, "m0", make_edit("zebra again"))
    assert await places_found(store, "zebra") == [("session", 0)]
    await pause()

    await store.delete_message(KEY, "m0", START)
    assert await places_found(store, "zebra") == []
    await pause()
    assert await places_found(store, "zebra") == []
    assert await places_found(store, "lion one") == [("session", 2)]

    await store.change_header(KEY, make_put(session_name="new name"))
    assert await places_found(store, "old") == []
    assert await places_found(store, "new") == [("session", None)]
    await pause()
    await store.change_header(KEY, make_put(session_name=None))
    assert await places_found(store, "new") == []
    await pause()
    assert await places_found(store, "name") == []


async def test_an_edit_of_metadata_leaves_the_text_found_once(
    store: SessionStore, pause: Pause
) -> None:
    await store.insert(make_new_session(messages=[make_message("m0", "zebra")]))
    await pause()

    await store.edit_message(KEY, "m0", make_edit(metadata={"lion": "lion"}))
    await pause()

    assert await places_found(store, "zebra") == [("session", 0)]
    assert await places_found(store, "lion") == []


async def test_a_refused_batch_is_not_found(store: SessionStore, pause: Pause) -> None:
    await store.insert(make_new_session(messages=make_messages(1)))

    with pytest.raises(Exception, match="stored before"):
        await store.append(
            KEY, [make_message("m1", "zebra"), make_message("m0", "other")], at=START
        )
    await pause()

    assert await places_found(store, "zebra") == []


async def test_deleted_and_erased_sessions_are_not_found(store: SessionStore, pause: Pause) -> None:
    for user_id in (ADA, BOB):
        for name in ("a", "b"):
            await store.insert(
                make_new_session(
                    SessionKey(user_id, name),
                    session_name="zebra",
                    messages=[make_message("m0", "zebra")],
                )
            )
    await pause()

    await store.delete(SessionKey(ADA, "a"), START)
    assert await places_found(store, "zebra") == [("b", 0), ("b", None)]
    await pause()
    assert await places_found(store, "zebra") == [("b", 0), ("b", None)]
    await store.erase_user(ADA, START)

    assert await places_found(store, "zebra") == []
    assert len(await places_found(store, "zebra", BOB)) == 4


async def test_no_one_finds_the_texts_of_another(store: SessionStore, pause: Pause) -> None:
    await store.insert(
        make_new_session(session_name="zebra", messages=[make_message("m0", "zebra", user_id=BOB)])
    )
    await pause()

    assert await places_found(store, "zebra", BOB) == []
    assert await places_found(store, "zebra", "nobody") == []
    assert len(await places_found(store, "zebra", ADA)) == 2


async def test_context_metadata_tags_and_ids_are_no_text(store: SessionStore, pause: Pause) -> None:
    await store.insert(
        make_new_session(
            SessionKey(ADA, "zebra"),
            tags=["zebra"],
            context={"zebra": "zebra"},
            metadata={"zebra": "zebra"},
            project_id="zebra",
            messages=[make_message("zebra", "text", metadata={"zebra": "zebra"}, user_id="zebra")],
        )
    )
    await pause()

    assert await places_found(store, "zebra") == []
    assert await places_found(store, "text") == [("zebra", 0)]


async def test_words_far_into_a_long_session_are_found(store: SessionStore, pause: Pause) -> None:
    await store.insert(make_new_session(messages=make_messages(300)))
    await store.append(KEY, [make_message("z", "x " * 5000 + "zebra")], at=START)
    await pause()
    await store.append(KEY, [make_message("y", "zebra")], at=START)

    assert await places_found(store, "zebra") == [("session", 301), ("session", 300)]
    assert await places_found(store, "m299") == [("session", 299)]


@settings(
    max_examples=60,
    # The factory is shared by the examples, the store that it opens is not.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(text=search_texts(), name=search_texts(), query=words())
async def test_every_store_finds_what_the_terms_say(
    open_store: OpenStore, text: str, name: str, query: str
) -> None:
    assume(terms_of(query))
    parsed = parse_query(query)
    store = await open_store()
    await store.insert(
        make_new_session(session_name=name, messages=[make_message("m0", text), make_message("m1")])
    )
    expected = [("session", 0)] * parsed.matches(text) + [("session", None)] * parsed.matches(name)
    assume(not parsed.matches("the text of m1"))

    assert await places_found(store, query) == expected
    await open_store.settle()
    assert await places_found(store, query) == expected
