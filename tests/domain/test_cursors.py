"""A cursor opens the page after its position, in the listing that made it and nowhere else."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.page import Position, decode_cursor, encode_cursor
from app.errors import InvalidCursorError
from tests.strategies import ids

SCOPE = "sessions of ada by activity"
POSITION: Position = ("2026-01-02T03:04:05.678Z", "session", 7)
KINDS = (str, str, int)


def packed(payload: object) -> str:
    text = payload if isinstance(payload, str) else json.dumps(payload)
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def fingerprint() -> str:
    """What the cursors of our scope begin with."""
    cursor = encode_cursor(POSITION, scope=SCOPE)
    found: str = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))[0]
    return found


@given(id_=ids(), number=st.integers(-(2**63), 2**63 - 1), scope=st.text(max_size=20))
def test_a_cursor_is_read_as_it_was_written(id_: str, number: int, scope: str) -> None:
    scope = scope.encode(errors="replace").decode()

    cursor = encode_cursor(("x", id_, number), scope=scope)

    assert decode_cursor(cursor, scope=scope, kinds=KINDS) == ("x", id_, number)
    assert cursor.isascii()
    assert not set(cursor) & set("+/=&?#% ")


@pytest.mark.parametrize("other", ["", "sessions of bob by activity", SCOPE + " ", "search of ada"])
def test_the_cursor_of_another_listing_is_refused(other: str) -> None:
    cursor = encode_cursor(POSITION, scope=SCOPE)
    assert decode_cursor(cursor, scope=SCOPE, kinds=KINDS) == POSITION

    with pytest.raises(InvalidCursorError):
        decode_cursor(cursor, scope=other, kinds=KINDS)


@pytest.mark.parametrize("kinds", [(), (str,), (str, str), (str, str, str), (str, str, int, int)])
def test_a_position_of_another_form_is_refused(kinds: tuple[type, ...]) -> None:
    cursor = encode_cursor(POSITION, scope=SCOPE)

    with pytest.raises(InvalidCursorError):
        decode_cursor(cursor, scope=SCOPE, kinds=kinds)


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        " ",
        "a",
        "abc",
        "é",
        "中文",
        "\0",
        "====",
        "%%%",
        "null",
        "2026-01-02T03:04:05.678Z",
        packed("not json"),
        packed(None),
        packed(7),
        packed("x"),
        packed([]),
        packed({}),
        packed({"a": 1}),
        packed([1, 2, 3, 4]),
        packed("[" * 5000),
        packed("9" * 5000),
        packed("[NaN, Infinity]"),
        "A" * 100_000,
    ],
)
def test_a_broken_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidCursorError) as caught:
        decode_cursor(cursor, scope=SCOPE, kinds=KINDS)

    assert [fault.pointer for fault in caught.value.faults] == ["cursor"]


@pytest.mark.parametrize(
    "position",
    [
        ["x", "y"],
        ["x", "y", "7"],
        ["x", "y", 7.0],
        ["x", "y", True],
        ["x", "y", None],
        ["x", 1, 7],
        ["x", ["y"], 7],
        ["x", {"y": 1}, 7],
        ["x", "y", 2**63],
        ["x", "y", -(2**63) - 1],
        ["x", "y", 10**400],
        ["x", "\ud800", 7],
        ["x", "y", 7, 8],
    ],
)
def test_a_forged_position_is_refused(position: list[object]) -> None:
    cursor = packed([fingerprint(), *position])

    with pytest.raises(InvalidCursorError):
        decode_cursor(cursor, scope=SCOPE, kinds=KINDS)


@given(cursor=st.one_of(st.text(), st.from_regex(r"[A-Za-z0-9_-]*", fullmatch=True)))
def test_no_text_does_more_than_be_refused(cursor: str) -> None:
    with pytest.raises(InvalidCursorError):
        decode_cursor(cursor, scope=SCOPE, kinds=KINDS)


@given(position=st.integers(0, 60), letter=st.sampled_from("AZaz09_-=+/é"))
def test_a_cursor_with_one_letter_changed_is_refused_or_fits_its_form(
    position: int, letter: str
) -> None:
    cursor = encode_cursor(POSITION, scope=SCOPE)
    changed = cursor[:position] + letter + cursor[position + 1 :]

    try:
        found = decode_cursor(changed, scope=SCOPE, kinds=KINDS)
    except InvalidCursorError:
        return

    assert [type(part) for part in found] == [str, str, int]
