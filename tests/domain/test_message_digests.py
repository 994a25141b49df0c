"""What makes a retry the same: content, type, metadata, parent and author, and nothing else."""

from itertools import combinations
from typing import Any

import pytest
from hypothesis import given

from app.domain.message import ChatMessage, MessageType, NewMessage, message_digest, placed_json
from tests.factories import make_message
from tests.fake_clock import instant
from tests.strategies import messages

# blake2b of ["Hello","user",null,"ada",[["a","b"],["é",1]]] in UTF-8, in 16 bytes.
HELLO = "1d17fea290287ae856308bfe3fc0e23a"
DIFFERENT = [
    make_message("m", "text"),
    make_message("m", "text "),
    make_message("m", ""),
    make_message("m", "Text"),
    make_message("m", "te\u0301xt"),
    make_message("m", "t\u00e9xt"),
    make_message("m", "text", message_type=MessageType.ASSISTANT),
    make_message("m", "text", message_type=MessageType.SYSTEM),
    make_message("m", "text", user_id="ada"),
    make_message("m", "text", parent_id="ada"),
    make_message("m", "text", user_id="-"),
    make_message("m", "text", parent_id="-"),
    make_message("m", "text", user_id="a", parent_id="da"),
    make_message("m", "text", user_id="ad", parent_id="a"),
    make_message("m", "text", metadata={"a": 1}),
    make_message("m", "text", metadata={"a": 1.0}),
    make_message("m", "text", metadata={"a": True}),
    make_message("m", "text", metadata={"a": "1"}),
    make_message("m", "text", metadata={"a": None}),
    make_message("m", "text", metadata={"a": [1, 2]}),
    make_message("m", "text", metadata={"a": [2, 1]}),
    make_message("m", "text", metadata={"a": 10**30}),
    make_message("m", "text", metadata={"a": 10**30 + 1}),
    make_message("m", 'text","user",null,null,[["a"],[1]]'),
    make_message("m", "text", metadata={"a": '[["b"],[1]]'}),
    make_message("m", "text", metadata={"a": ["b", 1]}),
]


def test_any_difference_in_content_gives_another_digest() -> None:
    digests = [message.digest() for message in DIFFERENT]

    assert all(len(digest) == 16 for digest in digests)
    for one, other in combinations(range(len(DIFFERENT)), 2):
        assert digests[one] != digests[other], (DIFFERENT[one], DIFFERENT[other])


@pytest.mark.parametrize(
    "other",
    [
        make_message("another id", "text", metadata={"a": 1, "b": {"c": 2, "d": 3}}),
        make_message("m", "text", metadata={"a": 1, "b": {"c": 2, "d": 3}}, created_at=instant(9)),
        make_message("m", "text", metadata={"b": {"d": 3, "c": 2}, "a": 1}),
        make_message("m", "text", metadata={"a": 1, "b": {"c": 2, "d": 3}}, is_id_fresh=True),
    ],
)
def test_id_date_and_order_of_names_are_no_content(other: NewMessage) -> None:
    message = make_message("m", "text", metadata={"a": 1, "b": {"c": 2, "d": 3}})

    assert other.digest() == message.digest()


def test_a_digest_is_always_the_same() -> None:
    # Stored digests rest on this: a change here would refuse honest retries of old messages.
    digest = message_digest("Hello", MessageType.USER, {"b": 1, "a": "é"}, None, "ada")

    assert digest.hex() == HELLO


@given(message=messages())
def test_a_digest_survives_the_stored_form(message: NewMessage) -> None:
    stored = ChatMessage.from_json(placed_json(7, message.unplaced_json()))

    digest = message_digest(
        stored.content, stored.message_type, stored.metadata, stored.parent_id, stored.user_id
    )

    assert digest == message.digest()


def test_absent_and_empty_metadata_are_the_same() -> None:
    without: dict[str, Any] = {}

    assert make_message("m", "x", metadata=without).digest() == make_message("m", "x").digest()
