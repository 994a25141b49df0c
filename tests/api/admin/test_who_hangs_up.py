"""Who hangs up ends a plan and a verify at once, and makes room for other work; not a run."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.domain.migration import FoldOrder, WorkEnd, WorkOutcome, WorkProgress
from app.store.sqlite.store import SQLiteStore
from migrations.engine import ProcessEngine
from tests.migrations.sources import document, write_source


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[ProcessEngine]:
    store = await SQLiteStore.open(tmp_path / "chatfold.db")
    engine = ProcessEngine(store, f"sqlite:///{tmp_path}/chatfold.db", [str(tmp_path)])
    yield engine
    await engine.aclose()
    await store.aclose()


@pytest.fixture
def order(tmp_path: Path) -> FoldOrder:
    documents = [document(f"m{number}", session_id=f"s{number}") for number in range(20_000)]
    return FoldOrder("group-messages", str(write_source(tmp_path / "messages.jsonl", documents)))


async def test_a_plan_that_nobody_listens_to_is_stopped(
    engine: ProcessEngine, order: FoldOrder
) -> None:
    planning = await engine.plan(order)
    first = await anext(planning)

    await planning.aclose()

    verifying = await engine.verify(order)  # which is refused while a plan is at work
    assert isinstance(first, WorkProgress)
    assert isinstance(await anext(verifying), WorkProgress)
    await verifying.aclose()


async def test_a_run_goes_on_without_listeners(engine: ProcessEngine, tmp_path: Path) -> None:
    source = write_source(tmp_path / "few.jsonl", [document("m1")])
    run = await engine.start(FoldOrder("group-messages", str(source)))
    watching = engine.events(run.run_id)
    await anext(watching)
    await watching.aclose()

    async with asyncio.timeout(60):
        *_, end = [event async for event in engine.events(run.run_id)]

    assert isinstance(end, WorkEnd)
    assert end.outcome is WorkOutcome.DONE
