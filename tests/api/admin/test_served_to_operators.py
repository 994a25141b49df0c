"""The real service with two workers: a run seen live, and one that a killed service left behind."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.admin.serving import ADMIN_HASH, AS_OPERATOR, RUNS, end
from tests.migrations.sources import document, write_source
from tests.serving import serving
from tests.store_kind import Place
from tests.stores import SQLITE, sqlite_environment


@pytest.fixture
def operated(tmp_path: Path) -> Place:
    """A place whose service knows an operator, and one folder of sources."""

    def environment(folder: Path) -> dict[str, str]:
        return {
            **sqlite_environment(folder),
            "CHATFOLD_ADMIN_KEYS": ADMIN_HASH,
            "CHATFOLD_ADMIN_SOURCES": str(folder),
        }

    return Place(SQLITE._replace(environment=environment), tmp_path)


@pytest.fixture
def order(tmp_path: Path) -> dict[str, Any]:
    source = write_source(
        tmp_path / "messages.jsonl",
        [document(f"m{number}", session_id=f"s{number // 10}") for number in range(4500)],
    )
    return {"job": "group-messages", "source": str(source)}


async def test_a_run_is_seen_live_outlives_its_service_and_goes_on(
    operated: Place, order: dict[str, Any]
) -> None:
    async with (
        serving(operated, workers=2) as server,
        httpx.AsyncClient(base_url=server.url, headers=AS_OPERATOR, timeout=60) as client,
    ):
        started = await client.post(RUNS, json=order | {"max_rate": 100})
        run = f"{RUNS}/{started.json()['run_id']}"
        async with client.stream("GET", f"{run}/events") as stream:
            first_line = await anext(stream.aiter_lines())
        listed = (await client.get(run)).json()
        await server.kill()

    async with (
        serving(operated, workers=2) as server,
        httpx.AsyncClient(base_url=server.url, headers=AS_OPERATOR, timeout=60) as client,
    ):
        await client.get(f"{run}/events")  # ends when the process has noticed that it is alone
        again = await client.post(RUNS, json=order)
        done = await client.get(f"{run}/events")
        session = await client.get("/api/chat/sessions/s449", headers={"X-User-Id": "ada"})

    assert started.status_code == 202, started.text
    assert first_line == "event: progress"
    assert listed["is_at_work"] is True
    assert again.json()["run_id"] == started.json()["run_id"]
    assert end(done)["report"]["folded"] == 4500
    assert session.json()["message_count"] == 10
