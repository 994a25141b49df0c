"""The simulation of skewed users: its parts by hand, and what must hold of any outcome."""

import pytest

from bench.skew import KeySpace, Population, filled_up


def test_shares_follow_zipf() -> None:
    population = Population(10**6)

    shares = [population.share(rank) for rank in range(1, population.users + 1)]

    assert shares[1] == pytest.approx(shares[0] / 2)
    assert shares[9] == pytest.approx(shares[0] / 10)
    assert sum(shares) == pytest.approx(1, rel=0.001)


def test_users_above_a_share_are_counted() -> None:
    population = Population(10**6)

    assert population.ranks_above(population.share(10) * 0.99) == 10
    assert population.ranks_above(population.share(10) * 1.01) == 9
    assert population.ranks_above(1.0) == 0


def test_what_is_poured_stands_level() -> None:
    assert filled_up([5.0, 1.0, 2.0], 3.0) == [3.0, 3.0, 5.0]
    assert filled_up([0.0, 0.0], 3.0) == [1.5, 1.5]
    assert filled_up([4.0, 0.0], 1.0) == [1.0, 4.0]


def test_the_same_run_gives_the_same_figures() -> None:
    first = KeySpace(Population(10**8)).balance(16)
    second = KeySpace(Population(10**8)).balance(16)

    assert first == second


def test_a_key_that_goes_on_after_the_user_spreads_what_a_key_of_the_user_cannot() -> None:
    balance = KeySpace(Population(10**9)).balance(64)

    assert balance.fullest < 1.1
    assert balance.busiest < 1.5
    assert balance.whole_users > 4


def test_a_newcomer_is_hot_until_its_range_is_split() -> None:
    balance = KeySpace(Population(10**9)).balance(64)

    assert balance.with_newcomer > 3
    assert balance.after_split < 1.5


def test_even_users_are_even_on_every_shard() -> None:
    balance = KeySpace(Population(10**9, exponent=0.01)).balance(16)

    assert balance.busiest == pytest.approx(1, abs=0.05)
    assert balance.whole_users == pytest.approx(1, abs=0.01)
