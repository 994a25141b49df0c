"""`chatfold store init` and `shard`: they do what is missing, and say what it was."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from app.cli import main
from tests.mongo.wire.server import WireServer, refusal

INDEXES = [
    "sessions.activity",
    "sessions.creation",
    "sessions.newest_messages",
    "sessions.keys",
    "sessions.owners",
    "segments.chain",
    "segments.message_keys",
    "segments.terms",
    "chores.due",
    "ledgers.run",
    "ledgers.runs",
    "ledgers.owners",
    "documents.kinds",
    "documents.groups",
    "documents.keys",
]


async def run(*arguments: str) -> int:
    """The exit status of a command that runs beside the server."""

    def status() -> int:
        with pytest.raises(SystemExit) as ended:
            main.run(arguments)
        assert isinstance(ended.value.code, int)
        return ended.value.code

    return await asyncio.to_thread(status)


@pytest.fixture
def mongos(wire: WireServer) -> str:
    """The server as the entrance to a cluster."""
    wire.greeting["msg"] = "isdbgrid"
    wire.answers |= {"enableSharding": {}, "shardCollection": {}}
    return wire.url


# --- init ---------------------------------------------------------------------------------------


async def test_a_store_is_made_with_its_identity_and_indexes(
    wire: WireServer, capsys: pytest.CaptureFixture[str]
) -> None:
    status = await run("store", "init", "--store", wire.url)

    assert status == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{wire.url}: created",
        "  the store's identity in meta",
        *(f"  the index {name}" for name in INDEXES),
    ]
    assert len(wire.data["chatfold"]["meta"].find_one({"_id": "store"})["secret"]) == 32


async def test_again_nothing_is_missing_and_nothing_changes(
    wire: WireServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHATFOLD_STORE", wire.url)
    assert await run("store", "init") == 0
    before = wire.data["chatfold"]["meta"].find_one({"_id": "store"})
    capsys.readouterr()

    status = await run("store", "init")

    assert status == 0
    assert capsys.readouterr().out == f"Nothing was missing in {wire.url}.\n"
    assert wire.data["chatfold"]["meta"].find_one({"_id": "store"}) == before


async def test_an_index_that_was_lost_is_made_anew(
    wire: WireServer, capsys: pytest.CaptureFixture[str]
) -> None:
    await run("store", "init", "--store", wire.url)
    wire.data["chatfold"]["sessions"].drop_index("owners")
    capsys.readouterr()

    await run("store", "init", "--store", wire.url, "--json")

    assert json.loads(capsys.readouterr().out) == {
        "store": wire.url,
        "created": ["the index sessions.owners"],
    }


async def test_a_file_is_made_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"sqlite:///{tmp_path}/new.db"

    first = await run("store", "init", "--store", url)
    second = await run("store", "init", "--store", url)

    assert (first, second) == (0, 0)
    assert capsys.readouterr().out.splitlines() == [
        f"{url}: created",
        f"  the file {tmp_path}/new.db",
        f"Nothing was missing in {url}.",
    ]


async def test_rules_of_the_service_do_not_hinder_an_operator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHATFOLD_HOST", "0.0.0.0")  # noqa: S104 - as the image sets it
    monkeypatch.setenv("CHATFOLD_AUTH", "jwt")
    monkeypatch.setenv("CHATFOLD_STORE", f"sqlite:///{tmp_path}/new.db")

    assert await run("store", "init") == 0


async def test_a_password_is_not_shown(
    wire: WireServer, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    wire.failures["saslStart"] = refusal(18, "Authentication failed.")
    secret_url = wire.url.replace("//", "//ada:s3cret@")

    status = await run("store", "init", "--store", secret_url)

    captured = capsys.readouterr()
    assert status == 3
    assert captured.err == (
        "chatfold: The database refuses the credentials, or they do not allow this.\n"
    )
    assert "s3cret" not in captured.out + captured.err + caplog.text


async def test_an_index_with_more_beside_an_array_is_made_of_the_array_where_that_is_refused(
    wire: WireServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "app")

    async def refuse_compound_arrays(command: Any, answer: Any) -> Any:
        (index,) = command["indexes"]
        if list(index["key"]) == ["user_id", "terms"]:
            return {"ok": 0, "code": 67, "errmsg": "no compound index on an array"}
        return answer(command)

    wire.failures["createIndexes"] = refuse_compound_arrays

    status = await run("store", "init", "--store", wire.url)

    made = wire.data["chatfold"]["segments"].index_information()
    assert status == 0
    assert list(made["terms"]["key"]) == [("terms", 1)]
    assert list(made["message_keys"]["key"]) == [("message_keys", 1)]
    assert "The index segments.terms is made of terms alone" in caplog.text


# --- shard --------------------------------------------------------------------------------------


async def test_a_cluster_divides_everything_by_keys_of_its_own(
    mongos: str, wire: WireServer, capsys: pytest.CaptureFixture[str]
) -> None:
    status = await run("store", "shard", "--store", mongos)

    assert status == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{mongos}: divided",
        "  chatfold.sessions by {user_id: 1, _id: 1}",
        "  chatfold.segments by {user_id: 1, generation: 1}",
        "  chatfold.chores by {_id: hashed}",
        "  chatfold.ledgers by {_id: hashed}",
        "  chatfold.documents by {user_id: 1, _id: 1}",
    ]
    sent = [command.body for command in wire.commands if command.name == "shardCollection"]
    assert [(body["shardCollection"], body["key"]) for body in sent] == [
        ("chatfold.sessions", {"user_id": 1, "_id": 1}),
        ("chatfold.segments", {"user_id": 1, "generation": 1}),
        ("chatfold.chores", {"_id": "hashed"}),
        ("chatfold.ledgers", {"_id": "hashed"}),
        ("chatfold.documents", {"user_id": 1, "_id": 1}),
    ]
    enabled = [command.body for command in wire.commands if command.name == "enableSharding"]
    assert [body["enableSharding"] for body in enabled] == ["chatfold"]


async def test_each_shard_key_has_an_index_before_it_is_set(mongos: str, wire: WireServer) -> None:
    await run("store", "shard", "--store", mongos)

    indexed: dict[str, list[list[str]]] = {}
    for command in wire.commands:
        if command.name == "createIndexes":
            keys = [list(index["key"]) for index in command.body["indexes"]]
            indexed.setdefault(command.body["createIndexes"], []).extend(keys)
        if command.name == "shardCollection":
            fields = list(command.body["key"])
            collection = command.body["shardCollection"].removeprefix("chatfold.")
            assert any(key[: len(fields)] == fields for key in indexed[collection])


async def test_what_is_divided_already_stays_as_it_is(
    mongos: str, wire: WireServer, capsys: pytest.CaptureFixture[str]
) -> None:
    known = wire.data["config"]["collections"]
    known.insert_many([{"_id": "chatfold.sessions"}, {"_id": "chatfold.segments"}])

    await run("store", "shard", "--store", mongos, "--json")
    rest = ("chatfold.chores", "chatfold.ledgers", "chatfold.documents")
    known.insert_many([{"_id": name} for name in rest])
    await run("store", "shard", "--store", mongos)

    first, second = capsys.readouterr().out.splitlines()
    assert json.loads(first)["divided"] == [
        "chatfold.chores by {_id: hashed}",
        "chatfold.ledgers by {_id: hashed}",
        "chatfold.documents by {user_id: 1, _id: 1}",
    ]
    assert second == f"All was divided already in {mongos}."


async def test_a_single_server_cannot_divide(
    wire: WireServer, capsys: pytest.CaptureFixture[str]
) -> None:
    status = await run("store", "shard", "--store", wire.url)

    assert status == 2
    assert capsys.readouterr().err == (
        "chatfold: The store's URL is not one of a sharded cluster: "
        "only a mongos can divide collections.\n"
    )
    assert "createIndexes" not in wire.names()


@pytest.mark.parametrize("url", ["sqlite:///chats.db", "memory://"])
async def test_other_stores_cannot_divide(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    status = await run("store", "shard", "--store", url)

    assert status == 2
    assert capsys.readouterr().err == (
        f"chatfold: The store '{url}' is not one of a sharded cluster of MongoDB.\n"
    )


async def test_cosmos_divides_collections_when_it_makes_them(
    cosmos: str, wire: WireServer, capsys: pytest.CaptureFixture[str]
) -> None:
    wire.answers["customAction"] = {}

    status = await run("store", "shard", "--store", cosmos)

    assert status == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{cosmos}: divided",
        "  chatfold.sessions by {user_id: hashed}",
        "  chatfold.segments by {user_id: hashed}",
        "  chatfold.chores by {_id: hashed}",
        "  chatfold.ledgers by {_id: hashed}",
        "  chatfold.documents by {user_id: hashed}",
    ]
    sent = [command.body for command in wire.commands if command.name == "customAction"]
    assert [(body["customAction"], body["collection"], body["shardKey"]) for body in sent] == [
        ("CreateCollection", "sessions", "user_id"),
        ("CreateCollection", "segments", "user_id"),
        ("CreateCollection", "chores", "_id"),
        ("CreateCollection", "ledgers", "_id"),
        ("CreateCollection", "documents", "user_id"),
    ]


@pytest.mark.parametrize("is_divided", [True, False])
async def test_cosmos_cannot_divide_what_is_there(
    cosmos: str, wire: WireServer, is_divided: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("sessions", "segments", "chores", "ledgers", "documents"):
        wire.data["chatfold"].create_collection(name)
    wire.answers["customAction"] = {"shardKeyDefinition": {"any": "hashed"}} if is_divided else {}

    status = await run("store", "shard", "--store", cosmos)

    captured = capsys.readouterr()
    if is_divided:
        assert (status, captured.out) == (0, f"All was divided already in {cosmos}.\n")
    else:
        assert status == 2
        assert captured.err == (
            "chatfold: chatfold.sessions was made without a shard key, and gets none any more: "
            "begin with `chatfold store shard` on an empty database, then copy the store there.\n"
        )
