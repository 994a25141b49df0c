"""Selections: counted in code points, replaced only where the text is still what was selected."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from app.domain.selection import Selection, SelectionRange
from app.errors import SelectionChangedError


def select(start: int, end: int, text: str) -> Selection:
    return Selection(selection_range=SelectionRange(start=start, end=end), selected_text=text)


@pytest.mark.parametrize(
    ("content", "start", "end", "selected", "after"),
    [
        ("one two", 4, 7, "two", "one X"),
        ("😀 two", 2, 5, "two", "😀 X"),
        ("a👩‍👩‍👧b", 1, 6, "👩‍👩‍👧", "aXb"),
        ("a👩‍👩‍👧b", 1, 2, "👩", "aX‍👩‍👧b"),
        ("cafe\u0301!", 3, 5, "e\u0301", "cafX!"),
        ("cafe\u0301!", 4, 5, "\u0301", "cafeX!"),
        ("a\r\nb", 1, 3, "\r\n", "aXb"),
        ("a\r\nb", 2, 3, "\n", "a\rXb"),
        ("日本語", 1, 2, "本", "日X語"),
        ("abc", 0, 3, "abc", "X"),
        ("abc", 1, 1, "", "aXbc"),
        ("abc", 3, 3, "", "abcX"),
        ("", 0, 0, "", "X"),
    ],
)
def test_what_is_selected_is_replaced_by_code_points(
    content: str, start: int, end: int, selected: str, after: str
) -> None:
    assert select(start, end, selected).replaced(content, "X") == after


@pytest.mark.parametrize(
    ("content", "start", "end", "selected"),
    [
        ("one two", 4, 7, "too"),
        ("one two", 3, 6, "two"),
        ("one two", 4, 8, "two"),
        ("one two", 4, 9, "two\0"),
        ("one two", 8, 8, ""),
        ("one two", 4, 7, ""),
        ("one two", 4, 4, "two"),
        ("caf\u00e9", 3, 4, "e\u0301"),
        ("a\nb", 1, 2, "\r\n"),
        ("", 0, 1, "a"),
    ],
)
def test_what_is_not_there_any_more_is_not_replaced(
    content: str, start: int, end: int, selected: str
) -> None:
    with pytest.raises(SelectionChangedError) as refused:
        select(start, end, selected).replaced(content, "X")

    assert refused.value.current_text == content


@pytest.mark.parametrize(("start", "end"), [(-1, 0), (0, -1), (2, 1), (0, 2**53)])
def test_a_range_runs_forward_from_the_beginning(start: int, end: int) -> None:
    with pytest.raises(ValidationError):
        SelectionRange(start=start, end=end)


@given(st.text(max_size=20), st.text(max_size=5), st.text(max_size=20), st.text(max_size=5))
def test_all_around_a_selection_stays(head: str, part: str, tail: str, new: str) -> None:
    selection = select(len(head), len(head) + len(part), part)

    assert selection.replaced(head + part + tail, new) == head + new + tail
