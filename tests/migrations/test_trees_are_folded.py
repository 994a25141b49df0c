"""Trees of JSON files become sessions as far as they are whole; what is lost is told."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain.source_options import SourceOptions
from app.errors import SourceError
from app.formats.session_documents import DAMAGED_MEMBERS
from app.store.memory import MemoryStore
from app.store.port import SessionStore
from migrations.jobs.nest_sessions import NEST_SESSIONS
from migrations.outcomes import Outcome
from migrations.report import RunReport
from tests.migrations.sources import at, contents_of, fold, session_of, verified
from tests.migrations.trees import meta, said, write_session

ADAS = NEST_SESSIONS.told(SourceOptions(default_user="ada"))


async def folded(root: Path, store: SessionStore) -> tuple[RunReport, list[str]]:
    """The report, and what was rejected: places and reasons."""
    outcomes: list[Outcome] = []
    report = await fold(root, store, observer=outcomes.append, job=ADAS)
    proof = await verified(root, store, ADAS)
    assert proof.differences == {}
    return report, [
        f"{one.place}: {one.detail or one.code}" for one in outcomes if one.kind == "rejected"
    ]


async def test_flat_and_nested_folders_become_sessions(store: SessionStore, tmp_path: Path) -> None:
    write_session(
        tmp_path / "chat_sessions/s1",
        [said("a", "one"), said("b", "two", role="assistant", created_at=at(0))],
        meta(is_active=False, description="D"),
    )
    write_session(
        tmp_path / "projects/p1/chat_sessions/s2",
        [said("a", "three")],
        meta(id="s2", project_id="p1", user_id="bob"),
    )

    report, rejected = await folded(tmp_path, store)

    flat, nested = await session_of(store), await session_of(store, "s2", "bob")
    assert [one.content for one in flat.messages] == ["one", "two"]
    assert [one.message_type for one in flat.messages] == ["user", "assistant"]
    assert (flat.session_name, flat.status, flat.project_id) == ("T", "archived", None)
    assert flat.origin is not None
    assert (flat.origin.format, flat.origin.extras) == ("json-tree", {"description": "D"})
    assert (nested.project_id, nested.message_count) == ("p1", 1)
    assert nested.origin is not None
    assert nested.origin.extras == {}
    assert (report.records.read, report.records.folded, rejected) == (5, 5, [])
    again, _ = await folded(tmp_path, store)
    assert again.sessions == {"created": 0, "completed": 0, "unchanged": 2, "refused": 0}


async def test_the_path_goes_before_what_metadata_says(store: SessionStore, tmp_path: Path) -> None:
    write_session(
        tmp_path / "projects/p1/chat_sessions/s1",
        [],
        meta(id="../../etc/passwd", project_id="../elsewhere"),
    )

    await folded(tmp_path, store)

    session = await session_of(store)
    assert (session.id, session.project_id) == ("s1", "p1")
    assert session.origin is not None
    assert session.origin.extras == {"id": "../../etc/passwd", "project_id": "../elsewhere"}


WHOLE = json.dumps([said("a", "one"), said("b", "two"), said("c", "three")]).encode()


@pytest.mark.parametrize(
    ("messages", "contents", "losses"),
    [
        (b"", [], ["messages.json is empty."]),
        (b"\0" * 500, [], ["messages.json holds nothing but null bytes."]),
        (
            WHOLE[:-30],
            ["one", "two"],
            ["messages.json: Bytes 179 to 238 could not be read."],
        ),
        (
            WHOLE[:-1],
            ["one", "two", "three"],
            ["messages.json: The file ends before its array does."],
        ),
        (
            WHOLE + b"\0" * 64,
            ["one", "two", "three"],
            ["messages.json: Bytes 269 to 332 are null."],
        ),
        (
            WHOLE[:90] + b"\0" * 87 + WHOLE[177:],
            ["one", "three"],
            ["messages.json: Bytes 90 to 176 are null."],
        ),
        (
            WHOLE[:130] + json.dumps([said("d", "four")]).encode() + WHOLE[130:],
            ["one", "four", "three"],
            [
                "messages.json: Bytes 90 to 129 could not be read.",
                "messages.json: Bytes 220 to 266 could not be read.",
            ],
        ),
        (b'{"a": 1}', [], ["messages.json holds no array of messages."]),
        (b"\xef\xbb\xbf" + WHOLE.replace(b", ", b",\r\n"), ["one", "two", "three"], []),
    ],
    ids=[
        "empty", "null", "cut", "cut at the end", "null at the end", "null within", "interleaved",
        "no array", "mark and line breaks",
    ],
)  # fmt: skip
async def test_damaged_messages_are_salvaged(
    messages: bytes, contents: list[str], losses: list[str], tmp_path: Path
) -> None:
    write_session(tmp_path / "chat_sessions/s1", messages, meta())
    write_session(tmp_path / "chat_sessions/s2", [said("a", "neighbour")], meta())
    store = MemoryStore()

    _, rejected = await folded(tmp_path, store)

    assert await contents_of(store) == contents
    assert await contents_of(store, "s2") == ["neighbour"]
    assert rejected == [f"chat_sessions/s1: {loss}" for loss in losses]


async def test_an_object_within_a_torn_message_is_no_message(tmp_path: Path) -> None:
    inner = {"calls": [{"x": 1}, said("x", "quoted")], "first": said("y", "quoted too")}
    whole = json.dumps([said("a", "one"), said("b", "torn", metadata=inner)]).encode()
    write_session(tmp_path / "chat_sessions/s1", whole[:-3], meta())
    store = MemoryStore()

    await folded(tmp_path, store)

    assert "quoted too" not in await contents_of(store)
    assert (await contents_of(store))[0] == "one"


@pytest.mark.parametrize(
    ("metadata", "name", "user_id", "losses"),
    [
        (None, None, "ada", ["There is no metadata.json."]),
        (b"", None, "ada", ["metadata.json is empty."]),
        (b"\0\0", None, "ada", ["metadata.json holds nothing but null bytes."]),
        (b"[]", None, "ada", ["metadata.json holds no object."]),
        (
            b'{"user_id": "bob", "title": "Cut", "n": 12',
            "Cut",
            "bob",
            ["metadata.json: Bytes 35 to 41 could not be read."],
        ),
        (
            b'{"user_id": "bob", "title": "New"}tle": "Older and longer"}',
            "New",
            "bob",
            ["metadata.json: Bytes 34 to 58 could not be read."],
        ),
        (
            b'{"user_id": "bob", "title": "\xff"}',
            None,
            "bob",
            [f"metadata.json: {DAMAGED_MEMBERS}"],
        ),
    ],
    ids=["absent", "empty", "null", "no object", "cut", "written over", "no text"],
)
async def test_damaged_metadata_is_salvaged(
    metadata: bytes | None, name: str | None, user_id: str, losses: list[str], tmp_path: Path
) -> None:
    write_session(tmp_path / "chat_sessions/s1", [said("a", "one")], metadata)
    store = MemoryStore()

    _, rejected = await folded(tmp_path, store)

    session = await session_of(store, "s1", user_id)
    assert (session.session_name, session.message_count) == (name, 1)
    assert rejected == [f"chat_sessions/s1: {loss}" for loss in losses]


async def test_links_out_of_the_tree_are_not_followed(tmp_path: Path) -> None:
    outside = write_session(tmp_path / "outside/chat_sessions/secret", [said("a", "x")], meta())
    root = tmp_path / "tree"
    inside = write_session(root / "chat_sessions/s1", [said("a", "one")], meta())
    (root / "chat_sessions/s2").symlink_to(outside)
    (root / "projects").mkdir()
    (root / "projects/p").symlink_to(tmp_path / "outside")
    write_session(root / "chat_sessions/s3", None, meta())
    (root / "chat_sessions/s3/messages.json").symlink_to(outside / "messages.json")
    (root / "chat_sessions/s4").symlink_to(inside)
    os.mkfifo(write_session(root / "chat_sessions/s5", None, meta()) / "messages.json")
    store = MemoryStore()

    _, rejected = await folded(root, store)

    keys = [key.session_id for key in await store.list_keys()]
    assert keys == ["s1", "s3", "s4", "s5"]
    assert await contents_of(store, "s3") == []
    assert await contents_of(store, "s4") == ["one"]
    assert rejected == [
        "chat_sessions/s2: metadata.json leads out of the tree.",
        "chat_sessions/s2: messages.json leads out of the tree.",
        "chat_sessions/s3: messages.json leads out of the tree.",
        "chat_sessions/s5: messages.json is no file.",
        "projects/p/chat_sessions: metadata.json leads out of the tree.",
        "projects/p/chat_sessions: messages.json leads out of the tree.",
    ]


async def test_hostile_metadata_is_kept(store: SessionStore, tmp_path: Path) -> None:
    deep: Any = 1
    for _ in range(150):
        deep = [deep]
    hostile = {"$where": "1", "a.b.c": {"$gt": ""}, "__proto__": {}, "k" * 100_000: 1}
    write_session(
        tmp_path / "chat_sessions/s1",
        [said("a", "one", metadata=hostile), said("b", "two", metadata={"deep": deep})],
        meta(metadata={"$set": {"x.y": 1}}, context={"n": float("nan")}, **hostile),
    )

    _, rejected = await folded(tmp_path, store)

    session = await session_of(store)
    assert session.metadata == {"$set": {"x.y": 1}}
    assert session.context == {"n": {"$numberDouble": "NaN"}}
    assert session.origin is not None
    assert session.origin.extras == hostile
    assert session.messages[0].metadata == hostile
    kept = session.messages[1].metadata["chatfold:source"]["json"]
    assert json.loads(kept) == {"metadata": {"deep": deep}}
    assert rejected == []


async def test_a_folder_without_sessions_is_no_tree(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="holds neither chat_sessions nor projects"):
        await fold(tmp_path, MemoryStore(), job=ADAS)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(data=st.data())
async def test_any_bytes_in_any_file_have_outcomes(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("tree")
    for number in range(2):
        files: list[bytes] = []
        for whole in (WHOLE, json.dumps(meta()).encode()):
            start = data.draw(st.integers(0, len(whole)))
            stop = data.draw(st.integers(start, len(whole)))
            junk = data.draw(st.binary(max_size=30))
            files.append(whole[:start] + junk + whole[stop:])
        write_session(root / f"chat_sessions/s{number}", *files)

    report, _ = await folded(root, MemoryStore())

    assert report.records.read >= 2
