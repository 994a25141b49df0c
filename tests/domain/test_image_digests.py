"""The digest of an image is over everything in it, and unambiguous."""

from dataclasses import replace
from typing import Any

import pytest

from app.domain.image import MessageImage, SessionImage
from tests.factories import make_new_session
from tests.lived import lived_image, with_header, with_json, with_message

CHANGES: dict[str, Any] = {
    "a text": lambda one: with_json(one, 2, b"an answer", b"an Answer"),
    "what tells retries apart": lambda one: with_message(one, 2, digest=b"0" * 16),
    "an append": lambda one: with_message(one, 3, appended_revision=4),
    "a change": lambda one: with_message(one, 0, changed_revision=4),
    "a past text less": lambda one: with_message(one, 0, past_texts=one.messages[0].past_texts[:1]),
    "past texts exchanged": lambda one: with_message(
        one, 0, past_texts=one.messages[0].past_texts[::-1]
    ),
    "no creation": lambda one: replace(one, creation_digest=None),
    "another creation": lambda one: replace(one, creation_digest=b""),
    "a message less": lambda one: replace(one, messages=one.messages[:-1]),
    "the header's free JSON": lambda one: with_header(one, context={}),
    "the revision": lambda one: with_header(one, revision=8),
    "the generation": lambda one: with_header(one, generation="f" * 16),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
async def test_the_digest_is_over_all_of_an_image(change: Any) -> None:
    image = await lived_image()

    assert change(image).digest() != image.digest()


def test_what_is_in_one_part_is_never_taken_for_another() -> None:
    one = MessageImage(b"ab", b"c", 1, None)
    other = MessageImage(b"a", b"bc", 1, None)
    header = make_new_session(generation="0" * 16).header()

    assert (
        SessionImage(header, None, (one,)).digest() != SessionImage(header, None, (other,)).digest()
    )


async def test_the_order_of_names_in_a_header_is_no_difference() -> None:
    image = await lived_image()

    other = with_header(image, context={"a.b": "$set", "z": {"y": None}})

    assert list(other.header.context) != list(image.header.context)
    assert other.digest() == image.digest()
