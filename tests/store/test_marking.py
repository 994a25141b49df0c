"""Marks are keyed, the same for ever, and the secret that keys them is given once."""

from pathlib import Path

import pytest

from app.store.factory import open_store
from app.store.marking import Marking
from tests.factories import make_new_session
from tests.fake_clock import START

SECRET = b"s" * 32


def test_marks_do_not_change_from_release_to_release() -> None:
    marking = Marking(SECRET)

    assert marking.mark("ada", "session").hex() == "cbcf29c53168740dd8a0810e9f16bb3f"
    assert marking.mark("ada").hex() == "e93b74e6c6ad0996400af5eb3653023e"


def test_no_two_lists_of_parts_share_a_mark() -> None:
    marking = Marking(SECRET)
    lists = [("a", "b"), ("ab",), ("a,1:b",), ("", "ab"), ("b", "a"), ("a", "b", "")]

    assert len({marking.mark(*parts) for parts in lists}) == 6


def test_another_secret_makes_other_marks() -> None:
    assert Marking(SECRET).mark("ada") != Marking(b"t" * 32).mark("ada")


async def secret_of(url: str, new_secret: bytes | None) -> bytes:
    """What a store that is opened like this marks deletions with."""
    store = await open_store(url, new_secret=new_secret)
    await store.aclose()
    return store.marking_secret


async def test_a_file_takes_the_secret_it_is_made_with_and_keeps_it(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/chatfold.db"

    assert await secret_of(url, SECRET) == SECRET
    assert await secret_of(url, None) == SECRET


async def test_a_file_that_holds_nothing_takes_another_secret(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/chatfold.db"
    first = await secret_of(url, None)

    assert await secret_of(url, SECRET) == SECRET != first
    assert await secret_of(url, None) == SECRET


@pytest.mark.parametrize("what", ["a session", "a mark"])
async def test_a_file_that_holds_anything_keeps_its_secret(tmp_path: Path, what: str) -> None:
    url = f"sqlite:///{tmp_path}/chatfold.db"
    store = await open_store(url, new_secret=SECRET)
    if what == "a session":
        await store.insert(make_new_session())
    else:
        await store.erase_user("eve", START)
    await store.aclose()

    assert await secret_of(url, b"t" * 32) == SECRET


async def test_a_store_in_memory_takes_the_secret_it_is_made_with() -> None:
    store = await open_store("memory://", new_secret=SECRET)

    assert store.marking_secret == SECRET
