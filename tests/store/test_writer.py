"""The writer's promise: one commit for many, and no job's failure is another's."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import apsw
import pytest

from app.errors import ConflictError
from app.store.sqlite.statements import rows, run
from app.store.sqlite.writer import Writer


@pytest.fixture
async def writer(path: Path) -> AsyncIterator[Writer]:
    path.parent.mkdir()
    writer = Writer(path, chores=(), write_timeout_seconds=10)
    writer.start(_make_table)
    yield writer
    await writer.aclose()


def _make_table(connection: apsw.Connection) -> None:
    run(connection, "CREATE TABLE IF NOT EXISTS note (text TEXT)")


def _notes(connection: apsw.Connection) -> list[str]:
    return [text for (text,) in rows(connection, "SELECT text FROM note ORDER BY rowid")]


def _adding(text: str, *, then: Exception | None = None) -> Callable[[apsw.Connection], str]:
    def work(connection: apsw.Connection) -> str:
        run(connection, "INSERT INTO note VALUES (?)", (text,))
        if then is not None:
            raise then
        return text

    return work


async def test_jobs_are_done_in_the_order_they_came(writer: Writer) -> None:
    texts = [str(number) for number in range(600)]

    answers = await asyncio.gather(*(writer.run(_adding(text)) for text in texts))

    assert answers == texts
    assert await writer.run(_notes) == texts


@pytest.mark.parametrize("error", [ConflictError("late"), ValueError("a defect")])
async def test_what_a_job_wrote_before_it_failed_is_undone_and_the_others_stay(
    writer: Writer, error: Exception
) -> None:
    outcomes = await asyncio.gather(
        writer.run(_adding("first")),
        writer.run(_adding("half", then=error)),
        writer.run(_adding("last")),
        return_exceptions=True,
    )

    assert list[object](outcomes) == ["first", error, "last"]
    assert await writer.run(_notes) == ["first", "last"]


async def test_a_job_whose_caller_has_gone_is_not_begun(writer: Writer) -> None:
    gone = asyncio.ensure_future(writer.run(_adding("gone")))
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)

    await writer.run(_adding("stays"))

    assert await writer.run(_notes) == ["stays"]


async def test_what_is_done_is_let_go_of_long_before_its_deadline(writer: Writer) -> None:
    class Large:
        """Stands for the bytes that a job carries."""

    large = Large()
    is_alive = weakref.ref(large)

    def work(_connection: apsw.Connection, carried: Large = large) -> str:
        return type(carried).__name__

    del large
    await writer.run(work)
    del work

    await writer.run(_notes)
    await writer.run(_notes)
    gc.collect()

    assert is_alive() is None


async def test_closing_commits_what_waits(path: Path) -> None:
    path.parent.mkdir()
    writer = Writer(path, chores=(), write_timeout_seconds=10)
    writer.start(_make_table)
    waiting = [asyncio.ensure_future(writer.run(_adding(str(n)))) for n in range(50)]
    await asyncio.sleep(0)  # lets each of them take its place in the queue

    await writer.aclose()

    assert await asyncio.gather(*waiting) == [str(n) for n in range(50)]
    assert not path.with_name(path.name + "-wal").stat().st_size


async def test_a_chore_runs_until_it_says_that_nothing_is_left(path: Path) -> None:
    path.parent.mkdir()
    left = [3]
    is_done = asyncio.Event()
    loop = asyncio.get_running_loop()

    def chore(connection: apsw.Connection) -> bool:
        run(connection, "INSERT INTO note VALUES ('swept')")
        left[0] -= 1
        if left[0] == 0:
            loop.call_soon_threadsafe(is_done.set)
        return left[0] > 0

    writer = Writer(path, chores=(chore,), write_timeout_seconds=10)
    writer.start(_make_table)

    await is_done.wait()

    assert await writer.run(_notes) == ["swept"] * 3
    await writer.aclose()
