"""A run under way: what else is refused, who can watch and stop it, and how it goes on."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from httpx import AsyncClient

from tests.api.admin.serving import MIGRATIONS, RUNS, end, events, served
from tests.api.requests import problem
from tests.migrations.sources import document, write_source

DEADLINE_SECONDS = 60


@pytest.fixture
async def operator(tmp_path: Path) -> AsyncIterator[AsyncClient]:
    async with served(tmp_path) as client:
        yield client


@pytest.fixture
async def other_worker(operator: AsyncClient, tmp_path: Path) -> AsyncIterator[AsyncClient]:
    """Another process of the service, as far as the engine is concerned."""
    assert operator
    async with served(tmp_path) as client:
        yield client


@pytest.fixture
def order(tmp_path: Path) -> dict[str, Any]:
    """So many sessions that they are stored in several batches."""
    (tmp_path / "sources").mkdir(exist_ok=True)
    source = write_source(
        tmp_path / "sources" / "messages.jsonl",
        [document(f"m{number}", session_id=f"s{number // 10}") for number in range(4500)],
    )
    return {"job": "group-messages", "source": str(source)}


async def test_a_run_under_way_is_watched_stopped_and_goes_on(
    operator: AsyncClient, other_worker: AsyncClient, order: dict[str, Any]
) -> None:
    started = await operator.post(RUNS, json=order | {"max_rate": 100})
    run = f"{RUNS}/{started.json()['run_id']}"
    busy = [
        await operator.post(f"{MIGRATIONS}/plan", json=order),
        await other_worker.post(RUNS, json=order),
        await other_worker.post(f"{run}/rollback"),
    ]
    watching = asyncio.create_task(other_worker.get(f"{run}/events"))
    live = asyncio.create_task(operator.get(f"{run}/events"))
    stopped = await other_worker.post(f"{run}/stop")
    async with asyncio.timeout(DEADLINE_SECONDS):
        watched, seen_live = await watching, await live
    after = await other_worker.get(run)
    again = await other_worker.post(RUNS, json=order)
    done = await other_worker.get(f"{run}/events")

    assert started.json()["is_at_work"] is True
    assert [problem(answer)[:2] for answer in busy] == [
        *((409, "engine_busy"), (409, "run_busy"), (409, "run_busy"))
    ]
    assert stopped.status_code == 202
    assert end(watched)["outcome"] == "stopped"
    assert end(seen_live)["outcome"] == "stopped"
    assert (after.json()["state"], after.json()["is_interrupted"]) == ("running", True)
    assert again.json()["run_id"] == started.json()["run_id"]
    assert end(done)["outcome"] == "done"
    assert end(done)["report"]["folded"] == 4500
    assert {name for name, _ in events(watched)} <= {"progress", "end"}


async def test_a_service_that_ends_stops_its_run(tmp_path: Path, order: dict[str, Any]) -> None:
    async with served(tmp_path) as first:
        started = await first.post(RUNS, json=order | {"max_rate": 100})

    async with served(tmp_path) as second:
        (run,) = (await second.get(MIGRATIONS)).json()["runs"]

    assert run["run_id"] == started.json()["run_id"]
    assert (run["state"], run["is_interrupted"]) == ("running", True)
