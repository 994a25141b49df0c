"""Positions are a set of numbers that takes little room."""

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from migrations.positions import Positions


@given(numbers=st.lists(st.integers(0, 3000) | st.integers(0, 2**60)), other=st.integers(0, 3000))
def test_they_are_a_set(numbers: list[int], other: int) -> None:
    positions, expected = Positions(), set[int]()

    for number in numbers:
        assert positions.add(number) == (number not in expected)
        expected.add(number)

    assert len(positions) == len(expected)
    assert all(number in positions for number in expected)
    assert (other in positions) == (other in expected)


def test_many_in_a_row_take_less_than_a_byte_each() -> None:
    tracemalloc.start()
    positions = Positions()

    for number in range(1, 100_001):
        positions.add(number)

    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(positions) == 100_000
    assert taken < 100_000
