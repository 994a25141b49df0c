"""Long stories of several processes: calls are drawn, and what goes wrong, kills and lost answers.

The same stories in every run; `make soak` goes through many more of them.
"""

import os
from random import Random

import pytest

from tests.mongo.interleaving.exploring import telling
from tests.mongo.interleaving.wandering import Wanderer
from tests.mongo.interleaving.world import World

STORIES = 2500 if os.environ.get("SOAK") else 25
"""In each of the tests below."""


@pytest.mark.parametrize("first", range(0, 4 * STORIES, STORIES))
def test_each_answer_is_true_and_nothing_is_left(first: int) -> None:
    for seed in range(first, first + STORIES):
        with telling(World()) as world:
            Wanderer(Random(seed)).wander(world)  # noqa: S311 - a story is no secret
