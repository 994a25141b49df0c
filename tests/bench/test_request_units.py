"""The published points of Cosmos DB's request units."""

import pytest

from bench.request_units import insert, read, replace


@pytest.mark.parametrize(("size_bytes", "units"), [(100, 1), (1_000, 1), (100_000, 10)])
def test_a_point_read(size_bytes: int, units: float) -> None:
    assert read(size_bytes) == pytest.approx(units)


@pytest.mark.parametrize(("size_bytes", "units"), [(1_000, 5.5), (100_000, 55)])
def test_an_insert(size_bytes: int, units: float) -> None:
    assert insert(size_bytes) == pytest.approx(units)


def test_a_replacement_costs_two_inserts() -> None:
    assert replace(1_000) == pytest.approx(11)
