"""What an id may be, which ids we make, and what a version looks like."""

import uuid

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from app.domain.identity import (
    ID_LIMIT_BYTES,
    Version,
    checked_id,
    derived_id,
    new_generation,
    new_id,
    parse_version,
    version_text,
)
from tests.strategies import ids

# uuid5 of our namespace and "7:message,3:ada,7:session,3:key,1:0,", or "7:message,".
DERIVED_MESSAGE = "8c07d060-e408-5143-8bc0-7e0409bc6a04"
DERIVED_NOTHING = "22371f5d-ac3a-51da-bed5-294298dd2f00"


@given(value=ids())
def test_any_text_within_the_limit_is_an_id_and_stays_as_it_is(value: str) -> None:
    assert checked_id(value) == value


@pytest.mark.parametrize("value", ["x" * 1024, "é" * 512, "中" * 341, "\U0001f600" * 256])
def test_the_longest_id_has_1024_bytes(value: str) -> None:
    assert ID_LIMIT_BYTES == 1024
    assert checked_id(value) == value

    with pytest.raises(ValueError, match="at most 1024 bytes"):
        checked_id(value + "xy")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", "empty"),
        ("\0", "NUL"),
        ("a\0b", "NUL"),
        ("\ud800", "surrogates"),
        ("a\udfff", "surrogates"),
        ("x" * 1025, "1024 bytes"),
    ],
)
def test_what_no_store_can_keep_is_no_id(value: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        checked_id(value)


@given(generation=st.from_regex(r"[0-9a-f]{16}", fullmatch=True), revision=st.integers(1, 10**17))
def test_a_version_is_read_as_it_was_written(generation: str, revision: int) -> None:
    version = Version(generation, revision)

    assert parse_version(version_text(version)) == version


def test_a_version_is_written_as_generation_and_revision() -> None:
    assert version_text(Version("00ff00ff00ff00ff", 7)) == "00ff00ff00ff00ff-7"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "7",
        "00ff00ff00ff00ff",
        "00ff00ff00ff00ff-",
        "00ff00ff00ff00ff-0",
        "00ff00ff00ff00ff-07",
        "00ff00ff00ff00ff--7",
        "00ff00ff00ff00ff-7 ",
        "00ff00ff00ff00ff-7\n",
        "00ff00ff00ff00ff-\u0667",
        "00ff00ff00ff00ff-" + "9" * 19,
        "00FF00FF00FF00FF-7",
        "0ff00ff00ff00ff-7",
        "000ff00ff00ff00ff-7",
        '"00ff00ff00ff00ff-7"',
        'W/"00ff00ff00ff00ff-7"',
        "*",
    ],
)
def test_any_other_text_is_no_version(text: str) -> None:
    assert parse_version(text) is None


def test_generations_have_the_form_of_a_version_and_differ() -> None:
    generations = {new_generation() for _ in range(100)}

    assert len(generations) == 100
    assert all(parse_version(f"{generation}-1") for generation in generations)


def test_a_new_id_is_a_uuid_of_version_7_and_no_two_are_equal() -> None:
    made = [new_id() for _ in range(1000)]

    assert len(set(made)) == 1000
    for id_ in made:
        parsed = uuid.UUID(id_)
        assert str(parsed) == id_
        assert parsed.version == 7
        assert parsed.variant == uuid.RFC_4122


def test_new_ids_of_later_milliseconds_come_later(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for milliseconds in (1_700_000_000_000, 1_700_000_000_001, 1_800_000_000_000):
        monkeypatch.setattr("time.time_ns", lambda now=milliseconds: now * 1_000_000)
        made.append(new_id())

    assert made == sorted(made)
    assert made[0].startswith("018bcfe5-6800-7")


def test_a_derived_id_is_always_the_same() -> None:
    # Stored ids rest on these: a change here would store old messages anew.
    assert derived_id("message", "ada", "session", "key", "0") == DERIVED_MESSAGE
    assert derived_id("message") == DERIVED_NOTHING
    assert uuid.UUID(DERIVED_MESSAGE).version == 5


@given(
    one=st.lists(st.text("ab:,0123é", max_size=4), min_size=1, max_size=4),
    other=st.lists(st.text("ab:,0123é", max_size=4), min_size=1, max_size=4),
)
def test_no_two_lists_of_parts_share_a_derived_id(one: list[str], other: list[str]) -> None:
    assume(one != other)

    assert derived_id(*one) != derived_id(*other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("k", "a", "b"), ("k", "ab")),
        (("k", "a", "b"), ("k", "b", "a")),
        (("k", "a", ""), ("k", "a")),
        (("k", "", "a"), ("k", "a", "")),
        (("k", "1:a,1:b"), ("k", "a", "b")),
        (("k", "a,1:b"), ("k", "a", "b")),
        (("k", "é"), ("k", "e\u0301")),
    ],
)
def test_parts_that_look_alike_when_joined_give_different_ids(
    one: tuple[str, ...], other: tuple[str, ...]
) -> None:
    assert derived_id(*one) != derived_id(*other)
