"""Every query of the store, explained by the server that is given: each uses its index.

The engines of these tests cannot say which index they use; a MongoDB can.
"""

from pathlib import Path

import pytest

from tests.fake_clock import FakeClock
from tests.mongo.explaining import explained
from tests.mongo.queries import queries_of
from tests.mongo.scenario import ask_everything
from tests.mongo.test_indexes import EXPECTED, WALKS
from tests.mongo.watching import Command, watching
from tests.stores import STORES

LOOKING = {"find", "findAndModify", "update", "delete", "aggregate"}


@pytest.fixture(params=[name for name in STORES if name == "mongodb"])
def engine_name(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


async def test_every_query_uses_its_index(engine_name: str, tmp_path: Path) -> None:
    async with watching(engine_name, tmp_path) as server:
        clock = FakeClock()
        store = await server.open(segment_bytes=2048, clock=clock)
        await ask_everything(store, clock)
        by_shape: dict[str, Command] = {}
        for command in server.watch.commands:
            if command.name in LOOKING:
                by_shape.update((query.shape, command) for query in queries_of([command]))
        database = server.database()
        plans = {shape: await explained(database, command) for shape, command in by_shape.items()}
        await database.client.close()
        await store.aclose()

    assert [shape for shape, plan in plans.items() if plan.looks_at_all] == []
    assert [
        shape for shape, plan in plans.items() if plan.sorts_in_memory and shape not in WALKS
    ] == []
    ordered = {shape: plan for shape, plan in plans.items() if " by " in shape}
    assert [
        shape
        for shape, plan in ordered.items()
        if shape in EXPECTED and plan.indexes != {EXPECTED[shape]}
    ] == []
