"""Long sessions in few pieces: what is sealed into runs reads, edits and counts like the rest."""

from pathlib import Path

import apsw

from app.domain.message import ChatMessage, MessageEdit
from app.store.port import MessageWindow, ReadSelection
from app.store.sqlite.store import SQLiteStore
from tests.factories import KEY, make_message, make_messages, make_new_session
from tests.fake_clock import START


def _runs_and_tail(path: Path) -> tuple[int, int]:
    connection = apsw.Connection(str(path))
    (runs,) = connection.execute("SELECT count(*) FROM run").fetchone()  # type: ignore[misc]
    (tail,) = connection.execute(  # type: ignore[misc]
        "SELECT count(*) FROM message WHERE body IS NOT NULL"
    ).fetchone()
    connection.close()
    return runs, tail


async def test_older_messages_are_joined_and_the_newest_are_not(
    store: SQLiteStore, path: Path
) -> None:
    await store.insert(make_new_session())

    for message in make_messages(300):
        await store.append(KEY, [message], at=START)

    assert _runs_and_tail(path) == (3, 108)
    ids = [message.id for message in (await store.read(KEY)).messages()]
    assert ids == [f"m{number}" for number in range(300)]


async def test_a_large_batch_is_sealed_at_once(store: SQLiteStore, path: Path) -> None:
    await store.insert(make_new_session())

    await store.append(KEY, make_messages(1000), at=START)

    assert _runs_and_tail(path) == (14, 104)


async def test_large_messages_make_runs_of_their_own(store: SQLiteStore, path: Path) -> None:
    large = "x" * 700_000

    await store.insert(
        make_new_session(messages=[make_message(f"m{number}", large) for number in range(5)])
    )

    assert _runs_and_tail(path) == (5, 0)
    page = await store.list_messages(KEY, MessageWindow(limit=2, offset=3))
    assert [ChatMessage.from_json(body).id for body in page.messages_json] == ["m3", "m4"]


async def test_a_sealed_message_is_edited_in_its_run(store: SQLiteStore) -> None:
    await store.insert(make_new_session(messages=make_messages(200)))
    before = await store.read(KEY)

    for number in (0, 63, 64, 199):
        edit = MessageEdit(content=f"edited {number}" * 20, at=START)
        await store.edit_message(KEY, f"m{number}", edit)
    await store.delete_message(KEY, "m100", START)

    messages = (await store.read(KEY)).messages()
    assert [message.seq for message in messages] == list(range(200))
    changed = [m.seq for m, was in zip(messages, before.messages(), strict=True) if m != was]
    assert changed == [0, 63, 64, 100, 199]
    since = await store.read(KEY, ReadSelection(since=before.version))
    assert [message.seq for message in since.messages()] == [0, 63, 64, 100, 199]


async def test_any_part_of_a_long_session_can_be_read(store: SQLiteStore) -> None:
    await store.insert(make_new_session(messages=make_messages(130)))
    await store.append(KEY, make_messages(200, first=130), at=START)

    for after_seq in (
        -1,
        0,
        62,
        63,
        64,
        127,
        128,
        129,
        130,
        192,
        193,
        250,
        328,
        329,
        400,
        2**63 - 1,
    ):
        read = await store.read(KEY, ReadSelection(after_seq=after_seq))
        assert [message.seq for message in read.messages()] == list(range(after_seq + 1, 330))
    for start in (0, 63, 64, 129, 130, 191, 192, 200, 325, 330, 500, 2**64):
        page = await store.list_messages(KEY, MessageWindow(limit=7, offset=start))
        seqs = [ChatMessage.from_json(body).seq for body in page.messages_json]
        assert seqs == list(range(start, min(start + 7, 330)))
