"""Verify reads a container by calls of its own and finds what does not fit; none is finished."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli.migrate import migrate_app
from app.store.memory import MemoryStore
from migrations.jobs.group_messages import GROUP_MESSAGES
from migrations.proof import fingerprint_of
from tests.cosmos.server import CosmosServer
from tests.migrations.sources import document, fold, verified


async def test_verify_reads_without_the_queries_of_a_run(account: CosmosServer) -> None:
    account.container.put([document()])
    store = MemoryStore()
    await fold(account.url, store)
    account.queries.clear()

    proof = await verified(account.url, store)

    assert (proof.sessions_equal, account.queries) == (1, [])
    assert account.requests.count("GET /dbs/chat/colls/messages/docs") == 2  # one for each range


@pytest.mark.parametrize(
    ("changed", "differences"),
    [
        ({"content": "other"}, {"content_differs": 1}),
        ({"created_at": "2024-01-01T12:00:01Z"}, {"date_differs": 1, "session_date_differs": 1}),
        ({"metadata": {"a": 1}}, {"metadata_differs": 1}),
        ({"message_type": "assistant"}, {"type_differs": 1}),
        ({"session_id": "s9"}, {"session_missing": 1}),
    ],
    ids=str,
)
async def test_verify_finds_what_has_changed(
    account: CosmosServer, changed: dict[str, object], differences: dict[str, int]
) -> None:
    account.container.put([document(), document("n1", session_id="s2")])
    store = MemoryStore()
    await fold(account.url, store)
    assert (await verified(account.url, store)).differences == {}
    account.container.put([{**document(), **changed}])

    proof = await verified(account.url, store)

    assert proof.differences == differences
    assert proof.sessions_equal == 1


async def test_verify_finds_what_a_run_has_not_brought(account: CosmosServer) -> None:
    account.container.put([document("m1")])
    store = MemoryStore()
    await fold(account.url, store)
    account.container.put([document("m2")])

    proof = await verified(account.url, store)

    assert proof.differences == {"message_missing": 1}
    (example,) = proof.examples
    assert example.place == "document 2"


def test_a_fingerprint_tells_of_every_change(account: CosmosServer) -> None:
    def seen() -> str | None:
        return fingerprint_of(GROUP_MESSAGES, account.url)

    found = [seen()]
    account.container.put([document("m1")])
    found.append(seen())
    account.container.put([document("m2")])
    found.append(seen())
    account.container.put([document("m2", "changed")])
    found.append(seen())
    account.container.remove("m1")
    found.append(seen())

    assert len(set(found)) == 5
    assert seen() == found[-1]


def test_commands_plan_run_verify_and_do_not_finish(account: CosmosServer, tmp_path: Path) -> None:
    account.container.put([document("m1"), document("m2", user_id="bob", session_id="s2")])
    file = tmp_path / "chatfold.db"

    def called(name: str, *more: str) -> tuple[int, str, str]:
        arguments = [name, account.url, "--store", f"sqlite:///{file}", *more]
        result = CliRunner().invoke(migrate_app, ["group-messages", *arguments])
        return result.exit_code, result.stdout, result.stderr

    status, told, _ = called("plan", "--json")
    assert (status, json.loads(told)["sessions"]["created"]) == (0, 2)
    assert not file.exists()
    assert called("run", "--limit", "1")[0] == 0
    assert called("run")[0] == 0
    assert called("verify")[0] == 0

    status, _, complaint = called("finish", "--yes")

    assert status == 3
    assert f"cosmos://{account.host}/chat/messages is nothing that can be finished" in complaint
    assert {one.split()[0] for one in account.requests} == {"GET", "POST"}
    assert all(text.startswith("SELECT") for text, _ in account.queries)
