"""A store's sessions are written as a tree that says the same, and only below its folder."""

import json
from pathlib import Path

from app.domain.identity import SessionKey
from app.domain.source_options import SourceOptions
from app.store.memory import MemoryStore
from app.store.port import SessionStore
from migrations.jobs.nest_sessions import NEST_SESSIONS
from migrations.tree_writing import write_tree
from tests.factories import KEY, make_message, make_new_session
from tests.fake_clock import instant
from tests.lived import live
from tests.migrations.sources import fold, verified
from tests.migrations.test_trees_are_nested import files_below
from tests.migrations.trees import meta, said, write_session


async def test_sessions_are_written_with_what_lives_of_them(
    store: SessionStore, tmp_path: Path
) -> None:
    await live(store)
    other = SessionKey("bob", "nested")
    await store.insert(
        make_new_session(other, messages=[make_message("m")], project_id="p1", session_name="N")
    )

    report = await write_tree(store, tmp_path)

    assert report.sessions == {"written": 2, "there already": 0, "left alone": 0}
    flat = tmp_path / "chat_sessions" / KEY.session_id
    messages = json.loads((flat / "messages.json").read_bytes())
    assert [one["content"] for one in messages] == [
        "said at last", "an answer", "会话的最后"
    ]  # fmt: skip
    assert json.loads((flat / "metadata.json").read_bytes())["title"] == "A long life"
    nested = json.loads((tmp_path / "projects/p1/chat_sessions/nested/metadata.json").read_bytes())
    assert (nested["user_id"], nested["project_id"], nested["title"]) == ("bob", "p1", "N")
    again = await write_tree(store, tmp_path)
    assert again.sessions == {"written": 0, "there already": 2, "left alone": 0}


async def test_a_tree_comes_back_from_the_store_as_it_was(
    store: SessionStore, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    write_session(
        first / "chat_sessions/s1",
        [
            said("a", "one", role="oracle", colour="red"),
            said("b", [{"type": "text", "text": "two"}]),
        ],
        meta(description="D", is_active=False),
    )
    await fold(first, store, job=NEST_SESSIONS)

    await write_tree(store, second)

    messages = json.loads((second / "chat_sessions/s1/messages.json").read_bytes())
    assert (messages[0]["role"], messages[0]["colour"]) == ("oracle", "red")
    assert messages[1]["content"] == [{"type": "text", "text": "two"}]
    metadata = json.loads((second / "chat_sessions/s1/metadata.json").read_bytes())
    assert (metadata["description"], metadata["is_active"]) == ("D", False)
    again = MemoryStore()
    await fold(second, again, job=NEST_SESSIONS)
    assert (await again.read(SessionKey("ada", "s1"))).messages_json == (
        await store.read(SessionKey("ada", "s1"))
    ).messages_json
    assert (await verified(second, again, NEST_SESSIONS)).differences == {}


async def test_ids_that_would_lead_out_are_left_alone(tmp_path: Path) -> None:
    store = MemoryStore()
    root = tmp_path / "tree"
    hostile = ["../../out", "..", ".", "a/b", ".hidden", "x" * 300, "a\\b"]
    for session_id in [*hostile, "good"]:
        await store.insert(make_new_session(SessionKey("ada", session_id)))
    await store.insert(make_new_session(SessionKey("ada", "in"), project_id="../../../out"))

    report = await write_tree(store, root)

    assert set(files_below(tmp_path)) == {
        "tree/chat_sessions/good/metadata.json",
        "tree/chat_sessions/good/messages.json",
    }
    assert {one["session"] for one in report.refused} == {*hostile, "in"}


async def test_links_and_other_content_are_left_alone(tmp_path: Path) -> None:
    store = MemoryStore()
    for session_id, user_id in (("s1", "ada"), ("s1", "bob"), ("s2", "ada")):
        await store.insert(make_new_session(SessionKey(user_id, session_id)))
    await store.append(SessionKey("bob", "s1"), [make_message("m")], at=instant(1))
    outside = tmp_path / "outside"
    outside.mkdir()
    root = tmp_path / "tree"
    (root / "chat_sessions").mkdir(parents=True)
    (root / "chat_sessions/s2").symlink_to(outside)

    report = await write_tree(store, root)

    assert list(outside.iterdir()) == []
    assert report.sessions == {"written": 1, "there already": 0, "left alone": 2}


async def test_only_one_users_sessions_are_written(tmp_path: Path) -> None:
    store = MemoryStore()
    for user_id in ("ada", "bob"):
        await store.insert(make_new_session(SessionKey(user_id, f"of-{user_id}")))

    await write_tree(store, tmp_path, user="bob")

    assert [one.name for one in (tmp_path / "chat_sessions").iterdir()] == ["of-bob"]


async def test_what_an_earlier_attempt_left_is_cleared_away(tmp_path: Path) -> None:
    store = MemoryStore()
    await store.insert(make_new_session(SessionKey("ada", "s1")))
    await write_tree(store, tmp_path)
    (torn,) = (tmp_path / "chat_sessions").iterdir()
    torn.rename(torn.with_name(".writing-" + "e8bc163c82eee18733288c7d4ac636db"))

    await write_tree(store, tmp_path)
    report = await fold(
        tmp_path, MemoryStore(), job=NEST_SESSIONS.told(SourceOptions(default_user="ada"))
    )

    assert report.records.read == 1
    assert [one.name for one in (tmp_path / "chat_sessions").iterdir()] == ["s1"]
