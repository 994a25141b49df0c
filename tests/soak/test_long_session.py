"""One very long session, appended to, edited and read: every place holds what it should."""

from pathlib import Path

import pytest

from app.domain.message import MessageEdit
from app.store.port import ReadSelection
from app.store.sqlite.store import SQLiteStore
from tests.factories import KEY, make_messages, make_new_session
from tests.fake_clock import START


@pytest.mark.timeout(3000)
async def test_a_very_long_session_stays_whole(tmp_path: Path, scale: int) -> None:
    batches, batch = 4 * scale, 1000
    store = await SQLiteStore.open(tmp_path / "chats.db")
    await store.insert(make_new_session())
    expected = [f"the text of m{number}" for number in range(batches * batch)]

    for first in range(0, batches * batch, batch):
        await store.append(KEY, make_messages(batch, first=first), at=START)
        edited = first // 2
        await store.edit_message(
            KEY, f"m{edited}", MessageEdit(content=f"edited {edited}", at=START)
        )
        expected[edited] = f"edited {edited}"
        last = await store.read(KEY, ReadSelection(after_seq=first + batch - 3))
        assert [m.seq for m in last.messages()] == [first + batch - 2, first + batch - 1]

    messages = (await store.read(KEY)).messages()
    assert [message.seq for message in messages] == list(range(batches * batch))
    assert [message.content for message in messages] == expected
    await store.aclose()
