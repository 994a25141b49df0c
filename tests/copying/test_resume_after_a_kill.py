"""A copy that was killed at any moment leaves a target on which a second one completes."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from app.domain.identity import SessionKey
from app.store.comparing import compare_stores
from app.store.copying import copy_store
from app.store.sqlite.store import SQLiteStore
from tests.copying.stores_of_kin import DELETED, fill, whole
from tests.factories import make_messages, make_new_session
from tests.store_kind import Place

ROOT = Path(__file__).resolve().parents[2]
SESSIONS = 60 + 4


async def dying_copy(source: Path, place: Place, session: int, moment: str) -> int:
    environment = {**os.environ, **place.environment}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.copying.copying_process"),
        *(f"sqlite:///{source}", environment["CHATFOLD_STORE"], str(session), moment),
        cwd=ROOT,
        env=environment,
    )
    return await process.wait()


@pytest.mark.parametrize(
    ("session", "moment"),
    [(1, "before"), (1, "during"), (1, "after"), (30, "during"), (31, "after"), (64, "during")],
)
async def test_a_second_copy_completes_what_a_kill_left(
    tmp_path: Path, place: Place, session: int, moment: str
) -> None:
    source = await SQLiteStore.open(tmp_path / "source.db")
    await fill(source)
    for number in range(60):
        key = SessionKey("zoe", f"s{number:02}")
        await source.insert(make_new_session(key, messages=make_messages(1 + number % 9)))
    ended = await dying_copy(tmp_path / "source.db", place, session, moment)
    assert ended == -signal.SIGKILL
    target = await place.open()
    present_before = len(await target.list_keys())

    copied = await copy_store(source, target)

    assert present_before <= session
    assert (copied.present, copied.stored) == (present_before, SESSIONS - present_before)
    assert (copied.replaced, copied.left.counts) == (0, {})
    compared = await compare_stores(source, target)
    assert (compared.equal, compared.differences.counts, compared.missing_marks) == (64, {}, 0)
    assert await whole(target) == await whole(source)
    assert await target.find_deleted([DELETED]) == {DELETED}
    await target.aclose()
    await source.aclose()
