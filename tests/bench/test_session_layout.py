"""How sessions lie in MongoDB, worked out by hand for sizes that are easy to work with."""

import pytest

from app.store.mongo.encoding import STEP_BYTES, message_size_bytes, stored_new_message
from app.store.mongo.seal_plans import Budget
from app.store.mongo.store import MongoStore
from bench.session_layout import GrowingSession, lengths, mean_session
from tests.factories import KEY, make_message, make_new_session
from tests.fake_clock import START
from tests.mongo.facade import database_in_memory

REVISION_BYTES = 14
"""A type, the name with its NUL, and 32 bits."""
BUDGET = Budget(128_000)
"""The first seal is at 128,000 bytes, later ones at 8,000; each leaves 2,000."""


def grown(messages: int) -> GrowingSession:
    session = GrowingSession(BUDGET, live_bytes=1_000, packed_bytes=1_000)
    for _ in range(messages):
        session.append()
    return session


def test_a_session_within_the_budget_is_one_document() -> None:
    session = grown(128)

    assert (session.live, session.segments, session.seals) == (128, [], 0)


def test_the_first_seal_leaves_a_small_head() -> None:
    session = grown(129)

    assert (session.live, session.segments, session.seals) == (2, [127], 1)


def test_later_seals_come_at_a_sixteenth_of_the_budget() -> None:
    session = grown(129 + 7)

    assert (session.live, session.segments, session.seals) == (2, [127, 7], 2)


def test_small_segments_become_one_when_another_would_make_it_too_large() -> None:
    seals_before, seals_after = grown(129 + 7 * 16), grown(129 + 7 * 17)

    assert seals_before.segments == [127, *[7] * 16]
    assert seals_after.segments == [127, 119]
    assert seals_after.replaced == 16
    assert seals_after.copied == 127 + 112 + 119


def test_a_merged_segment_is_left_alone() -> None:
    session = grown(129 + 7 * 34)

    assert session.segments == [127, 119, 119]
    assert session.copied == 127 + 2 * (112 + 119)


def test_all_messages_are_somewhere() -> None:
    session = grown(5_000)

    assert session.live + sum(session.segments) == 5_000
    assert max(session.segments) <= 128


def test_the_lengths_of_sessions_are_a_distribution() -> None:
    shares = dict(lengths())

    assert sum(shares.values()) == pytest.approx(1)
    assert min(shares) == 1
    assert max(shares) <= 100_000
    assert 40 < mean_session().messages < 41


async def test_the_store_lays_a_session_out_as_the_arithmetic_says() -> None:
    messages = [make_message(f"m{index:04}", is_id_fresh=True) for index in range(300)]
    size_bytes = message_size_bytes(stored_new_message(messages[0].encoded()))
    expected = GrowingSession(
        Budget(8_192), live_bytes=size_bytes + STEP_BYTES, packed_bytes=size_bytes + REVISION_BYTES
    )
    database = database_in_memory()
    store = await MongoStore.over(database, segment_bytes=8_192)
    await store.insert(make_new_session())

    for message in messages:
        expected.append()
        await store.append(KEY, [message], at=START)
        await store.settle()  # more could be appended before the seal comes to its update
    await store.aclose()

    head = await database["sessions"].find_one({"session_id": KEY.session_id})
    assert head is not None
    chain: list[int] = []
    link = head["newest_segment"]
    while link is not None:
        segment = await database["segments"].find_one({"_id": link})
        assert segment is not None
        chain.insert(0, len(segment["messages"]))
        link = segment["previous"]
    assert len(chain) > 5
    assert chain == expected.segments
    assert len(head["messages"]) == expected.live
