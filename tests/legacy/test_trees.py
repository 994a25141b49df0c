"""Trees of JSON files, flat and nested, are served as a run would fold them."""

from collections.abc import Hashable
from pathlib import Path

import pytest

from app.domain.identity import SessionKey
from app.domain.limits import StoreLimits
from app.errors import LegacySourceUnavailableError, SourceError
from app.formats.port import Source
from app.legacy.folding_store import FoldingStore
from app.legacy.indexed_source import IndexedSource
from app.legacy.legacy_format import FORMATS
from app.legacy.opening import open_sources
from app.legacy.readable_files import OneTree
from app.store.memory import MemoryStore
from migrations.jobs.nest_sessions import NEST_SESSIONS
from tests.factories import make_message
from tests.fake_clock import instant
from tests.legacy.comparing import assert_the_same, legacy
from tests.migrations.trees import meta, said, write_session

FLAT = SessionKey("ada", "flat")
NESTED = SessionKey("ada", "nested")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    write_session(root / "chat_sessions" / "flat", [said("m1", "One.")], meta(title="Flat"))
    write_session(
        root / "chat_sessions" / "damaged", b'[{"id": "m1", "content": "x"}, {"id"', meta()
    )
    write_session(
        root / "projects" / "garden" / "chat_sessions" / "nested",
        [said("m1", "Two."), said(None, "Three.")],
        meta(user_id="ada"),
    )
    write_session(root / "chat_sessions" / "nobodys", [said("m1", "Whose?")], {"title": "x"})
    return root


async def test_both_kinds_are_the_same_before_they_are_folded(tree: Path) -> None:
    count = await assert_the_same(f"json-tree={tree}", NEST_SESSIONS, tree)

    assert count == 3


async def test_a_session_keeps_its_project(tree: Path) -> None:
    async with legacy(f"json-tree={tree}") as store:
        header = (await store.read(NESTED)).header()
        listed = await store.list_summaries("ada")

    assert header.project_id == "garden"
    assert all(one.endswith(b',"is_legacy":true}') for one in listed.items)
    assert len(listed.items) == 3


async def test_what_changes_in_a_file_is_seen(tree: Path) -> None:
    async with legacy(f"json-tree={tree}") as store:
        before = (await store.read(FLAT)).messages()
        write_session(tree / "chat_sessions" / "new", [said("m1", "New.")], meta())
        messages = tree / "chat_sessions" / "flat" / "messages.json"
        messages.write_bytes(messages.read_bytes().replace(b"One.", b"One, and more."))

        after = (await store.read(FLAT)).messages()
        new = (await store.read(SessionKey("ada", "new"))).messages()

    assert [one.content for one in before] == ["One."]
    assert [one.content for one in after] == ["One, and more."]
    assert [one.content for one in new] == ["New."]


async def test_what_is_folded_is_served_though_the_tree_is_gone(tree: Path) -> None:
    async with legacy(f"json-tree={tree}") as store:
        await store.append(FLAT, [make_message("new")], at=instant(0))
        tree.rename(tree.with_name("elsewhere"))

        assert (await store.read(FLAT)).header().message_count == 2
        with pytest.raises(LegacySourceUnavailableError):
            await store.read(NESTED)
        with pytest.raises(LegacySourceUnavailableError):
            await store.list_summaries("ada")

        tree.with_name("elsewhere").rename(tree)
        assert (await store.read(NESTED)).header().message_count == 2


async def test_a_file_that_cannot_be_read_is_no_loss_but_a_failure(tree: Path) -> None:
    messages = tree / "chat_sessions" / "flat" / "messages.json"
    messages.rename(messages.with_name("elsewhere"))
    messages.symlink_to(messages)  # to be opened never, also by those who may read everything

    async with legacy(f"json-tree={tree}") as store:
        with pytest.raises(LegacySourceUnavailableError):
            await store.read(FLAT)
        with pytest.raises(LegacySourceUnavailableError):
            await store.find_version(SessionKey("ada", "no such session"))

        messages.unlink()
        messages.with_name("elsewhere").rename(messages)
        assert (await store.read(FLAT)).header().message_count == 1


class LockedTree(OneTree):
    """A tree that may not be read the first time, and looks the same after that."""

    is_locked = True

    def state(self) -> Hashable:
        return "unchanged"

    def opened(self) -> Source:
        if self.is_locked:
            raise SourceError("Permission denied.")
        return super().opened()


@pytest.mark.parametrize(("retry_seconds", "is_served"), [(0.0, True), (3600.0, False)])
async def test_what_could_not_be_read_is_tried_again(
    tree: Path, retry_seconds: float, is_served: bool
) -> None:
    files = LockedTree(tree)
    source = IndexedSource(FORMATS["json-tree"], files, StoreLimits(), retry_seconds=retry_seconds)
    with pytest.raises(LegacySourceUnavailableError):
        await source.find(FLAT)
    files.is_locked = False

    try:
        found = await source.find(FLAT)
    except LegacySourceUnavailableError:
        found = None
    await source.aclose()

    assert (found is not None) is is_served


async def test_a_tree_may_be_there_later(tmp_path: Path) -> None:
    store = MemoryStore()
    sources = await open_sources([f"json-tree={tmp_path / 'later'}"], store.limits)
    folding = FoldingStore(store, sources)
    with pytest.raises(LegacySourceUnavailableError):
        await folding.list_summaries("ada")

    write_session(tmp_path / "later" / "chat_sessions" / "flat", [said("m1", "One.")], meta())

    assert (await folding.read(FLAT)).header().message_count == 1
    await sources[0].aclose()
