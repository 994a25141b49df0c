"""Over HTTP an operator plans, runs, watches, verifies and undoes a migration."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from httpx import AsyncClient

from tests.api.admin.serving import MIGRATIONS, RUNS, end, events, served
from tests.api.requests import problem
from tests.migrations.sources import document, write_source

ADAS = {"X-User-Id": "ada"}


@pytest.fixture
async def operator(tmp_path: Path) -> AsyncIterator[AsyncClient]:
    async with served(tmp_path) as client:
        yield client


@pytest.fixture
def order(tmp_path: Path) -> dict[str, Any]:
    """The fold of three messages, one of them damaged."""
    (tmp_path / "sources").mkdir(exist_ok=True)
    source = write_source(
        tmp_path / "sources" / "messages.jsonl",
        [document("m1", "One."), document("m2", "Two."), b"{damaged"],
    )
    return {"job": "group-messages", "source": str(source)}


async def test_a_source_is_planned_folded_verified_and_taken_back(
    operator: AsyncClient, order: dict[str, Any]
) -> None:
    planned = await operator.post(f"{MIGRATIONS}/plan", json=order)
    sessions_before = await operator.get("/api/chat/sessions", headers=ADAS)
    started = await operator.post(RUNS, json=order)
    run = f"{RUNS}/{started.json()['run_id']}"
    watched = await operator.get(f"{run}/events")
    folded = await operator.get(run)
    session = await operator.get("/api/chat/sessions/s1", headers=ADAS)
    verified = await operator.post(f"{MIGRATIONS}/verify", json=order)
    listed = await operator.get(MIGRATIONS)
    undone = await operator.post(f"{run}/rollback")
    watched_back = await operator.get(f"{run}/events")
    session_after = await operator.get("/api/chat/sessions/s1", headers=ADAS)

    assert events(planned)[0][0] == "progress"
    assert end(planned)["outcome"] == "done"
    records = end(planned)["report"]["records"]
    assert [records[name] for name in ("read", "folded", "rejected")] == [3, 2, 1]
    assert sessions_before.json()["items"] == []
    assert started.status_code == 202, started.text
    assert started.headers["location"] == run
    report = end(watched)["report"]
    assert [report[name] for name in ("records_read", "folded", "rejected")] == [3, 2, 1]
    assert (report["run_id"], report["state"]) == (folded.json()["run_id"], "done")
    assert (folded.json()["state"], folded.json()["is_at_work"]) == ("done", False)
    assert [one["content"] for one in session.json()["messages"]] == ["One.", "Two."]
    assert end(verified)["report"]["differences"] == {}
    assert [job["name"] for job in listed.json()["jobs"]] == [
        *("group-messages", "fold-sessions", "nest-sessions", "sessions-to-projects")
    ]
    assert [one["verified_at"] is not None for one in listed.json()["runs"]] == [True]
    assert undone.status_code == 202
    assert end(watched_back)["report"]["state"] == "rolled_back"
    assert problem(session_after)[:2] == (404, "session_not_found")


async def test_progress_tells_phase_and_records(
    operator: AsyncClient, order: dict[str, Any]
) -> None:
    planned = await operator.post(f"{MIGRATIONS}/plan", json=order)

    progress = [data for name, data in events(planned) if name == "progress"]
    assert progress[0].keys() == {
        *("phase", "done", "total", "records", "records_per_second", "remaining_seconds")
    }
    assert {one["phase"] for one in progress} <= {"reading", "folding"}


async def test_a_run_that_is_rolled_back_cannot_be_again(
    operator: AsyncClient, order: dict[str, Any]
) -> None:
    run = f"{RUNS}/{(await operator.post(RUNS, json=order)).json()['run_id']}"
    await operator.get(f"{run}/events")
    await operator.post(f"{run}/rollback")
    await operator.get(f"{run}/events")

    again = await operator.post(f"{run}/rollback")
    stopped = await operator.post(f"{run}/stop")

    assert problem(again)[:2] == (409, "run_state")
    assert problem(stopped)[:2] == (409, "run_state")


async def test_a_run_that_nobody_knows_is_not_found(operator: AsyncClient) -> None:
    answers = [
        await operator.get(f"{RUNS}/nothing"),
        await operator.get(f"{RUNS}/nothing/events"),
        await operator.post(f"{RUNS}/nothing/stop"),
        await operator.post(f"{RUNS}/nothing/rollback"),
        await operator.get(f"{RUNS}/%FF"),
    ]

    assert {problem(answer)[:2] for answer in answers} == {(404, "run_unknown")}


@pytest.mark.parametrize(
    ("changed", "pointer"),
    [
        ({"job": "no-such-job"}, "/job"),
        ({"limit": 0}, "/limit"),
        ({"time_zone": "Nowhere/Never"}, ""),
        ({"job": "nest-sessions"}, ""),
    ],
)
async def test_a_wrong_order_is_the_callers_fault(
    operator: AsyncClient, order: dict[str, Any], changed: dict[str, Any], pointer: str
) -> None:
    answer = await operator.post(RUNS, json=order | changed)

    assert problem(answer) == (422, "invalid_input", [pointer])


async def test_a_source_that_is_not_there_is_told_of(
    operator: AsyncClient, order: dict[str, Any]
) -> None:
    answer = await operator.post(RUNS, json=order | {"source": order["source"] + ".gone"})

    assert problem(answer)[:2] == (409, "engine_refusal")
    assert "cannot be opened" in answer.json()["detail"]
    assert (await operator.get(MIGRATIONS)).json()["runs"] == []
