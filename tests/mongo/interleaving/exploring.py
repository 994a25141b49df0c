"""Exploring: every order of a few calls, or some orders of many."""

import os
from collections.abc import Callable
from typing import NamedTuple

from tests.mongo.interleaving.world import World

STORIES_LIMIT = None if os.environ.get("SOAK") else 12
"""How many orders an ordinary run sees, the same ones each time; `make soak` sees every one."""


class Explored(NamedTuple):
    """How much was seen."""

    places: int
    """States of the database and all processes together."""
    endings: int


def explore(begin: Callable[[], World]) -> Explored:
    """Go through everything that can follow from a beginning, each place once, up to the limit.

    Raises:
        AssertionError: something is wrong at the end of the story that it tells.
    """
    seen: set[int] = set()
    endings: set[int] = set()
    pending: list[tuple[int, ...]] = [()]
    stories = 0
    while pending and (STORIES_LIMIT is None or stories < STORIES_LIMIT):
        path = pending.pop()
        stories += 1
        with telling(begin()) as world:
            for choice in path:
                world.do(world.moves()[choice])
            while moves := world.moves():
                place = world.place()
                if place in seen:
                    break
                seen.add(place)
                pending.extend((*path, other) for other in range(1, len(moves)))
                path = (*path, 0)
                world.do(moves[0])
            else:
                ending = world.ending()
                if ending not in endings:
                    endings.add(ending)
                    world.finish()
    return Explored(len(seen), len(endings))


class telling:  # noqa: N801 - used like a function
    """Ends a world, and tells its story where something is wrong."""

    def __init__(self, world: World) -> None:
        self._world = world

    def __enter__(self) -> World:
        return self._world

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._world.close()
        if isinstance(error, Exception):
            story = "\n  ".join(self._world.story)
            raise AssertionError(f"{error}\nafter\n  {story}") from error
