"""Over HTTP a source is finished under the guards of the command line, and runs are taken over."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from httpx import AsyncClient

from app.store.sqlite.store import SQLiteStore
from migrations.ledger import Holder, find_run
from tests.api.admin.serving import MIGRATIONS, RUNS, end, events, served
from tests.api.requests import problem
from tests.migrations.old_sessions import old_session, said
from tests.migrations.sources import document, write_source

ADAS = {"X-User-Id": "ada"}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "sources").mkdir()
    documents = [document("m1", "One."), document("m2", "Two.")]
    return write_source(tmp_path / "sources" / "messages.jsonl", documents)


@pytest.fixture
async def operator(source: Path, tmp_path: Path) -> AsyncIterator[AsyncClient]:
    assert source.exists()
    async with served(tmp_path) as client:
        yield client


async def folded(operator: AsyncClient, source: Path, **members: Any) -> str:
    """The path of a new run that has come to its end."""
    order = {"job": "group-messages", "source": str(source), **members}
    started = await operator.post(RUNS, json=order)
    run = f"{RUNS}/{started.json()['run_id']}"
    assert end(await operator.get(f"{run}/events"))["outcome"] == "done"
    return run


async def verified(operator: AsyncClient, source: Path) -> str:
    run = await folded(operator, source)
    order = {"job": "group-messages", "source": str(source)}
    assert end(await operator.post(f"{MIGRATIONS}/verify", json=order))["outcome"] == "done"
    return run


async def test_a_source_is_finished_and_comes_back(operator: AsyncClient, source: Path) -> None:
    before = source.read_bytes()
    run = await verified(operator, source)

    finished = await operator.post(f"{run}/finish", json={"source": str(source)})
    told = end(await operator.get(f"{run}/events"))
    beside = sorted(file.name for file in source.parent.iterdir())
    undone = await operator.post(f"{run}/rollback", json={"dry_run": False})
    told_back = end(await operator.get(f"{run}/events"))

    assert (finished.status_code, finished.headers["location"]) == (202, run)
    assert (told["outcome"], told["report"]["state"]) == ("done", "finished")
    assert told["report"]["finish"]["manner"] == "rename"
    assert source.name not in beside
    assert len(beside) == 2  # under another name, and its backup
    assert undone.status_code == 202
    assert told_back["report"]["state"] == "rolled_back"
    assert source.read_bytes() == before


async def test_a_dry_finish_says_what_it_would_do(operator: AsyncClient, source: Path) -> None:
    before = source.read_bytes()
    run = await verified(operator, source)

    for manner in ("rename", "remove", "mark"):
        request = {"source": str(source), "manner": manner, "dry_run": True}
        answer = await operator.post(f"{run}/finish", json=request)
        after = (await operator.get(run)).json()

        report = end(answer)["report"]
        assert (report["is_dry"], report["manner"], report["records_removed"]) == (True, manner, 2)
        states = (after["state"], after["is_at_work"], after["is_interrupted"])
        assert states == ("done", False, False)
        assert [file.name for file in source.parent.iterdir()] == [source.name]
        assert source.read_bytes() == before


async def test_a_dry_rollback_says_what_it_would_do(operator: AsyncClient, source: Path) -> None:
    run = await folded(operator, source)

    answer = await operator.post(f"{run}/rollback", json={"dry_run": True})
    session = await operator.get("/api/chat/sessions/s1", headers=ADAS)
    after = (await operator.get(run)).json()

    assert {name for name, _ in events(answer)} <= {"progress", "end"}
    report = end(answer)["report"]
    assert (report["is_dry"], report["sessions"]["removed"]) == (True, 1)
    assert session.json()["message_count"] == 2
    assert (after["state"], after["is_at_work"]) == ("done", False)


async def test_what_is_not_proven_is_not_finished(operator: AsyncClient, source: Path) -> None:
    async def refusals(run: str) -> list[str]:
        """Why neither is done, a dry finish nor a true one."""
        request = {"source": str(source)}
        answers = [
            await operator.post(f"{run}/finish", json=request | {"dry_run": is_dry})
            for is_dry in (True, False)
        ]
        assert [problem(answer)[:2] for answer in answers] == [(409, "run_state")] * 2
        return [answer.json()["detail"] for answer in answers]

    run = await folded(operator, source)
    unverified = await refusals(run)
    await verified(operator, source)
    older = await refusals(run)
    newest = f"{RUNS}/{(await operator.get(MIGRATIONS)).json()['runs'][0]['run_id']}"
    write_source(source, [document("m1", "One."), document("m2", "Another.")])
    changed = await refusals(newest)

    assert all("verify it first" in detail for detail in unverified)
    assert all("is newer" in detail for detail in older)
    assert all("has changed since" in detail for detail in changed)
    assert [file.name for file in source.parent.iterdir()] == [source.name]


WRONG_ORDERS: list[tuple[dict[str, str], Any]] = [
    ({"source": "SOURCES/other.jsonl"}, (422, "invalid_input", ["/source"])),
    ({"source": "SOURCES"}, (422, "invalid_input", ["/source"])),
    ({"source": "/etc/passwd"}, (403, "source_not_allowed", [])),
    ({"backup_folder": "/tmp"}, (403, "source_not_allowed", [])),  # noqa: S108 - refused
    ({"backup_folder": "SOURCES/messages.jsonl"}, (422, "invalid_input", ["/backup_folder"])),
    ({"manner": "burn"}, (422, "invalid_input", ["/manner"])),
]


async def test_a_wrong_order_is_the_callers_fault(operator: AsyncClient, source: Path) -> None:
    run = await verified(operator, source)

    for changed, answered in WRONG_ORDERS:
        told = {name: one.replace("SOURCES", str(source.parent)) for name, one in changed.items()}
        answer = await operator.post(f"{run}/finish", json={"source": str(source), **told})

        assert (changed, problem(answer)) == (changed, answered)
        assert [file.name for file in source.parent.iterdir()] == [source.name]


async def test_the_backup_goes_where_it_is_told_to(operator: AsyncClient, source: Path) -> None:
    run = await verified(operator, source)
    (source.parent / "backups").mkdir()
    request = {"source": str(source), "backup_folder": str(source.parent / "backups")}

    await operator.post(f"{run}/finish", json={**request, "manner": "remove"})
    told = end(await operator.get(f"{run}/events"))

    (backup,) = (source.parent / "backups").iterdir()
    assert told["report"]["finish"]["backup"] == str(backup)


async def test_without_a_backup_there_is_none(operator: AsyncClient, source: Path) -> None:
    run = await verified(operator, source)

    await operator.post(f"{run}/finish", json={"source": str(source), "no_backup": True})
    told = end(await operator.get(f"{run}/events"))

    assert told["report"]["finish"]["backup"] is None
    assert len(list(source.parent.iterdir())) == 1


async def give_to_another_machine(file: Path, run: str) -> None:
    store = await SQLiteStore.open(file)
    ledger = await find_run(store, run.removeprefix(f"{RUNS}/"))
    elsewhere = Holder(host="elsewhere", process_id=1, began_at_seconds=1.0)
    await ledger.change(holder=elsewhere)
    await store.aclose()


@pytest.mark.parametrize("what", ["finish", "rollback"])
async def test_work_of_another_machine_is_taken_over_if_told(
    operator: AsyncClient, source: Path, tmp_path: Path, what: str
) -> None:
    run = await verified(operator, source)
    await give_to_another_machine(tmp_path / "chatfold.db", run)
    request = {"source": str(source)}

    refused = await operator.post(f"{run}/{what}", json=request)
    taken = await operator.post(f"{run}/{what}", json=request | {"take_over": True})
    told = end(await operator.get(f"{run}/events"))

    assert problem(refused)[:2] == (409, "run_busy")
    assert taken.status_code == 202, taken.text
    assert told["report"]["state"] == {"finish": "finished", "rollback": "rolled_back"}[what]


async def test_a_run_of_another_machine_goes_on_here_if_told(
    operator: AsyncClient, source: Path, tmp_path: Path
) -> None:
    run = await folded(operator, source)
    store = await SQLiteStore.open(tmp_path / "chatfold.db")
    ledger = await find_run(store, run.removeprefix(f"{RUNS}/"))
    elsewhere = Holder(host="elsewhere", process_id=1, began_at_seconds=1.0)
    await ledger.change(holder=elsewhere, state="running")
    await store.aclose()
    order = {"job": "group-messages", "source": str(source)}

    refused = await operator.post(RUNS, json=order)
    taken = await operator.post(RUNS, json=order | {"take_over": True})
    told = end(await operator.get(f"{run}/events"))

    assert problem(refused)[:2] == (409, "run_busy")
    assert f"{RUNS}/{taken.json()['run_id']}" == run
    assert (told["outcome"], told["report"]["state"]) == ("done", "done")


@pytest.mark.parametrize("stage", ["begun", "ready"])
@pytest.mark.parametrize("lives", [True, False])
async def test_a_finish_under_way_is_told_apart_from_one_that_was_killed(
    operator: AsyncClient, source: Path, tmp_path: Path, stage: str, lives: bool
) -> None:
    run = await verified(operator, source)
    store = await SQLiteStore.open(tmp_path / "chatfold.db")
    ledger = await find_run(store, run.removeprefix(f"{RUNS}/"))
    holder = Holder.of_this_process()
    if not lives:
        holder = holder.model_copy(update={"began_at_seconds": 1.0})
    at = {"at": "2026-11-20T12:00:00.000Z", "location": str(source)}
    await ledger.change(holder=holder, finish={"manner": "rename", "stage": stage, **at})
    await store.aclose()

    told = (await operator.get(run)).json()
    again = await operator.post(f"{run}/finish", json={"source": str(source), "dry_run": True})
    order = {"job": "group-messages", "source": str(source)}
    anew = await operator.post(RUNS, json=order) if lives else None

    assert (told["is_at_work"], told["is_interrupted"]) == (lives, not lives)
    assert again.status_code == (409 if lives else 200), again.text
    assert anew is None or problem(anew)[:2] == (409, "run_busy")


async def test_old_sessions_become_projects_and_their_source_stays(
    operator: AsyncClient, source: Path
) -> None:
    write_source(source, [old_session(said("m1", "go"))])
    order = {"job": "sessions-to-projects", "source": str(source)}
    run = await folded(operator, source, job="sessions-to-projects")
    verified_end = end(await operator.post(f"{MIGRATIONS}/verify", json=order))

    refused = await operator.post(f"{run}/finish", json={"source": str(source)})
    report = end(await operator.get(f"{run}/events"))["report"]
    led = await operator.get("/execution/s1", headers=ADAS)

    assert verified_end["report"]["documents_expected"]["project"] == 1
    assert report["documents"]["project"]["created"] == 1
    assert problem(refused) == (409, "run_state", [])
    assert "keeps its source" in refused.json()["detail"]
    assert led.headers["location"].startswith("/project/")
